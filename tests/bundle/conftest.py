"""What the bundle's tests share: small wheels, a Hub-shaped server on loopback, and the starter bundle built once, with a kill on the way."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from bundle.build import Built, build
from bundle.progress import Progress
from bundle.sources import cache_folder

ROOT = Path(__file__).resolve().parent.parent.parent
LFS = (".gguf", ".safetensors", ".bin")


class Silent:
    """A stream that keeps what a build says."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False


@pytest.fixture
def progress() -> Progress:
    return Progress(Silent())


@dataclass
class Repository:
    files: dict[str, bytes]
    licence: str | None = "apache-2.0"
    revision: str = "c0ffee" + "0" * 34
    gated: bool = False
    cut_after: int | None = None
    """Bytes of a large file after which every connection is cut."""
    lie: bytes | None = None
    """What is sent instead of a large file's own bytes."""


@dataclass
class HubServer:
    """The part of the Hub that huggingface_hub asks for: model info with blobs, resolve with redirects, Range, ETag, LFS hashes."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    content_url: str = ""
    """Large files lie on another host, as the Hub's do."""

    def downloads(self) -> list[str]:
        return [path for method, path, _ in self.requests if method == "GET" and not path.startswith("/api/")]


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, dict(self.headers)))
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
                self._info(match[1], match[2])
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self._resolve(match[1], match[2], match[3], body)
            elif match := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
                self._content(hub.repositories[match[1]], match[2], body)
            else:
                self._send(404, {})

        def _send(self, status: int, headers: dict[str, str], content: bytes = b"", body: bool = True) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def _known(self, name: str, revision: str | None) -> Repository | None:
            repository = hub.repositories.get(name)
            if repository is None:
                self._send(401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            elif repository.gated and "Authorization" not in self.headers:
                self._send(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this repository is restricted"})
            elif revision not in (None, "main", repository.revision):
                self._send(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
            else:
                return repository
            return None

        def _info(self, name: str, revision: str | None) -> None:
            repository = self._known(name, revision)
            if repository is None:
                return
            siblings: list[dict[str, Any]] = []
            for path, content in repository.files.items():
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": blob}
                if path.endswith(LFS):
                    entry["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
                siblings.append(entry)
            data: dict[str, Any] = {"id": name, "modelId": name, "sha": repository.revision, "siblings": siblings, "private": False, "tags": []}
            if repository.licence:
                data["cardData"] = {"license": repository.licence}
            self._send(200, {"Content-Type": "application/json"}, json.dumps(data).encode())

        def _resolve(self, name: str, revision: str, path: str, body: bool) -> None:
            repository = self._known(name, revision)
            if repository is None:
                return
            if path not in repository.files:
                self._send(404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found", "X-Repo-Commit": repository.revision})
                return
            content = repository.files[path]
            commit = {"X-Repo-Commit": repository.revision}
            if path.endswith(LFS):
                linked = {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
                self._send(302, commit | linked | {"Location": f"{hub.content_url}/cdn/{name}/{path}"})
            else:
                etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                self._send(200, commit | {"ETag": f'"{etag}"'}, content, body)

        def _content(self, repository: Repository, path: str, body: bool) -> None:
            content = repository.lie if repository.lie is not None else repository.files[path]
            start = 0
            if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                start = int(match[1])
            headers = {"Content-Length": str(len(content) - start), "Accept-Ranges": "bytes"}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206 if start else 200, headers, body=False)
            if not body:
                return
            if repository.cut_after is None:
                self.wfile.write(content[start:])
            else:
                self.wfile.write(content[start : repository.cut_after])
                self.close_connection = True

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        server.content_url = f"http://localhost:{http.server_address[1]}"
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server
        http.shutdown()
        thread.join()


@pytest.fixture
def make_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], Path]:
    """Writes tiny_model-1.0 with these files, where pip finds it and nothing else."""
    index = tmp_path / "index"
    index.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))

    def write(files: dict[str, bytes]) -> Path:
        path = index / "tiny_model-1.0-py3-none-any.whl"
        info = "tiny_model-1.0.dist-info"
        own = {
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (files | own).items():
                archive.writestr(name, content)
        return path

    return write


@dataclass
class Starter:
    """What a first build that was killed, and a second one, left."""

    output: Path
    after_kill: list[str]
    built: Built
    said: str


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Starter:
    """The real starter profile: the first build is killed by SIGKILL while it prepares the embedder, the second one goes on."""
    folder = tmp_path_factory.mktemp("starter")
    output = folder / "starter"
    command = [sys.executable, "-m", "bundle.cli", "build", "--output", str(output)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if line.startswith("Preparing"):
                break
        time.sleep(1)
        first.send_signal(signal.SIGKILL)
    after_kill = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    stream = Silent()
    built = build("starter", output, cache_folder(), Progress(stream))
    return Starter(output, after_kill, built, stream.text)
