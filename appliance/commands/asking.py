"""`haversack ask` and `haversack search`: one question, or many from a file in one process."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.commands.choosing import told
from appliance.config import Settings
from appliance.documents import Answer, Citation, Delta, EvidenceReady, Finished, Progress, Queued, QuotesReady, SentenceChecked, Unwritten
from appliance.errors import BadRequest, NoSuchDocument, NoSuchPath
from appliance.models.choice import Choice
from appliance.offline.seal import Seal
from appliance.printable import printable
from appliance.runtime import Appliance, open_appliance, open_link


def ask(settings: Settings, given: argparse.Namespace) -> int:
    parameters = told(given)
    appliance, collection_id, documents = open_for_asking(settings, given)
    try:
        choice = appliance.choose(collection_id, model=given.model or "", parameters=parameters)
        for question in questions(given):
            answer = _answer(appliance, choice, question, collection_id, documents, quiet=given.json or bool(given.questions))
            if given.json or given.questions:
                print(json.dumps(answer_as_json(answer), ensure_ascii=False), flush=True)
            else:
                _print_sources(answer)
    finally:
        appliance.close()
    return 0


def search(settings: Settings, given: argparse.Namespace) -> int:
    appliance, collection_id, documents = open_for_asking(settings, given)
    try:
        for query in questions(given):
            result = appliance.asker.search(query, collection_id, limit=given.limit, documents=documents)
            if given.json or given.questions:
                keys = ("document", "page", "text", "score", "start", "end")
                results = [{key: getattr(item, key) for key in keys} for item in result.evidence]
                timings = {"retrieve": round(result.milliseconds, 1)}
                print(json.dumps({"query": query, "results": results, "timings_ms": timings}, ensure_ascii=False), flush=True)
            else:
                for item in result.evidence:
                    print(f"{place(item.document, item.page)}  ({item.score:.3f})\n    {' '.join(item.text.split())}\n")
                if not result.evidence:
                    print("Nothing in this collection fits.")
    finally:
        appliance.close()
    return 0


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """The documented form of an answer; see docs/cli.md."""
    return {
        "question": answer.question,
        "searched_for": answer.searched_for,
        "answer": answer.answer,
        "generated": answer.generated,
        "refused": answer.refused,
        "sentences": [{"text": s.text, "markers": list(s.markers), "supported": s.supported, "missing": list(s.missing)} for s in answer.sentences],
        "citations": [
            {key: getattr(item, key) for key in ("marker", "document", "page", "quote", "start", "end", "supported")} for item in answer.citations
        ],
        "evidence": [{key: getattr(item, key) for key in ("document", "page", "text", "score", "start", "end")} for item in answer.evidence],
        "model": answer.model,
        "timings_ms": {
            "retrieve": round(answer.timings.retrieve, 1),
            "first_token": None if answer.timings.first_token is None else round(answer.timings.first_token, 1),
            "total": round(answer.timings.total, 1),
        },
        "tokens": {"prompt": answer.prompt_tokens, "completion": answer.completion_tokens},
        "note": answer.note,
    }


def open_for_asking(settings: Settings, given: argparse.Namespace) -> tuple[Appliance, int, tuple[int, ...] | None]:
    """The appliance with its network shut, the collection's id, and the ids of the documents that were named, None for all."""
    if bool(given.question) == bool(given.questions):
        raise BadRequest(detail="Give one question, or a file of them with --questions.")
    # Vectors are searched here, exactly; `search` and `compare` need no base camp at all.
    link = open_link(replace(settings, vectors="")) if given.command == "ask" else None
    seal = Seal.without_counting()
    seal.close_network()
    appliance = open_appliance(settings, write=False, purpose=given.command, seal=seal, link=link)
    if link is not None:
        print(link.sentence, file=sys.stderr)
    for sentence in appliance.trust.notices:
        print(sentence, file=sys.stderr)
    try:
        collection = appliance.library.collection(given.collection)
        return appliance, collection.id, _documents(appliance, collection.id, given.document)
    except BaseException:
        appliance.close()
        raise


def _documents(appliance: Appliance, collection_id: int, names: Sequence[str] | None) -> tuple[int, ...] | None:
    """Raises NoSuchDocument."""
    if not names:
        return None
    found = [(name, appliance.library.find_document(collection_id, name=name)) for name in names]
    missing = [name for name, document in found if document is None]
    if missing:
        raise NoSuchDocument(name=missing[0])
    return tuple(document.id for _, document in found if document is not None)


def questions(given: argparse.Namespace) -> Iterator[str]:
    """The one question, or those of the file. Raises NoSuchPath, BadRequest."""
    if not given.questions:
        yield given.question
        return
    path = Path(given.questions)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise NoSuchPath(path=given.questions) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(detail=f"The questions in {path.name} can't be read: it must be a text file in UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _question(line.strip(), path.name, number)


def _question(line: str, name: str, number: int) -> str:
    if not line.startswith("{"):
        return line
    try:
        question = json.loads(line)["question"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(detail=f'Line {number} of {name} is not JSON with a "question".') from error
    if not isinstance(question, str) or not question.strip():
        raise BadRequest(detail=f"Line {number} of {name} has an empty question.")
    return question


def _answer(appliance: Appliance, choice: Choice, question: str, collection_id: int, documents: tuple[int, ...] | None, *, quiet: bool) -> Answer:
    """Run the pipeline; unless quiet, print quotes and prose to stdout as they come, and messages to stderr."""
    cancel = threading.Event()
    events = appliance.asker.ask(question, collection_id, documents=documents, cancel=cancel, choice=choice)
    for event in events:
        match event:
            case Unwritten(error=error):
                raise error  # the quotes are printed, and whoever called is told by the exit code
            case Finished(answer=answer):
                if not quiet:
                    print(answer.answer if answer.refused else "")
                    if answer.note:
                        print(answer.note, file=sys.stderr)
                return answer
            case _ if quiet:
                continue
            case QuotesReady(citations=citations):
                for citation in citations:
                    print(f"“{' '.join(citation.quote.split())}” [{citation.marker}]")
                print()
            case Delta(text=text):
                print(text, end="", flush=True)
            case SentenceChecked(sentence=sentence) if not sentence.supported:
                print(" ⟨not found in your documents⟩", end="", flush=True)
            case Progress(phase=phase, done=done, total=total) if sys.stderr.isatty():
                # The line goes away again before the model's first word stands in its place.
                print("\r\033[K" + (f"{phase} {done} of {total} …" if done < total else ""), end="", file=sys.stderr, flush=True)
            case Queued(ahead=ahead):
                print(f"{ahead} questions are before this one.", file=sys.stderr)
            case EvidenceReady() | SentenceChecked() | Progress():
                pass
    raise AssertionError("the ask pipeline ends with Finished")


def _print_sources(answer: Answer) -> None:
    shown: list[Citation] = list(answer.citations)
    if shown:
        print("\nSources")
    for citation in shown:
        print(f"  [{citation.marker}] {place(citation.document, citation.page)}")
    if answer.refused and answer.evidence:
        print("\nNearest passages")
        for item in answer.evidence[:3]:
            print(f"  {place(item.document, item.page)}: {' '.join(item.text.split())[:160]}…")


def place(document: str, page: int | None) -> str:
    return printable(document) + (f", page {page}" if page is not None else "")
