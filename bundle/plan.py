"""What a build would do, before a byte is fetched: sizes, licences, space here and on the stick, memory, what is missing.

Estimates say so. The models' sizes are what their sources promise; the rest is counted by the figures named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.fetch import Space, space_for
from bundle.licences import Licence, judge, refusal
from bundle.progress import size_text
from bundle.sources import Resolved, carried
from bundle.spec import Item, Spec

LARGEST_FAT32 = (4 << 30) - 1
# How sticks come formatted: FAT32 up to 32 GB with 16 or 32 KiB clusters; exFAT with 32 KiB, and above 32 GB with 128 KiB.
CLUSTERS = (("fat32", 16 << 10), ("fat32", 32 << 10), ("exfat", 32 << 10), ("exfat", 128 << 10))
# Launchers, READ-ME-FIRST.html, manifest, signature, key, sums, SBOM, our own code, licences: about so many files, and so large together.
_SMALL_FILES, _SMALL_BYTES = 16, 3 << 20
# While a runtime is made it lies unpacked beside its archive, which is then copied: 417 MB and two of 139 MB for linux-x64.
_IMAGE = 4
_FOLDERS = 4  # the bundle's own, LICENSES, runtime, models
# int8 keeps a quarter of an embedder's fp32 weights.
_INT8 = 4
# research/packaging.md §5: file + KV cache + buffers + runtime (onnxruntime's, no PyTorch) + the system and its browser (1.5 to 2 GB).
# The first two as appliance/machine/weights.py has them, which the builder doesn't import; tests/bundle/test_catalogue.py compares them.
_BUFFERS, _RUNTIME, _SYSTEM = 300_000_000, 150_000_000, 1_750_000_000
# Qwen3-4B's: what is counted for a generator whose layers nobody stated.
_KV_UNKNOWN = 144 << 10
_KV_BYTES = 2  # f16: llama.cpp's quantised cache was four times slower on a CPU


@dataclass(frozen=True, slots=True)
class RuntimePlan:
    """The runtime for one platform: where its interpreter comes from, and what is missing for it."""

    platform: str
    provider: str
    missing: tuple[str, ...]
    """Each in words that say what to give ("an interpreter (--interpreter FILE)"); empty where it can be built."""
    bytes: int
    """About so large on the stick."""


@dataclass(frozen=True, slots=True)
class PackPlan:
    """A folder of documents that becomes a pack; its text and vectors come on top of these bytes."""

    name: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stick:
    """What the bundle takes on a file system: every file fills its last cluster, and every folder takes one."""

    filesystem: str
    cluster: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a laptop needs to answer a question, by what takes them."""

    context: int
    parts: tuple[tuple[str, int], ...]
    guessed: bool
    """True where the generator's layers are not known, and a larger model's were counted."""
    ram_gb: int

    @property
    def needed(self) -> int:
        return sum(count for _, count in self.parts)

    @property
    def fits(self) -> bool:
        """Whether the laptops that the profile is meant for have it; so it is, where the profile doesn't say."""
        return not self.ram_gb or self.needed <= self.ram_gb << 30


@dataclass(frozen=True, slots=True)
class Plan:
    spec: Spec
    resolved: tuple[Resolved, ...]
    licences: tuple[Licence, ...]
    """One for each of `resolved`."""
    runtimes: tuple[RuntimePlan, ...]
    packs: tuple[PackPlan, ...]
    space: Space
    sticks: tuple[Stick, ...]
    """The file systems that the bundle is made for, each with its usual cluster sizes."""
    memory: Memory

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why `build` would stop before it fetches anything, a sentence each; empty where it wouldn't."""
        licences = [str(refusal(one, licence)) for one, licence in zip(self.resolved, self.licences, strict=True) if licence.refused]
        return (*licences, *(f"The runtime for {one.platform} lacks {what}." for one in self.runtimes for what in one.missing))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What `build` does all the same, and its builder should know."""
        needs = f"This profile is meant for laptops of {self.spec.ram_gb} GB, and needs {size_text(self.memory.needed)}: take a smaller model."
        return () if self.memory.fits else (needs,)


def plan(spec: Spec, resolved: Sequence[Resolved], runtimes: Iterable[RuntimePlan] = ()) -> Plan:
    """Everything that is known before anything is fetched. Reads the sizes of the packs' documents, and nothing else."""
    runtimes = tuple(runtimes)
    packs = tuple(_pack(folder) for folder in spec.packs)
    files = list(bundle_files(spec, resolved, runtimes, packs))
    folders = _FOLDERS + len(resolved) + bool(packs)
    return Plan(
        spec=spec,
        resolved=tuple(resolved),
        licences=tuple(judge(one, spec.accepted) for one in resolved),
        runtimes=runtimes,
        packs=packs,
        space=_space(spec, resolved, runtimes, packs),
        sticks=tuple(
            Stick(name, cluster, len(files), on_stick(files, folders, cluster)) for name, cluster in CLUSTERS if spec.filesystem in (name, "fat32")
        ),
        memory=memory_for(spec, resolved),
    )


