"""The child process that holds the language model: `python -m appliance.models.child FILE CONTEXT THREADS [VARIANT]`.

llama.cpp aborts on a bad file, and a full memory gets it killed: that must cost one answer, not the appliance. The main thread
reads prompts and writes answers, one after the other; a second thread takes requests from stdin meanwhile, so that a cancel
and a count are served while an answer is being written. When stdin ends, the parent is gone and so is this process, at once.
"""

from __future__ import annotations

import codecs
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from appliance.models.engine import Engine, EngineFailed, Stopped
from appliance.models.parameters import Sampling
from appliance.models.protocol import Reason, encode, unpack
from appliance.models.sampler import GrammarRefused, grammar_of
from appliance.models.stops import StopFilter
from appliance.models.template import ChatTemplate, Part, TemplateFailed
from appliance.models.thoughts import ThoughtFilter, opened

_LONGEST_SECONDS = 10.0
"""A template or a schema takes milliseconds; a loop that never ends takes for ever."""


class Child:
    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._sending = threading.Lock()
        self._loaded = threading.Event()
        self._queue: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._current = 0
        self._engine: Engine
        self._template: ChatTemplate

    def run(self, file: Path, context: int, threads: int, variant: str = "") -> int:
        started = time.perf_counter()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._engine = Engine(file, context, threads, physical_cores(), variant)
            begin, end = self._engine.special_texts()
            self._template = ChatTemplate(self._engine.metadata("tokenizer.chat_template"), bos=begin, eos=end)
        except (EngineFailed, TemplateFailed) as error:
            self._send(0, "failed", detail=str(error))
            return 1
        self._loaded.set()
        took = round(1000 * (time.perf_counter() - started))
        self._send(
            0,
            "ready",
            context=self._engine.context,
            variant=self._engine.variant,
            load_ms=took,
            resident_bytes=_resident(),
        )
        while True:
            request = self._queue.get()
            if request["do"] == "count":  # it came while the model was still loading
                self._count(request)
            else:
                self._answer(request)

    def _listen(self) -> None:
        for line in self._requests:
            request = json.loads(line)
            if request["do"] == "cancel":
                self._cancelled.add(request["id"])
                if self._loaded.is_set() and self._current == request["id"]:
                    self._engine.stop()
            elif request["do"] == "count" and self._loaded.is_set():
                self._count(request)
            else:
                self._queue.put(request)
        os._exit(0)

    def _count(self, request: dict[str, Any]) -> None:
        try:
            counts = [len(self._engine.tokens(self._parts(prompt))) for prompt in request["prompts"]]
        except Exception as error:  # this thread listens for everybody: it must go on
            self._send(request["id"], "failed", detail=_told(error))
        else:
            self._send(request["id"], "counts", counts=counts)

    def _parts(self, packed: Any, tools: Sequence[Mapping[str, Any]] = ()) -> Sequence[Part]:
        prompt = unpack(packed)
        if isinstance(prompt, str):
            return [Part(prompt, True)]
        # A template is code from outside, and what it does with other messages than those it was tried with is not known.
        with self._watched("its chat template"):
            return self._template.parts(prompt, tools)

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        """End this process where the block comes to no end: nothing else stops it."""

        def give_up() -> None:
            self._send(0, "failed", detail=f"{what} took more than {_LONGEST_SECONDS:g} s")
            os._exit(1)

        watch = threading.Timer(_LONGEST_SECONDS, give_up)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def _answer(self, request: dict[str, Any]) -> None:
        number = request["id"]
        self._current = number
        try:
            parts = self._parts(request["prompt"], request["tools"])
            prompt = self._engine.tokens(parts)
            if len(prompt) >= self._engine.context:
                self._send(number, "too_long", tokens=len(prompt), limit=self._engine.context - 1)
                return
            with self._watched("the JSON schema"):
                grammar = "" if request["schema"] is None else grammar_of(request["schema"])
            started, used = time.perf_counter(), time.process_time()
            reused = self._read(number, prompt)
            read = time.perf_counter()
            # JSON has no room for thoughts, and who lays out the prompt himself reads the whole of what comes.
            talk = not grammar and not isinstance(request["prompt"], str)
            thoughts = ThoughtFilter(opened(parts[-1].text)) if talk else None
            end = (0, 0, "cancelled") if reused is None else self._write(number, request, len(prompt), grammar, thoughts)
            written, thought, reason = end
            self._send(
                number,
                "done",
                prompt_tokens=len(prompt),
                completion_tokens=written,
                reused_tokens=reused or 0,
                thought_tokens=thought,
                reason=reason,
                reading_ms=round(1000 * (read - started), 1),
                writing_ms=round(1000 * (time.perf_counter() - read), 1),
                processor_ms=round(1000 * (time.process_time() - used), 1),
            )
        except (TemplateFailed, GrammarRefused) as error:
            self._send(number, "refused", detail=str(error))
        except Exception as error:  # one request's failure, whatever it is: the model goes on
            self._send(number, "failed", detail=_told(error))
        finally:
            self._current = 0
            self._cancelled.discard(number)

    def _read(self, number: int, prompt: list[int]) -> int | None:
        """Tokens of the prompt that were known already; None where the reading was cancelled."""

        def progress(done: int, total: int) -> None:
            self._send(number, "reading", done=done, total=total)
            if number in self._cancelled:
                self._engine.stop()

        try:
            return self._engine.read(prompt, progress)
        except Stopped:
            return None

    def _write(self, number: int, request: dict[str, Any], read: int, grammar: str, thoughts: ThoughtFilter | None) -> tuple[int, int, Reason]:
        """Tokens written, those of them that were thoughts, and why it ended."""
        room = min(request["max_tokens"], self._engine.context - read)
        if room <= 0:
            return 0, 0, "length"
        with self._watched("the JSON schema"):
            sampler = self._engine.sampler(Sampling(**request["sampling"]), grammar)
        text = codecs.getincrementaldecoder("utf-8")("replace")
        stops = StopFilter(request["stop"])
        written = thought = 0
        reason: Reason = "end"
        for piece in self._engine.write(sampler):
            written += 1
            said = text.decode(piece)
            if thoughts:
                before, said = thoughts.thinking, thoughts.add(said)
                thought += before or thoughts.thinking
            self._show(number, stops.add(said))
            if stops.found:
                return written, thought, "end"
            if number in self._cancelled or written == room:
                reason = "cancelled" if number in self._cancelled else "length"
                break
        # Bytes that are still in the decoder are half a character, cut off: better not shown at all.
        self._show(number, stops.add(thoughts.rest() if thoughts else "") + stops.rest())
        return written, thought, reason

    def _show(self, number: int, text: str) -> None:
        if text:
            self._send(number, "piece", text=text)

    def _send(self, number: int, kind: str, **values: Any) -> None:
        with self._sending:
            self._replies.write(encode({"is": kind, "id": number, **values}))
            self._replies.flush()


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, (EngineFailed, TemplateFailed)) else f"{type(error).__name__}: {error}"[:200]


def physical_cores() -> int:
    """Cores that this process may use, hyperthreads counted once: writing is bound by memory, and a second thread only waits."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    seen = set()
    for number in os.sched_getaffinity(0):
        try:
            seen.add(Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list").read_text())
        except OSError:
            seen.add(str(number))
    return len(seen)


def _resident() -> int:
    """Bytes of memory that this process holds now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def main() -> int:
    # Native libraries may print at any time: stdout is theirs no more, or a stray line would break the protocol.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent says when to end
    return Child(sys.stdin.buffer, replies).run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])


if __name__ == "__main__":
    sys.exit(main())
