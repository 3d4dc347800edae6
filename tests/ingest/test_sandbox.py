"""The sandbox: what happens when a worker dies, hangs or lies, and that a worker can do nothing but read."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.errors import FileUnreadable, KindUnknown
from appliance.ingest.process import Nursery, Spawner, environment
from appliance.ingest.sandbox import Sandbox

Make = Callable[[str], Path]
# A worker of three pages that misbehaves; `deed(request, index)` says how, before page `index`.
DOUBLE = """
import os, sys, time
from appliance.ingest import wire
replies, requests = sys.stdout.buffer, sys.stdin.buffer
wire.send(replies, {"hello": os.getpid()})
request = wire.receive(requests)
def deed(request, index):
    {deed}
wire.send(replies, {"begin": {"kind": {kind!r}, "pages": 3, "numbered": True}})
for index in range(len(request["read"]), 3):
    deed(request, index)
    wire.send(replies, {"page": {"text": f"page {index + 1}", "reason": None, "stand_in": request["stand_in"]}})
    request["stand_in"] = ""
deed(request, 3)
wire.send(replies, {"end": {"headings": [], "labels": [], "damaged": [], "title": "", "metadata": {}, "reader": "double", "note": ""}})
"""


def misbehaving(deed: str, kind: str = "pdf", **limits: float) -> Sandbox:
    script = DOUBLE.replace("{deed}", deed).replace("{kind!r}", repr(kind))
    return Sandbox(processes=Spawner([sys.executable, "-c", script]), **limits)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"any")
    return path


@pytest.fixture(params=["forked", "spawned"])
def either(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    made = Sandbox(processes=Nursery() if request.param == "forked" else Spawner())
    yield made
    made.close()


def test_both_ways_of_starting_a_worker_read_the_same(either: Sandbox, make: Make) -> None:
    pdf, text = either.convert(make("pdf"), name="a.pdf"), either.convert(make("txt"), name="a.txt")
    assert [page.text for page in pdf.pages] == ["Wells\nThe north well is dry.", "Pumps\nThe south pump works."]
    assert text.pages[0].text.startswith("The north well")
    with pytest.raises(KindUnknown):
        either.convert(Path(sys.executable), name="python")


def test_workers_tell_what_they_used_to_read(either: Sandbox, make: Make) -> None:
    assert either.processor_seconds == 0
    either.convert(make("pdf"), name="a.pdf")
    first = either.processor_seconds
    assert first > 0
    with pytest.raises(KindUnknown):
        either.convert(Path(sys.executable), name="python")
    assert either.processor_seconds > first, "what can't be read took its time, too"
    read = either.processor_seconds
    either.render(make("pdf"), 1, 100)
    assert either.processor_seconds == read, "pages that are shown are not counted"


def test_a_worker_that_lies_about_its_time_is_not_believed(file: Path) -> None:
    sandbox, began = misbehaving("wire.send = (lambda send: lambda to, told: send(to, {**told, 'used': 1e9}))(wire.send)"), time.monotonic()
    sandbox.convert(file, name="a.pdf")
    sandbox.close()
    assert 0 < sandbox.processor_seconds <= 2.0 + (time.monotonic() - began) * (os.cpu_count() or 1)


def test_a_page_that_kills_pdfium_is_read_by_pypdf(file: Path) -> None:
    sandbox = misbehaving("if index == 1 and not request['stand_in']: os._exit(9)")
    conversion = sandbox.convert(file, name="a.pdf")
    sandbox.close()
    assert [page.text for page in conversion.pages] == ["page 1", "page 2", "page 3"]
    assert conversion.reader == "double; pypdf for page 2: pdfium failed: the reader crashed"


def test_a_page_that_kills_every_reader_is_reported_and_the_others_are_read(file: Path) -> None:
    sandbox = misbehaving("if index == 1: os._exit(9)")
    conversion = sandbox.convert(file, name="a.pdf")
    sandbox.close()
    assert [page.text for page in conversion.pages] == ["page 1", "", "page 3"]
    assert conversion.pages[1].reason == "page not read: the reader crashed"


def test_a_page_that_takes_too_long_is_reported_and_the_others_are_read(file: Path) -> None:
    sandbox = misbehaving("time.sleep(60 if index == 1 else 0)", silence=2.0)
    conversion = sandbox.convert(file, name="a.pdf")
    sandbox.close()
    assert [page.reason for page in conversion.pages] == [None, "page not read: reading took longer than 2 s", None]


def test_when_the_time_is_up_what_was_read_is_kept(file: Path) -> None:
    sandbox = misbehaving("time.sleep(60 if index else 0)", seconds=5.0, seconds_per_page=0.0)
    conversion = sandbox.convert(file, name="a.pdf")
    sandbox.close()
    assert [page.reason for page in conversion.pages] == [None, *["page not read: reading took longer than 5 s"] * 2]


def test_a_death_after_the_last_page_costs_the_outline_only(file: Path) -> None:
    sandbox = misbehaving("if index == 3: os._exit(9)")
    conversion = sandbox.convert(file, name="a.pdf")
    sandbox.close()
    assert [page.reason for page in conversion.pages] == [None] * 3
    assert "outline not read: the reader crashed" in conversion.reader


@pytest.mark.parametrize(("deed", "reason"), [("os._exit(9)", "the reader crashed"), ("time.sleep(60)", "reading took longer than 5 s")])
def test_a_file_without_pages_is_read_whole_or_not_at_all(deed: str, reason: str, file: Path) -> None:
    sandbox = misbehaving(f"if index == 2: {deed}", kind="docx", seconds=5.0)
    with pytest.raises(FileUnreadable, match=reason):
        sandbox.convert(file, name="a.docx")
    sandbox.close()


@pytest.mark.parametrize(
    "lie",
    [
        "sys.stdout.buffer.write(b'garbage that is no frame' * 99); sys.stdout.flush(); os._exit(0)",
        "wire.send(replies, {'page': {'text': 5}})",
        "wire.send(replies, {'begin': {'kind': 'docx', 'pages': 9}})",
        "wire.send(replies, {'end': {}})",
        "wire.send(replies, {'error': {'class': 'SystemExit', 'detail': 'x'}})",
        "wire.send(replies, {'nothing': 1})",
        "wire.send(replies, {'page': {'text': 'Text.'}, 'used': float('nan')})",
        "wire.send(replies, {'page': {'text': 'Text.'}, 'used': -1})",
        "sys.stdout.buffer.write((4).to_bytes(4, 'big') + b'null'); sys.stdout.flush()",
    ],
)
def test_a_worker_that_lies_is_a_worker_that_crashed(lie: str, file: Path) -> None:
    sandbox = misbehaving(f"if index == 1: {lie}")
    conversion = sandbox.convert(file, name="a.pdf")
    sandbox.close()
    assert [page.text for page in conversion.pages] == ["page 1", "", "page 3"]


def test_cancel_ends_the_worker_at_once(file: Path) -> None:
    sandbox = misbehaving("time.sleep(60)")
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(FileUnreadable, match="stopped"):
        sandbox.convert(file, name="a.pdf", cancel=cancel)
    sandbox.close()


def test_nothing_is_left_behind(make: Make) -> None:
    before = children()
    sandbox = Sandbox()
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        sandbox.convert(make("pdf"), name="a.pdf")
    sandbox.close()
    assert children() == before
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


def test_a_dead_nursery_is_replaced(make: Make) -> None:
    nursery = Nursery()
    sandbox = Sandbox(processes=nursery)
    sandbox.convert(make("txt"), name="a.txt")
    process = nursery._process
    assert process is not None
    process.kill()
    process.wait()
    assert sandbox.convert(make("txt"), name="a.txt").kind == "text"
    sandbox.close()


def test_many_threads_may_read_at_once(sandbox: Sandbox, make: Make) -> None:
    paths = {kind: make(kind) for kind in ("pdf", "txt", "docx", "html")}
    with ThreadPoolExecutor(4) as pool:
        kinds = list(pool.map(lambda kind: sandbox.convert(paths[kind], name=f"a.{kind}").kind, [*paths] * 4))
    assert kinds == ["pdf", "text", "docx", "html"] * 4


def test_a_missing_file_is_unreadable(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="opened"):
        sandbox.convert(tmp_path / "gone.pdf", name="gone.pdf")


def test_a_worker_knows_nothing_of_the_users_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    assert set(environment()) <= {"PYTHONPATH", "PYTHONUTF8", "PYTHONHASHSEED", "OMP_NUM_THREADS", "SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONHOME"}


ATTEMPTS = {
    "socket": "import socket; socket.socket()",
    "udp6": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "libc socket": "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); r = libc.socket(2, 1, 0); r < 0 or die(); raise PermissionError",
    "run": "import subprocess; subprocess.run(['/bin/true'])",
    "system": "import os; os.system('true') == 0 and die(); raise PermissionError",
    "fork": "import os; os.fork()",
    "kill": "import os; os.kill(os.getppid(), 0)",
    "unlink": "import os; os.unlink(target)",
    "rename": "import os; os.rename(target, target + '2')",
    "write": "open(target, 'w').write('x' * 10000)",
    "memory": "bytearray(3 << 30); die()",
    "files": "[open('/dev/null') for _ in range(100)]",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_confined_process_can_do_nothing_but_read(attempt: str, tmp_path: Path) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("")
    script = f"""
import os, sys
from appliance.ingest.limits import confine
target = sys.argv[1]
def die(): os._exit(42)
assert confine() == ()
try:
    {ATTEMPTS[attempt]}
except (OSError, MemoryError) as error:
    os._exit(7)
os._exit(42)
"""
    done = subprocess.run([sys.executable, "-c", script, str(target)], env=environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 7, done.stderr.decode()
    assert target.read_bytes() == b""


def test_a_worker_that_outlives_its_cpu_time_is_ended(tmp_path: Path) -> None:
    script = "from appliance.ingest.limits import confine; confine(1)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, timeout=120, check=False)
    assert done.returncode < 0


def test_a_file_whose_name_is_no_text_is_read(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"river\xff\xfe.txt")
    path.write_text("The river rises in March.")
    assert sandbox.convert(path, name="river.txt").pages[0].text == "The river rises in March."
