"""The SBOM: valid by CycloneDX's own schema, models and software in it, the same for the same bundle."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from appliance.manifest import BundleFile, Manifest, Model, Runtime
from bundle.sbom import write_sbom
from bundle.software import Software, interpreter, software_in

CREATED = "2026-11-24T03:00:00Z"
FILES = (
    BundleFile("models/embedder-1a2b3c4d/model.onnx", 5, "a" * 64, "embedder"),
    BundleFile("models/embedder-1a2b3c4d/tokenizer.json", 6, "b" * 64, "embedder"),
    BundleFile("models/generator-1a2b3c4d/model.gguf", 7, "c" * 64, "generator"),
    BundleFile("runtime/linux-x64-1a2b3c4d.tar.gz", 8, "d" * 64, "runtime"),
    BundleFile("packs/field.haversack", 9, "e" * 64, "pack"),
)
HUB = {"kind": "hub", "name": "maker/model", "revision": "0" * 40}
MODELS = (
    Model("embedder", "embedder", "Embedder", "models/embedder-1a2b3c4d", "Apache-2.0", HUB, {}),
    Model("generator", "generator", "Generator", "models/generator-1a2b3c4d", "gemma", {"kind": "folder", "name": "mine"}, {"parameters": "135M"}),
)
RUNTIMES = (Runtime("linux-x64", "runtime/linux-x64-1a2b3c4d.tar.gz", "host", "3.11.7", "2.36", True, 300),)
PART = Software("inside", "2.0", "MIT", "pkg:cargo/inside@2.0", "linux-x64")
SOFTWARE = (
    Software("package", "1.0", "MPL-2.0", "pkg:pypi/package@1.0", "linux-x64", (("LICENSE", "terms"),), "f" * 64, (PART,)),
    Software("OpenSSL", "3.0", "Apache-2.0", "pkg:deb/debian/libssl3@3.0", "linux-x64"),
)


def written(path: Path, **changed: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"profile": "tiny", "created": CREATED, "models": MODELS, "files": FILES, "runtimes": RUNTIMES, "software": SOFTWARE}
    write_sbom(path, **arguments | changed)
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text(encoding="utf-8"))
    assert errors is None, errors
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def component(sbom: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in sbom["components"] if one["name"] == name)


def properties(one: dict[str, Any]) -> dict[str, str]:
    return {item["name"].removeprefix("haversack:"): item["value"] for item in one["properties"]}


def test_the_models_are_components_with_hash_licence_and_source(tmp_path: Path) -> None:
    sbom = written(tmp_path / "sbom.cdx.json")
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert (sbom["metadata"]["component"]["name"], sbom["metadata"]["component"]["licenses"]) == ("haversack", [{"expression": "Apache-2.0"}])
    assert sbom["metadata"]["timestamp"].startswith("2026-11-24T03:00:00")
    embedder, generator = component(sbom, "Embedder"), component(sbom, "Generator")
    assert embedder["type"] == generator["type"] == "machine-learning-model"
    assert embedder["purl"] == f"pkg:huggingface/maker/model@{'0' * 40}"
    assert [one["hashes"][0]["content"] for one in embedder["components"]] == ["a" * 64, "b" * 64]
    assert generator["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]
    assert generator["licenses"] == [{"license": {"name": "gemma"}}]
    assert properties(generator) == {"role": "generator", "id": "generator", "source:kind": "folder", "source:name": "mine", "parameters": "135M"}


def test_the_software_hangs_under_the_runtime_that_holds_it(tmp_path: Path) -> None:
    sbom = written(tmp_path / "sbom.cdx.json")
    package = component(sbom, "package")
    assert package["licenses"] == [{"expression": "MPL-2.0"}]
    assert package["components"][0]["name"] == "inside"
    assert properties(package)["files-sha256"] == "f" * 64
    assert properties(package)["note"].startswith("MPL-2.0: ")
    assert component(sbom, "runtime for linux-x64")["hashes"][0]["content"] == "d" * 64
    needs = {one["ref"]: set(one.get("dependsOn", ())) for one in sbom["dependencies"]}
    assert needs["runtime:linux-x64"] == {"linux-x64:package@1.0", "linux-x64:OpenSSL@3.0"}
    assert "runtime:linux-x64" in needs[sbom["metadata"]["component"]["bom-ref"]]
    assert component(sbom, "field.haversack")["type"] == "data"


def test_the_same_bundle_has_the_same_sbom_in_whatever_order_it_is_told(tmp_path: Path) -> None:
    written(tmp_path / "one.json")
    written(tmp_path / "two.json", software=SOFTWARE[::-1], files=FILES[::-1], models=MODELS[::-1])
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_another_content_has_another_serial_number(tmp_path: Path) -> None:
    first = written(tmp_path / "one.json")
    second = written(tmp_path / "two.json", software=SOFTWARE[:1])
    assert first["serialNumber"] != second["serialNumber"]


def test_what_is_not_listed_is_no_component(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file of generator is listed"):
        written(tmp_path / "sbom.cdx.json", files=FILES[:2])
    with pytest.raises(ValueError, match=r"runtime/linux-x64-1a2b3c4d\.tar\.gz is not listed"):
        written(tmp_path / "sbom.cdx.json", files=FILES[:3])


def test_what_is_installed_here_makes_a_valid_sbom(tmp_path: Path) -> None:
    installed = ["chromadb", "cryptography", "flask", "numpy", "onnxruntime", "orjson", "pillow", "pypdfium2", "tokenizers"]
    prefix = Path(sysconfig.get_config_var("installed_base"))
    found = software_in(Path(sysconfig.get_path("purelib")), "linux-x64", installed)
    sbom = written(tmp_path / "sbom.cdx.json", software=(*found, interpreter(prefix, sysconfig.get_config_var("py_version"), "linux-x64")))
    assert {one["name"] for one in sbom["components"]} >= {*installed, "Python", "Embedder"}


def test_the_sbom_of_the_starter_is_valid_and_names_its_models(manifest: Manifest, tmp_path: Path) -> None:
    runtimes = [one for one in manifest.runtimes if any(file.path == one.archive for file in manifest.files)]
    sbom = written(tmp_path / "sbom.cdx.json", created=manifest.created, models=manifest.models, files=manifest.files, runtimes=runtimes)
    for model in manifest.models:
        files = {file.sha256 for file in manifest.files if file.path.startswith(model.folder + "/")}
        assert {one["hashes"][0]["content"] for one in component(sbom, model.title)["components"]} == files
    carried = manifest.root / "sbom.cdx.json"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(carried.read_text(encoding="utf-8")) is None
