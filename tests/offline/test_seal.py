"""What the seal holds against, in processes of their own. Counts are exact wherever one is given."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]

SEALED = """
seal = Seal.prepare()
seal.close_network()
"""


def test_python_libc_and_raw_calls_are_refused_and_counted_one_by_one(run_alone: Run) -> None:
    said, attempts, sentence = run_alone(
        SEALED
        + """
number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
said = [tried(socket.socket), tried(socket.socket, socket.AF_INET6), native(), native(socket.AF_INET6), native(socket.AF_NETLINK),
        native(socket.AF_PACKET), libc.syscall(number, 2, 1, 0)]
tell([said, seal.attempts, seal.sentence])
"""
    )
    assert said == ["PermissionError EACCES"] * 2 + ["EACCES"] * 4 + [-1]
    assert attempts == 7
    assert sentence == "Sealed by the kernel: 7 attempts"


def test_nothing_tried_is_nothing_counted_and_one_is_singular(run_alone: Run) -> None:
    assert run_alone(SEALED + "before = seal.sentence\nnative()\ntell([seal.level, before, seal.sentence])") == [
        "kernel",
        "Sealed by the kernel: 0 attempts",
        "Sealed by the kernel: 1 attempt",
    ]


def test_the_usual_libraries_find_no_way_out(run_alone: Run) -> None:
    said, attempts = run_alone(
        SEALED
        + """
import asyncio, ftplib, http.client, smtplib, ssl, urllib.request
said = [tried(urllib.request.urlopen, "http://192.0.2.1/"), tried(urllib.request.urlopen, "http://example.com/"),
        tried(http.client.HTTPSConnection("192.0.2.1").request, "GET", "/"), tried(smtplib.SMTP, "192.0.2.1"), tried(ftplib.FTP, "192.0.2.1"),
        tried(lambda: asyncio.run(asyncio.open_connection("192.0.2.1", 80)))]
tell([said, seal.attempts])
"""
    )
    assert "went through" not in said
    assert attempts == 6


def test_children_and_their_children_are_sealed_and_counted(run_alone: Run) -> None:
    code = "import socket\ntry: socket.socket()\nexcept OSError as error: print(error.errno)"
    grandchild = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    said, attempts = run_alone(
        SEALED
        + f"""
said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() for code in ({code!r}, {grandchild!r})]
tell([said, seal.attempts])
"""
    )
    assert said == ["13", "13"]
    assert attempts == 2


def test_a_child_that_is_no_python_finds_no_way_out(run_alone: Run) -> None:
    assert run_alone(SEALED + 'tell(subprocess.run(["bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/80"], capture_output=True).returncode)') != 0


def test_threads_that_ran_before_are_sealed_too(run_alone: Run) -> None:
    assert run_alone("""
begin, said = threading.Event(), []
threads = [threading.Thread(target=lambda: (begin.wait(), said.append(native()))) for _ in range(5)]
for thread in threads:
    thread.start()
seal = Seal.prepare()
seal.close_network()
begin.set()
for thread in threads:
    thread.join()
tell([said, seal.attempts])
""") == [["EACCES"] * 5, 5]


def test_the_count_is_exact_under_threads_and_signals(run_alone: Run) -> None:
    said, attempts = run_alone(
        SEALED
        + """
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
said = []
def many():
    said.extend(native() for _ in range(300))
threads = [threading.Thread(target=many) for _ in range(4)]
for thread in threads:
    thread.start()
many()
for thread in threads:
    thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
tell([{name: said.count(name) for name in set(said)}, seal.attempts])
"""
    )
    # A signal that comes before the call is looked at breaks it off with EINTR: no socket then either, and no refusal to count.
    assert sum(said.values()) == 1500
    assert set(said) <= {"EACCES", "EINTR"}
    assert said["EACCES"] == attempts


def test_no_ring_makes_sockets_unseen_and_no_program_lends_its_own(run_alone: Run) -> None:
    said, attempts = run_alone(
        SEALED
        + """
def call(number, *arguments):
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(number, *arguments) < 0 else "went through"
said = [call(425, 8, ctypes.create_string_buffer(120)), call(438, -1, 0, 0)]
tell([said, seal.attempts])
"""
    )
    assert said == ["EACCES", "EACCES"]
    assert attempts == 0


def test_an_accepted_socket_can_not_be_turned_round(start_alone: Start) -> None:
    process = start_alone("""
server = socket.create_server(("127.0.0.1", 0))
seal = Seal.prepare()
seal.close_network()
tell(server.getsockname()[1])
peer, _ = server.accept()
nowhere = ctypes.create_string_buffer(16)
tell([errno.errorcode[ctypes.get_errno()] if libc.connect(each.fileno(), nowhere, 16) else "went through" for each in (peer, server)])
""")
    assert process.stdout is not None
    with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))):
        assert json.loads(process.stdout.readline()) == ["EACCES", "EACCES"]


def test_names_are_not_looked_up_by_a_neighbour_over_its_unix_socket(run_alone: Run, tmp_path: Path) -> None:
    path = tmp_path / "resolver"
    with socket.socket(socket.AF_UNIX) as resolver:
        resolver.bind(str(path))
        resolver.listen()
        assert run_alone(
            SEALED
            + f'tell(tried(socket.socket(socket.AF_UNIX).connect, "{path}"))'.replace(
                "tell", "import warnings; warnings.simplefilter('ignore'); tell"
            )
        ) == ("PermissionError EACCES")


def test_what_listened_before_goes_on_serving(start_alone: Start) -> None:
    process = start_alone("""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
