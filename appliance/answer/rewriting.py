"""A follow-up question completed by a model, where one is chosen for that; code decides whether what it wrote is taken.

Taken is one line that asks, that keeps every name and number of the question, and that brings in none from outside the conversation: a model
that answers instead, or invents, is not listened to. Then the rules of `followups.py` complete the question, as they do without a model.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Sequence

from appliance.answer.citations import without_markers
from appliance.answer.facts import missing
from appliance.answer.followups import complete
from appliance.answer.words import terms
from appliance.documents import Queued, Turn
from appliance.errors import HaversackError
from appliance.models.protocol import Message, Piece, Waiting
from appliance.models.request import Request
from appliance.models.writes import Writes

SYSTEM = (
    "You complete a question so that it can be understood alone: put names in the place of he, she, it and they. "
    "Reply with the completed question and nothing else."
)
EXAMPLES = (
    Message("user", "Question before: Who rebuilt the old mill?\nAnswer: The town rebuilt the old mill.\n\nQuestion: When did they do it?"),
    Message("assistant", "When did the town rebuild the old mill?"),
)
LAST = "Question before: {question}\nAnswer: {answer}"
NOW = "{turns}\n\nQuestion: {question}"
TURNS = 2
"""The last ones are what a question leans on; more cost time and mislead a small model."""
_LONGEST_ANSWER, _LONGEST = 300, 400
"""Characters of an earlier answer that are told, and of a completed question that is taken."""
_MOST_TOKENS = 64
_PREFIX = re.compile(r"^(?:completed |rewritten )?question\s*:\s*", re.IGNORECASE)
_ASKS = re.compile(r"[?？؟;]\s*$")
_LONGER = 12
"""Words that may be added: what completes a question is a name or two."""


class Rewriter:
    """Completes questions: `Asker`'s `rewrite`. Safe from many threads."""

    def __init__(self, model: Callable[[], Writes | None]) -> None:
        """`model` gives the one that is chosen for rewriting, None where none is."""
        self._model = model

    def __call__(self, question: str, history: Sequence[Turn], cancel: threading.Event, client: str = "page") -> Generator[Queued, None, str]:
        """`question` as it must be searched for; by the rules where no model is chosen, or where it fails, is stopped or writes something else.

        Tells of the questions before this one, in the turns of `client`.
        """
        if not history:
            return question
        by_rule = complete(question, history)
        try:
            model = self._model()
            written = (yield from asked_of(model, question, history, cancel, client)) if model else ""
        except HaversackError:  # a question is never lost for want of a better wording
            return by_rule
        return written if not cancel.is_set() and accepted(written, question, history) else by_rule


BY_RULES = Rewriter(lambda: None)


def asked_of(model: Writes, question: str, history: Sequence[Turn], cancel: threading.Event, client: str = "page") -> Generator[Queued, None, str]:
    """What the model makes of the question. Raises GeneratorFailed, PromptTooLong and what loading the model raises."""
    messages = (Message("system", SYSTEM), *EXAMPLES, Message("user", NOW.format(turns=_told(history), question=question)))
    text = ""
    for event in model.generate(Request(messages, _MOST_TOKENS, stop=("\n",), client=client), cancel):
        match event:
            case Waiting(ahead=ahead):
                yield Queued(ahead)
            case Piece(text=piece):
                text += piece
    return _PREFIX.sub("", text.strip()).strip().strip('"“”')


def accepted(written: str, question: str, history: Sequence[Turn]) -> bool:
    """Whether code can stand by this as the question that was meant."""
    if not written or len(written) > _LONGEST or "\n" in written:
        return False
    if bool(_ASKS.search(question)) and not _ASKS.search(written):
        return False  # it answers
    if missing(question, written):
        return False  # a name or a number was dropped
    said = "\n".join((question, *(f"{turn.question}\n{turn.searched_for}\n{turn.answer}" for turn in history)))
    if missing(written, said):
        return False  # a name or a number was brought in
    had, has = terms(question), terms(written)
    kept = sum(term in has for term in had)
    return 2 * kept >= len(had) and len(has) <= len(had) + _LONGER


def _told(history: Sequence[Turn]) -> str:
    turns = []
    for turn in history[-TURNS:]:
        answer = " ".join(without_markers(turn.answer).split())[:_LONGEST_ANSWER]
        turns.append(LAST.format(question=turn.searched_for or turn.question, answer=answer))
    return "\n".join(turns)
