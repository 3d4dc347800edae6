"""What `differences` finds: every file that is missing, altered or extra, the two lists themselves included."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.errors import BundleAltered, BundleMissing, BundleUnreadable
from appliance.integrity import Difference, differences, verify_model
from appliance.manifest import LARGEST_LIST, Model, read_manifest
from appliance.minisign import load_key, parse_key
from bundle.cli import main
from bundle.sign import write_lists

FILES = {"models/a/one.gguf": b"one" * 100, "models/b/two.onnx": b"two" * 100, "LICENSES/MIT.txt": b"terms"}


EMPTY = {
    "format": 2,
    "profile": "p",
    "title": "P",
    "created": "2026",
    "languages": ["en"],
    "tool": {"name": "t"},
    "versions": {},
    "models": [],
    "runtimes": [],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    write_lists(root, EMPTY, load_key(tmp_path / "signing.pem"))
    assert differences(root) == ()
    return root


LISTS = ["manifest.json", "manifest.json.minisig", "haversack.pub", "SHA256SUMS"]
EVERY = [*FILES, *LISTS]


def test_plain_tools_agree(root: Path) -> None:
    """sha256sum knows every file but the list itself, the signature included."""
    found = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=root, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert {line.split(":")[0] for line in found.stdout.splitlines()} == {*EVERY} - {"SHA256SUMS"}


@pytest.mark.parametrize("name", EVERY)
def test_a_missing_file_is_named(root: Path, name: str) -> None:
    (root / name).unlink()
    assert differences(root) == (Difference(name, "missing"),)


@pytest.mark.parametrize("name", EVERY)
def test_a_flip_anywhere_is_named_at_its_file(root: Path, name: str) -> None:
    path = root / name
    content = path.read_bytes()
    chance = random.Random(name)
    for position in [0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(60))]:
        flipped = bytearray(content)
        flipped[position] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        assert Difference(name, "altered") in differences(root), position
        if name == "manifest.json":
            with pytest.raises(BundleAltered, match=r"manifest\.json in the bundle"):
                read_manifest(root)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("content", [b"", b"{", b"null\n", bytes(100)], ids=["empty", "brace", "null", "zeros"])
def test_other_content_is_named(root: Path, name: str, content: bytes) -> None:
    (root / name).write_bytes(content)
    assert Difference(name, "altered") in differences(root)


@pytest.mark.parametrize("name", EVERY)
def test_a_link_is_not_the_file(root: Path, tmp_path: Path, name: str) -> None:
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    assert differences(root) == (Difference(name, "altered"),)


def test_a_folder_that_is_a_link_is_not_the_folder(root: Path, tmp_path: Path) -> None:
    """What it leads to can be another file between the check and the loading."""
    manifest = read_manifest(root)
    model = Model("generator", "a", "A", "models/a", "MIT", {}, {})
    verify_model(manifest, model)
    (root / "models").rename(tmp_path / "elsewhere")
    (root / "models").symlink_to(tmp_path / "elsewhere")
    assert {Difference(name, "altered") for name in FILES if name.startswith("models/")} <= set(differences(root))
    with pytest.raises(BundleAltered, match=r"models/a/one\.gguf"):
        verify_model(manifest, model)


@pytest.mark.parametrize("size", ["1e999", "-1e999", "NaN", "300.0", "true", "-1", "1" + "0" * 400, '"300"', "null", "[]"])
def test_a_size_that_is_no_whole_number_is_the_manifest_s_fault(root: Path, size: str) -> None:
    (root / "manifest.json").write_text((root / "manifest.json").read_text().replace('"size": 300', f'"size": {size}'))
    assert Difference("manifest.json", "altered") in differences(root)


def test_a_list_larger_than_any_is_not_read_into_memory(root: Path) -> None:
    for name in LISTS:
        content = (root / name).read_bytes()
        os.truncate(root / name, 1 << 40)  # sparse; more than any machine's memory
        assert Difference(name, "altered") in differences(root)
        if name != "SHA256SUMS":
            with pytest.raises(BundleAltered):
                read_manifest(root)
        (root / name).write_bytes(content)
    assert differences(root) == ()


def test_a_manifest_larger_than_any_is_not_parsed_whoever_signed_it(root: Path, tmp_path: Path) -> None:
    write_lists(root, {**EMPTY, "versions": {"x": "y" * LARGEST_LIST}}, load_key(tmp_path / "signing.pem"))
    with pytest.raises(BundleAltered, match=r"manifest\.json"):
        read_manifest(root)


def test_extra_files_are_named(root: Path) -> None:
    (root / "models" / "a" / "run.py").write_text("evil")
    (root / ".hidden").write_text("evil")
    (root / "loop").symlink_to(root)
    assert differences(root) == tuple(Difference(name, "extra") for name in (".hidden", "loop", "models/a/run.py"))


def test_everything_wrong_is_said_at_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "models/a/one.gguf").unlink()
    (root / "models/b/two.onnx").write_bytes(b"TWO" * 100)
    (root / "extra.txt").write_text("x")
    assert main(["verify", str(root)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["extra: extra.txt", "missing: models/a/one.gguf", "altered: models/b/two.onnx"]
    assert main(["verify", str(root), "--json"]) == 1
    assert [entry["state"] for entry in json.loads(capsys.readouterr().out)["differences"]] == ["extra", "missing", "altered"]


def test_whose_bundle_it_is_is_said_where_its_signature_fits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signer = read_manifest(root).signer
    assert signer is not None
    assert main(["verify", str(root)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"It is signed by the key {signer.fingerprint}: is that its maker's?"
    assert main(["verify", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signed_by"] == signer.fingerprint
    (root / "manifest.json.minisig").write_bytes(b"")
    assert main(["verify", str(root), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["signed_by"] is None


def test_a_manifest_and_its_sum_changed_together_still_contradict_the_files(root: Path) -> None:
    text = (root / "manifest.json").read_text().replace('"size": 300', '"size": 301')
    (root / "manifest.json").write_text(text)
    sums = (root / "SHA256SUMS").read_text().splitlines()
    sums = [f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json" if line.endswith("  manifest.json") else line for line in sums]
    (root / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    assert Difference("models/a/one.gguf", "altered") in differences(root)


def test_lists_that_agree_but_were_signed_by_nobody_are_named_at_the_signature(root: Path, tmp_path: Path) -> None:
    """Whoever can write the stick can make every hash right, but not the signature."""
    signature = (root / "manifest.json.minisig").read_bytes()
    (root / "models/a/one.gguf").write_bytes(b"ONE" * 100)
    (root / "manifest.json").unlink()
    public = (root / "haversack.pub").read_bytes()
    (root / "haversack.pub").unlink()
    write_lists(root, EMPTY, load_key(tmp_path / "thief.pem"))
    assert read_manifest(root).signer != parse_key(public.decode()), "another key: trust.py's affair"
    (root / "manifest.json.minisig").write_bytes(signature)
    with pytest.raises(BundleAltered):
        read_manifest(root)
    assert Difference("manifest.json.minisig", "altered") in differences(root)


def test_while_an_update_is_under_way_the_pair_that_fits_is_taken(root: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(root, newer)
    write_lists(newer, {**EMPTY, "created": "2027"}, load_key(tmp_path / "signing.pem"))
    for name in ("manifest.json", "manifest.json.minisig", "SHA256SUMS"):
        shutil.copyfile(newer / name, root / f"{name}.new")
    assert read_manifest(root).created == "2026"
    for name in ("manifest.json.minisig", "manifest.json", "SHA256SUMS"):
        (root / f"{name}.new").replace(root / name)
        assert read_manifest(root).created in ("2026", "2027"), name
    assert read_manifest(root).created == "2027"


def test_the_users_folder_and_what_systems_drop_are_not_extra(root: Path) -> None:
    for name in ("data/library.sqlite3", "System Volume Information/x", "models/.DS_Store", "._manifest.json"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    assert differences(root) == ()
    (root / "desktop.ini").write_text("[.ShellClassInfo]")  # Windows does what it says
    assert differences(root) == (Difference("desktop.ini", "extra"),)


def test_paths_that_lead_out_are_not_followed(root: Path) -> None:
    text = (root / "manifest.json").read_text().replace("models/a/one.gguf", "../../etc/passwd")
    (root / "manifest.json").write_text(text)
    assert Difference("manifest.json", "altered") in differences(root)


def test_a_folder_that_is_no_bundle_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BundleMissing):
        differences(tmp_path)
    assert main(["verify", str(tmp_path)]) == 3
    assert main(["verify", str(tmp_path / "nowhere")]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 2


def test_with_both_lists_ruined_there_is_nothing_to_check_against(root: Path) -> None:
    (root / "manifest.json").write_bytes(b"{")
    (root / "SHA256SUMS").write_bytes(b"{")
    with pytest.raises(BundleUnreadable):
        differences(root)
