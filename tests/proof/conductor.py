"""Inside a network namespace of its own: a bare Debian root, a stick, an unprivileged user. Starts, uses and stops Haversack there, twice.

`unshare --net --mount python tests/proof/conductor.py ROOT STICK SCRATCH PORT [VARIABLE=VALUE...] [OPTION...]`. Prints what it found as JSON.
With the option `--trace`, strace writes every call that could lead out to SCRATCH/trace.
What is written in ROOT goes to `SCRATCH/upper`: the root itself stays as it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.benchmark.client import Client
from tests.clinic import make_pdf

USER = 1000
STICK = "/media/stick"
QUESTION = "When was the Goma clinic opened?"


def main(bare: Path, stick: Path, scratch: Path, port: int, options: list[str]) -> dict[str, Any]:
    root = enter(bare, stick, scratch)
    document = scratch / "clinic.pdf"
    document.write_bytes(make_pdf())
    first = journey(root, port, options, document)
    second = journey(root, port, options, None)
    return {"first": first, "second": second, "written": sorted(written(scratch / "upper"))}


def enter(bare: Path, stick: Path, scratch: Path) -> Path:
    """The bare root with the stick in it, a home that can't be written to, and nothing else."""
    upper, work, root = (scratch / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir()
    run("ip", "link", "set", "lo", "up")
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={bare},upperdir={upper},workdir={work}", str(root))
    run("mount", "-t", "proc", "proc", str(root / "proc"))
    (root / "media" / "stick").mkdir()
    (root / "home" / "reader").mkdir()
    (root / "home" / "reader").chmod(0o555)
    (root / "srv" / "reader").mkdir()
    os.chown(root / "srv" / "reader", USER, USER)
    run("mount", "--bind", str(stick), str(root / "media" / "stick"))
    return root


def journey(root: Path, port: int, options: list[str], document: Path | None) -> dict[str, Any]:
    """Start by the launcher, put a document in where one is given, ask, stop."""
    launcher = f"{STICK}/haversack/start-linux.sh"
    variables = [option for option in options if not option.startswith("-")]
    environment = ["env", "-i", "HOME=/home/reader", "PATH=/usr/bin:/bin", *variables]
    flags = [option for option in options if option.startswith("-") and option != "--trace"]
    # -D: the tracer stands aside, so that the process started here is the one to be stopped.
    tracer = ["strace", "-D", "-f", "-qq", "-A", "-e", "trace=network", "-o", str(root.parent / "trace")] if "--trace" in options else []
    command = [*tracer, "chroot", f"--userspec={USER}:{USER}", str(root), *environment, "sh", launcher, *flags, "--port", str(port)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            client = Client(port, patience=120)
            page = time.monotonic() - began
            collection = (
                client.collection("field")
                if document
                else next(c["id"] for c in client.get("/api/collections")["collections"] if c["name"] == "field")
            )
            job = client.upload(collection, [document]) if document else None
            events = list(client.ask(collection, QUESTION))
            status = client.get("/api/status")
            while not status["seal"]["self_test"]:
                time.sleep(0.1)
                status = client.get("/api/status")
        except BaseException:
            server.kill()
            sys.stderr.write(server.communicate()[1])
            raise
        server.terminate()
        said, complained = server.communicate(timeout=60)
    name, kept, _ = events[-1]
    return {
        "page_seconds": round(page, 2),
        "job": job,
        "last": name,
        "answer": kept.get("answer"),
        "seal": status["seal"],
        "home": status["home"],
        "out": said,
        "err": complained,
        "code": server.returncode,
        "interfaces": sorted(line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]),
    }


def written(upper: Path) -> set[str]:
    """What was written in the root, as paths of at most three parts."""
    found = (path.relative_to(upper) for path in upper.rglob("*") if not path.is_dir() or not any(path.iterdir()))
    return {"/" + "/".join(path.parts[:3]) for path in found}


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])))
