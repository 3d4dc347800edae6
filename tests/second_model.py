"""A second real language model for tests: the starter's own, requantised by llama.cpp itself, under another name and with a template for tools.

The only generator that can be had here is SmolLM2 135M in Q4_1. Requantising takes under a second (0.6 s for Q4_0, 0.8 s for Q8_0), and what
comes out is as real as any: another file, another hash, other weights, other answers.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import gguf

from appliance.manifest import Manifest

KINDS = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8}
"""The numbers of llama.h's `llama_ftype`."""
TOOLS_TEMPLATE = Path(__file__).parent / "models" / "templates" / "hermes-tools.jinja"
NAME = "general.name"
TEMPLATE = "tokenizer.chat_template"
_QUANTISE = """
import sys
import llama_cpp.llama_cpp as llama

parameters = llama.llama_model_quantize_default_params()
parameters.ftype, parameters.nthread, parameters.allow_requantize = int(sys.argv[3]), 2, True
sys.exit(llama.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), parameters))
"""


def starter_gguf(manifest: Manifest) -> Path:
    """The starter's own language model."""
    model = manifest.model("generator")
    return manifest.folder(model) / str(model.settings["file"])


def requantise(source: Path, target: Path, kind: str = "Q4_0") -> Path:
    """`target`: the model at `source` with other weights. In a child process: llama.cpp may abort, and a test's own process must not load it."""
    done = subprocess.run([sys.executable, "-c", _QUANTISE, str(source), str(target), str(KINDS[kind])], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return target


def with_values(source: Path, target: Path, changed: Mapping[str, str | int | None]) -> Path:
    """A copy of `source` whose header says otherwise: a text or a number for a key, or None to leave the key out. The weights stay the same."""
    reader = gguf.GGUFReader(source)
    fields = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    architecture = fields.pop("general.architecture").contents()
    with closing(gguf.GGUFWriter(target, str(changed.get("general.architecture") or architecture))) as writer:
        for name, field in fields.items():
            if name not in changed:
                writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
        for name, value in changed.items():
            if value is not None and name != "general.architecture":
                writer.add_key_value(name, value, gguf.GGUFValueType.STRING if isinstance(value, str) else gguf.GGUFValueType.UINT32)
        for tensor in reader.tensors:
            writer.add_tensor_info(tensor.name, tensor.data.shape, tensor.data.dtype, tensor.data.nbytes, tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(tensor.data, reader.endianess)
    return target


def second_model(manifest: Manifest, folder: Path) -> Path:
    """The starter's model as Q4_0, under another name."""
    plain = requantise(starter_gguf(manifest), folder / "plain.gguf")
    target = with_values(plain, folder / "SmolLM2-135M-Second.Q4_0.gguf", {NAME: "SmolLM2 135M Second"})
    plain.unlink()
    return target


def model_with_tools(manifest: Manifest, folder: Path) -> Path:
    """The starter's model with a template that takes tools. It is too small to call one by itself: a grammar has to make it."""
    changed = {NAME: "SmolLM2 135M with tools", TEMPLATE: TOOLS_TEMPLATE.read_text(encoding="utf-8")}
    return with_values(starter_gguf(manifest), folder / "SmolLM2-135M-Tools.Q4_1.gguf", changed)
