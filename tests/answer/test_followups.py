from __future__ import annotations

import pytest

from appliance.answer.followups import complete
from appliance.documents import Turn


def after(question: str, answer: str = "") -> list[Turn]:
    return [Turn(question, question, answer)]


@pytest.mark.parametrize(
    ("question", "earlier", "answer", "completed"),
    [
        ("And when was she born?", "Where did Marie Curie work?", "", "When was Marie Curie born?"),
        ("And when was she born?", "Who discovered radium?", "“Radium was discovered by Marie Curie in 1898.” [1]", "When was Marie Curie born?"),
        ("What is its population?", "Where is Fresno?", "", "What is Fresno's population?"),
        ("Did he meet Edison?", "Where was Nikola Tesla born?", "", "Did Nikola Tesla meet Edison?"),
        ("what about 2012?", "How many people lived in Warsaw in 2010?", "", "How many people lived in Warsaw in 2012?"),
        ("What about Berlin?", "How many people lived in Warsaw in 2010?", "", "How many people lived in Berlin in 2010?"),
    ],
)
def test_a_follow_up_is_completed_from_the_last_turn(question: str, earlier: str, answer: str, completed: str) -> None:
    assert complete(question, after(earlier, answer)) == completed


@pytest.mark.parametrize(
    ("question", "earlier", "words"),
    [
        ("Why?", "Was the appeal rejected?", ("Why", "appeal", "rejected")),
        ("And the deposit?", "How much is the rent of the house?", ("deposit", "rent", "house")),
        ("¿Y cuándo?", "¿Dónde nació Frida Kahlo?", ("cuándo", "Frida", "Kahlo")),
        ("What about the roof?", "Who pays for the heating?", ("roof", "heating")),
        ("And what share goes to fuel?", "How much is the yearly budget of the clinic?", ("share", "fuel", "budget", "clinic")),
    ],
)
def test_a_bare_follow_up_carries_the_topic_on(question: str, earlier: str, words: tuple[str, ...]) -> None:
    completed = complete(question, after(earlier))
    assert all(word in completed for word in words), completed


@pytest.mark.parametrize(
    "question",
    [
        "Who was Nikola Tesla?",
        "When did Tesla die, and where was he buried?",
        "What does the contract say about notice?",
        "Is it true that oxygen burns?",
        "How many of these 12 wells are new?",
        "Which documents mention the harbour of Rotterdam?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert complete(question, after("Where did Marie Curie work?", "“In Paris.” [1]")) == question


def test_without_a_conversation_nothing_is_added() -> None:
    assert complete("And when was she born?", []) == "And when was she born?"


def test_completions_build_on_completed_questions() -> None:
    history = [Turn("And when was she born?", "When was Marie Curie born?", "“She was born in 1867.” [1]")]
    assert complete("Where did she study?", history) == "Where did Marie Curie study?"
