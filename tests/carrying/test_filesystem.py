"""What a stick is, is seen on real ones: its file system, its clusters, its largest file, its protection."""

from __future__ import annotations

from pathlib import Path

from appliance.carrying.filesystem import FAT32_LARGEST, FileSystem, filesystem_of
from tests.images import KIB, MIB, exfat_image, fat_image, mounted


def test_fat32_and_exfat_are_told_apart_with_their_clusters(tmp_path: Path) -> None:
    with fat_image(tmp_path, cluster=32 * KIB) as fat, exfat_image(tmp_path, cluster=64 * KIB) as exfat:
        one, other = filesystem_of(fat.mount), filesystem_of(exfat.mount / "not" / "there" / "yet")
    assert (one.name, one.cluster, one.largest_file, one.read_only) == ("FAT32", 32 * KIB, FAT32_LARGEST, False)
    assert (other.name, other.cluster, other.largest_file, other.read_only) == ("exFAT", 64 * KIB, None, False)
    assert one.everywhere
    assert other.everywhere
    assert 50 * MIB < one.free <= 64 * MIB
    assert 50 * MIB < other.free <= 64 * MIB


def test_a_protected_stick_is_known_for_one(tmp_path: Path) -> None:
    with fat_image(tmp_path) as fat, exfat_image(tmp_path) as exfat:
        images = (fat.image, exfat.image)
    with mounted(images[0], "fat", read_only=True) as fat, mounted(images[1], "exfat", read_only=True) as exfat:
        assert filesystem_of(fat.mount).read_only
        assert filesystem_of(exfat.mount).read_only


def test_a_folder_with_a_space_in_its_name_is_found_in_the_list_of_mounts(tmp_path: Path) -> None:
    folder = tmp_path / "my stick"
    folder.mkdir()
    with fat_image(folder) as fat:
        assert filesystem_of(fat.mount).name == "FAT32"


def test_files_take_whole_clusters() -> None:
    disk = FileSystem("exFAT", 128 * KIB, 0, read_only=False)
    assert [disk.takes(size) for size in (0, 1, 128 * KIB, 128 * KIB + 1)] == [0, 128 * KIB, 128 * KIB, 256 * KIB]


def test_what_is_not_known_is_not_complained_of() -> None:
    assert FileSystem("", 512, 0, read_only=False).everywhere
    assert not FileSystem("ext4", 4096, 0, read_only=False).everywhere
    assert not FileSystem("FAT with names of 8 + 3 letters", 512, 0, read_only=False).long_names
