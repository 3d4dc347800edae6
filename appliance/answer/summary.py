"""What is in here? A document or a collection, section by section over the whole of it, in its own sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy

from appliance.answer.quotes import Quote
from appliance.answer.words import WORD, content_words, fold, terms
from appliance.documents import Chunk, Document, Evidence
from appliance.library.reading import Reader
from appliance.sentences import sentences

MOST_SECTIONS = 16
"""Of one document: a reader wants a page, not a second document."""
MOST_DOCUMENTS = 40
"""Of a collection; the rest are counted."""
_LEAST_WORDS, _MOST_CHARACTERS = 6, 600

_THIS = r"(?:this|the|my|these|all|our)"
_WHAT = r"(?:document|file|text|report|book|paper|pdf|collection|folder|documents|files|texts|papers|reports|library|everything|it|this|here)"
_REQUEST = re.compile(
    rf"""^[¿¡\s]*(?:(?:please|can you|could you|bitte)[\s,]+)*(?:
      what(?:\s+is|['’]s)\s+(?:all\s+)?in\s+(?:here|there|it|(?:{_THIS}\s+)?{_WHAT})
    | what\s+(?:do|does)\s+(?:{_THIS}\s+)?{_WHAT}\s+(?:contain|cover|say)
    | what\s+(?:is|are)\s+(?:{_THIS}\s+)?{_WHAT}\s+(?:all\s+)?about
    | (?:summari[sz]e|sum\s+up|outline)(?:\s+{_THIS})?(?:\s+{_WHAT})?
    | (?:give\s+me\s+|write\s+|make\s+)?(?:an?\s+|the\s+)?(?:short\s+|brief\s+)?(?:summary|overview|outline)(?:\s+of(?:\s+{_THIS})?\s+{_WHAT})?
    | (?:qué|que)\s+hay\s+aquí | resum(?:e|ir|en|a)(?:\s+(?:este|el|los|estos)\s+(?:documentos?|archivos?|textos?))?
    | (?:qu['’]y\s+a-t-il|qu['’]est-ce\s+qu['’]il\s+y\s+a)\s+(?:ici|là-dedans)
    | résume[rz]?(?:\s+(?:ce|le|les|ces)\s+(?:documents?|fichiers?|textes?))?
    | was\s+(?:ist|steht)\s+(?:hier|hierin|da)(?:\s+drin)? | fasse?\s+(?:(?:dieses|das|die|diese)\s+(?:dokumente?|texte?|dateien?)\s+)?zusammen
    | o\s+que\s+há\s+aqui | riassumi(?:\s+(?:questo|il)\s+documento)?
    | что\s+здесь | (?:кратко\s+)?(?:перескажи|суммируй|резюмируй)(?:\s+(?:этот\s+)?(?:документ|текст))?
    | 总结(?:这[个份篇]?文[件档章])? | 這裡有什麼 | 这里有什么 | (?:この文書を)?要約(?:して(?:ください)?)?
    | لخص(?:\s+(?:هذا\s+)?(?:المستند|الوثيقة|النص))? | सारांश(?:\s+(?:दें|बताओ))?
    )(?:,?\s+please|,?\s+bitte)?[\s?.!？。]*$""",
    re.IGNORECASE | re.VERBOSE,
)
_NAMED = re.compile(
    r"^\s*(?:please\s+)?(?:summari[sz]e|sum\s+up|(?:give\s+me\s+)?(?:a\s+|the\s+)?(?:summary|overview)\s+of)\s+[\"“']?(?P<name>.+?)[\"”']?[\s?.!]*$",
    re.IGNORECASE,
)


def is_request(question: str) -> bool:
    """Does it ask for the whole ("What is in here?", "Summarise this document") rather than for something in it?"""
    return bool(_REQUEST.match(question))


def asked_document(question: str) -> str | None:
    """NAME of "Summarise NAME": it may be a document's, or just something to ask about."""
    match = _NAMED.match(question)
    return match["name"] if match else None


def named_document(name: str, documents: Iterable[Document]) -> list[Document] | None:
    """The document of that file name, with or without folder and extension, or of that title; None where there is none."""
    wanted = fold(name)
    for document in documents:
        short = document.name.rsplit("/", 1)[-1]
        if wanted in {fold(document.name), fold(short), fold(short.rsplit(".", 1)[0]), fold(document.title)} - {""}:
            return [document]
    return None


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive chunks of a document under one heading, or a stretch of pages where it has none."""

    title: str
    chunks: tuple[Chunk, ...]


def sections(chunks: Sequence[Chunk]) -> tuple[Section, ...]:
    """All chunks of a document in at most `MOST_SECTIONS` sections: by its headings where they make so many, else in equal parts."""
    for depth in (2, 1):
        groups: list[tuple[tuple[str, ...], list[Chunk]]] = []
        for chunk in chunks:
            path = chunk.heading[:depth]
            if not groups or groups[-1][0] != path:
                groups.append((path, []))
            groups[-1][1].append(chunk)
        if 2 <= len(groups) <= MOST_SECTIONS:
            return tuple(Section(" – ".join(path), tuple(group)) for path, group in groups)
    parts = min(MOST_SECTIONS, max(1, -(-len(chunks) // 4)))
    cuts = [round(index * len(chunks) / parts) for index in range(parts + 1)]
    stretches = [chunks[left:right] for left, right in pairwise(cuts) if right > left]
    return tuple(Section(_stretch_title(stretch), tuple(stretch)) for stretch in stretches)


def _stretch_title(chunks: Sequence[Chunk]) -> str:
    heading = " – ".join(chunks[0].heading[:2])
    pages = pages_of(chunks)
    return f"{heading} ({pages})" if heading and pages else heading or pages


def pages_of(chunks: Sequence[Chunk]) -> str:
    """ "page 3", "pages 3–7", or nothing where the format has no pages."""
    found = [chunk.page for chunk in chunks if chunk.page is not None]
    if not found:
        return ""
    return f"page {found[0]}" if found[0] == found[-1] else f"pages {found[0]}–{found[-1]}"


class Summariser:
    """Picks the sentences that say most about each section. It needs no model: the vectors are in the library already."""

    def __init__(self, library: Reader, document: Document) -> None:
        self.document = document
        self.sections = sections(library.chunks_of(document.id))
        ids, rows = library.vectors_of(document.collection_id, documents=[document.id])
        self._vectors = dict(zip((int(one) for one in ids), rows, strict=True))
        words = (term for section in self.sections for chunk in section.chunks for term in set(terms(chunk.text)))
        self._spread = Counter(words)

    def best(self, section: Section, amount: int) -> list[Quote]:
        """At most `amount` sentences of the section, from its most central chunks, in reading order."""
        quotes: list[Quote] = []
        for chunk in self._central(section)[:amount]:
            quote = self._best_sentence(chunk)
            if quote is not None:
                quotes.append(quote)
        return sorted(quotes, key=lambda quote: (quote.evidence.position, quote.start))

    def _central(self, section: Section) -> list[Chunk]:
        """The section's chunks, nearest to the middle of all their meanings first; of two, the one that comes first."""
        rows = [self._vectors[chunk.id] for chunk in section.chunks if chunk.id in self._vectors]
        if len(rows) < len(section.chunks):
            return list(section.chunks)
        middle = numpy.mean(rows, axis=0)
        nearness = [float(row @ middle) for row in rows]
        order = sorted(range(len(rows)), key=lambda index: -nearness[index] + 0.02 * index / len(rows))
        return [section.chunks[index] for index in order]

    def _best_sentence(self, chunk: Chunk) -> Quote | None:
        """The sentence with most of the words that the document keeps coming back to; early ones are preferred."""
        evidence = evidence_of(chunk)
        best: Quote | None = None
        for index, (start, end) in enumerate(sentences(chunk.text)):
            text = chunk.text[start:end]
            if len(WORD.findall(text)) < _LEAST_WORDS or end - start > _MOST_CHARACTERS:
                continue
            words = {term for word in content_words(text) for term in terms(word)}
            weight = sum(self._spread[word] for word in words) / (len(words) + 8) / (1 + 0.15 * index)
            if best is None or weight > best.score:
                best = Quote(evidence, chunk.start + start, chunk.start + end, weight)
        if best is None and chunk.text.strip():
            return Quote(evidence, chunk.start, min(chunk.end, chunk.start + _MOST_CHARACTERS), 0.0)
        return best


def evidence_of(chunk: Chunk, score: float = 1.0) -> Evidence:
    """A chunk as evidence that was not searched for."""
    return Evidence(
        document_id=chunk.document_id,
        document=chunk.document,
        page=chunk.page,
        position=chunk.position,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=score,
        heading=chunk.heading,
        title=chunk.title,
        chunk_ids=(chunk.id,),
    )
