"""Ollama's Modelfiles: read as Ollama reads them, taken over as far as it goes, and written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import BadParameter, NotAModel
from appliance.models.catalogue import GeneratorSettings
from appliance.models.parameters import Parameters, sampling
from appliance.models.protocol import Message
from appliance.models.template import CHATML
from appliance.shelf.adding import Wishes, prepare
from appliance.shelf.entries import ModelPart, ShelfModel
from appliance.shelf.intake import bring
from appliance.shelf.modelfile import LARGEST, Modelfile, exported, parameter_lines, parse, read_modelfile, wishes_of
from appliance.shelf.shelf import ModelShelf
from tests.second_model import with_values
from tests.tiny_model import tiny_model

WHOLE = '''# my own
FROM ./tiny.gguf
parameter temperature 0.7
PARAMETER num_ctx 400
PARAMETER num_predict -1
PARAMETER top_k 20
PARAMETER stop "<|im_end|>"
PARAMETER stop Human:
PARAMETER mirostat 2
SYSTEM """
You know the hut.
# This is no comment.
"""
TEMPLATE """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}<|im_start|>user
{{ .Prompt }}<|im_end|>
<|im_start|>assistant
"""
MESSAGE user How high is it?
MESSAGE assistant """Two thousand,
I think."""
LICENSE """Apache License
Version 2.0, January 2004"""
'''


def test_every_instruction_is_understood() -> None:
    found = parse(WHOLE.replace("\n", "\r\n"))
    assert found.sources == ("./tiny.gguf",)
    assert ("temperature", "0.7") in found.parameters
    assert found.system == "You know the hut.\n# This is no comment."
    assert found.messages == (Message("user", "How high is it?"), Message("assistant", "Two thousand,\nI think."))
    assert found.licences == ("Apache License\nVersion 2.0, January 2004",)


def test_what_haversack_has_is_taken_over_and_the_rest_is_said() -> None:
    wishes = wishes_of(parse(WHOLE), CHATML)
    assert wishes.parameters == Parameters(temperature=0.7, context=400, top_k=20)
    assert (wishes.system, wishes.licence) == ("You know the hut.\n# This is no comment.", "Apache-2.0")
    assert wishes.notes == (
        "Not taken over, since Haversack has no such parameter: mirostat.",
        "Its stop texts ('Human:') are not kept: an answer ends where the model ends it.",
    ), "the template has the GGUF's own marks: nothing to say"


@pytest.mark.parametrize(
    ("own", "note"),
    [
        ("{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}", "the chat template in the GGUF is used"),
        ("", ""),
    ],
)
def test_another_layout_than_the_gguf_has_is_told(own: str, note: str) -> None:
    told = " ".join(wishes_of(parse(WHOLE), own).notes)
    assert note in told
    assert ("TEMPLATE" in told) == bool(note)


def test_a_template_for_a_gguf_without_one_is_warned_of() -> None:
    modelfile = Modelfile(template="<|start_header_id|>user<|end_header_id|>{{ .Prompt }}<|eot_id|>")
    assert wishes_of(modelfile, "").notes == (
        "Its TEMPLATE is in Go's form, which Haversack doesn't read, and the GGUF brings none: ChatML is used, so it may answer badly.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('FROM a\nSYSTEM "never ends', "line 2 opens a quotation that never ends"),
        ('FROM a\nSYSTEM """never\nends', "line 2 opens a quotation that never ends"),
        ("HELLO world", "line 1 begins with 'HELLO', which is no instruction of a Modelfile"),
        ("PARAMETER temperature", "line 1 has a PARAMETER without a value"),
        ("PARAMETER", "line 1 has a PARAMETER without a value"),
        ("MESSAGE bob hi", "line 1 has a MESSAGE of 'bob', and it must be of system, user, assistant"),
        ("MESSAGE user", "line 1 has a MESSAGE without a text"),
        ("MESSAGE user hi\n" * 201, "it has 201 MESSAGEs, more than 200"),
    ],
)
def test_what_is_no_modelfile_is_told_by_its_line(text: str, said: str) -> None:
    with pytest.raises(NotAModel, match="The Modelfile can't be added") as refused:
        parse(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("temperature", "9", "from 0 to 2"),
        ("temperature", "warm", "from 0 to 2"),
        ("num_ctx", "4096.5", "a whole number"),
        ("top_p", "nan", "from 0.01 to 1"),
        ("seed", "99999999999999999999", "from 0 to"),
    ],
)
def test_a_value_that_is_out_of_range_is_refused_with_the_range(name: str, value: str, allowed: str) -> None:
    with pytest.raises(BadParameter, match=allowed):
        wishes_of(parse(f"PARAMETER {name} {value}"), "")


