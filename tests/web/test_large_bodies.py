"""What large bodies leave on the disk: any web page can send one here, and the whole of it comes before the application sees its head.

On a real `haversack serve`, sealed as always; waitress' files have no names, so they are looked for among what the process holds open.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.web.serving import Server, serving

FORM = {"Content_Type": "multipart/form-data; boundary=x"}
BODY = b"x" * (10 << 20)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which files without names are open")


@pytest.fixture(scope="module")
def server(bundle_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("uploads") / "home", bundle_root, "--api", "off") as server:
        yield server


@pytest.fixture(scope="module")
def own(server: Server) -> dict[str, Any]:
    """What the page sends with every call."""
    page = server.fetch("GET", "/")
    return {"Cookie": page.headers["set-cookie"].partition(";")[0], "X_Haversack": "1", "Sec_Fetch_Site": "same-origin"}


def spooled(server: Server) -> int:
    """Bytes in the spool, in files with names and without."""
    spool = server.home / "spool"
    named = 0
    for file in spool.rglob("*"):
        with suppress(OSError):
            named += file.stat().st_size if file.is_file() else 0
    held = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            held += link.stat().st_size if str(spool) in str(link.readlink()) else 0
    return named + held


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def sending(server: Server, path: str, headers: dict[str, str], length: int) -> Iterator[socket.socket]:
    """A connection by which the head of a request has gone, and nothing else yet. `length`: what it says of the body."""
    told = {"Host": f"127.0.0.1:{server.port}", "Content-Length": str(length), **headers}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items()) + "\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)) as client:
        client.sendall(head.encode())
        yield client


@pytest.mark.parametrize("path", ["/api/models", "/api/collections/1/uploads", "/v1/chat/completions", "/api/chat", "/"])
@pytest.mark.parametrize(
    "wrong",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "empty"}],
    ids=["host", "origin", "no origin", "site"],
)
def test_another_sites_body_is_refused_by_its_head(server: Server, own: dict[str, Any], path: str, wrong: dict[str, str]) -> None:
    """Even with the cookie and the header, which no other site has."""
    for headers in (wrong, {**own, **wrong}):
        for length in (len(BODY), 60_000_000_000):
            with sending(server, path, headers, length) as client:
                assert client.recv(100).startswith(b"HTTP/1.1 413 "), "without a byte of the body"
    assert spooled(server) == 0


def test_a_body_without_a_length_is_broken_off(server: Server, own: dict[str, Any]) -> None:
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    most = pieces = 0
    foreign = {**own, "Origin": "http://evil.example", "Transfer-Encoding": "chunked"}
    with suppress(BrokenPipeError, ConnectionResetError), sending(server, "/api/models", foreign, 0) as client:
        while pieces < 100:
            client.sendall(chunk)
            pieces += 1
            most = max(most, spooled(server))
    assert pieces < 100
    assert most <= 5 << 20
    until(lambda: spooled(server) == 0)


@pytest.mark.parametrize("missing", ["Cookie", "X_Haversack"])
@pytest.mark.parametrize("path", ["/api/models", "/api/collections/1/uploads"])
def test_a_page_of_an_earlier_start_is_told_to_reload_and_nothing_is_kept(server: Server, own: dict[str, Any], path: str, missing: str) -> None:
    headers = {**own, missing: own[missing][:-1]}
    with sending(server, path, {**FORM, **headers}, len(BODY)) as client:
        client.sendall(BODY[:-1])
        time.sleep(0.3)
        assert spooled(server) == 0
        client.sendall(BODY[-1:])
        assert client.recv(100).startswith(b"HTTP/1.1 401 ")
    refused = server.fetch("POST", path, body=BODY, **{**FORM, **headers})
    assert "Reload the page" in refused.text


def test_a_programs_ten_megabytes_are_refused_in_words_and_nothing_is_kept(server: Server) -> None:
    with sending(server, "/v1/chat/completions", {}, len(BODY)) as client:
        client.sendall(BODY[:-1])
        time.sleep(0.3)
        assert spooled(server) == 0
        client.sendall(BODY[-1:])
        assert client.recv(100).startswith(b"HTTP/1.1 403 "), "programs are off here"


def test_the_pages_own_uploads_are_taken(server: Server, own: dict[str, Any]) -> None:
    made = server.fetch("POST", "/api/collections", body=b'{"name": "field"}', Content_Type="application/json", **own)
    assert made.status == 201
    origin = {"Origin": f"http://127.0.0.1:{server.port}"}
    names = b'--x\r\nContent-Disposition: form-data; name="names"\r\n\r\n["notes.md"]\r\n'
    note = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="file"\r\n\r\n'
        + b"The clinic has twelve beds.\n" * 200_000
        + b"\r\n--x--\r\n"
    )
    with sending(server, f"/api/collections/{json.loads(made.text)['id']}/uploads", {**FORM, **own, **origin}, len(names + note)) as client:
        client.sendall((names + note)[:-1])
        until(lambda: spooled(server) > 5_000_000)
        client.sendall(note[-1:])
        assert client.recv(100).startswith(b"HTTP/1.1 202 ")
    for length, refused in (((1 << 30) + (1 << 21), True), (6_000_000_000, False)):
        path = "/api/collections/1/uploads" if refused else "/api/models"
        with sending(server, path, {**FORM, **own}, length) as client:
            client.settimeout(10 if refused else 0.5)
            if refused:
                assert client.recv(100).startswith(b"HTTP/1.1 413 ")
            else:
                with pytest.raises(TimeoutError):
                    client.recv(100)
