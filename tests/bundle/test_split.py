"""A GGUF in parts: the same tensors and keys, parts that fit, and the same words from llama.cpp as with the whole file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import gguf
import numpy
import pytest

from appliance.durable import sha256_of
from appliance.manifest import Manifest
from appliance.models.engine import Engine
from appliance.models.parameters import Sampling
from appliance.models.template import Part
from bundle.errors import FileTooLarge
from bundle.split import FAT32_LIMIT, split_gguf

LIMIT = 32_000_000
"""SmolLM2's largest tensor has 30.1 MB."""


@pytest.fixture(scope="session")
def whole(manifest: Manifest) -> Path:
    model = manifest.model("generator")
    return manifest.folder(model) / str(model.settings["file"])


@pytest.fixture(scope="session")
def parts(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return split_gguf(whole, tmp_path_factory.mktemp("parts"), LIMIT)


def greedy(file: Path) -> list[bytes]:
    engine = Engine(file, context=256, threads=2, cores=2)
    engine.read(engine.tokens([Part("The capital of France is", trusted=False)]), lambda done, of: None)
    return list(islice(engine.write(engine.sampler(Sampling())), 24))


def small_gguf(path: Path, rows: int = 64) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("general.tags", ["one", "two"])
    for number in range(8):
        writer.add_tensor(f"blk.{number}.weight", numpy.full((rows, 64), number, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_parts_fit_and_are_named_as_llama_cpp_looks_for_them(whole: Path, parts: tuple[Path, ...]) -> None:
    assert [part.name for part in parts] == [f"{whole.stem}-0000{number}-of-0000{len(parts)}.gguf" for number in range(1, len(parts) + 1)]
    assert len(parts) > 1
    assert all(part.stat().st_size <= LIMIT for part in parts)
    assert sorted(parts[0].parent.iterdir()) == sorted(parts)


def test_the_parts_hold_every_tensor_and_key_of_the_whole(whole: Path, parts: tuple[Path, ...]) -> None:
    original = gguf.GGUFReader(whole)
    read = [gguf.GGUFReader(part) for part in parts]
    carried = {tensor.name: (tensor.tensor_type, tensor.shape.tolist(), tensor.data.tobytes()) for one in read for tensor in one.tensors}
    assert carried == {tensor.name: (tensor.tensor_type, tensor.shape.tolist(), tensor.data.tobytes()) for tensor in original.tensors}
    keys = {name: field.contents() for name, field in original.fields.items() if not name.startswith("GGUF.")}
    first = {name: field.contents() for name, field in read[0].fields.items() if not name.startswith("GGUF.")}
    assert first == keys | {"split.no": 0, "split.count": len(parts), "split.tensors.count": len(original.tensors)}


@pytest.mark.slow
def test_llama_cpp_writes_the_same_from_the_parts_as_from_the_whole(whole: Path, parts: tuple[Path, ...]) -> None:
    assert greedy(parts[0]) == greedy(whole)


def test_splitting_twice_gives_the_same_files(tmp_path: Path) -> None:
    file = small_gguf(tmp_path / "small.gguf")
    (tmp_path / "out" / ".small.splitting").mkdir(parents=True)  # an earlier build was killed here
    (tmp_path / "out" / ".small.splitting" / "small-00009-of-00009.gguf").write_bytes(b"half")
    first = [(part.name, sha256_of(part)) for part in split_gguf(file, tmp_path / "out", 60_000)]
    second = [(part.name, sha256_of(part)) for part in split_gguf(file, tmp_path / "out", 60_000)]
    assert first == second
    assert len(first) == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [name for name, _ in first]


def test_a_file_that_fits_stays_whole(tmp_path: Path) -> None:
    file = small_gguf(tmp_path / "small.gguf")
    assert split_gguf(file, tmp_path / "out") == (file,)
    assert split_gguf(file, tmp_path / "out", file.stat().st_size) == (file,)
    assert FAT32_LIMIT == 2**32 - 1


def test_other_kinds_are_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(bytes(100))
    with pytest.raises(FileTooLarge, match=r"model\.onnx .*only a GGUF can be split.*exFAT"):
        split_gguf(file, tmp_path / "out", 99)


def test_a_tensor_larger_than_a_file_may_be_is_refused(tmp_path: Path) -> None:
    file = small_gguf(tmp_path / "small.gguf")
    with pytest.raises(FileTooLarge, match="one of its tensors alone is larger"):
        split_gguf(file, tmp_path / "out", 20_000)


@pytest.mark.parametrize("content", [b"not a model at all" * 10, b"GGUF\3\0\0\0" + b"\xff" * 200], ids=["foreign", "broken"])
def test_what_is_no_gguf_inside_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(FileTooLarge, match="it can't be read"):
        split_gguf(file, tmp_path / "out", 100)
    assert not (tmp_path / "out").exists()
