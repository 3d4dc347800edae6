"""The process that reads one untrusted file, and the nursery that has such processes ready.

    python -m appliance.ingest.worker             reads one request from stdin, answers on stdout, ends
    python -m appliance.ingest.worker FD          the nursery: forks such a process for each pair of pipes that comes over the socket FD

The nursery never sees a byte of a document. It exists because Python's start and the imports cost 0.3 s of CPU a document
otherwise, as much as reading and embedding a short one takes.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO

from appliance.documents import Conversion
from appliance.errors import FileUnreadable, IngestError
from appliance.ingest import wire
from appliance.ingest.converters import MODULES
from appliance.ingest.hygiene import line
from appliance.ingest.limits import DOCUMENT_CHARACTERS, MEMORY_WORDS, SECONDS, SECONDS_PER_PAGE, confine, grant_cpu
from appliance.ingest.sniff import sniff, suffix_kind

Frame = Mapping[str, object]


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer one request, confined before the first byte of the file is read."""
    wire.send(replies, {"hello": os.getpid()})
    request = wire.receive(requests)
    if request is None:
        return
    missing = confine()

    def tell(frame: Frame) -> None:
        wire.send(replies, {**frame, "used": round(time.process_time(), 4)})

    try:
        for frame in _TASKS[str(request["task"])](request, missing):
            tell(frame)
    except IngestError as error:
        kind = type(error).__name__ if type(error).__name__ in wire.ERRORS else "FileUnreadable"
        tell({"error": {"class": kind, "detail": line(str(error.details.get("detail", error)), 500)}})
    except MemoryError:
        tell({"error": {"class": "FileUnreadable", "detail": f"This file needs more than {MEMORY_WORDS} to be read."}})
    except Exception as error:  # the converters' libraries raise anything at all on broken files
        detail = f"This file is damaged and can't be read ({line(f'{type(error).__name__}: {error}', 200)})."
        if isinstance(error, RecursionError):
            detail = "This file is damaged: it is nested too deeply."
        tell({"error": {"class": "FileUnreadable", "detail": detail}})


def _convert(request: Frame, missing: tuple[str, ...]) -> Iterator[Frame]:
    path, name = Path(str(request["path"])), str(request["name"])
    kind = sniff(path, name)
    without = f"; without a limit on {' and '.join(missing)} on this system" if missing else ""
    if kind == "pdf":
        yield from _pdf(path, request, without)
        return
    conversion: Conversion = import_module(f"appliance.ingest.converters.{MODULES[kind]}").read(path, name)
    yield {"begin": {"kind": conversion.kind, "pages": len(conversion.pages), "numbered": conversion.pages[0].number is not None}}
    for page in conversion.pages:
        yield {"page": {"text": page.text, "reason": page.reason}}
    yield {
        "end": {
            "headings": [{"position": h.position, "start": h.start, "title": h.title, "level": h.level} for h in conversion.headings],
            "labels": [],
            "damaged": [],
            "title": conversion.title,
            "metadata": dict(conversion.metadata),
            "reader": conversion.reader + without,
            "note": "",
        }
    }


def _pdf(path: Path, request: Frame, without: str) -> Iterator[Frame]:
    """`request["read"]` holds the texts of the pages that a worker before this one has read."""
    from appliance.ingest.converters.pdf import Pdf

    pdf = Pdf(path, _password(request))
    grant_cpu(int(SECONDS + SECONDS_PER_PAGE * pdf.count))
    yield {"begin": {"kind": "pdf", "pages": pdf.count, "numbered": True}}
    read = request.get("read")
    texts: list[str] = [str(text) for text in read] if isinstance(read, list) else []
    characters = sum(map(len, texts))
    stand_in = str(request.get("stand_in") or "")
    for index in range(len(texts), pdf.count):
        page, stood_in = pdf.page(index, stand_in=stand_in)
        stand_in = ""
        characters += len(page.text)
        if characters > DOCUMENT_CHARACTERS:
            raise FileUnreadable(detail="This file holds more text than can be taken. Split it into parts and add those.")
        texts.append(page.text)
        yield {"page": {"text": page.text, "reason": page.reason, "stand_in": stood_in}}
    yield {"end": {**pdf.particulars(texts), "reader": pdf.reader + without}}


def _render(request: Frame, missing: tuple[str, ...]) -> Iterator[Frame]:
    from appliance.ingest.render import page_png

    grant_cpu(int(SECONDS))
    png = page_png(Path(str(request["path"])), _number(request, "page"), _number(request, "width"), _password(request))
    yield {"png": base64.b64encode(png).decode("ascii")}


def _boxes(request: Frame, missing: tuple[str, ...]) -> Iterator[Frame]:
    from appliance.ingest.render import passage_boxes

    yield {
        "boxes": passage_boxes(
            Path(str(request["path"])), _number(request, "page"), _number(request, "start"), _number(request, "end"), _password(request)
        )
    }


def _number(request: Frame, name: str) -> int:
    value = request[name]
    if not isinstance(value, int):
        raise FileUnreadable(detail=f"{name} is no number.")
    return value


def _password(request: Frame) -> str | None:
    value = request.get("password")
    return value if isinstance(value, str) else None


_TASKS = {"convert": _convert, "render": _render, "boxes": _boxes}


def nursery(control: int) -> None:
    """Fork a worker for each message on the socket `control`: a document's name, with its two pipes. Ends with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=control) as channel:
        while True:
            message, pipes, _, _ = socket.recv_fds(channel, 256, 2)
            if not message or len(pipes) != 2:
                return
            _prepare(message.decode("ascii", "replace"))
            if os.fork() == 0:
                channel.close()
                _die_with_parent()
                _serve_and_end(*pipes)
            for pipe in pipes:
                os.close(pipe)


def _prepare(suffix: str) -> None:
    """Import what such a file will need, once for all of them. Only its suffix is known here."""
    kind = suffix_kind(suffix and f"a{suffix}")
    for module in ("pdf", "outline") if kind == "pdf" else filter(None, (MODULES.get(kind or ""),)):
        import_module(f"appliance.ingest.converters.{module}")


def _serve_and_end(requests: int, replies: int) -> None:
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)  # a native library that prints must not get between our frames
        with os.fdopen(requests, "rb") as source, os.fdopen(replies, "wb") as target:
            serve(source, target)
        code = 0
    finally:
        os._exit(code)


def _die_with_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def main() -> None:
    if len(sys.argv) == 2:
        nursery(int(sys.argv[1]))
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _serve_and_end(os.dup(0), os.dup(1))


if __name__ == "__main__":
    main()
