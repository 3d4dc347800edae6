"""What a GGUF says of its model, and every way in which a file isn't one: one plain reason each, before anything is loaded."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.manifest import Manifest
from appliance.models.gguf import Gguf, NotAGguf, Split, read_gguf
from appliance.models.header import read_header
from tests.machine.making import gguf
from tests.second_model import starter_gguf, with_values
from tests.tiny_model import tiny_model

BEGINNING = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
KEY = struct.pack("<Q", 1) + b"k"


def reason(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(NotAGguf) as refused:
        read_gguf(path)
    return str(refused.value)


def patched(tmp_path: Path, old: bytes, new: bytes, **made: Any) -> bytes:
    """A real tiny model in which `old`, which must be there once, is `new`."""
    content = tiny_model(tmp_path / "whole.gguf", **made).read_bytes()
    assert content.count(old) == 1
    return content.replace(old, new)


def key(name: str) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode()


def test_the_starters_own_model_is_understood(manifest: Manifest) -> None:
    found = read_gguf(starter_gguf(manifest))
    assert found == Gguf(
        version=3,
        architecture="llama",
        name="Smollm2 135M 8k Lc100K Mix1 Ep2",
        family="smollm2",
        licence="apache-2.0",
        quantisation="Q4_1",
        parameters=134_515_008,
        context=8192,
        layers=30,
        heads=9,
        kv_width=30 * 3 * 2 * 64,
        vocabulary=49152,
        template=found.template,
        size=98_362_432,
        unfit="",
        split=None,
    )
    assert found.template.startswith("{% for message in messages %}")
    assert found.parameters_text == "135M"


def test_requantised_it_is_another_quantisation_of_the_same_model(second_gguf: Path, manifest: Manifest) -> None:
    first, second = read_gguf(starter_gguf(manifest)), read_gguf(second_gguf)
    assert (second.quantisation, second.name) == ("Q4_0", "SmolLM2 135M Second")
    assert (second.parameters, second.vocabulary, second.kv_width) == (first.parameters, first.vocabulary, first.kv_width)


QWEN35 = {
    "general.architecture": "qwen35",
    "qwen35.block_count": 32,
    "qwen35.context_length": 262144,
    "qwen35.embedding_length": 2560,
    "qwen35.attention.head_count": 16,
    "qwen35.attention.head_count_kv": 4,
    "qwen35.attention.key_length": 256,
    "qwen35.attention.value_length": 256,
}
GEMMA4 = {
    "general.architecture": "gemma4",
    "gemma4.block_count": 35,
    "gemma4.context_length": 131072,
    "gemma4.embedding_length": 1536,
    "gemma4.attention.head_count": 8,
    "gemma4.attention.head_count_kv": 1,
    "gemma4.attention.key_length": 512,
    "gemma4.attention.value_length": 512,
    "gemma4.attention.key_length_swa": 256,
    "gemma4.attention.value_length_swa": 256,
    "gemma4.attention.sliding_window_pattern": [1, 1, 1, 1, 0] * 7,
    "gemma4.attention.shared_kv_layers": 20,
}
GEMMA3N = {
    "general.architecture": "gemma3n",
    "gemma3n.block_count": 30,
    "gemma3n.context_length": 32768,
    "gemma3n.embedding_length": 2048,
    "gemma3n.attention.head_count": 8,
    "gemma3n.attention.head_count_kv": 2,
    "gemma3n.attention.key_length": 256,
    "gemma3n.attention.value_length": 256,
}


@pytest.mark.parametrize(
    ("values", "width"),
    [
        (QWEN35, 8 * 4 * 512),
        (QWEN35 | {"qwen35.full_attention_interval": 2}, 16 * 4 * 512),
        (QWEN35 | {"qwen35.attention.recurrent_layers": [1, 0] + [1] * 30}, 1 * 4 * 512),
        (QWEN35 | {"qwen35.block_count": 33, "qwen35.nextn_predict_layers": 1}, (8 + 1) * 4 * 512),
        (GEMMA4, 12 * 512 + 3 * 1024),
        (GEMMA3N, 20 * 2 * 512),
    ],
    ids=["hybrid", "every second", "by a list", "with one that guesses ahead", "sliding and shared", "shared by name"],
)
def test_only_layers_with_a_cache_of_their_own_are_counted(tmp_path: Path, values: dict[str, object], width: int) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(values))
    assert read_gguf(path).kv_width == width


def test_a_list_of_truths_is_one(tmp_path: Path) -> None:
    assert read_gguf(tiny_model(tmp_path / "tiny.gguf", changed={"llama.attention.recurrent_layers": [True]})).kv_width == 0


def test_what_no_file_type_says_is_told_by_the_bytes(tmp_path: Path) -> None:
    assert read_gguf(tiny_model(tmp_path / "tiny.gguf", changed={"general.file_type": 999})).quantisation == "F32"


def test_one_part_of_several_says_which(tmp_path: Path) -> None:
    assert read_gguf(tiny_model(tmp_path / "tiny.gguf", parts=3)).split == Split(0, 3, 11)


def test_every_tensor_lies_in_the_file_one_after_the_other(manifest: Manifest) -> None:
    header = read_header(starter_gguf(manifest))
    ends = [tensor.offset + tensor.size for tensor in header.tensors]
    assert all(0 <= after.offset - end < 32 for end, after in zip(ends, header.tensors[1:], strict=False))
    assert header.data + ends[-1] <= header.size


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"GG", "it is no GGUF file"),
        (b"PK\3\4" + bytes(100), "it is no GGUF file"),
        (b"lmgg" + bytes(100), "it is in the old GGML form, which llama.cpp reads no more"),
        (b"GGUF" + bytes(2), "it is cut off inside its header"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "it is GGUF version 1, and llama.cpp reads 2 and 3"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "it was written for processors of the other byte order"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0), "it promises 1099511627776 tensors, more than 65536"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40), "it promises 1099511627776 values in its header, more than 4096"),
        (BEGINNING + struct.pack("<Q", 1 << 60), "its header has a text of 1152921504606846976 bytes, more than 255"),
        (BEGINNING + struct.pack("<Q", 0) + bytes(20), "its header has a key '', which can't be"),
        (BEGINNING + KEY + struct.pack("<I", 77), "its k is of type 77, which there is not"),
        (BEGINNING + KEY + struct.pack("<IQ", 8, 1 << 60), "its k has a text of 1152921504606846976 bytes, more than 16777216"),
        (BEGINNING + KEY + struct.pack("<IIQ", 9, 4, 1 << 60), "its k promises 1152921504606846976 values, more than 8388608"),
        (BEGINNING + KEY + struct.pack("<IIQ", 9, 4, 1 << 22), "it is cut off inside its header"),
        (BEGINNING + KEY + struct.pack("<IIQ", 9, 8, 1 << 22) + bytes(100), "it is cut off inside its header, in k"),
        (BEGINNING + KEY + struct.pack("<IIQ", 9, 9, 1), "its k is a list of lists"),
        (BEGINNING + KEY + struct.pack("<IB", 7, 2), "its k is 2, and it must be true or false"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + (KEY + struct.pack("<II", 4, 1)) * 2, "its header says k twice"),
        (BEGINNING + key("general.alignment") + struct.pack("<II", 4, 3), "its general.alignment is 3, which can't be"),
        (BEGINNING + KEY + struct.pack("<II", 4, 1), "it doesn't say its general.architecture"),
        (
            BEGINNING + key("general.architecture") + struct.pack("<I", 8) + key("hal9000"),
            "its architecture 'hal9000' is not known to this llama.cpp",
        ),
        (BEGINNING + key("general.architecture") + struct.pack("<I", 8) + key("llama"), "it has a header and no weights"),
    ],
)
def test_a_header_that_cannot_be_is_refused_with_one_reason(tmp_path: Path, content: bytes, said: str) -> None:
    assert reason(tmp_path, content) == said


def tensor(name: str, *dimensions: int, kind: int = 0) -> bytes:
    return key(name) + struct.pack(f"<I{len(dimensions)}QI", len(dimensions), *dimensions, kind)


NORM = tensor("output_norm.weight", 32)


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (tensor("output_norm.weighx"[:17] + "\0", 32), "it has a tensor named"),
        (tensor("token_embd.weight", 32), "it has two tensors named token_embd.weight"),
        (tensor("output_norm.weight", 32, kind=5), "its tensor output_norm.weight is of type 5, which this llama.cpp doesn't know"),
        (tensor("output_norm.weight", 31, kind=8), "its tensor output_norm.weight has rows of 31 numbers, which Q8_0 can't pack"),
        (tensor("output_norm.weight", 0), "its tensor output_norm.weight has 0 numbers, which can't be"),
        (tensor("output_norm.weight", 1 << 40, 1 << 40), f"its tensor output_norm.weight has {1 << 40} × {1 << 40} numbers, which can't be"),
        (tensor("output_norm.weight", *[1] * 5), "its tensor output_norm.weight has 5 dimensions, and there can be 1 to 4"),
        (tensor("output_norm.weight", 1 << 20), "it is cut off: 4 MB are missing, from the tensor output_norm.weight on"),
    ],
)
def test_a_table_of_tensors_that_cannot_be_is_refused(tmp_path: Path, new: bytes, said: str) -> None:
    assert reason(tmp_path, patched(tmp_path, NORM, new)).startswith(said)


def test_tensors_that_overlap_or_lie_apart_are_refused(tmp_path: Path) -> None:
    content = tiny_model(tmp_path / "whole.gguf").read_bytes()
    at = content.index(NORM) + len(NORM)
    (offset,) = struct.unpack_from("<Q", content, at)
    for wrong in (0, offset - 32, offset + 32, offset + 1, (1 << 64) - 32):
        bad = content[:at] + struct.pack("<Q", wrong) + content[at + 8 :]
        assert reason(tmp_path, bad) == f"its tensor output_norm.weight should begin at byte {offset} of the data and begins at {wrong}"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("llama.block_count", 0, "its llama.block_count is 0, which can't be"),
        ("llama.block_count", None, "it doesn't say its llama.block_count"),
        ("llama.context_length", "many", "its llama.context_length is 'many', which can't be"),
        ("llama.full_attention_interval", 0, "its llama.full_attention_interval is 0, which can't be"),
        ("llama.attention.shared_kv_layers", 2, "its llama.attention.shared_kv_layers is 2, which can't be"),
        ("llama.attention.head_count_kv", 1 << 20, "its llama.attention.head_count_kv is 1048576, which can't be"),
        ("tokenizer.ggml.tokens", None, "it brings no vocabulary"),
        ("tokenizer.ggml.model", None, "it brings no vocabulary"),
        ("tokenizer.ggml.token_type", 3, "its tokenizer.ggml.token_type doesn't fit its 260 pieces of vocabulary"),
    ],
)
def test_values_that_cannot_be_are_refused(tmp_path: Path, name: str, value: str | int | None, said: str) -> None:
    bad = with_values(tiny_model(tmp_path / "whole.gguf"), tmp_path / "changed.gguf", {name: value})
    assert reason(tmp_path, bad.read_bytes()) == said


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"general.architecture": "bert"}, "search"),
        ({"general.architecture": "clip"}, "pictures"),
        ({"general.architecture": "t5"}, "encoder"),
        ({"general.type": "adapter"}, "LoRA"),
        ({"general.type": "mmproj"}, "pictures"),
        ({"general.type": "imatrix"}, "'imatrix'"),
        ({"llama.pooling_type": 3}, "search"),
    ],
)
def test_what_is_no_language_model_is_told_what_it_is(tmp_path: Path, changed: dict[str, str | int], what: str) -> None:
    told = {**changed, "tokenizer.ggml.tokens": None} if "general.architecture" in changed else changed
    assert what in read_gguf(with_values(tiny_model(tmp_path / "whole.gguf"), tmp_path / "other.gguf", told)).unfit


@pytest.mark.parametrize(
    ("count", "text"), [(134_515_008, "135M"), (1_720_574_976, "1.7B"), (4_022_468_096, "4B"), (8.03e9, "8B"), (70_553_706_560, "71B")]
)
def test_parameters_are_written_as_people_write_them(manifest: Manifest, count: float, text: str) -> None:
    assert replace(read_gguf(starter_gguf(manifest)), parameters=int(count)).parameters_text == text
