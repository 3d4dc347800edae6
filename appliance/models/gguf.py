"""What a GGUF file says of its model. `header.py` reads it; here it is understood, and whether it can be a language model at all is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.models.ggml import ARCHITECTURES, FILE_TYPES, KINDS, OTHERWISE
from appliance.models.header import Header, Many, NotAGguf, Tensor, read_header

__all__ = ["Gguf", "NotAGguf", "Split", "gguf_of", "read_gguf", "split_of"]

_GUESSED = 1024
"""Added to the file type where whoever wrote the file only guessed it."""
_TEXTS = 8
_MOST_LAYERS = 4096
_MOST_HEADS = 1 << 16
_LONGEST_VECTOR = 1 << 20
_HYBRIDS = ("qwen3next", "qwen35", "qwen4exp")
"""Every fourth layer of theirs keeps a cache, unless the file says otherwise."""
_GEMMA3N_LAYERS = 20
"""Those with a cache of their own: its files don't say, and llama.cpp has the number in its code."""
_MOST_PARTS = 1000
_LONGEST_TITLE = 200
_POOLING_NONE = 0
TEMPLATE = "tokenizer.chat_template"


@dataclass(frozen=True, slots=True)
class Split:
    """A file that is one part of several. llama.cpp is given the first and reads the others beside it."""

    number: int
    """From 0."""
    count: int
    tensors: int
    """Of all parts together."""


@dataclass(frozen=True, slots=True)
class Gguf:
    """A language model, as its file describes it. What it doesn't say is empty or 0."""

    version: int
    architecture: str
    name: str
    """`general.name`, in one line."""
    family: str
    """`general.basename` where it is told, else the architecture; in small letters."""
    licence: str
    """As the file says it, mostly the Hub's short name ("apache-2.0"); a claim."""
    quantisation: str
    """"Q4_K_M": what the file calls itself, else the type that most of its bytes have."""
    parameters: int
    """Numbers in all tensors."""
    context: int
    """Tokens: the longest that it was made for."""
    layers: int
    heads: int
    """0 where it has no attention."""
    kv_width: int
    """Numbers that a token adds to the KV cache, over all layers; 0 where nothing grows with the context."""
    vocabulary: int
    """Pieces that it knows."""
    template: str
    """Its chat template; empty where it brings none."""
    size: int
    """Bytes of all parts."""
    unfit: str
    """Why it can't answer ("it turns text into numbers for search, …"); empty where it can."""
    split: Split | None

    @property
    def parameters_text(self) -> str:
        """As people write it: "135M", "1.7B", "70B"."""
        for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
            if (count := self.parameters / unit) >= 0.9995:
                return f"{count:.1f}".removesuffix(".0") + letter if count < 10 and letter == "B" else f"{count:.0f}{letter}"
        return str(self.parameters)


def read_gguf(path: Path) -> Gguf:
    """Raises NotAGguf with one plain reason, OSError."""
    return gguf_of([read_header(path)])


def gguf_of(parts: Sequence[Header]) -> Gguf:
    """The model whose file, or whose parts in their order, have these headers. Raises NotAGguf.

    Whether the parts belong together is `shelf/joining.py`'s question; the first one's values hold.
    """
    header = parts[0]
    architecture = header.text("general.architecture")
    if not architecture:
        raise NotAGguf("it doesn't say its general.architecture")
    if architecture not in ARCHITECTURES:
        raise NotAGguf(f"its architecture {architecture[:40]!r} is not known to this llama.cpp")
    unfit = _unfit(header, architecture)
    split = split_of(header)
    tensors = [tensor for part in parts for tensor in part.tensors]
    if not tensors and split is None:
        raise NotAGguf("it has a header and no weights")
    other = bool(unfit)  # it is told what it is, not what it lacks
    layers = header.whole(f"{architecture}.block_count", 1 if other else None, most=_MOST_LAYERS)
    heads = _most(header, f"{architecture}.attention.head_count")
    return Gguf(
        version=header.version,
        architecture=architecture,
        name=_line(header.text("general.name")),
        family=_line(header.text("general.basename") or architecture).lower(),
        licence=_line(header.text("general.license")),
        quantisation=_quantisation(header, tensors),
        parameters=sum(tensor.numbers for tensor in tensors),
        context=header.whole(f"{architecture}.context_length", 1 if other else None),
        layers=layers,
        heads=heads,
        kv_width=_kv_width(header, architecture, layers, heads) if heads and not other else 0,
        vocabulary=0 if other else _vocabulary(header),
        template=header.text(TEMPLATE),
        size=sum(part.size for part in parts),
        unfit=unfit,
        split=split,
    )


def split_of(header: Header) -> Split | None:
    """None for a file that is whole by itself. Raises NotAGguf."""
    count = header.whole("split.count", 0, least=0, most=_MOST_PARTS)
    if count < 2:
        return None
    number = header.whole("split.no", None, least=0, most=count - 1)
    return Split(number, count, header.whole("split.tensors.count", None))


