"""What `differences` finds: every file that is missing, altered or extra, the two lists themselves included."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest

from appliance.errors import BundleError, BundleMissing, BundleUnreadable
from appliance.manifest import Difference, differences, read_manifest
from bundle.cli import main

FILES = {"models/a/one.gguf": b"one" * 100, "models/b/two.onnx": b"two" * 100, "LICENSES/MIT.txt": b"terms"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    files = []
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        files.append({"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "role": "generator"})
    manifest = {"format": 1, "profile": "p", "created": "2026", "tool": {"name": "t"}, "versions": {}, "files": files, "models": []}
    text = json.dumps(manifest).encode()
    sums = {file["path"]: file["sha256"] for file in files} | {"manifest.json": hashlib.sha256(text).hexdigest()}
    (root / "manifest.json").write_bytes(text)
    (root / "SHA256SUMS").write_text("".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())))
    assert differences(root) == ()
    return root


EVERY = [*FILES, "manifest.json", "SHA256SUMS"]


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
            with pytest.raises(BundleError):
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


def test_a_manifest_and_its_sum_changed_together_still_contradict_the_files(root: Path) -> None:
    text = (root / "manifest.json").read_text().replace('"size": 300', '"size": 301')
    (root / "manifest.json").write_text(text)
    sums = (root / "SHA256SUMS").read_text().splitlines()
    sums = [f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json" if line.endswith("  manifest.json") else line for line in sums]
    (root / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    assert Difference("models/a/one.gguf", "altered") in differences(root)


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
