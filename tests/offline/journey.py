"""The whole journey as a user makes it, in one process: serve, upload a PDF, ask, read a cited answer. Prints what it found as JSON.

`python tests/offline/journey.py FOLDER PORT [PREFIX...]`: PREFIX stands before the appliance's command (a tracer).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from reportlab.pdfgen import canvas

from scripts.benchmark.client import Client

FACT = "The Goma clinic was opened on 14 March 2011 by Dr Amina Kasongo."
QUESTION = "Who opened the Goma clinic?"


def main(folder: Path, port: int, prefix: list[str]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "clinic.pdf"
    page = canvas.Canvas(str(document))
    page.drawString(60, 780, "Annual report of the health zone.")
    page.showPage()
    page.drawString(60, 780, FACT)
    page.drawString(60, 760, "It has forty beds and a small laboratory.")
    page.save()
    command = [*prefix, sys.executable, "-m", "appliance.cli", "serve", "--home", str(folder / "home"), "--port", str(port)]
    with (folder / "log").open("w") as log, subprocess.Popen(command, env={**os.environ, "HOME": str(folder)}, stderr=log) as server:
        try:
            client = Client(port)
            collection = client.collection("field")
            job = client.upload(collection, [document])
            events = list(client.ask(collection, QUESTION))
            status = client.get("/api/status")
            while not status["seal"]["self_test"]:
                status = client.get("/api/status")
            outside = sorted({command for pid in family(server.pid) for command in unsealed(pid)})
        finally:
            # The tracer passes no signal on: the appliance is told itself.
            stop(server, prefix)
    name, kept, _ = events[-1]
    return {"job": job, "last": name, "answer": kept.get("answer"), "seal": status["seal"], "outside": outside, "code": server.returncode}


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


def unsealed(pid: int) -> list[str]:
    """The command of a process that has a thread without a filter."""
    statuses = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return [command] if any("Seccomp:\t2" not in status for status in statuses) else []


def stop(server: subprocess.Popen[bytes], prefix: list[str]) -> None:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(children[0]) if prefix and children else server.pid, signal.SIGTERM)
    server.wait(60)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
