"""The values that flow through Haversack: frozen, built in one place, passed from step to step.

Offsets (`start`, `end`) are code points in the text of one page: `page.text[start:end]` is the passage. Formats without
pages (a letter, a web page, a spreadsheet) have exactly one page whose number is None. A passage never crosses a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["indexed", "partial", "failed", "unchanged", "skipped"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the document: where it begins on its page, and how deep it lies (1 is the top)."""

    position: int
    """Index of the page in `Conversion.pages`, from 0."""
    start: int
    title: str
    level: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it was read. `reason` says why its text is missing or incomplete; None means that it was read whole."""

    number: int | None
    text: str
    label: str | None = None
    """The number printed on the page ("iv"), where the file says it and it differs from `number`."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a converter read from one file: clean text, page by page, and where its headings are."""

    kind: str
    pages: tuple[Page, ...]
    title: str = ""
    headings: tuple[Heading, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    reader: str = ""
    """Which library read it ("pypdfium2"), and why another one did not, for the ledger."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk before it is stored: exact offsets in one page, and the headings that it stands under."""

    position: int
    """Index of the page in `Conversion.pages`, from 0."""
    page: int | None
    start: int
    end: int
    text: str
    heading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    id: int
    name: str
    documents: int
    chunks: int
    pack: bool = False
    """It lies in a pack: it can be read and asked, and not changed."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the library. `name` is the file name with extension, relative to the ingested folder ("a/b.pdf")."""

    id: int
    collection_id: int
    name: str
    sha256: str
    kind: str
    title: str
    size: int
    pages: int
    chunks: int
    status: Status
    added: str
    """UTC, ISO 8601, whole seconds."""
    reader: str = ""


@dataclass(frozen=True, slots=True)
class UnreadPage:
    page: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stored passage. Ids are never used twice, so an index that knows an id of a deleted chunk can't name another."""

    id: int
    document_id: int
    document: str
    position: int
    page: int | None
    start: int
    end: int
    text: str
    heading: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """A chunk id and how well it fits, larger is better: what keyword and vector search return, best first."""

    chunk_id: int
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage retrieved for a question: one chunk, or neighbours on the same page merged into one."""

    document_id: int
    document: str
    page: int | None
    position: int
    start: int
    end: int
    text: str
    score: float
    heading: tuple[str, ...] = ()
    title: str = ""
    chunk_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """What [marker] stands for: the quote is exactly `page.text[start:end]` of that document."""

    marker: int
    document_id: int
    document: str
    page: int | None
    position: int
    quote: str
    start: int
    end: int
    supported: bool = True
    """False only where the sentence that cites it says something that the quote doesn't hold."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the model's prose, the markers it carries, and whether what it says is in what it cites."""

    text: str
    markers: tuple[int, ...]
    supported: bool
    missing: tuple[str, ...] = ()
    """Numbers, dates and names in it that the cited passages don't hold."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds from the question's arrival. `first_token` is None where the model was not called."""

    retrieve: float
    first_token: float | None
    total: float
    writing: float | None = None
    """What the model spent on writing tokens, its prompt's reading left out."""


@dataclass(frozen=True, slots=True)
class Energy:
    """What a piece of work took. `method` says how that is known ("measured by the processor", "estimated from processor time", …)."""

    joules: float
    method: str
    plus_minus: float
    """The uncertainty, as a share: 0.5 means that it may be half as much or half more."""
    seconds: float


def both(first: Energy | None, second: Energy | None) -> Energy | None:
    """What two pieces of work took together. Two ways of knowing are named both."""
    if first is None or second is None:
        return first or second
    joules = first.joules + second.joules
    uncertain = first.joules * first.plus_minus + second.joules * second.plus_minus
    method = first.method if first.method == second.method else f"{first.method}; {second.method}"
    return Energy(joules, method, uncertain / joules if joules else 0.0, first.seconds + second.seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    question: str
    searched_for: str
    """The question as completed from the conversation; the same as `question` where nothing was added."""
    answer: str
    """What is shown: the quotes that lead, with markers, then the prose with markers. A refusal's sentence where refused."""
    generated: str
    """The model's prose alone, without markers."""
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    evidence: tuple[Evidence, ...]
    refused: bool
    model: str
    timings: Timings
    prompt_tokens: int = 0
    completion_tokens: int = 0
    stopped: bool = False
    note: str = ""
    """One plain sentence about this answer that the reader must know (the model went away, the answer was cut)."""
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    """Those that were told for this answer, by name."""
    energy: Energy | None = None
    """None where the model was not called, or nothing is known."""
    reused_tokens: int = 0
    """Tokens of the prompt that the model had in memory already, and did not read again."""
    passages: int = 0
    """How many of the passages the model was given, of a small model how many sentences; 0 where it was not called."""


@dataclass(frozen=True, slots=True)
class Queued:
    """Others are before this question: `ahead` of them."""

    ahead: int


@dataclass(frozen=True, slots=True)
class EvidenceReady:
    """Sent before the first token. `nearest` is True where nothing passed the threshold and these are only the nearest."""

    evidence: tuple[Evidence, ...]
    searched_for: str
    nearest: bool
    milliseconds: float


@dataclass(frozen=True, slots=True)
class QuotesReady:
    """The best verbatim sentences: they lead the answer."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done that takes long: "reading" the prompt, or "summarising" section 3 of 12."""

    phase: str
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the model's prose. Markers in it are resolved already; none is ever taken back."""

    text: str


@dataclass(frozen=True, slots=True)
class SentenceChecked:
    """The sentence just streamed, with what the check found."""

    sentence: Sentence
    citations: tuple[Citation, ...]
    """Citations that this sentence introduces (their markers were not shown before)."""


@dataclass(frozen=True, slots=True)
class Finished:
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unwritten(Finished):
    """The model's files are missing or altered, so nothing (more) was written: the quotes stand, and the answer's note says why."""

    error: Exception


AnswerEvent = Queued | EvidenceReady | QuotesReady | Progress | Delta | SentenceChecked | Finished


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange of a conversation, as a follow-up question needs it."""

    question: str
    searched_for: str
    answer: str


@dataclass(frozen=True, slots=True)
class IngestLine:
    """What became of one file. It is made only once the document is durable (or has failed for good)."""

    document: str
    status: Status
    pages: int
    pages_unread: Sequence[UnreadPage]
    chunks: int
    reason: str | None = None
    document_id: int | None = None
