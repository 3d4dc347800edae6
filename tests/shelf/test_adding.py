"""A model's way to the shelf: checked, copied, tried, and kept; or refused, with nothing left behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from appliance.durable import sha256_of
from appliance.errors import BadRequest, DiskFull, ModelTaken, NoSuchPath, NotAModel
from appliance.models.gguf import read_gguf
from appliance.models.parameters import Parameters
from appliance.models.thoughts import ALWAYS
from appliance.shelf import adding
from appliance.shelf.adding import ADDING, LICENCE, Wishes, licence_of, prepare
from appliance.shelf.intake import bring
from appliance.shelf.rendering import rendered
from appliance.shelf.shelf import ModelShelf
from tests.second_model import with_values
from tests.tiny_model import tiny_model


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "Tiny-Test.F32.gguf")


def left_behind(shelf: ModelShelf) -> list[str]:
    return sorted(os.listdir(shelf.folder)) if shelf.folder.is_dir() else []


def test_a_real_model_is_checked_copied_tried_and_kept(second_gguf: Path, shelf: ModelShelf) -> None:
    told: list[tuple[int, int]] = []
    prepared = prepare(second_gguf, shelf, tell=lambda done, total: told.append((done, total)))
    size = second_gguf.stat().st_size
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    model = shelf.add(prepared)
    assert (model.name, model.title, model.origin) == ("smollm2-135m-second.q4_0", "SmolLM2 135M Second", "added")
    assert (model.licence, model.architecture, model.trained_context, model.kv_width) == ("Apache-2.0", "llama", 8192, 11520)
    assert model.sha256 == sha256_of(second_gguf)
    settings = model.settings
    assert (settings.family, settings.parameters, settings.quantisation) == ("smollm2", "135M", "Q4_0")
    assert (settings.context, settings.evidence_passages, settings.evidence_tokens, settings.max_tokens) == (2048, 1, 400, 160)
    assert shelf.find(model.name) == model, "as it is read back"
    assert not model.can_call_tools
    assert second_gguf.is_file()


def test_a_template_with_tools_is_noticed(tools_gguf: Path, shelf: ModelShelf) -> None:
    assert prepare(tools_gguf, shelf, name="tools").model.can_call_tools


def test_a_template_is_rendered_to_be_shown(tools_gguf: Path) -> None:
    shown = rendered(read_gguf(tools_gguf).template)
    assert shown.sample.startswith("<|im_start|>system\nAnswer in one sentence.<|im_end|>\n")
    assert shown.sample.endswith("<|im_start|>assistant\n")
    assert shown.can_call_tools


def test_parts_are_kept_together_whichever_is_named(tmp_path: Path, shelf: ModelShelf) -> None:
    tiny_model(tmp_path / "tiny.gguf", parts=3)
    model = shelf.add(prepare(tmp_path / "tiny-00002-of-00003.gguf", shelf, name="three"))
    assert [part.path.name for part in model.files] == [f"three-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    assert model.settings.parameters == "18K"
    shelf.verify(model)


def test_a_part_that_is_missing_renamed_or_of_another_model_is_named(tmp_path: Path, shelf: ModelShelf) -> None:
    first = tiny_model(tmp_path / "tiny.gguf", parts=3)
    second = tmp_path / "tiny-00002-of-00003.gguf"
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(NotAModel, match=r"it is in 3 parts, and tiny-00002-of-00003\.gguf is not beside it"):
        prepare(first, shelf)
    shutil.copy(tmp_path / "tiny-00003-of-00003.gguf", second)
    with pytest.raises(NotAModel, match=r"says that it is part 3 of 3: it was renamed"):
        prepare(first, shelf)
    second.write_bytes(kept[:-100])
    with pytest.raises(NotAModel, match=r"in tiny-00002-of-00003\.gguf, it is cut off"):
        prepare(first, shelf)
    shutil.copy(first, tmp_path / "alone.gguf")
    with pytest.raises(NotAModel, match=r"it is part 1 of 3, and its name must end in -00001-of-00003\.gguf"):
        prepare(tmp_path / "alone.gguf", shelf)
    assert left_behind(shelf) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"general.architecture": "bert"}, "it turns text into numbers for search, and writes none"),
        ({"general.architecture": "clip", "tokenizer.ggml.tokens": None}, "it only sees pictures for another model"),
        ({"llama.context_length": 200}, "it was made for 200 tokens of context"),
        ({"tokenizer.chat_template": "{% for %}"}, "its chat template is broken"),
        ({"llama.attention.layer_norm_rms_epsilon": None}, "llama.cpp refuses it ("),
    ],
)
def test_what_cannot_answer_is_refused_with_one_sentence(
    tiny: Path, tmp_path: Path, shelf: ModelShelf, changed: dict[str, str | int | None], said: str
) -> None:
    other = with_values(tiny, tmp_path / "other.gguf", changed)
    with pytest.raises(NotAModel, match=r"other\.gguf can't be added: ") as refused:
        prepare(other, shelf)
    assert said in str(refused.value)
    assert left_behind(shelf) == []


TURN = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"


def test_a_model_that_thinks_aloud_is_told_of(tmp_path: Path, shelf: ModelShelf) -> None:
    path = tiny_model(tmp_path / "tiny.gguf", template=TURN + "{{ '<think>\n' }}")
    assert prepare(path, shelf).notes == (ALWAYS,)


def test_a_name_that_is_taken_is_told_before_anything_is_copied(tiny: Path, shelf: ModelShelf) -> None:
    shelf.add(prepare(tiny, shelf))
    with pytest.raises(ModelTaken, match=r"tiny-test\.f32"):
        prepare(tiny, shelf)
    with pytest.raises(ModelTaken, match="smollm2-135m-instruct"):
        prepare(tiny, shelf, name="smollm2-135m-instruct")
    with pytest.raises(BadRequest, match="can't be a model's name"):
        prepare(tiny, shelf, name="../up")
    assert left_behind(shelf) == ["tiny-test.f32"]


def test_a_full_disk_is_told_before_the_copy(tiny: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1 << 30, 1 << 30, 1000))  # type: ignore[attr-defined]
    with pytest.raises(DiskFull):
        prepare(tiny, shelf)
    assert left_behind(shelf) == []


def test_a_copy_that_is_stopped_leaves_nothing(second_gguf: Path, shelf: ModelShelf) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(second_gguf, shelf, tell=stop)
    assert left_behind(shelf) == []


def test_what_a_power_cut_left_is_swept_away(tiny: Path, shelf: ModelShelf) -> None:
    old = shelf.folder / f"{ADDING}1-abcd"
    old.mkdir(parents=True)
    (old / "half.gguf").write_bytes(b"GGUF")
    prepared = prepare(tiny, shelf)
    assert left_behind(shelf) == [prepared.folder.name]


def test_a_file_that_is_ours_is_moved_and_named_as_people_know_it(tiny: Path, shelf: ModelShelf) -> None:
    spooled = tiny.rename(tiny.with_name("spool-7f3a"))
    prepared = prepare(spooled, shelf, take=True, wishes=Wishes(file_name="My Model (1).gguf"))
    assert prepared.model.name == "my-model-1"
    assert not spooled.exists()
    spooled.write_bytes(b"GGUF")
    with pytest.raises(NotAModel, match=r"Broken\.gguf can't be added"):
        prepare(spooled, shelf, take=True, wishes=Wishes(file_name="Broken.gguf"))


def test_weights_that_are_not_those_expected_are_refused(tiny: Path, shelf: ModelShelf) -> None:
    with pytest.raises(NotAModel, match="the copy is damaged"):
        prepare(tiny, shelf, wishes=Wishes(sha256="0" * 64))
    assert left_behind(shelf) == []


def test_what_comes_with_it_is_kept_and_its_context_is_what_it_was_made_for(tiny: Path, shelf: ModelShelf) -> None:
    wishes = Wishes(title="Mine", system="Be kind.", parameters=Parameters(temperature=0.5, context=4096), licence_text="MIT License …")
    prepared = prepare(tiny, shelf, wishes=wishes)
    assert prepared.notes == ("Its context is set to 512 tokens, which the model was made for, not 4096.",)
    model = shelf.find(shelf.add(prepared).name)
    assert (model.title, model.system, model.parameters) == ("Mine", "Be kind.", Parameters(temperature=0.5, context=512))
    assert (model.settings.context, model.memory()) == (512, model.memory(512)), "its card and its loader go by the same number"
    assert (model.file.parent / LICENCE).read_text() == "MIT License …"
    assert model.licence == "MIT", "what the file itself says"


def test_the_hubs_names_of_licences_are_understood() -> None:
    assert [licence_of(name) for name in ("apache-2.0", "llama3.2", "gemma", "other", "qwen-research", "")] == [
        "Apache-2.0",
        "LicenseRef-Llama-3.2",
        "LicenseRef-Gemma",
        "",
        "qwen-research",
        "",
    ]


def test_whatever_it_comes_in_is_found_or_told(tiny: Path, tmp_path: Path, shelf: ModelShelf) -> None:
    assert bring(tmp_path, shelf, name="one").model.name == "one", "the only GGUF of a folder"
    shutil.copy(tiny, tmp_path / "second.gguf")
    with pytest.raises(NotAModel, match=r"a folder with several GGUF files: name one of Tiny-Test\.F32\.gguf, second\.gguf"):
        bring(tmp_path, shelf)
    with pytest.raises(NoSuchPath):
        bring(tmp_path / "nothing.gguf", shelf)
    with pytest.raises(BadRequest, match="a tag names a model of one"):
        bring(tiny, shelf, tag="llama3")
    for name, said in (("model.safetensors", "convert it"), ("model.zip", "unpack it"), ("model.gguf.part", "not finished")):
        (tmp_path / name).write_bytes(b"PK\3\4")
        with pytest.raises(NotAModel, match=said):
            bring(tmp_path / name, shelf)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotAModel, match="a folder without a GGUF"):
        bring(tmp_path / "empty", shelf)
