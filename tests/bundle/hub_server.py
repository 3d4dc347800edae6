"""A server shaped like the Hub, on loopback, with what can go wrong on the way: what the unmodified huggingface_hub client is tested against.

Two addresses, one server: `url` knows repositories and redirects; `content_url` is another host's name, where large files lie, as the Hub's do.
"""

from __future__ import annotations

import hashlib
import json
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LFS = (".gguf", ".safetensors", ".bin")
BLOCK = 1 << 16
WINDOW = 4 * BLOCK
Content = bytes | Path


@dataclass
class Repository:
    """A model, and how its files misbehave. Only large files are cut, and lied about."""

    files: dict[str, Content]
    licence: str | None = "apache-2.0"
    licence_name: str | None = None
    revision: str = "c0ffee" + "0" * 34
    gated: bool = False
    token: str = ""
    """The one token that is let in, where it is gated; any where empty."""
    cut_after: int | None = None
    """Bytes of each answer after which its connection is cut."""
    cuts: int = 1 << 30
    """How many answers are cut so."""
    cut_at: int | None = None
    """The place in the file behind which nothing comes, whoever asks."""
    lie: bytes | None = None
    """What is sent instead of a large file's own bytes."""
    lies: int = 1 << 30
    """How many answers lie."""
    length: int | None = None
    """What Content-Length says, where it isn't the truth."""
    chunked: bool = False
    """No Content-Length: in chunks, as many bytes as there are."""
    type: str = "application/octet-stream"
    ranges: bool = True
    etags: bool = True
    if_range: bool = True
    linked: str = ""
    """What the redirect calls the file (X-Linked-ETag), where that isn't the truth."""
    range_shift: int = 0
    """Bytes by which a piece begins elsewhere than was asked for."""


@dataclass
class Sent:
    """One answer of the content host: from where, how many bytes went out."""

    path: str
    start: int
    count: int = 0


@dataclass
class HubServer:
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    """Every answer with a large file's bytes, in the order of the requests."""
    troubles: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    """Next answers to requests whose path holds the word: status and headers; each is given once."""
    known_tokens: set[str] | None = None
    """The tokens that are valid; all of them where None."""
    rate: float = 0.0
    """Bytes a second that one answer gets; 0 where it isn't slowed."""
    hold: threading.Event | None = None
    """Where set, content waits for it after its first block."""
    on_disk: Callable[[str], int] | None = None
    """How much of a file the client has on its disk. Where set, the server never sends more than `WINDOW` beyond it."""
    moved: threading.Event = field(default_factory=threading.Event)
    """Set whenever content went out."""
    url: str = ""
    content_url: str = ""

    def downloads(self) -> list[str]:
        return [path for method, path, _ in self.requests if method == "GET" and not path.startswith("/api/")]

    def total(self) -> Counter[str]:
        """Bytes of large files that went out, by file."""
        total: Counter[str] = Counter()
        for one in list(self.sent):
            total[one.path] += one.count
        return total


@contextmanager
def serving() -> Iterator[HubServer]:
    hub = HubServer()
    with _Server(("127.0.0.1", 0), _handler(hub)) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        hub.url = f"http://127.0.0.1:{http.server_address[1]}"
        hub.content_url = f"http://localhost:{http.server_address[1]}"
        try:
            yield hub
        finally:
            if hub.hold is not None:
                hub.hold.set()
            http.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    # What a killed client leaves in the server's own buffer counts as sent, so that buffer is kept small.
    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


_hashes: dict[tuple[str, int | str], tuple[Content, str]] = {}


def hash_of(content: Content, kind: str) -> str:
    """sha256, or git's own; kept, since the real files are large."""
    key = (kind, str(content) if isinstance(content, Path) else id(content))
    if key not in _hashes or _hashes[key][0] is not content:
        data = content.read_bytes() if isinstance(content, Path) else content
        found = hashlib.sha256(data) if kind == "sha256" else hashlib.sha1(b"blob %d\0" % len(data) + data)
        _hashes[key] = (content, found.hexdigest())
    return _hashes[key][1]