def test_an_adapter_is_refused() -> None:
    with pytest.raises(NotAModel, match="ADAPTER, which Haversack can't do"):
        wishes_of(parse("FROM a\nADAPTER ./lora.gguf"), "")


def test_a_modelfile_becomes_a_model(tmp_path: Path, shelf: ModelShelf) -> None:
    tiny_model(tmp_path / "tiny.gguf")
    (tmp_path / "Modelfile").write_text(WHOLE)
    prepared = bring(tmp_path, shelf, name="mine")
    assert len(prepared.notes) == 2
    model = shelf.find(shelf.add(prepared).name)
    assert model.system.startswith("You know the hut.")
    assert (model.parameters, model.settings.context) == (Parameters(temperature=0.7, context=400, top_k=20), 400)
    assert model.examples == parse(WHOLE).messages


def test_from_can_name_a_model_of_the_shelf_whose_file_is_not_kept_twice(tmp_path: Path, shelf: ModelShelf) -> None:
    wishes = Wishes(parameters=Parameters(context=300))
    base = shelf.add(prepare(tiny_model(tmp_path / "tiny.gguf"), shelf, name="base", wishes=wishes))
    (tmp_path / "formal").write_text("FROM base:latest\nSYSTEM Be formal.\n")
    model = shelf.add(bring(tmp_path / "formal", shelf))
    assert (model.name, model.title, model.system) == ("formal", "Tiny (formal)", "Be formal.")
    assert model.file.samefile(base.file)
    assert (base.settings.context, model.settings.context) == (300, 300)
    shelf.remove("base")
    shelf.verify(shelf.find("formal"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SYSTEM hi", "it has no FROM"),
        ("FROM\nSYSTEM hi", "it has no FROM"),
        ("FROM ./tiny.gguf\nFROM ./damaged.gguf", "it has more than one FROM"),
        ("FROM ~nobody/m.gguf", "which is neither a file here nor a model of the shelf"),
        ("FROM llama3.2", "its FROM says 'llama3.2', which is neither a file here nor a model of the shelf"),
        ("FROM \\\\host\\share\\m.gguf", "its FROM names another machine"),
        ("FROM //host/share/m.gguf", "its FROM names another machine"),
        ("FROM ./damaged.gguf", "damaged.gguf can't be added: it is no GGUF file"),
    ],
)
def test_a_from_that_leads_nowhere_is_told(tmp_path: Path, shelf: ModelShelf, text: str, said: str) -> None:
    tiny_model(tmp_path / "tiny.gguf")
    (tmp_path / "damaged.gguf").write_bytes(b"nothing")
    (tmp_path / "Modelfile").write_text(text)
    with pytest.raises(NotAModel) as refused:
        bring(tmp_path / "Modelfile", shelf)
    assert said in str(refused.value)


