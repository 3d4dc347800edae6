"""The guests' door of a real `serve --share`, sealed by the kernel: reached by the machine's own address, with the password alone."""

from __future__ import annotations

import os
import pty
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from appliance.access.addresses import own_addresses
from appliance.access.keys import Keys
from tests.ports import free_port
from tests.web.serving import COMMAND, serving

RIGHT = "snow on the pass"
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def address() -> str:
    found = own_addresses()
    if not found:
        pytest.skip("this machine is on no local network")
    return found[0]


def test_guests_come_in_by_the_machines_own_address_while_the_network_is_sealed(home: Path, bundle_root: Path, address: str) -> None:
    with serving(home, bundle_root, "--share", HAVERSACK_SHARE_PASSWORD=RIGHT) as server:
        port = server.port + 1
        at = {"host": address, "port": port}
        login = server.fetch("GET", "/", **at)
        assert login.status == 200
        assert 'name="password"' in login.text
        assert server.fetch("GET", "/api/status", **at, X_Haversack="1").status == 401
        wrong = server.fetch("POST", "/login", **at, **FORM, body=urlencode({"password": "wrong password"}).encode())
        assert wrong.status == 401
        entered = server.fetch("POST", "/login", **at, **FORM, Origin=f"http://{address}:{port}", body=urlencode({"password": RIGHT}).encode())
        assert (entered.status, entered.headers["location"]) == (303, "/")
        cookie = {"Cookie": entered.headers["set-cookie"].partition(";")[0], "X_Haversack": "1"}
        assert "data-guest" in server.fetch("GET", "/", **at, **cookie).text
        told = server.fetch("GET", "/api/status", **at, **cookie)
        assert told.status == 200
        assert str(home) not in told.text
        for method, path in (("GET", "/api/programs"), ("POST", "/api/collections"), ("GET", "/v1/models"), ("GET", "/api/sharing")):
            assert server.fetch(method, path, **at, **cookie).status == 403, path

        # Not by loopback's name or another, not by the page's port from outside, and not with more than a question's worth.
        assert server.fetch("GET", "/", port=port).status == 403
        assert server.fetch("GET", "/", **at, Host=f"haversack.local:{port}").status == 403
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, server.port), timeout=5)
        assert server.fetch("POST", "/login", **at, **FORM, body=b"password=" + b"x" * 100_000).status == 413

        # The page's own door is as it was, and tells who is there.
        page = server.fetch("GET", "/")
        own = {"Cookie": page.headers["set-cookie"].partition(";")[0], "X_Haversack": "1"}
        shown = server.fetch("GET", "/api/sharing", **own)
        assert f'"http://{address}:{port}"' in shown.text
        assert f'"guests":[{{"address":"{address}"' in shown.text
        assert server.fetch("GET", "/api/status", **cookie).status == 401
        if sys.platform == "linux":
            assert "Seccomp:\t2" in Path(f"/proc/{server.process.pid}/status").read_text()
            environment = Path(f"/proc/{server.process.pid}/environ").read_bytes()
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            assert RIGHT.encode() in environment, "the system keeps what a process was started with"
            assert not any(RIGHT.encode() in Path(f"/proc/{child}/environ").read_bytes() for child in children)
        said = server.stop()
    assert server.process.returncode == 0
    assert f"http://{address}:{port}" in said
    assert "Nothing is encrypted on the way there" in said
    assert "Nothing that you put in leaves this machine." not in said
    assert RIGHT not in said


def test_unless_it_is_shared_nothing_listens_on_the_network(home: Path, bundle_root: Path, address: str) -> None:
    Keys(home).add("one")
    with serving(home, bundle_root) as server:
        for port in (server.port, server.port + 1):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=5)
        said = server.stop()
    assert "Programs need a key" in said
    assert "Shared" not in said


@pytest.mark.parametrize(
    ("password", "sentence"), [("", "Sharing needs a password of at least 8 characters"), ("short", "needs at least 8 characters")]
)
def test_nothing_is_shared_without_a_password_that_will_do(home: Path, bundle_root: Path, password: str, sentence: str) -> None:
    command = [*COMMAND, "--share", "--home", str(home), "--bundle", str(bundle_root)]
    environment = {"HAVERSACK_SHARE_PASSWORD": password, "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not home.exists()


def test_the_terminal_is_asked_for_the_password_and_does_not_show_it(home: Path, bundle_root: Path, address: str) -> None:
    control, terminal = pty.openpty()
    flags = ["--share", "--home", str(home), "--bundle", str(bundle_root), "--port", str(free_port())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAVERSACK_")}
    process = subprocess.Popen([*COMMAND, *flags], env=environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    said, sent, end = b"", False, time.monotonic() + 60
    try:
        while b"\xe2\x96\x88" * 20 not in said:
            assert time.monotonic() < end, said.decode(errors="replace")
            if select.select([control], [], [], 0.2)[0]:
                try:
                    said += os.read(control, 4096)
                except OSError as error:
                    raise AssertionError(said.decode(errors="replace")) from error
            if b"Password for guests" in said and not sent:
                sent = True
                time.sleep(0.2)
                os.write(control, RIGHT.encode() + b"\n")
    finally:
        process.kill()
        process.wait()
        os.close(control)
    assert f"http://{address}:".encode() in said
    assert RIGHT.encode() not in said
