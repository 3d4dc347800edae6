"""A model is loaded once before it is kept, as every question begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import NotAModel
from appliance.machine.facts import Memory
from appliance.shelf import trial
from appliance.shelf.adding import prepare
from appliance.shelf.shelf import ModelShelf
from tests.tiny_model import tiny_model

LONG = "You are an assistant with much to say about yourself. " * 60
TURN = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"


@pytest.mark.parametrize(
    "template",
    [
        "{% if messages[0].role != 'system' %}" + LONG + "{% endif %}" + TURN,
        LONG + TURN,
    ],
    ids=["as Mistral's do", "always"],
)
def test_a_template_with_a_long_text_of_its_own_is_no_reason_to_refuse_a_model(tmp_path: Path, shelf: ModelShelf, template: str) -> None:
    assert prepare(tiny_model(tmp_path / "tiny.gguf", template=template), shelf).notes == ()


def test_a_template_that_refuses_how_every_question_begins_is_told(tmp_path: Path, shelf: ModelShelf) -> None:
    path = tiny_model(tmp_path / "tiny.gguf", template="{% if messages|length < 3 %}{{ raise_exception('too short') }}{% endif %}" + TURN)
    with pytest.raises(NotAModel, match=r"tiny\.gguf can't be added: its chat template refuses the messages: too short"):
        prepare(path, shelf)
    assert list(shelf.folder.iterdir()) == []


def test_a_model_that_has_no_room_in_memory_is_kept_and_told_not_to_be_tried(
    tmp_path: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "memory_now", lambda: Memory(1_000_000_000, 100_000_000))
    assert prepare(tiny_model(tmp_path / "tiny.gguf"), shelf).notes == ("It was not tried: that takes 0.5 GB of memory, and 0.1 GB are free now.",)
