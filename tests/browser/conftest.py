"""The real appliance, sealed and served by its own command, and Debian's chromium before it."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.clinic import NOTES, PAGES_WITH_A_SCAN, make_pdf
from tests.ports import free_port

COMMAND = [sys.executable, "-m", "appliance.cli"]
_DROP = """([entries, on]) => {
  const transfer = new DataTransfer();
  for (const [name, content] of entries) transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
  for (const type of ["dragenter", "dragover", "drop"])
    document.querySelector(on).dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@dataclass
class Watched:
    """A page, and what it asked for and complained of while it was open."""

    page: Page
    origin: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self) -> Page:
        self.page.goto(self.origin)
        self.page.wait_for_selector(".beginning, .turn")
        return self.page

    def drop(self, files: dict[str, bytes], on: str = "body") -> None:
        """Drop files on a part of the page, as a hand with a mouse does."""
        self.page.evaluate(_DROP, [[[name, base64.b64encode(content).decode()] for name, content in files.items()], on])

    def refused(self, status: int) -> None:
        """The browser itself complains of every request that was refused: those of this status were refused on purpose."""
        assert any(f"status of {status}" in one for one in self.complaints)
        self.complaints[:] = [one for one in self.complaints if f"status of {status}" not in one]

    def drop_from_disk(self, *paths: Path) -> None:
        """Drop files and folders as the system's file manager does: the browser itself reads them."""
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": 640, "y": 400, "data": data})

    def elsewhere(self) -> list[str]:
        """Requests to anything but the appliance; a blob is made by the page itself."""
        return [one for one in self.requests if not one.startswith((self.origin + "/", f"blob:{self.origin}/"))]


@pytest.fixture(scope="session")
def origin(bundle_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`haversack serve` with a collection "field"; its address."""
    settings = {"HAVERSACK_HOME": str(tmp_path_factory.mktemp("browser") / "home"), "HAVERSACK_BUNDLE": str(bundle_root)}
    files = tmp_path_factory.mktemp("files")
    (files / "clinic.pdf").write_bytes(make_pdf(PAGES_WITH_A_SCAN))
    (files / "notes.md").write_text(NOTES, encoding="utf-8")
    command = [*COMMAND, "ingest", str(files), "--collection", "field"]
    subprocess.run(command, env={**os.environ, **settings}, check=True, capture_output=True, timeout=120)
    with serving(settings) as address:
        yield address


@pytest.fixture(scope="session")
def workshop(bundle_root: Path, second_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`haversack serve` with a collection "field" and a second model on the shelf; its address."""
    settings = {"HAVERSACK_HOME": str(tmp_path_factory.mktemp("workshop") / "home"), "HAVERSACK_BUNDLE": str(bundle_root)}
    files = tmp_path_factory.mktemp("workshop-files")
    (files / "clinic.pdf").write_bytes(make_pdf())
    (files / "notes.md").write_text(NOTES, encoding="utf-8")
    for words in (("ingest", str(files), "--collection", "field"), ("models", "add", str(second_gguf))):
        subprocess.run([*COMMAND, *words], env={**os.environ, **settings}, check=True, capture_output=True, timeout=120)
    with serving(settings) as address:
        yield address


@contextmanager
def serving(settings: dict[str, str], *flags: str) -> Iterator[str]:
    """`haversack serve` with those variables on a free port; its address."""
    port = free_port()
    environment = {**os.environ, **settings, "HAVERSACK_PORT": str(port)}
    with subprocess.Popen([*COMMAND, "serve", *flags], env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=30)
            assert "Traceback" not in told


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the page did not come")


@pytest.fixture
def watch(browser: Browser, origin: str) -> Iterator[Callable[..., Watched]]:
    """Opens pages; afterwards none may have asked anything else than the appliance, nor complained."""
    made: list[Watched] = []

    def make(theme: str = "light", width: int = 1280, height: int = 860) -> Watched:
        context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": height}, reduced_motion="reduce", accept_downloads=True)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
        watched = Watched(context.new_page(), origin)
        watched.page.set_default_timeout(30_000)
        context.on("request", lambda request: watched.requests.append(request.url))
        watched.page.on("console", lambda message: watched.complaints.append(f"{message.type}: {message.text}") if message.type != "log" else None)
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("dialog", lambda dialog: watched.complaints.append(f"a script ran: {dialog.message}"))
        made.append(watched)
        return watched

    yield make
    for watched in made:
        watched.page.context.close()
        assert watched.elsewhere() == []
        assert watched.complaints == []
