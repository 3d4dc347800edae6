"""Small signed bundles and machines to judge."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.carrying.filesystem import FileSystem
from appliance.machine.facts import Disk, Machine, Memory, Processor
from appliance.manifest import Manifest, read_manifest
from bundle.sign import load_key, write_lists

QWEN_4B = {
    "general.architecture": "qwen3",
    "qwen3.block_count": 36,
    "qwen3.context_length": 40960,
    "qwen3.embedding_length": 2560,
    "qwen3.attention.head_count": 32,
    "qwen3.attention.head_count_kv": 8,
    "qwen3.attention.key_length": 128,
    "qwen3.attention.value_length": 128,
}
MACHINE = Machine(
    system="Debian GNU/Linux 12 (bookworm)",
    libc="glibc 2.36",
    platform="linux-x64",
    processor=Processor("AMD EPYC", "x86_64", 64, 4, 8, ("SSE4.2", "AVX", "AVX2")),
    memory=Memory(16_000_000_000, 12_000_000_000),
    bundle=Disk("/media/STICK", FileSystem("exFAT", 32768, 20_000_000_000, False), None, 400e6),
    library=Disk("/home/amina/.local/share/haversack", FileSystem("ext4", 4096, 90_000_000_000, False), True, 200e6),
)


def with_memory(total: int | None, available: int | None) -> Machine:
    return replace(MACHINE, memory=Memory(total, available))


def with_instructions(*known: str) -> Machine:
    return replace(MACHINE, processor=replace(MACHINE.processor, instructions=known))


def with_library(**changes: Any) -> Machine:
    return replace(MACHINE, library=replace(MACHINE.library, **changes))


def gguf(values: Mapping[str, object], version: int = 3) -> bytes:
    """A GGUF with these values, a vocabulary of two pieces, and one tensor."""
    content = [b"GGUF", struct.pack("<IQQ", version, 1, len(values) + 2)]
    for key, value in {**values, "tokenizer.ggml.model": "gpt2"}.items():
        content += [_text(key), _value(value)]
    content += [_text("tokenizer.ggml.tokens"), struct.pack("<IIQ", 9, 8, 2), _text("a"), _text("b")]
    header = b"".join([*content, _text("output.weight"), struct.pack("<IQIQ", 1, 32, 0, 0)])
    return header + bytes(-len(header) % 32) + bytes(32 * 4)


def make_bundle(root: Path, *, model: bytes, size: int = 0, context: int = 6144, runtimes: tuple[Mapping[str, Any], ...] = ()) -> Manifest:
    """A signed bundle with one language model, whose file is `size` bytes long where that is more than `model` (a hole: it takes no space)."""
    file = root / "models" / "m" / "model.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(model)
    with file.open("r+b") as stream:
        stream.truncate(max(size, len(model)))
    settings = {
        "file": "model.gguf",
        "family": "qwen3",
        "parameters": "4B",
        "quantisation": "Q4_K_M",
        "context": context,
        "evidence": {"passages": 6, "tokens": 2400},
        "temperature": 0.0,
        "max_tokens": 400,
        "advice": "",
    }
    entry = {"role": "generator", "id": "m", "title": "M", "folder": "models/m", "licence": "Apache-2.0", "source": {}, "settings": settings}
    about = {"format": 2, "profile": "test", "title": "Test", "created": "2026-11-24T03:00:00Z", "languages": ["en"], "tool": {}, "versions": {}}
    files = [{"path": "models/m/model.gguf", "size": file.stat().st_size, "sha256": "0" * 64, "role": "generator"}]
    key = load_key(root.parent / "signing.pem")
    write_lists(root, {**about, "models": [entry], "runtimes": list(runtimes)}, key, files)
    return read_manifest(root)


def runtime(platform: str, libc: str = "", tested: bool = True) -> dict[str, Any]:
    archive = f"runtime/{platform}-00000000.tar.gz"
    return {"platform": platform, "archive": archive, "provider": "host", "python": "3.11", "libc": libc, "tested": tested, "unpacked": 1}


def _value(value: object) -> bytes:
    match value:
        case str():
            return struct.pack("<I", 8) + _text(value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case list():
            return struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(f"<{len(value)}I", *value)
    raise AssertionError(json.dumps(value))


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
