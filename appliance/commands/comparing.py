"""`haversack compare`: one question, or many from a file, to several models or settings, on the same evidence."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from appliance.answer.compare import Compared, Contest, Failed, Said
from appliance.commands.asking import open_for_asking, place, questions
from appliance.commands.choosing import values, with_preset
from appliance.config import Settings
from appliance.contests import Wanted, contest
from appliance.documents import Delta, EvidenceReady, Finished, QuotesReady, SentenceChecked
from appliance.durable import storage_error, writing_durably
from appliance.errors import BadRequest, NoSuchPath
from appliance.library.comparison_export import (
    FORMATS,
    as_json,
    energy_in_words,
    exported,
    figures_in_words,
    plain_table,
)
from appliance.library.comparisons import Comparison, table
from appliance.printable import counted, printable

_FORMS = {suffix: form for form, suffix in FORMATS.items()}


def compare(settings: Settings, given: argparse.Namespace) -> int:
    """The answers one below the other with their figures; for a file of questions the table. Nothing is kept in the library."""
    target = _target(given.export) if given.export else None
    told = values(given.set or ())
    wanted = [Wanted(*with_preset(name), told) for name in given.model or ()]
    appliance, collection_id, documents = open_for_asking(settings, given)
    compared: list[Comparison] = []
    try:
        begun = contest(appliance, collection_id, wanted, together=given.together, client="command line")
        for question in questions(given):
            compared.append(_one(begun, question, (collection_id, given.collection), documents, quiet=given.json or bool(given.questions)))
            if given.json:
                print(json.dumps(as_json(compared[-1]), ensure_ascii=False), flush=True)
            elif given.questions:
                print(f"{len(compared)}. {printable(question)}", file=sys.stderr)
    finally:
        appliance.close()
        # Also after Ctrl+C: an evening's answers are not thrown away for the last one.
        if compared and given.questions and not given.json:
            print(plain_table(table(compared)))
            print(energy_in_words(compared), file=sys.stderr)
        if compared and target:
            _write(target, compared)
    return 0 if any(result.answer for one in compared for result in one.results) else 1


def _target(name: str) -> Path:
    """Where to export to, looked at before anything is asked. Raises BadRequest, NoSuchPath."""
    path = Path(name).absolute()
    if path.suffix.lower() not in _FORMS:
        raise BadRequest(detail=f"{path.name} can't be written: --export takes a name that ends in .csv, .md or .json.")
    if not path.parent.is_dir():
        raise NoSuchPath(path=str(path.parent))
    return path


def _write(path: Path, compared: Sequence[Comparison]) -> None:
    try:
        with writing_durably(path) as file:
            file.write(exported(compared, _FORMS[path.suffix.lower()]))
    except OSError as error:
        raise storage_error(error, path.parent) from error
    print(f"Written to {path}.", file=sys.stderr)


def _one(begun: Contest, question: str, collection: tuple[int, str], documents: tuple[int, ...] | None, *, quiet: bool) -> Comparison:
    """Run one comparison; unless quiet, print quotes, answers and figures as they come."""
    cancel = threading.Event()
    speaking: int | None = None
    for event in begun.run(question, collection, cancel=cancel, documents=documents):
        match event:
            case Compared(comparison=comparison):
                if not quiet:
                    _print_end(comparison)
                return comparison
            case _ if quiet:
                continue
            case EvidenceReady(evidence=evidence, nearest=nearest):
                passages = counted(len(evidence), "passage")
                print(f"The nearest of {passages}:" if nearest else f"{passages} found, the same for all.", file=sys.stderr)
            case QuotesReady(citations=citations):
                for citation in citations:
                    print(f"“{' '.join(citation.quote.split())}” [{citation.marker}]")
            case Said(contender=index, event=said):
                if index != speaking:
                    speaking = index
                    one = begun.contenders[index]
                    print(f"\n── {one.title}{f' ({one.settings})' if one.settings else ''}", flush=True)
                match said:
                    case Delta(text=text):
                        print(text, end="", flush=True)
                    case SentenceChecked(sentence=sentence) if not sentence.supported:
                        print(" ⟨not found in your documents⟩", end="", flush=True)
                    case Failed(message=message):
                        print(message)
                    case Finished(answer=answer):
                        print(answer.answer if answer.refused else f"\n{answer.note}" if answer.note else "")
                    case _:
                        pass
    raise AssertionError("a comparison ends with Compared")


def _print_end(comparison: Comparison) -> None:
    print()
    for result in comparison.results:
        one = result.contender
        words = figures_in_words(result.figures) or ("No answer." if result.failure else "Nothing to measure.")
        print(f"{one.title}{f' ({one.settings})' if one.settings else ''}: {words}")
    for sentence in (comparison.note, energy_in_words([comparison])):
        if sentence:
            print(sentence, file=sys.stderr)
    cited = {}
    for result in comparison.results:
        cited.update({(one.document, one.page): one for one in (result.answer.citations if result.answer else ())})
    if cited:
        print("\nSources")
    for document, page in cited:
        print(f"  {place(document, page)}")