def _unfit(header: Header, architecture: str) -> str:
    if architecture in OTHERWISE:
        return OTHERWISE[architecture]
    match header.text("general.type"):
        case "" | "model":
            pass
        case "adapter":
            return "it only changes another model (a LoRA adapter), and is none by itself"
        case "mmproj":
            return OTHERWISE["clip"]
        case other:
            return f"it says that it is of the type {other[:40]!r}, not a language model"
    pooling = header.values.get(f"{architecture}.pooling_type", _POOLING_NONE)
    if pooling != _POOLING_NONE or header.values.get(f"{architecture}.attention.causal") is False:
        return OTHERWISE["bert"]
    return ""


def _kv_width(header: Header, architecture: str, layers: int, heads: int) -> int:
    """Layers differ: some have fewer heads and some no cache; those that slide can have shorter keys, and the engine keeps the whole context for
    them, too (`swa_full`)."""
    key = f"{architecture}.attention."
    each = header.whole(f"{architecture}.embedding_length", most=1 << 24) // heads
    keys, values = (header.whole(key + name, each, most=_LONGEST_VECTOR) for name in ("key_length", "value_length"))
    shorter = [header.whole(f"{key}{name}_swa", usual, most=_LONGEST_VECTOR) for name, usual in (("key_length", keys), ("value_length", values))]
    kv_heads = _listed(header, key + "head_count_kv")
    if kv_heads is None:
        kv_heads = [header.whole(key + "head_count_kv", heads, least=0, most=_MOST_HEADS)] * layers
    slide = _listed(header, key + "sliding_window_pattern") or []
    cached = _cached(header, architecture, layers)
    width = 0
    for layer, count in enumerate(kv_heads):
        if layer in cached:
            width += count * (sum(shorter) if any(slide[layer : layer + 1]) else keys + values)
    if width >= 1 << 31:
        raise NotAGguf(f"a token of its context would take {2 * width / 1e9:.0f} GB, which can't be")
    return width


def _cached(header: Header, architecture: str, layers: int) -> set[int]:
    """The layers that keep a cache, as llama.cpp decides it (src/models/qwen35.cpp, gemma4.cpp and gemma3n.cpp): not the recurrent ones of a
    hybrid, nor those that use an earlier layer's."""
    shared = header.whole(f"{architecture}.attention.shared_kv_layers", 0, least=0, most=layers)
    own = min(layers, _GEMMA3N_LAYERS) if architecture == "gemma3n" else layers - shared
    recurrent = _listed(header, f"{architecture}.attention.recurrent_layers")
    if recurrent is not None:
        return {layer for layer in range(own) if not any(recurrent[layer : layer + 1])}
    interval = header.whole(f"{architecture}.full_attention_interval", 4 if architecture.startswith(_HYBRIDS) else 1)
    # Those that guess several tokens ahead stand at the end, and are never recurrent.
    main = layers - header.whole(f"{architecture}.nextn_predict_layers", 0, least=0, most=layers)
    return {layer for layer in range(own) if layer >= main or (layer + 1) % interval == 0}


def _most(header: Header, key: str) -> int:
    """A number, or the largest of a list with one for each layer; 0 where nothing is said."""
    told = _listed(header, key)
    return header.whole(key, 0, least=0, most=_MOST_HEADS) if told is None else max(told, default=0)


def _listed(header: Header, key: str) -> list[int] | None:
    """A number or a truth for each layer; None where something else is said, or nothing."""
    told = header.values.get(key)
    if not isinstance(told, Many):
        return None
    numbers = [int(value) for value in told.values if isinstance(value, int) and 0 <= value <= _MOST_HEADS]
    if len(numbers) != told.count:
        raise NotAGguf(f"its {key} is a list of what can't be")
    return numbers


def _vocabulary(header: Header) -> int:
    """llama.cpp reads as many scores and types as there are pieces, without a look at how many are there."""
    tokens = header.values.get("tokenizer.ggml.tokens")
    if not header.text("tokenizer.ggml.model") or not isinstance(tokens, Many) or tokens.kind != _TEXTS or not tokens.count:
        raise NotAGguf("it brings no vocabulary")
    for key in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
        told = header.values.get(key)
        if told is not None and (not isinstance(told, Many) or told.count != tokens.count):
            raise NotAGguf(f"its {key} doesn't fit its {tokens.count} pieces of vocabulary")
    return tokens.count


def _quantisation(header: Header, tensors: Sequence[Tensor]) -> str:
    told = header.values.get("general.file_type")
    if type(told) is int and told & ~_GUESSED in FILE_TYPES:
        return FILE_TYPES[told & ~_GUESSED]
    sizes: Counter[int] = Counter()
    for tensor in tensors:
        sizes[tensor.kind] += tensor.size
    return KINDS[sizes.most_common(1)[0][0]].name if sizes else ""


def _line(text: str) -> str:
    """In one printable line of bounded length: it is shown to people."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_LONGEST_TITLE]