def test_what_ollama_writes_of_a_model_that_sees_pictures_is_taken(tmp_path: Path, shelf: ModelShelf) -> None:
    weights = tiny_model(tmp_path / "sha256-1")
    with_values(weights, tmp_path / "sha256-2", {"general.type": "mmproj"})
    system = "Be brief. " * 500
    text = f'FROM ./sha256-1\nFROM ./sha256-2\nTEMPLATE {{{{ .Prompt }}}}\nRENDERER qwen3-vl\nPARSER qwen3-vl\nDRAFT ./d\nSYSTEM """{system}"""\n'
    (tmp_path / "shown").write_text(text)
    prepared = bring(tmp_path / "shown", shelf)
    assert (prepared.model.file.read_bytes(), prepared.model.system) == (weights.read_bytes(), "")
    assert [note for note in prepared.notes if "TEMPLATE" not in note] == [
        "Not taken over, since only Ollama can do it: RENDERER, PARSER, DRAFT.",
        "Its SYSTEM has 4999 characters, more than 4000, and is left out.",
        "Its part that sees pictures is left out.",
    ]


def test_a_file_that_is_no_text_or_too_large_is_told(tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_bytes(b"\xff\xfe" + "FROM a.gguf".encode("utf-16-le"))
    assert read_modelfile(path).sources == ("a.gguf",), "as Windows' editor saves it"
    path.write_bytes(b"\x80\x81\x82")
    with pytest.raises(NotAModel, match="neither a GGUF nor the text of a Modelfile"):
        read_modelfile(path)
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(NotAModel, match="larger than any Modelfile"):
        read_modelfile(path)


def test_a_model_that_is_written_as_a_modelfile_is_the_same_when_it_is_read(tmp_path: Path, shelf: ModelShelf) -> None:
    (tmp_path / "Modelfile").write_text(WHOLE)
    tiny_model(tmp_path / "tiny.gguf")
    model = shelf.add(bring(tmp_path / "Modelfile", shelf, name="mine"))
    (tmp_path / "again").write_text(exported(model))
    again = shelf.add(bring(tmp_path / "again", shelf))
    assert (again.system, again.examples) == (model.system, model.examples)
    assert sampling(again.parameters, again.settings) == sampling(model.parameters, model.settings)
    assert parameter_lines(again) == parameter_lines(model)
    assert again.sha256 == model.sha256
    assert parse(exported(again)).licences == ("Apache License\nVersion 2.0, January 2004",)


def test_all_that_decides_an_answer_is_written_since_ollamas_own_defaults_are_others() -> None:
    settings = GeneratorSettings("a.gguf", "llama", "1B", "Q4_0", 2048, 1, 400, 0.0, 160, "")
    parts = tuple(ModelPart(Path(f"a-0000{number}-of-00002.gguf"), 1, "0" * 64) for number in (1, 2))
    model = ShelfModel("a", "A", "added", parts, settings, parameters=Parameters(top_k=20, threads=3))
    assert parameter_lines(model) == [
        "temperature 0.0",
        "top_p 0.95",
        "top_k 20",
        "min_p 0.05",
        "repeat_penalty 1.0",
        "presence_penalty 0.0",
        "frequency_penalty 0.0",
        "seed 0",
        "num_ctx 2048",
        "num_predict 160",
        "num_thread 3",
    ]
    text = exported(model)
    assert [line.removeprefix("PARAMETER ") for line in text.splitlines() if line.startswith("PARAMETER ")] == parameter_lines(model)
    assert "# Ollama takes no model in parts, and this one has 2" in text


TEXT = (
    st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1, max_size=80)
    .map(str.strip)
    .filter(lambda text: text and '"""' not in text)
)


@given(TEXT, st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=4))
def test_any_text_survives_being_written_and_read(system: str, talk: list[tuple[str, str]]) -> None:
    settings = GeneratorSettings("a.gguf", "llama", "1B", "Q4_0", 2048, 1, 400, 0.0, 160, "")
    examples = tuple(Message(role, text) for role, text in talk)
    model = ShelfModel("a", "A", "added", (ModelPart(Path("a.gguf"), 1, "0" * 64),), settings, system=system, examples=examples)
    found = parse(exported(model))
    assert (found.sources, found.system, found.messages) == (("a.gguf",), system, examples)