def size_of(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def piece(content: Content, start: int, count: int) -> bytes:
    if isinstance(content, bytes):
        return content[start : start + count]
    with content.open("rb") as stream:
        stream.seek(start)
        return stream.read(count)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
            for number, (word, status, headers) in enumerate(hub.troubles):
                if word in path:
                    del hub.troubles[number]
                    self._send(status, headers, b"<html>busy</html>")
                    return
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
                self._info(match[1], match[2])
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)/?", path):
                self._tree(match[1], match[2])
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self._resolve(match[1], match[2], match[3])
            elif match := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
                self._content(hub.repositories[match[1]], match[2])
            else:
                self._send(404, {})

        def _send(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | dict(headers)).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def _json(self, data: object) -> None:
            self._send(200, {"Content-Type": "application/json"}, json.dumps(data).encode())

        def _known(self, name: str, revision: str | None) -> Repository | None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            repository = hub.repositories.get(name)
            if token and hub.known_tokens is not None and token not in hub.known_tokens:
                self._send(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
            elif repository is None:
                self._send(404 if token else 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            elif revision not in (None, "main", repository.revision):
                self._send(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
            else:
                return repository
            return None

        def _open(self, repository: Repository) -> bool:
            """Whether the files of a gated repository are given to this one; everyone may see what it holds."""
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if not repository.gated or (token and repository.token in ("", token)):
                return True
            self._send(403 if token else 401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this repository is restricted"})
            return False

        def _info(self, name: str, revision: str | None) -> None:
            repository = self._known(name, revision)
            if repository is None:
                return
            data: dict[str, Any] = {"id": name, "modelId": name, "sha": repository.revision, "private": False, "tags": []}
            data |= {"siblings": [_entry(path, content, "rfilename") for path, content in repository.files.items()]}
            data |= {"gated": "manual" if repository.gated else False}
            if repository.licence:
                data["cardData"] = {"license": repository.licence} | ({"license_name": repository.licence_name} if repository.licence_name else {})
            self._json(data)

        def _tree(self, name: str, revision: str) -> None:
            repository = self._known(name, revision)
            if repository is not None:
                self._json([{"type": "file"} | _entry(path, content, "path") for path, content in repository.files.items()])

        def _resolve(self, name: str, revision: str, path: str) -> None:
            repository = self._known(name, revision)
            if repository is None or not self._open(repository):
                return
            if path not in repository.files:
                self._send(404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found", "X-Repo-Commit": repository.revision})
                return
            content = repository.files[path]
            commit = {"X-Repo-Commit": repository.revision}
            if path.endswith(LFS):
                linked = {"X-Linked-Size": str(size_of(content)), "X-Linked-ETag": f'"{repository.linked or hash_of(content, "sha256")}"'}
                self._send(302, commit | linked | {"Location": f"{hub.content_url}/cdn/{name}/{path}"})
            else:
                etag = hash_of(content, "git")
                self._send(200, commit | {"ETag": f'"{etag}"'}, piece(content, 0, size_of(content)))

        def _content(self, repository: Repository, path: str) -> None:
            content = repository.files[path]
            if repository.lie is not None and repository.lies:
                repository.lies -= 1
                content = repository.lie
            size, start = size_of(content), 0
            etag = f'"{hash_of(content, "sha256")[:32]}"' if repository.etags else ""
            match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if match and repository.ranges and (not repository.if_range or self.headers.get("If-Range", etag) == etag):
                start = int(match[1])
                if start >= size:
                    self._send(416, {"Content-Range": f"bytes */{size}"})
                    return
                start += repository.range_shift
            headers = {"Accept-Ranges": "bytes", "Content-Type": repository.type} | ({"ETag": etag} if etag else {})
            if repository.chunked:
                headers["Transfer-Encoding"] = "chunked"
            else:
                headers["Content-Length"] = str((size if repository.length is None else repository.length) - start)
            if start:
                headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            self.send_response(206 if start else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._pour(repository, content, Sent(path, start))

        def _pour(self, repository: Repository, content: Content, sent: Sent) -> None:
            hub.sent.append(sent)
            left = size_of(content) - sent.start
            cut = repository.cut_after is not None and repository.cuts > 0 and left > repository.cut_after
            if cut:
                repository.cuts -= 1
                left = repository.cut_after or 0
            if repository.cut_at is not None:
                left, cut = max(0, min(left, repository.cut_at - sent.start)), True
            while left and self._wanted(sent):
                block = piece(content, sent.start + sent.count, min(left, BLOCK))
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if repository.chunked else block)
                sent.count += len(block)
                left -= len(block)
                hub.moved.set()
                if hub.hold is not None:
                    hub.hold.wait()
                if hub.rate:
                    time.sleep(len(block) / hub.rate)
            if cut or repository.length is not None:
                self.close_connection = True
            elif repository.chunked:
                self.wfile.write(b"0\r\n\r\n")

        def _wanted(self, sent: Sent) -> bool:
            """Wait until the client has written enough of it; false once it is gone."""
            while hub.on_disk is not None and sent.start + sent.count + BLOCK > hub.on_disk(sent.path) + WINDOW:
                gone, _, _ = select.select([self.connection], [], [], 0.002)
                if gone and not self.connection.recv(1, socket.MSG_PEEK):
                    self.close_connection = True
                    return False
            return True

    return Handler


def _entry(path: str, content: Content, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {name: path, "size": size_of(content), "blobId" if name == "rfilename" else "oid": hash_of(content, "git")}
    if path.endswith(LFS):
        hashed = hash_of(content, "sha256")
        entry["lfs"] = {"size": size_of(content), "sha256": hashed, "oid": hashed, "pointerSize": 134}
    return entry
