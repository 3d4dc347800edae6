"""What is said of a machine: exact figures, the worst first, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.carrying.filesystem import FileSystem
from appliance.machine.facts import Disk, Machine, Processor
from appliance.machine.judge import Finding, findings
from appliance.manifest import Manifest
from tests.machine.making import MACHINE, QWEN_4B, gguf, make_bundle, runtime, with_instructions, with_library, with_memory

WEIGHTS = 2_497_280_256
# 36 layers, 8 heads, 128 numbers for the key and for the value, 2 bytes each: 144 KiB a token (research/packaging.md §5)
NEEDED = WEIGHTS + 6144 * 144 * 1024 + 300_000_000 + 150_000_000


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return make_bundle(tmp_path / "bundle", model=gguf(QWEN_4B), size=WEIGHTS, runtimes=(runtime("linux-x64", "2.31"),))


def only(machine: Machine, manifest: Manifest | None = None, **more: bool) -> Finding:
    [found] = findings(machine, manifest, **more)
    return found


def test_a_good_machine_gets_no_findings(manifest: Manifest) -> None:
    assert findings(MACHINE, manifest) == ()
    assert findings(MACHINE, None) == ()


def test_a_model_that_does_not_fit_what_is_free_will_swap(manifest: Manifest) -> None:
    assert round(NEEDED / 1e9, 1) == 3.9
    assert findings(with_memory(8_000_000_000, NEEDED), manifest) == ()
    found = only(with_memory(8_000_000_000, NEEDED - 1), manifest)
    assert found.severity == "warning"
    assert found.sentence.startswith("The language model needs 3.9 GB of memory, and 3.9 GB of 8.0 GB are free: the system will swap")
    assert "smaller language model" in found.advice


def test_a_model_that_is_loaded_already_is_not_counted_twice(manifest: Manifest) -> None:
    assert findings(with_memory(8_000_000_000, 1_000_000_000), manifest, loaded=True) == ()


def test_a_model_larger_than_the_memory_is_an_error(manifest: Manifest) -> None:
    found = only(with_memory(3_800_000_000, 3_000_000_000), manifest)
    assert found.severity == "error"
    assert "needs 3.9 GB of memory, and this machine has 3.8 GB" in found.sentence


def test_memory_that_is_not_known_is_not_judged(manifest: Manifest) -> None:
    assert findings(with_memory(None, None), manifest) == ()
    assert findings(with_memory(8_000_000_000, None), manifest) == ()


def test_little_memory_is_told_with_its_size() -> None:
    assert only(with_memory(2_000_000_000, 1_000_000_000)).sentence == "This machine has 2.0 GB of memory; Haversack is made for 4 GB and more."
    assert findings(with_memory(3_870_000_000, 1_000_000_000), None) == (), "sold as 4 GB, some of it kept by the graphics"


def test_a_slow_stick_is_told_with_its_speed_and_the_time_it_takes(manifest: Manifest) -> None:
    slow = replace(MACHINE, bundle=replace(MACHINE.bundle, speed=30e6))
    found = only(slow, manifest)
    assert found.severity == "warning"
    assert found.sentence == "The bundle's disk reads at 30 MB/s: loading its models (2.5 GB) takes about 83 s."
    assert only(replace(MACHINE, bundle=replace(MACHINE.bundle, speed=100e6)), manifest).severity == "note"
    assert findings(replace(MACHINE, bundle=replace(MACHINE.bundle, speed=None)), manifest) == (), "nothing is guessed"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ((), "about 11 times longer. Where it was measured, with these instructions switched off, reading 2,000 tokens took 136 s instead of 12 s"),
        (
            ("SSE4.2",),
            "about 13 times longer. Where it was measured, with these instructions switched off, reading 2,000 tokens took 155 s instead of 12 s",
        ),
        (("SSE4.2", "AVX"), "how much was not measured"),
    ],
)
def test_an_old_processor_is_told_with_what_was_measured(known: tuple[str, ...], words: str) -> None:
    found = only(with_instructions(*known))
    assert found.severity == "warning"
    assert words in found.sentence


def test_another_kind_of_processor_is_not_judged_by_what_it_lacks() -> None:
    arm = Processor("", "aarch64", 64, None, 4, ("NEON",))
    assert findings(replace(MACHINE, processor=arm, platform="linux-arm64"), None) == ()
    assert findings(replace(MACHINE, processor=replace(MACHINE.processor, instructions=None)), None) == ()


def test_a_library_that_cannot_be_written_is_an_error() -> None:
    system = FileSystem("ext4", 4096, 90_000_000_000, True)
    found = only(with_library(writable=False, filesystem=system))
    assert found.severity == "error"
    assert found.sentence == f"Nothing can be written to {MACHINE.library.path}: its disk is write-protected."
    assert "the system refuses" in only(with_library(writable=False)).sentence


def test_little_space_is_told() -> None:
    found = only(with_library(filesystem=FileSystem("ext4", 4096, 499_000_000, False)))
    assert (found.severity, found.sentence) == ("warning", "The disk of the library has 499 MB free.")


@pytest.mark.parametrize(("name", "words"), [("FAT32", "no users' rights and no file over 4 GB"), ("exFAT", "no users' rights: whoever")])
def test_a_library_on_fat_works_and_is_open_to_all(name: str, words: str) -> None:
    found = only(with_library(filesystem=FileSystem(name, 32768, 5_000_000_000, False)))
    assert found.severity == "note"
    assert words in found.sentence


def test_a_disk_that_writes_slowly_is_noted() -> None:
    assert only(with_library(speed=1.5e6)).sentence == "The disk of the library writes at 1.5 MB/s: adding documents takes longer."


def test_a_machine_that_the_bundle_was_not_made_for_is_told(manifest: Manifest) -> None:
    foreign = replace(MACHINE, platform="windows-x64", libc="")
    assert only(foreign, manifest).sentence.startswith("The bundle was made for linux-x64, and this machine is windows-x64")
    odd = replace(MACHINE, platform="", processor=replace(MACHINE.processor, architecture="riscv64"))
    assert "No bundle is made for this kind of machine (Debian GNU/Linux 12 (bookworm), riscv64)." in [one.sentence for one in findings(odd, None)]


def test_a_32_bit_python_is_an_error() -> None:
    found = only(replace(MACHINE, platform="", processor=replace(MACHINE.processor, bits=32)))
    assert found.severity == "error"
    assert "32-bit" in found.sentence


@pytest.mark.parametrize(("libc", "older"), [("glibc 2.30", True), ("glibc 2.31", False), ("glibc 2.4", True), ("musl 1.2", False), ("", False)])
def test_an_older_c_library_is_told(manifest: Manifest, libc: str, older: bool) -> None:
    found = findings(replace(MACHINE, libc=libc), manifest)
    assert [one.severity for one in found] == (["warning"] if older else [])
    assert not older or f"need the C library 2.31, and this system has {libc}" in found[0].sentence


def test_programs_that_nobody_has_run_yet_are_noted(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path / "bundle", model=gguf(QWEN_4B), runtimes=(runtime("linux-x64", tested=False),))
    assert only(MACHINE, manifest).severity == "note"


def test_the_worst_comes_first(manifest: Manifest) -> None:
    bad = Machine(
        system="Linux",
        libc="glibc 2.20",
        platform="linux-x64",
        memory=with_memory(2_000_000_000, 1_000_000_000).memory,
        processor=replace(MACHINE.processor, instructions=()),
        bundle=replace(MACHINE.bundle, speed=100e6),
        library=Disk("/media/STICK/data", FileSystem("FAT32", 4096, 1_000_000, True), False, None),
    )
    ranks = [("error", "warning", "note").index(one.severity) for one in findings(bad, manifest)]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}
    for one in findings(bad, manifest):
        assert one.sentence.endswith(".")
        assert one.advice.endswith(".")
