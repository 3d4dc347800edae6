"""Comparisons: one question, several models or settings, the same evidence; kept with their figures and a vote until they are deleted.

Deleting a document takes the answers out of the comparisons that show it and leaves the figures; deleting a collection deletes its comparisons.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from appliance.documents import Answer
from appliance.errors import BadRequest, LibraryDamaged, NoSuchCollection, NoSuchComparison
from appliance.library.conversations import rebuilt
from appliance.library.database import has_table, make_tables
from appliance.library.schema import COMPARISONS_TABLES, seal
from appliance.library.store import Library
from appliance.library.writing import clean

SYSTEM = "a system prompt"
"""How a contender's settings name one."""
_SYSTEM = re.compile(rf"{SYSTEM}(?: \(\d+\))?")


@dataclass(frozen=True, slots=True)
class Contender:
    """Who answers: a model of the shelf by name and title, and how."""

    model: str
    title: str = ""
    preset: str = ""
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    """Those that were told, the preset's among them."""
    settings: str = ""
    """The same in a few words, for tables; empty where the model's own hold."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What an answer cost and what it holds. None: not known, or not to be compared."""

    first_token_ms: float | None = None
    """From the question to the first word, loading the model left out. None too where the passages were in the model's memory already, or
    where it waited for others' turns."""
    tokens_per_second: float | None = None
    """While it wrote."""
    supported_share: float | None = None
    """Sentences that the documents bear out, 0 to 1."""
    sentences: int = 0
    joules: float | None = None
    """None too where the passages were in the model's memory already."""
    passages: int = 0
    """How many of the passages the model was given; a small one is given single sentences, and they are counted."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one contender made of it. Without an answer, `failure` says why, or its document was deleted."""

    contender: Contender
    answer: Answer | None
    failure: str = ""
    figures: Figures = field(default_factory=Figures)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`id` is None where it isn't kept. `vote` is the index of a result. `created`: UTC, ISO 8601, whole seconds."""

    id: int | None
    collection_id: int
    collection: str
    question: str
    created: str
    together: bool
    note: str
    """A sentence about all of it: why they did not answer together, which times can't be compared, that a document was deleted."""
    results: tuple[Result, ...]
    vote: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One model with one setting over several comparisons. Times, joules and passages are medians, the share is of all its sentences."""

    model: str
    title: str
    settings: str
    answers: int
    votes: int
    first_token_ms: float | None
    tokens_per_second: float | None
    supported_share: float | None
    joules: float | None
    passages: float | None


def told_apart(contenders: Iterable[Contender]) -> tuple[Contender, ...]:
    """Two system prompts have the same words in the settings: from the second on, they get a number."""
    numbers: dict[object, int] = {}
    labelled = []
    for one in contenders:
        number = numbers.setdefault(one.parameters["system"], len(numbers) + 1) if "system" in one.parameters else 1
        labelled.append(replace(one, settings=_SYSTEM.sub(SYSTEM if number == 1 else f"{SYSTEM} ({number})", one.settings)))
    return tuple(labelled)


def table(comparisons: Iterable[Comparison]) -> tuple[Row, ...]:
    """Model by model and setting by setting, in the order in which they appear. Times of those that answered together are left out: each
    was slower than alone."""
    every = [(one, index, result) for one in comparisons for index, result in enumerate(one.results)]
    groups: dict[tuple[str, str], list[tuple[Result, bool]]] = {}
    for contender, (one, index, result) in zip(told_apart(result.contender for *_, result in every), every, strict=True):
        if one.together:
            result = replace(result, figures=replace(result.figures, first_token_ms=None, tokens_per_second=None))
        groups.setdefault((contender.model, contender.settings), []).append((result, one.vote == index))
    return tuple(_row(model, settings, results) for (model, settings), results in groups.items())


def _row(model: str, settings: str, results: Sequence[tuple[Result, bool]]) -> Row:
    figures = [result.figures for result, _ in results]
    judged = [(one.supported_share, one.sentences) for one in figures if one.supported_share is not None]
    sentences = sum(count for _, count in judged)
    return Row(
        model=model,
        title=results[-1][0].contender.title,
        settings=settings,
        answers=sum(not (result.failure or (result.answer and result.answer.refused)) for result, _ in results),
        votes=sum(voted for _, voted in results),
        first_token_ms=_median(one.first_token_ms for one in figures),
        tokens_per_second=_median(one.tokens_per_second for one in figures),
        supported_share=sum(share * count for share, count in judged) / sentences if sentences else None,
        joules=_median(one.joules for one in figures),
        passages=_median(one.passages or None for one in figures),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


class Comparisons:
    """The comparisons of a library. Safe from many threads. Raises NoSuchComparison where the id is none (any more)."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def keep(self, comparison: Comparison) -> Comparison:
        """Keep it, durably; returned with its id. Raises NoSuchCollection."""
        row = (clean(comparison.question), _packed(comparison), comparison.vote)
        shown = {}
        for result in comparison.results:
            if result.answer is not None:
                shown.update({cited.document_id: clean(cited.document) for cited in result.answer.citations})
                shown.update({found.document_id: clean(found.document) for found in result.answer.evidence})
        with self._library.database.writing() as connection:
            if not connection.execute("SELECT 1 FROM collections WHERE id = ?", (comparison.collection_id,)).fetchone():
                raise NoSuchCollection(name=comparison.collection)
            make_tables(connection, COMPARISONS_TABLES)
            made = connection.execute(
                "INSERT INTO comparisons (collection_id, created, question, data, vote, seal) VALUES (?, ?, ?, ?, ?, ?)",
                (comparison.collection_id, comparison.created, *row, seal(*row)),
            ).lastrowid
            connection.executemany("INSERT INTO comparison_documents VALUES (?, ?, ?)", [(made, *item) for item in shown.items()])
        return replace(comparison, id=int(made or 0))

    def all(self) -> tuple[Comparison, ...]:
        """The latest first. Raises LibraryDamaged."""
        return self._found("ORDER BY c.id DESC")

    def get(self, comparison_id: int) -> Comparison:
        found = self._found("WHERE c.id = ?", comparison_id)
        if not found:
            raise NoSuchComparison()
        return found[0]

    def vote(self, comparison_id: int, contender: int | None) -> Comparison:
        """Which result is the best, by its index; None takes the vote back. Raises BadRequest where there is no such result."""
        comparison = self.get(comparison_id)
        if contender is not None and not 0 <= contender < len(comparison.results):
            raise BadRequest(detail=f'"contender" must be a number from 0 to {len(comparison.results) - 1}, or null.')
        with self._library.database.writing() as connection:
            row = connection.execute("SELECT question, data FROM comparisons WHERE id = ?", (comparison_id,)).fetchone()
            if row is None:
                raise NoSuchComparison()
            connection.execute("UPDATE comparisons SET vote = ?, seal = ? WHERE id = ?", (contender, seal(*row, contender), comparison_id))
        return replace(comparison, vote=contender)

    def remove(self, comparison_id: int) -> None:
        """Delete it from the disk, also where it was changed there."""
        with self._library.database.writing() as connection:
            if not (has_table(connection, "comparisons") and connection.execute("DELETE FROM comparisons WHERE id = ?", (comparison_id,)).rowcount):
                raise NoSuchComparison()

    def _found(self, clause: str, *values: object) -> tuple[Comparison, ...]:
        with self._library.database.reading() as connection:
            if not has_table(connection, "comparisons"):
                return ()
            rows = connection.execute(
                f"""SELECT c.id, c.collection_id, n.name, c.question, c.created, c.data, c.vote, c.seal
                FROM comparisons c JOIN collections n ON n.id = c.collection_id {clause}""",
                values,
            ).fetchall()
        return tuple(self._unpacked(*row) for row in rows)

    def _unpacked(
        self, number: int, collection_id: int, collection: str, question: str, created: str, data: str, vote: int | None, checksum: int
    ) -> Comparison:
        if seal(question, data, vote) != checksum:
            raise LibraryDamaged(path=self._library.database.path, detail="a kept comparison was changed on the disk")
        kept = json.loads(data)
        results = tuple(
            Result(
                Contender(**one["contender"]),
                rebuilt(one["answer"]) if one["answer"] else None,
                one["failure"],
                Figures(**one["figures"]),
            )
            for one in kept["results"]
        )
        return Comparison(number, collection_id, collection, question, created, kept["together"], kept["note"], results, vote)


def _packed(comparison: Comparison) -> str:
    return json.dumps({"together": comparison.together, "note": comparison.note, "results": [asdict(result) for result in comparison.results]})
