"""What we say llama.cpp knows is what the llama.cpp that is carried knows: the binary itself is asked, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import pytest

from appliance.models.ggml import ARCHITECTURES, FILE_TYPES, KINDS, OTHERWISE, WRITING

_ASK = r"""
import ctypes, json, re, struct, sys
from pathlib import Path
import llama_cpp.llama_cpp as llama

library, folder, log = llama._lib, Path(llama.__file__).parent / "lib", []
keep = llama.llama_log_callback(lambda level, text, _: log.append(text.decode("utf-8", "replace")))
llama.llama_log_set(keep, None)
place = next((at for at in (folder, folder.parent.parent / "bin") if any(at.glob("*ggml-cpu-*"))), None)
if place:
    library.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
    library.ggml_backend_load_all_from_path(str(place).encode())
llama.llama_backend_init()
binary = next(folder.glob("libllama.*")).read_bytes()
words = {word.decode() for word in re.findall(rb"(?<=\0)[a-z][a-z0-9_.-]{1,30}(?=\0)", binary)} | set(json.loads(sys.argv[2]))
text = lambda word: struct.pack("<Q", len(word)) + word.encode()
known = []
for word in sorted(words):
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("general.architecture") + struct.pack("<I", 8) + text(word)
    Path(sys.argv[1]).write_bytes(header + bytes(64))
    log.clear()
    assert not llama.llama_model_load_from_file(sys.argv[1].encode(), llama.llama_model_default_params())
    if "unknown model architecture" not in "".join(log):
        known.append(word)
kinds = {}
for name, result in (("ggml_type_name", ctypes.c_char_p), ("ggml_type_size", ctypes.c_size_t), ("ggml_blck_size", ctypes.c_int64)):
    function = getattr(library, name)
    function.argtypes, function.restype = [ctypes.c_int], result
for number in range(43):  # GGML_TYPE_COUNT: past it the binary aborts
    if library.ggml_blck_size(number):
        kinds[number] = [library.ggml_type_name(number).decode().upper(), library.ggml_blck_size(number), library.ggml_type_size(number)]
files = {value: name.removeprefix("LLAMA_FTYPE_") for name, value in vars(llama).items() if name.startswith("LLAMA_FTYPE_") and value < 1024}
print(json.dumps([known, kinds, files]))
"""


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Architectures, kinds of numbers, file types."""
    file = tmp_path_factory.mktemp("asked") / "asked.gguf"
    candidates = json.dumps(sorted(ARCHITECTURES | set(gguf.MODEL_ARCH_NAMES.values())))
    done = subprocess.run([sys.executable, "-c", _ASK, str(file), candidates], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return json.loads(done.stdout)


def test_every_architecture_is_known_to_the_binary_and_none_is_left_out(binary: Any) -> None:
    assert set(binary[0]) == ARCHITECTURES
    assert not WRITING & set(OTHERWISE)


def test_every_kind_of_number_has_the_binarys_own_size(binary: Any) -> None:
    assert {int(number): tuple(kind) for number, kind in binary[1].items()} == {
        number: (kind.name.upper(), *kind[1:]) for number, kind in KINDS.items()
    }


def test_every_file_type_has_its_name(binary: Any) -> None:
    def short(name: str) -> str:
        return name.removeprefix("MOSTLY_").removeprefix("ALL_").removesuffix("_MOE")

    theirs = {int(number): short(name) for number, name in binary[2].items()}
    ours = dict(FILE_TYPES)
    assert {number: ours.get(number, name) for number, name in theirs.items()} == theirs
    assert set(ours) - set(theirs) <= {41}, "named in llama.h, not in the binding's constants"


def test_the_binary_is_the_one_that_is_carried() -> None:
    carried = (Path(__file__).parents[2] / "requirements.in").read_text(encoding="utf-8")
    assert "llama-cpp-python==0.3.36" in carried, "ggml.py says which version it was taken from"
