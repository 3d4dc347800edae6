from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from appliance.errors import EmbedderFailed
from appliance.manifest import Manifest
from appliance.models.embedder import Embedder

TEXTS = [
    "The ferry leaves at nine.",
    "Ein Satz über die Straße nach Zürich.",
    "東京は日本の首都です。",
    "The quick brown fox. " * 25,
    "",
    "🚀 Łódź naïve café",
    "When does the boat depart?",
] * 3


def cosine(first: numpy.ndarray, second: numpy.ndarray) -> float:
    return float(first @ second / (numpy.linalg.norm(first) * numpy.linalg.norm(second)))


def test_vectors_are_unit_length_float32(embedder: Embedder) -> None:
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == numpy.float32
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_batch_gives_exactly_what_each_text_gives_alone_in_the_order_given(embedder: Embedder) -> None:
    alone = numpy.stack([embedder.embed_documents([text])[0] for text in TEXTS])
    assert numpy.array_equal(embedder.embed_documents(TEXTS), alone)


def test_what_means_the_same_is_nearer(embedder: Embedder) -> None:
    query = embedder.embed_query("When does the boat depart?")
    ferry, other = embedder.embed_documents(["The ferry leaves at nine.", "Bread needs flour and water."])
    assert cosine(query, ferry) > cosine(query, other) + 0.2


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.dimensions)


def test_text_beyond_the_window_is_cut(embedder: Embedder) -> None:
    window = " ".join(["word"] * (embedder.max_tokens - 2))
    within, beyond = (embedder.embed_documents([text])[0] for text in (window, window + " elephant" * 50))
    assert numpy.array_equal(within, beyond)


def test_token_starts_are_exact_code_points(embedder: Embedder) -> None:
    text = "Zürich 東京 🚀 naïve e\u0301te"
    starts = embedder.token_starts(text)
    assert starts == sorted(starts)
    assert {0, text.index("東"), text.index("京"), text.index("🚀"), text.index("naïve")} <= set(starts)
    assert embedder.token_starts("") == []


def test_token_starts_count_the_tokens_that_fill_the_window(embedder: Embedder) -> None:
    assert len(embedder.token_starts("word " * 300)) == 300


def test_several_threads_get_the_same_vectors(embedder: Embedder) -> None:
    expected = [embedder.embed_query(text) for text in TEXTS[:7]]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(embedder.embed_query, TEXTS[:7] * 4))
    assert all(numpy.array_equal(vector, expected[index % 7]) for index, vector in enumerate(found))


def test_a_model_that_can_not_be_loaded_says_why(manifest: Manifest, tmp_path: Path) -> None:
    model = manifest.model("embedder")
    with pytest.raises(EmbedderFailed):
        Embedder(tmp_path, model, threads=1)
    settings = {name: value for name, value in model.settings.items() if name != "pooling"}
    with pytest.raises(EmbedderFailed, match="pooling"):
        Embedder(manifest.folder(model), replace(model, settings=settings), threads=1)
