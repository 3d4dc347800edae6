"""`python -m scripts.reference_pipeline --folder FOLDER [--port N] [FILE...]`: ingest the files, then serve a page that asks."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from flask import Flask, Response, jsonify, request

from scripts.reference_pipeline.models import unpack
from scripts.reference_pipeline.pipeline import Reference

PAGE = """<!doctype html><title>Ask your documents</title><form id=f><input name=q size=60 autofocus><button>Ask</button></form><pre id=a></pre>
<script>f.onsubmit=async e=>{e.preventDefault();const r=await fetch("/ask",{method:"POST",headers:{"Content-Type":"application/json"},
body:JSON.stringify({question:f.q.value})});a.textContent=JSON.stringify(await r.json(),null,1)}</script>"""


def create_app(reference: Reference) -> Flask:
    app = Flask(__name__)

    @app.get("/")
    def page() -> str:
        return PAGE

    @app.post("/retrieve")
    def retrieve() -> Response:
        return jsonify([passage.text for passage in reference.retrieve(request.get_json()["question"])])

    @app.post("/ask")
    def ask() -> Response:
        answer, passages = reference.ask(request.get_json()["question"])
        return jsonify({"answer": answer, "passages": [{"document": p.document, "page": p.page, "text": p.text} for p in passages]})

    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.reference_pipeline")
    parser.add_argument("--folder", type=Path, required=True, help="where Chroma keeps its files")
    parser.add_argument("--models", type=Path, help="where the models are, or are to be unpacked; a temporary folder unless told")
    parser.add_argument("--port", type=int, default=8766)
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        reference = Reference(given.folder, unpack(given.models or Path(temporary)))
        reference.ingest(given.files)
        create_app(reference).run(port=given.port)


if __name__ == "__main__":
    main()