seal = Seal.prepare()
seal.close_network()
tell(server.server_address[1])
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.readline()
tell([seal.level, seal.attempts])
""")
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(process.stdout.readline())
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.makefile("rb").read().endswith(b"ok")
    process.stdin.write("\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == ["kernel", 0]


def test_what_processes_need_among_themselves_goes_on(run_alone: Run) -> None:
    assert run_alone(
        SEALED
        + """
import asyncio, multiprocessing
one, other = socket.socketpair()
one.sendall(b"x")
said = [other.recv(1).decode(), asyncio.run(asyncio.sleep(0, "loop"))]
one.close(); other.close()
said.append(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout.strip())
here, there = multiprocessing.Pipe()
here.send("pipe")
said.append(there.recv())
tell([said, seal.attempts])
"""
    ) == [["x", "loop", "child", "pipe"], 0]


def test_closing_twice_is_closing_once(run_alone: Run) -> None:
    assert run_alone(SEALED + "seal.close_network()\nnative()\ntell([seal.level, seal.attempts])") == ["kernel", 1]


def test_a_short_command_is_shut_as_tightly_and_does_not_count(run_alone: Run) -> None:
    assert run_alone("""
seal = Seal.without_counting()
seal.close_network()
tell([seal.level, native(), tried(socket.socket), seal.attempts, seal.sentence])
""") == ["kernel", "EACCES", "PermissionError EACCES", None, "Sealed by the kernel: attempts can't be counted here"]


def test_a_kernel_that_gives_no_listener_refuses_without_counting(run_alone: Run) -> None:
    # Only one listener is given to a process: whoever took it before us leaves us none.
    assert run_alone(
        """
install([Rule("ptrace", ASK)], listener=True)
"""
        + SEALED
        + "tell([seal.level, native(), seal.attempts, seal.sentence])"
    ) == ["kernel", "EACCES", None, "Sealed by the kernel: attempts can't be counted here"]


def test_a_kernel_that_takes_no_filter_leaves_the_app_and_says_so(run_alone: Run) -> None:
    level, attempts, sentence, python, libc = run_alone(
        'assert restrict(["seccomp"])\n'
        + SEALED
        + """
before = seal.sentence
with socket.socket() as attempt:
    python = tried(attempt.connect, ("192.0.2.1", 9))
tell([seal.level, seal.attempts, before, python, native()])
"""
    )
    assert (level, attempts, sentence) == ("app only", 1, "Refused by the app only: 0 attempts seen")
    assert (python, libc) == ("NetworkRefused", 0)


def test_without_its_attendant_the_kernel_still_refuses_and_nobody_claims_to_count(run_alone: Run) -> None:
    assert run_alone(
        SEALED
        + """
native()
before = seal.attempts
seal.close()
tell([before, native(), seal.attempts, seal.sentence, seal.open_browser("http://127.0.0.1:8765")])
"""
    ) == [1, "ENOSYS", None, "Sealed by the kernel: attempts can't be counted here", False]


def test_before_it_is_shut_it_does_not_say_that_it_is(run_alone: Run) -> None:
    assert run_alone("seal = Seal.without_counting()\ntell([seal.level, seal.attempts, seal.sentence])") == [
        "not blocked",
        None,
        "The network is not shut yet",
    ]


def test_the_attendant_ends_with_a_parent_that_is_killed(start_alone: Start) -> None:
    process = start_alone(SEALED + "tell(seal._helper._process.pid)\nsys.stdin.readline()")
    assert process.stdout is not None
    attendant = int(process.stdout.readline())
    assert Path(f"/proc/{attendant}").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert gone(attendant)


def test_ctrl_c_leaves_the_attendant_to_its_parent(run_alone: Run) -> None:
    assert run_alone(
        SEALED
        + """
os.kill(seal._helper._process.pid, signal.SIGINT)
time.sleep(0.1)
native()
tell([seal.attempts, seal._helper.alive])
"""
    ) == [1, True]


def test_the_browser_is_opened_from_outside_the_seal(run_alone: Run, tmp_path: Path) -> None:
    browser, said = tmp_path / "browser", tmp_path / "said"
    browser.write_text(f'#!/bin/sh\n(echo "$1"; grep -E "NoNewPrivs|Seccomp:" /proc/self/status) > {said}.part\nmv {said}.part {said}\n')
    browser.chmod(0o755)
    opened = run_alone(
        SEALED
        + f"""
opened = [seal.open_browser("http://127.0.0.1:8765"), seal.open_browser("http://example.com/?stolen=1"), seal.open_browser("file:///etc/passwd")]
while not os.path.exists({str(said)!r}):
    time.sleep(0.02)
tell(opened)
""",
        BROWSER=str(browser),
    )
    ours = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(("NoNewPrivs", "Seccomp:"))]
    assert opened == [True, False, False]
    assert said.read_text().splitlines() == ["http://127.0.0.1:8765", *ours]


def gone(process: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