def _space(spec: Spec, resolved: Sequence[Resolved], runtimes: Sequence[RuntimePlan], packs: Sequence[PackPlan]) -> Space:
    """What the models need, and the runtimes and packs on top; a model that is split lies there twice for a while."""
    models = space_for(resolved)
    more = sum(one.bytes for one in runtimes) + sum(one.bytes for one in packs)
    twice = sum(size for one in resolved for size in _model_files(one) if spec.filesystem == "fat32" and size > LARGEST_FAT32)
    return Space(models.download, models.build + more + twice + _IMAGE * sum(one.bytes for one in runtimes), models.bundle + more)


def on_stick(files: Iterable[int], folders: int, cluster: int) -> int:
    """Bytes that files of these sizes take in clusters of so many bytes, with `folders` folders."""
    return (sum(-(-size // cluster) for size in files) + folders) * cluster


def bundle_files(spec: Spec, resolved: Iterable[Resolved], runtimes: Iterable[RuntimePlan], packs: Iterable[PackPlan]) -> Iterator[int]:
    """The size of every file that the bundle will hold, about: for FAT32 what is too large for it comes in parts."""
    yield from [_SMALL_BYTES // _SMALL_FILES] * _SMALL_FILES
    yield from (runtime.bytes for runtime in runtimes)
    yield from (pack.bytes for pack in packs)
    for one in resolved:
        for size in _model_files(one):
            while spec.filesystem == "fat32" and size > LARGEST_FAT32:
                yield LARGEST_FAT32
                size -= LARGEST_FAT32
            yield size


def _model_files(one: Resolved) -> list[int]:
    # A package promises its wheel; what is inside is known as a whole.
    sizes = [one.unpacked] if one.record["kind"] == "package" else [file.size for file in one.files if carried(file.path)]
    return [max(sizes, default=0) // _INT8, one.unpacked - max(sizes, default=0)] if one.item.role == "embedder" else sizes


def memory_for(spec: Spec, resolved: Iterable[Resolved]) -> Memory:
    """By research/packaging.md §5's rule, each part by its name: with the model that answers unless told, the only one that is always loaded."""
    sizes = {(one.item.role, one.item.id): sum(_model_files(one)) for one in resolved}
    generator, embedder = (next(item for item in spec.items if item.role == role) for role in ("generator", "embedder"))
    context = int(generator.settings["context"])
    return Memory(
        context,
        (
            ("the language model's file", sizes.get(("generator", generator.id), 0)),
            (f"its context of {context:,} tokens", kv_bytes(generator) * context),
            ("its buffers", _BUFFERS),
            ("the embedding model", sizes.get(("embedder", embedder.id), 0)),
            ("Haversack", _RUNTIME),
            ("the system and the browser", _SYSTEM),
        ),
        not generator.memory,
        spec.ram_gb,
    )


def kv_bytes(generator: Item) -> int:
    """Bytes of the KV cache that each token of the context takes."""
    known = generator.memory
    return 2 * known["layers"] * known["kv_heads"] * known["head_dimensions"] * _KV_BYTES if known else _KV_UNKNOWN


def _pack(folder: Path) -> PackPlan:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return PackPlan(folder.name, len(sizes), sum(sizes))
