"""The plan: arithmetic of sizes, clusters and memory, and what would stop a build before it fetches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.manifest import Manifest
from bundle.fetch import resolve
from bundle.overrides import Wishes, with_wishes
from bundle.plan import LARGEST_FAT32, Plan, RuntimePlan, bundle_files, kv_bytes, memory_for, on_stick, plan
from bundle.plan_text import plan_json, plan_text
from bundle.sources import Resolved, SourceFile
from bundle.spec import HubSource, Item, PackageSource, Spec, profiles, read_catalogue, read_item, read_spec
from tests.images import exfat_image, fat_image

# The catalogue doesn't state its size: 0.6 B parameters in Q8_0.
ROUNDED = {"qwen3-0.6b": 640_000_000}
# Parameters of the embedders that §4 names, as fp32 weights.
WEIGHTS = {"granite-embedding-small-english-r2": 47_000_000 * 4, "granite-embedding-97m-multilingual-r2": 97_000_000 * 4}


def promised(item: Item) -> Resolved:
    """What the Hub would say, from what the catalogue and the research know."""
    if isinstance(item.source, PackageSource):
        files, unpacked = (SourceFile("wheel.whl", item.source.size, item.source.sha256),), item.source.unpacked
        return Resolved(item, item.licence, {"kind": "package", "name": item.source.name, "version": "1"}, files, item.source.size, 0, unpacked)
    assert isinstance(item.source, HubSource)
    size = item.source.size or ROUNDED.get(item.id) or WEIGHTS[item.id]
    name = item.source.files[0] if item.source.files else "model.safetensors"
    record = {"kind": "hub", "name": item.source.repository, "revision": "ab" * 20}
    return Resolved(item, item.licence, record, (SourceFile(name, size, "c" * 64),), size, 0, size, terms="apache-2.0")


def planned(profile: str, *runtimes: RuntimePlan, **wishes: object) -> Plan:
    spec = with_wishes(read_spec(profile), Wishes(**wishes))
    return plan(spec, [promised(item) for item in spec.items], runtimes)


@pytest.mark.parametrize("profile", profiles())
def test_every_profile_may_be_carried_and_fits_into_the_memory_it_is_meant_for(profile: str) -> None:
    made = planned(profile)
    assert made.refusals == ()
    assert made.warnings == ()
    assert 4 <= made.spec.ram_gb <= 16
    assert 1_750_000_000 < made.memory.needed <= made.spec.ram_gb << 30
    assert not made.memory.guessed


def test_the_catalogue_is_whole() -> None:
    for name, entry in read_catalogue().items():
        item = read_item(name, entry, Path())
        source = item.source
        if isinstance(source, PackageSource):
            assert len(source.sha256) == 64
            assert source.size > 1 << 20
            assert source.size // 2 < source.unpacked < source.size * 2
            assert all(notice for notice in source.notices)
        elif isinstance(source, HubSource):
            assert source.repository.count("/") == 1
            assert source.sha256 == "" or len(source.sha256) == 64
            assert source.revision == "" or len(source.revision) == 40


def test_every_model_that_a_profile_names_is_in_the_catalogue_and_free_of_what_nothing_reads() -> None:
    catalogue = read_catalogue()
    for profile in profiles():
        for item in read_spec(profile).items:
            assert item.id in catalogue
            assert item.role in ("embedder", "generator")


def test_the_multilingual_twin_differs_in_its_embedder_and_languages_alone() -> None:
    for name in [profile for profile in profiles() if profile.endswith("-multilingual")]:
        twin, own = read_spec(name), read_spec(name.removesuffix("-multilingual"))
        assert (twin.items[1], twin.ram_gb, twin.guide) == (own.items[1], own.ram_gb, own.guide)
        assert own.languages == ("en",)
        assert set(twin.languages) > {"en"}
        assert "multilingual" in twin.items[0].id
        assert "multilingual" not in own.items[0].id


def test_a_token_of_context_takes_what_was_measured() -> None:
    items = {item.id: item for profile in profiles() for item in read_spec(profile).items}
    assert kv_bytes(items["qwen3-4b"]) == 144 << 10
    assert kv_bytes(items["smollm2-135m-instruct"]) * 2000 == pytest.approx(46e6, rel=0.01)


def test_memory_is_the_sum_of_its_parts_and_says_when_it_guesses() -> None:
    made = planned("field-8gb")
    parts = dict(made.memory.parts)
    assert parts["the language model's file"] == 2_497_280_256
    assert parts["its context of 6,144 tokens"] == 6144 * 144 * 1024
    assert made.memory.needed == sum(parts.values())
    unknown = replace(made.spec.items[1], memory={})
    spec = replace(made.spec, items=(made.spec.items[0], unknown))
    assert memory_for(spec, [promised(item) for item in spec.items]).guessed


def test_too_large_a_model_for_the_profile_is_a_warning() -> None:
    spec = replace(read_spec("field-16gb"), ram_gb=4)
    made = plan(spec, [promised(item) for item in spec.items])
    assert not made.memory.fits
    assert "laptops of 4 GB" in made.warnings[0]
    assert made.refusals == ()
    assert made.warnings[0] in plan_text(made)


@pytest.mark.parametrize(
    ("sizes", "folders", "cluster", "wanted"),
    [
        ([], 1, 16384, 16384),
        ([0], 0, 16384, 0),
        ([1], 0, 16384, 16384),
        ([16384], 0, 16384, 16384),
        ([16385, 1], 2, 16384, 5 * 16384),
        ([1] * 45_301, 0, 131072, 45_301 * 131072),
    ],
)
def test_every_file_fills_its_last_cluster_and_every_folder_takes_one(sizes: list[int], folders: int, cluster: int, wanted: int) -> None:
    assert on_stick(sizes, folders, cluster) == wanted


@pytest.mark.parametrize(("make", "cluster"), [(fat_image, 16 << 10), (fat_image, 32 << 10), (exfat_image, 32 << 10), (exfat_image, 128 << 10)])
def test_the_estimate_of_clusters_is_what_a_real_stick_gives_away(tmp_path: Path, make: Callable[..., Any], cluster: int) -> None:
    sizes = [0, 1, 511, 16384, 16385, 70_000, 300_001]
    with make(tmp_path, cluster=cluster) as stick:
        before = free(stick.mount)
        (stick.mount / "folder").mkdir()
        for number, size in enumerate(sizes):
            (stick.mount / "folder" / f"{number}.bin").write_bytes(b"x" * size)
        assert before - free(stick.mount) == on_stick(sizes, 1, cluster)


def test_the_estimate_is_near_what_was_built(bundle_root: Path, manifest: Manifest, tmp_path: Path) -> None:
    """Within 2 % on every file system: the starter as it lies in dist/."""
    runtimes = [RuntimePlan(one.platform, one.provider, (), (bundle_root / one.archive).stat().st_size) for one in manifest.runtimes]
    spec = replace(with_wishes(read_spec("starter"), Wishes()), platforms=tuple(one.platform for one in runtimes))
    sizes = [path.stat().st_size for path in bundle_root.rglob("*") if path.is_file()]
    folders = 1 + sum(path.is_dir() for path in bundle_root.rglob("*"))
    for stick in plan(spec, resolve(spec, tmp_path), runtimes).sticks:
        assert stick.bytes == pytest.approx(on_stick(sizes, folders, stick.cluster), rel=0.02)
        assert len(sizes) <= stick.files <= len(sizes) + 5


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bfree * found.f_frsize


def test_what_fat32_can_not_hold_comes_in_parts() -> None:
    on_fat, on_exfat = planned("field-16gb"), planned("field-16gb", filesystem="exfat")
    sizes = list(bundle_files(on_fat.spec, on_fat.resolved, (), ()))
    assert max(sizes) == LARGEST_FAT32
    assert sum(sizes) == sum(bundle_files(on_exfat.spec, on_exfat.resolved, (), ()))
    assert on_fat.space.build - on_exfat.space.build == 5_027_783_488  # until it is split, it lies there twice
    assert on_fat.sticks[0].files == on_exfat.sticks[0].files + 1
    assert [(stick.filesystem, stick.cluster >> 10) for stick in on_fat.sticks] == [("fat32", 16), ("fat32", 32), ("exfat", 32), ("exfat", 128)]
    assert {stick.filesystem for stick in on_exfat.sticks} == {"exfat"}
    for stick in on_fat.sticks:
        assert sum(sizes) <= stick.bytes <= sum(sizes) + (stick.files + 10) * stick.cluster
        assert stick.bytes % stick.cluster == 0


def test_runtimes_and_packs_are_counted_and_what_is_missing_would_stop_the_build(tmp_path: Path) -> None:
    (tmp_path / "laws" / "old").mkdir(parents=True)
    (tmp_path / "laws" / "one.pdf").write_bytes(b"x" * 5_000_000)
    (tmp_path / "laws" / "old" / "two.txt").write_bytes(b"y" * 100)
    runtimes = (RuntimePlan("linux-x64", "host", (), 150_000_000), RuntimePlan("windows-x64", "pbs", ("an interpreter (--interpreter FILE)",), 0))
    bare, made = planned("starter"), planned("starter", *runtimes, packs=(tmp_path / "laws",))
    assert made.sticks[0].bytes - bare.sticks[0].bytes == pytest.approx(155_000_000, abs=5 * made.sticks[0].cluster)
    assert made.space.bundle - bare.space.bundle == 155_000_100
    assert made.space.build - bare.space.build == 155_000_100 + 4 * 150_000_000
    assert made.refusals == ("The runtime for windows-x64 lacks an interpreter (--interpreter FILE).",)
    text = plan_text(made)
    assert "Runtime for linux-x64 (host): about 150.0 MB" in text
    assert "Runtime for windows-x64 (pbs): missing: an interpreter (--interpreter FILE)" in text
    assert "Pack laws: 2 documents, 5.0 MB" in text
    written = plan_json(made, Path("dist/starter"))
    assert written["runtimes"][1]["missing"] == ["an interpreter (--interpreter FILE)"]
    assert written["packs"] == [{"name": "laws", "files": 2, "size": 5_000_100}]


def test_licences_that_stop_a_build_are_said_with_what_to_do() -> None:
    spec = read_spec("field-8gb")
    resolved = [promised(spec.items[0]), replace(promised(spec.items[1]), licence="", terms="llama3.2", gated="https://example.org/someone/model")]
    made = plan(spec, resolved)
    assert len(made.refusals) == 1
    assert "--accept-licence LicenseRef-Llama-3.2" in made.refusals[0]
    text = plan_text(made)
    assert "on conditions" in text
    assert "'Built with Llama' is shown" in text
    assert "accept its terms at https://example.org/someone/model" in text
    accepted = plan(replace(spec, accepted=("LicenseRef-Llama-3.2",)), resolved)
    assert accepted.refusals == ()
    assert "accepted" in plan_text(accepted)


def test_programs_get_every_figure(tmp_path: Path) -> None:
    spec: Spec = with_wishes(read_spec("starter"), Wishes())
    written = json.loads(json.dumps(plan_json(plan(spec, resolve(spec, tmp_path)), Path("dist/starter"))))
    assert written["memory"]["needed"] == sum(written["memory"]["parts"].values())
    assert written["memory"]["fits"] is True
    assert [item["redistributable"] for item in written["items"]] == ["yes", "yes"]
    assert written["space"]["download"] == sum(item["size"] - item["cached"] for item in written["items"])
    assert {one["filesystem"] for one in written["stick"]} == {"fat32", "exfat"}


def test_a_slot_that_nothing_reads_yet_is_counted_all_the_same() -> None:
    spec = read_spec("field-8gb")
    reranker = read_item("ettin-reranker-17m-v1", read_catalogue()["ettin-reranker-17m-v1"], Path())
    files = (SourceFile("model.safetensors", 68_000_000, "d" * 64), SourceFile("README.md", 4000, "git:" + "e" * 40))
    more = Resolved(reranker, "Apache-2.0", {"kind": "hub", "name": "x/y", "revision": "ab" * 20}, files, 68_004_000, 0, 68_000_000)
    without = [promised(item) for item in spec.items]
    bare, made = plan(spec, without), plan(replace(spec, items=(*spec.items, reranker)), [*without, more])
    assert made.space.build - bare.space.build == made.space.bundle - bare.space.bundle == 68_000_000
    assert made.sticks[0].files == bare.sticks[0].files + 1
