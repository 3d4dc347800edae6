"""The arrows of docs/architecture.md: who may import whom, and that each heavy library has one importer."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VALUES = {"documents", "errors", "printable", "sentences"}
ALLOWED = {
    "documents": set(),
    "errors": set(),
    "sentences": set(),
    "printable": set(),
    "durable": {"errors"},
    "licences": set(),
    "config": {"errors", "manifest"},
    "minisign": {"durable"},
    "manifest": {"errors", "minisign"},
    "integrity": {"durable", "errors", "manifest"},
    "trust": {"durable", "errors", "manifest", "minisign"},
    "carrying": VALUES | {"durable", "integrity", "manifest", "minisign"},
    "offline": VALUES,
    "library": VALUES | {"durable"},
    # What is kept of it is in the library; what the saver changes are parameters of models.
    "energy": VALUES | {"durable", "library", "models"},
    # Models know the manifest's entry that describes them: the seam between build time and run time.
    "models": VALUES | {"manifest"},
    # The converter's process shuts its own network with the filter of `offline`.
    "ingest": VALUES | {"durable", "library", "models", "offline"},
    "answer": VALUES | {"library", "models"},
    # What another program may ask of the library.
    "mcp": VALUES | {"library", "answer"},
    # The broker shuts itself in with the filter of `offline`; Chroma's client, which it runs, is the library's.
    "basecamp": VALUES | {"library", "models", "offline"},
    # What a machine needs is in the manifest and in the models' entries there; what a disk is, `carrying` knows.
    "machine": VALUES | {"config", "manifest", "models", "carrying"},
    # A shelf holds models of the bundle and added ones; what one needs is measured against the machine.
    "shelf": VALUES | {"durable", "integrity", "licences", "machine", "manifest", "models"},
    # A pack is read by the library's code; embedding one again needs the splitter; `carrying` knows how large a file its disk takes.
    "packs": VALUES | {"durable", "library", "models", "ingest", "minisign", "carrying"},
    # Who else may use the appliance: keys of programs, guests of a local network.
    "access": VALUES | {"durable"},
    "runtime": VALUES
    | {
        "access",
        "basecamp",
        "energy",
        "config",
        "manifest",
        "integrity",
        "trust",
        "offline",
        "library",
        "models",
        "ingest",
        "answer",
        "machine",
        "packs",
        "shelf",
    },
}
EVERYTHING = {*ALLOWED, "contests", "web", "commands", "cli"}
ONE_IMPORTER = {
    "chromadb": "appliance/library",
    "httpx": "appliance/library/vectors_server.py",  # in the broker alone: Chroma's client, sent another way
    "onnxruntime": ("appliance/models/embedder.py", "bundle/prepare.py"),  # runs the model; quantises it at build time
    "tokenizers": "appliance/models/embedder.py",
    "llama_cpp": ("appliance/models/engine.py", "appliance/models/sampler.py"),  # both in the child process alone
    "sqlite3": "appliance/library",
    "cryptography": "appliance/minisign.py",
    "flask": "appliance/web",
    "waitress": "appliance/web/server.py",
    "segno": "appliance/access/code.py",
    "pypdf": "appliance/ingest/converters",
    "docx": "appliance/ingest/converters",
    "pptx": "appliance/ingest/converters",
    "openpyxl": "appliance/ingest/converters",
    "odfdo": "appliance/ingest/converters",
    "selectolax": "appliance/ingest/converters",
    "sentence_transformers": "bundle/prepare.py",
    "torch": "bundle/prepare.py",
    "huggingface_hub": "bundle/sources/hub.py",
    "httpx2": "bundle/sources/transfer.py",
    "filelock": ("bundle/sources/store.py", "bundle/prepare.py"),  # a download at a time; a preparation at a time
    "rich": "bundle/bars.py",
    "cyclonedx": "bundle/sbom.py",
    "license_expression": "bundle/software.py",
    "gguf": "bundle/split.py",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            if node.module == "appliance":
                yield from (f"appliance.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    parts = path.relative_to(ROOT / "appliance").with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize("path", modules("appliance"), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_in_the_appliance_go_one_way(path: Path) -> None:
    here = room(path)
    allowed = ALLOWED.get(here, EVERYTHING) | {here, "__version__"}
    for name in imports(path):
        assert name.split(".")[0] not in {"bundle", "scripts", "tests"}, f"{path} imports {name}"
        if name.startswith("appliance."):
            assert name.split(".")[1] in allowed, f"{here} may not import {name}"


@pytest.mark.parametrize("path", modules("bundle"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_builder_uses_only_the_contract_with_the_appliance(path: Path) -> None:
    rooms = ("manifest", "integrity", "durable", "minisign", "errors", "licences", "carrying", "printable", "models.embedder", "__version__")
    allowed = tuple(f"appliance.{room}" for room in rooms)
    for name in imports(path):
        assert not name.startswith("appliance.") or name.startswith(allowed), f"{path} imports {name}"


@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_each_heavy_library_is_imported_in_one_place(library: str) -> None:
    found = {str(path.relative_to(ROOT)) for package in ("appliance", "bundle") for path in modules(package) if library in roots(path)}
    elsewhere = {path for path in found if not path.startswith(ONE_IMPORTER[library])}
    assert not elsewhere, f"{library} is imported in {elsewhere}"
    assert found, f"nothing imports {library} any more: delete it from the lock and from here"


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def test_no_room_is_too_large() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for package in ("appliance", "bundle", "scripts") for path in modules(package)}
    large = {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > 400}
    assert not large


def test_every_import_of_the_appliance_is_in_the_lock_that_is_carried() -> None:
    carried = {line.split("==")[0].lower().replace("-", "_") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    carried |= {"docx", "pptx", "markdown_it", "llama_cpp", "flask", "jinja2"}
    outside = {name for path in modules("appliance") for name in roots(path) if name not in sys.stdlib_module_names} - {"appliance", "__future__"}
    assert outside <= carried, f"not in requirements.lock: {outside - carried}"
