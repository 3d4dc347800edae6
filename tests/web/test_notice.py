"""A Haversack that can't start, opened by a double click: its page says why, in what state the machine is, and nothing more."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from appliance.config import Settings
from appliance.errors import BundleAltered, HaversackError, LibraryDamaged
from appliance.machine.judge import Finding, Report
from appliance.web.notice import create_notice
from tests.machine.making import MACHINE
from tests.ports import free_port
from tests.web.calling import PORT

COMMAND = [sys.executable, "-m", "appliance.cli", "serve"]
ORIGIN = f"http://127.0.0.1:{PORT}"


def notice(tmp_path: Path, error: HaversackError, *findings: Finding) -> FlaskClient:
    settings = Settings(home=tmp_path / "home", bundle=tmp_path / "bundle", port=PORT)
    return create_notice(settings, error, Report(MACHINE, findings)).test_client()


def test_the_page_says_what_is_wrong_and_what_the_machine_is(tmp_path: Path) -> None:
    slow = Finding("warning", "The bundle's disk reads at 1 MB/s.", "Use a faster port.")
    page = notice(tmp_path, BundleAltered(path="models/m.gguf", state="altered"), slow).get("/", base_url=ORIGIN)
    text = page.get_data(as_text=True)
    assert page.status_code == 503
    assert "models/m.gguf in the bundle is altered." in text
    assert '<strong class="">Warning:</strong> The bundle&#39;s disk reads at 1 MB/s. Use a faster port.' in text
    assert "16.0 GB, free 12.0 GB" in text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_what_comes_from_outside_is_text(tmp_path: Path) -> None:
    page = notice(tmp_path, LibraryDamaged(path="<script>alert(1)</script>", detail="<img src=x>")).get("/", base_url=ORIGIN)
    assert page.status_code == 500
    assert "<script>alert" not in page.get_data(as_text=True)
    assert "<img" not in page.get_data(as_text=True)


def test_there_is_nothing_else_and_not_for_everybody(tmp_path: Path) -> None:
    client = notice(tmp_path, BundleAltered(path="x", state="altered"))
    assert client.get("/", base_url="http://evil.example").status_code == 403
    assert client.get("/api/status", base_url=ORIGIN).status_code == 401
    assert client.get("/elsewhere", base_url=ORIGIN).status_code == 404
    assert client.get("/static/page.css", base_url=ORIGIN, buffered=True).status_code == 200


@contextmanager
def serving(tmp_path: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    settings = {"HAVERSACK_HOME": str(tmp_path / "home"), "HAVERSACK_BUNDLE": str(tmp_path / "bundle"), "HAVERSACK_PORT": str(port), "DISPLAY": ""}
    environment = {**os.environ, **settings}
    with subprocess.Popen([*COMMAND, *flags], env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, port
        finally:
            process.kill()


def fetch(port: int, process: subprocess.Popen[str]) -> tuple[int, str]:
    for _ in range(600):
        assert process.poll() is None, process.stderr and process.stderr.read()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError("the page did not come")


def test_without_open_a_missing_bundle_is_a_sentence_and_exit_code_3(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _):
        _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert told.startswith("There is no bundle at ")
    assert told.count("\n") == 1


def test_with_open_it_is_a_page_until_stopped(tmp_path: Path) -> None:
    with serving(tmp_path, "--open") as (process, port):
        status, text = fetch(port, process)
        assert status == 503
        assert f"There is no bundle at {tmp_path / 'bundle'}." in text
        if sys.platform == "linux":
            kernel = Path(f"/proc/{process.pid}/status").read_text()
            assert "Seccomp:\t2" in kernel, "sealed, as always"
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "There is no bundle at " in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == [], "no library is made"


def test_with_open_a_library_that_cannot_be_opened_is_a_page_too(tmp_path: Path, bundle_root: Path) -> None:
    (tmp_path / "bundle").symlink_to(bundle_root)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "library.sqlite3").write_bytes(b"no database" * 1000)
    with serving(tmp_path, "--open") as (process, port):
        status, text = fetch(port, process)
        assert status == 500
        assert "is damaged" in text
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 1


def test_where_another_has_the_port_the_sentence_must_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = {**os.environ, "HAVERSACK_HOME": str(tmp_path / "home"), "HAVERSACK_BUNDLE": str(tmp_path / "bundle")}
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--open", "--port", port], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert done.stderr.startswith("There is no bundle at ")


@pytest.mark.parametrize("writable", [None, False])
def test_the_page_comes_whatever_is_known_of_the_machine(tmp_path: Path, writable: bool | None) -> None:
    settings = Settings(home=tmp_path, bundle=tmp_path, port=PORT)
    machine = replace(MACHINE, bundle=replace(MACHINE.bundle, filesystem=None), library=replace(MACHINE.library, writable=writable, speed=None))
    page = create_notice(settings, BundleAltered(path="x", state="altered"), Report(machine, ())).test_client().get("/", base_url=ORIGIN)
    assert "not known here" in page.get_data(as_text=True)
    assert "What else was found" not in page.get_data(as_text=True)
