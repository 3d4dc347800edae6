"""The store of an Ollama machine, copied here: what is in it, one of it on the shelf, and stores that are damaged or mean harm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import BadRequest, HaversackError, NotAModel
from appliance.models.parameters import Parameters
from appliance.models.protocol import Message
from appliance.shelf.adding import LICENCE
from appliance.shelf.intake import bring
from appliance.shelf.ollama import OWN, find_stored, store_of, stored_models
from appliance.shelf.shelf import ModelShelf
from tests.tiny_model import tiny_model

KIND = "application/vnd.ollama.image."
REGISTRY = f"registry{OWN}"


class Store:
    """One as Ollama lays it out."""

    def __init__(self, root: Path, weights: bytes) -> None:
        self.root = root
        self.weights = weights
        (root / "blobs").mkdir(parents=True)
        (root / "manifests").mkdir()

    def layer(self, kind: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.root / "blobs" / f"sha256-{digest}").write_bytes(content)
        return {"mediaType": KIND + kind, "digest": f"sha256:{digest}", "size": len(content)}

    def manifest(self, layers: list[dict[str, Any]], name: str = "library/tiny/1b", host: str = REGISTRY) -> Path:
        path = self.root / "manifests" / host / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
        return path

    def model(self, name: str = "library/tiny/1b", host: str = REGISTRY, **texts: str) -> Path:
        return self.manifest([self.layer("model", self.weights), *(self.layer(kind, text.encode()) for kind, text in texts.items())], name, host)

    def blob(self, layer: dict[str, Any]) -> Path:
        return self.root / "blobs" / str(layer["digest"]).replace(":", "-")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "ollama" / "models", tiny_model(tmp_path / "tiny.gguf").read_bytes())


def refusal(store: Store, shelf: ModelShelf, tag: str = "") -> str:
    with pytest.raises(HaversackError) as refused:
        bring(store.root, shelf, tag=tag)
    assert not shelf.folder.is_dir() or not list(shelf.folder.iterdir())
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_is_in_a_store_is_listed_by_the_names_that_people_know(store: Store) -> None:
    store.model()
    store.model("library/other/latest")
    store.model("somebody/own/q4")
    (store.root / "manifests" / REGISTRY / "library" / "broken").mkdir()
    (store.root / "manifests" / REGISTRY / "library" / "broken" / "latest").write_text("{")
    models = stored_models(store.root)
    assert [model.tag for model in models] == ["other:latest", "somebody/own:q4", "tiny:1b"]
    assert models[0].size == len(store.weights)
    assert find_stored(store.root, "other").tag == "other:latest"
    assert store_of(store.root) == store_of(store.root.parent) == store.root
    assert store_of(store.root / "blobs") is None


def test_one_of_them_comes_to_the_shelf_with_all_its_layers(store: Store, shelf: ModelShelf) -> None:
    store.model(
        params=json.dumps({"temperature": 0.6, "top_k": 20, "num_ctx": 300, "stop": ["<|im_end|>", "STOP"], "num_gpu": 1}),
        system="Be brief.",
        messages=json.dumps([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]),
        template="<|im_start|>user\n{{ .Prompt }}<|im_end|>",
        license="MIT License\nCopyright",
        projector="pictures",
    )
    prepared = bring(store.root.parent, shelf, tag="tiny:1b")
    assert prepared.notes == (
        "Not taken over, since Haversack has no such parameter: num_gpu.",
        "Its stop texts ('STOP') are not kept: an answer ends where the model ends it.",
        "Its part that sees pictures is left out.",
    )
    model = shelf.find(shelf.add(prepared).name)
    assert (model.name, model.title, model.system, model.licence) == ("tiny-1b", "tiny:1b", "Be brief.", "MIT")
    assert (model.parameters, model.settings.context) == (Parameters(temperature=0.6, top_k=20, context=300), 300)
    assert model.examples == (Message("user", "Hi"), Message("assistant", "Hello."))
    assert model.file.read_bytes() == store.weights
    assert (model.file.parent / LICENCE).read_text() == "MIT License\nCopyright"


def test_the_only_one_needs_no_name_and_of_several_one_must_be_named(store: Store, shelf: ModelShelf) -> None:
    store.model()
    assert bring(store.root, shelf, name="only").model.name == "only"
    store.model("library/other/latest")
    with pytest.raises(BadRequest, match=r"several models: name one of other:latest, tiny:1b\."):
        bring(store.root, shelf)
    with pytest.raises(BadRequest, match="no model 'nobody'"):
        bring(store.root, shelf, tag="nobody")


def test_what_came_from_another_host_has_that_in_its_name(store: Store, shelf: ModelShelf) -> None:
    store.model("bartowski/Tiny-GGUF/Q4_K_M", host="models.example")
    store.model("bartowski/Tiny-GGUF/Q8_0", host="models.example")
    store.model("bartowski/Tiny-GGUF/Q8_0")
    assert [model.tag for model in stored_models(store.root)] == [
        "bartowski/Tiny-GGUF:Q8_0",
        "models.example/bartowski/Tiny-GGUF:Q4_K_M",
        "models.example/bartowski/Tiny-GGUF:Q8_0",
    ]
    for name in ("models.example/bartowski/Tiny-GGUF:Q4_K_M", "Models.Example/bartowski/tiny-gguf:q4_k_m", "tiny-gguf:q4_k_m"):
        assert find_stored(store.root, name).tag == "models.example/bartowski/Tiny-GGUF:Q4_K_M"
    assert find_stored(store.root, "bartowski/tiny-gguf:Q8_0").tag == "bartowski/Tiny-GGUF:Q8_0", "a whole name holds before the end of another"
    with pytest.raises(BadRequest, match=r"several models that end in 'tiny-gguf:q8_0': name one of bartowski/Tiny-GGUF:Q8_0, models\.example/"):
        find_stored(store.root, "tiny-gguf:q8_0")
    assert bring(store.root, shelf, tag="tiny-gguf:q4_k_m").model.name == "tiny-gguf-q4_k_m"


def test_blobs_with_the_older_name_are_found(store: Store, shelf: ModelShelf) -> None:
    store.model()
    blob = next((store.root / "blobs").iterdir())
    blob.rename(blob.with_name(blob.name.replace("-", ":", 1)))
    assert bring(store.root, shelf).model.name == "tiny-1b"


def test_a_blob_that_is_missing_short_altered_or_a_link_is_told(store: Store, shelf: ModelShelf, tmp_path: Path) -> None:
    weights = store.layer("model", store.weights)
    system = store.layer("system", b"Be brief.")
    store.manifest([weights, system])
    store.blob(system).write_bytes(b"Be cruel.")
    assert "its system is not what its hash says: the copy is damaged" in refusal(store, shelf)
    store.blob(system).write_bytes(b"Be")
    assert "has 2 bytes, and the manifest says 9: copy it again" in refusal(store, shelf)
    store.blob(system).unlink()
    assert "is not in the store: copy the folder blobs, too" in refusal(store, shelf)
    secret = tmp_path / "secret"
    secret.write_bytes(b"Be brief.")
    store.blob(system).symlink_to(secret)
    assert "is a link, and links are not followed" in refusal(store, shelf)
    store.blob(system).unlink()
    store.manifest([weights])
    damaged = bytearray(store.weights)
    damaged[-1] ^= 1
    store.blob(weights).write_bytes(damaged)
    assert "its sha256 is not the one that it should have: the copy is damaged" in refusal(store, shelf)


@pytest.mark.parametrize(
    "layer",
    [
        {"mediaType": KIND + "model", "digest": "sha256:../../../../etc/passwd", "size": 1},
        {"mediaType": KIND + "model", "digest": "sha256:" + "A" * 64, "size": 1},
        {"mediaType": KIND + "model", "digest": "sha256:" + "a" * 64, "size": -1},
        {"mediaType": KIND + "model", "digest": "sha256:" + "a" * 64, "size": 1e999},
        {"mediaType": KIND + "model", "digest": "sha256:" + "a" * 64, "size": True},
        {"mediaType": KIND + "model", "digest": 7, "size": 1},
        {"mediaType": KIND + "model", "size": 1},
        "nothing",
    ],
)
def test_a_manifest_that_leads_elsewhere_is_no_manifest(store: Store, shelf: ModelShelf, layer: Any) -> None:
    store.manifest([layer])
    assert "an Ollama store without a model whose manifest can be read" in refusal(store, shelf)


@pytest.mark.parametrize("content", ["[]", "{}", '{"layers": 7}', '{"layers": ' + "[" * 5000, "x" * (2 << 20), json.dumps({"layers": [{}] * 101})])
def test_a_manifest_that_is_none_is_left_out(store: Store, shelf: ModelShelf, content: str) -> None:
    store.manifest([]).write_text(content)
    assert "an Ollama store without a model whose manifest can be read" in refusal(store, shelf)


def test_a_manifest_behind_a_link_or_a_name_with_a_path_is_not_read(store: Store, tmp_path: Path) -> None:
    elsewhere = store.model().rename(tmp_path / "elsewhere")
    (store.root / "manifests" / REGISTRY / "library" / "tiny" / "1b").symlink_to(elsewhere)
    (store.root / "manifests" / REGISTRY / "linked").symlink_to(store.root / "manifests" / REGISTRY / "library")
    assert stored_models(store.root) == ()


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({}, "its weights are not in a GGUF"),
        ({"model": b"GGUF", "tensor": b"x"}, "it is cut off inside its header"),
        ({"params": b"[1]"}, "its params are no object"),
        ({"params": b"{"}, "its params are no JSON"),
        ({"params": b'{"temperature": 9}'}, "temperature can't be 9"),
        ({"messages": b'[{"role": "root", "content": "x"}]'}, "one of its messages is none of system, user, assistant"),
        ({"messages": b'{"role": 1}'}, "its messages are no list"),
        ({"adapter": b"lora"}, "ADAPTER, which Haversack can't do"),
        ({"template": b"x" * ((1 << 20) + 1)}, "its template has 1048577 bytes, more than any has"),
    ],
)
def test_layers_that_cannot_be_taken_over_are_told(store: Store, shelf: ModelShelf, kinds: dict[str, bytes], said: str) -> None:
    own = [] if not kinds or "model" in kinds else [store.layer("model", store.weights)]
    store.manifest([*own, *(store.layer(kind, content) for kind, content in kinds.items())])
    assert said in refusal(store, shelf)


def test_a_model_of_two_files_of_weights_is_refused(store: Store, shelf: ModelShelf) -> None:
    store.manifest([store.layer("model", store.weights), store.layer("model", b"GGUF more")])
    with pytest.raises(NotAModel, match=r"tiny:1b can't be added: it is made of 2 files of weights"):
        bring(store.root, shelf)
