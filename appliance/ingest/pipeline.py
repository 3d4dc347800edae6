"""file → sandboxed converter → pages → splitter → chunks → embedder → store: one transaction a document, a line for each.

Four steps work at once, each on a document of its own: while one is stored, the next is embedded and the two after it are
converted. Lines come in the order of the sources, and only once the document is durable.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import islice

from appliance.documents import IngestLine
from appliance.ingest.progress import IngestProgress, Meter
from appliance.ingest.sources import Source
from appliance.ingest.steps import Converts, Embedded, Identified, Steps, Stop, size_of
from appliance.library.store import Library
from appliance.models.embeds import Embeds

__all__ = ["Converts", "Ingest", "IngestProgress", "Source"]

_AHEAD = 4
"""Documents between the first step and the last: bounds the memory that pages and vectors take."""


class Ingest:
    """Puts files into the library. One run at a time writes; `library` says so to a second process."""

    def __init__(self, library: Library, embedder: Callable[[], Embeds], sandbox: Converts) -> None:
        self.library = library
        self._embedder = embedder
        self._sandbox = sandbox

    @property
    def processor_seconds(self) -> float:
        """What the processes that convert documents have used so far; the rest is this process's own."""
        return self._sandbox.processor_seconds

    def run(
        self,
        sources: Sequence[Source],
        collection_name: str,
        *,
        password: str | None = None,
        cancel: threading.Event,
        on_progress: Callable[[IngestProgress], None] = lambda progress: None,
    ) -> Generator[IngestLine, None, None]:
        """Ingest `sources` in order, yielding a line for each; ends early, without an error, where `cancel` is set.

        A file that can't be read is a line. What concerns the whole library ends the run: DiskFull, LibraryReadOnly,
        EmbedderFailed, NoSuchCollection (it was removed meanwhile); documents whose lines came are durable even then.
        `on_progress` is called in the thread that takes the lines.
        """
        collection_id = self.library.ensure_collection(collection_name).id
        meter = Meter([size_of(source.path) for source in sources], on_progress)
        run = Steps(self.library, self._embedder, self._sandbox, collection_id, password, Stop(cancel), sources, meter)
        waiting: deque[tuple[int, Future[Identified], Future[Embedded | None]]] = deque()
        following = iter(range(len(sources)))
        with ExitStack() as threads:
            identifying, converting, embedding = (_pool(threads, count) for count in (1, 2, 1))
            threads.callback(run.stop.set)  # runs before the pools are waited for
            meter.show(now=True)
            for done in range(len(sources)):
                for index in islice(following, _AHEAD - len(waiting)):
                    identified = identifying.submit(run.identify, index)
                    converted = converting.submit(run.convert, index, identified)
                    waiting.append((index, identified, embedding.submit(run.embed, index, converted)))
                index, identified, embedded = waiting.popleft()
                while not embedded.done():
                    wait([embedded], timeout=0.2)
                    meter.show()
                line = run.finish(index, identified, embedded)
                if line is None:
                    return
                meter.finished(index, line.pages, worked=line.status not in ("unchanged", "skipped"))
                meter.show(now=done == len(sources) - 1)
                yield line


def _pool(threads: ExitStack, count: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(count, thread_name_prefix="ingest")
    threads.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool
