"""Ollama's shape on real models: lists, chats, texts and vectors, streamed unless told otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from appliance import __version__
from appliance.models.protocol import Call
from appliance.runtime import Appliance
from appliance.web.programs import running
from appliance.web.programs.running import Called, Ended, Event
from tests.web.programs.conftest import EMBEDDER, FIELD, SMALL, TOOLS, Program
from tests.web.programs.test_openai import OPENED, PERSON, WEATHER

HELLO = [{"role": "user", "content": "Say hello."}]
SHORT = {"num_predict": 12}


def test_models_are_listed_with_what_is_true_of_their_files(program: Program, appliance: Appliance) -> None:
    models = program.get("/api/tags")["models"]
    assert [one["name"] for one in models] == [f"{name}:latest" for name in (SMALL, TOOLS, FIELD, f"{TOOLS}@field-notes", EMBEDDER)]
    own = appliance.shelf.find(SMALL)
    assert (models[0]["size"], models[0]["digest"]) == (own.file.stat().st_size, own.sha256)
    assert models[0]["details"]["quantization_level"] == "Q4_1"
    folder = appliance.manifest.folder(appliance.manifest.model("embedder"))
    assert models[-1]["size"] == sum(file.stat().st_size for file in folder.iterdir())
    assert len(models[-1]["digest"]) == 64
    told = program.get("/api/version")
    assert told["haversack"] == __version__
    assert tuple(map(int, told["version"].split("."))) >= (0, 6, 4), "VS Code's client refuses an older one"


def test_a_model_is_shown_with_its_template_and_what_it_can_do(program: Program, appliance: Appliance) -> None:
    shown = program.post("/api/show", {"model": f"{TOOLS}:latest"})
    assert shown["capabilities"] == ["completion", "tools"]
    assert "<tool_call>" in shown["template"]
    assert shown["model_info"]["llama.context_length"] == 2048, "what is read here: clients ask for as much as this says"
    assert shown["model_info"]["general.trained_context"] == 8192
    assert {"num_ctx 2048", "temperature 0.0"} <= set(shown["parameters"].splitlines())
    assert f"FROM {TOOLS}\n" in shown["modelfile"]
    assert str(appliance.settings.home) not in json.dumps(shown)
    assert program.post("/api/show", {"name": EMBEDDER})["capabilities"] == ["embedding"]
    assert program.post("/api/show", {"model": FIELD})["capabilities"] == ["completion"]
    assert "no model named" in program.post("/api/show", {"model": "llama3"}, status=404)["error"]
    assert program.post("/api/show", {}, status=400) == {"error": "model is required"}


def test_a_chat_streams_lines_and_ends_with_its_figures(program: Program) -> None:
    body = {"model": f"{SMALL}:latest", "messages": HELLO, "options": SHORT}
    lines = program.lines("/api/chat", body)
    assert all(line["model"] == f"{SMALL}:latest" and line["created_at"].endswith("Z") for line in lines)
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    last = lines[-1]
    assert last["done_reason"] in ("stop", "length")
    assert 0 < last["eval_count"] <= 12
    assert last["prompt_eval_count"] > 0
    assert last["total_duration"] > last["eval_duration"] > 0
    whole = program.post("/api/chat", {**body, "stream": False})
    assert whole["message"] == {"role": "assistant", "content": "".join(line["message"]["content"] for line in lines)}
    assert whole["done"] is True


def test_a_text_is_generated_through_the_template_or_as_it_is(program: Program) -> None:
    body = {"model": SMALL, "prompt": "The capital of France is", "options": {"num_predict": 4, "temperature": 0}, "stream": False}
    raw = program.post("/api/generate", {**body, "raw": True})
    assert "Paris" in raw["response"]
    assert raw["done_reason"] == "length"
    framed = program.post("/api/generate", {**body, "system": "You are brief."})
    assert framed["prompt_eval_count"] > raw["prompt_eval_count"]
    assert "".join(line["response"] for line in program.lines("/api/generate", {**body, "raw": True, "stream": True})) == raw["response"]


def test_json_comes_by_grammar(program: Program) -> None:
    body = {"model": SMALL, "messages": HELLO, "stream": False, "options": {"num_predict": 60}}
    found = json.loads(program.post("/api/chat", {**body, "format": PERSON})["message"]["content"])
    assert set(found) == {"age", "ok"}
    assert program.post("/api/generate", {**body, "prompt": "Say hello.", "format": "json"})["response"].lstrip().startswith("{")


def test_tools_are_offered_and_what_came_of_them_is_taken(program: Program) -> None:
    said = [
        {"role": "user", "content": "What is the weather in Goma?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Goma"}}}]},
        {"role": "tool", "tool_name": "get_weather", "content": "sunny"},
    ]
    body = {"model": TOOLS, "messages": said, "tools": [WEATHER], "stream": False, "options": SHORT}
    assert program.post("/api/chat", body)["message"]["content"]
    assert "tools" in program.post("/api/chat", {**body, "model": SMALL}, status=400)["error"]


def test_a_collection_answers_with_its_sources_in_the_last_line(program: Program) -> None:
    lines = program.lines("/api/chat", {"model": f"{FIELD}:latest", "messages": OPENED})
    assert "14 March 2011" in "".join(line["message"]["content"] for line in lines)
    assert lines[-1]["sources"][0]["document"] == "reports/clinic.pdf"
    assert not any("sources" in line for line in lines[:-1])
    whole = program.post("/api/generate", {"model": SMALL, "collection": "field-notes", "prompt": OPENED[0]["content"], "stream": False})
    assert whole["sources"] == lines[-1]["sources"]
    assert "[1]" in whole["response"]
    program.post("/api/generate", {"model": FIELD, "prompt": "x", "raw": True}, status=400)


def test_a_model_is_loaded_by_an_empty_request_and_then_runs(program: Program, appliance: Appliance) -> None:
    assert program.post("/api/generate", {"model": SMALL, "keep_alive": "5m"})["done_reason"] == "load"
    running = program.get("/api/ps")["models"]
    own = next(one for one in running if one["name"] == f"{SMALL}:latest")
    assert own["size"] > 50_000_000
    assert own["size_vram"] == 0
    assert own["context_length"] == 2048
    assert program.post("/api/chat", {"model": SMALL, "messages": [], "keep_alive": 0})["done_reason"] == "unload"
    assert f"{SMALL}:latest" not in [one["name"] for one in program.get("/api/ps")["models"]]


def test_only_a_longer_context_loads_the_model_anew_and_it_is_no_longer_than_the_model_was_made_for(program: Program) -> None:
    def context(wanted: int) -> int:
        program.post("/api/chat", {"model": TOOLS, "messages": HELLO, "stream": False, "options": {**SHORT, "num_ctx": wanted}})
        found: int = next(one["context_length"] for one in program.get("/api/ps")["models"] if one["name"] == f"{TOOLS}:latest")
        return found

    assert context(512) == 2048
    assert context(program.post("/api/show", {"model": TOOLS})["model_info"]["llama.context_length"]) == 2048
    assert context(3000) == 3000
    assert context(1 << 20) == 8192


def test_texts_become_vectors(program: Program) -> None:
    found = program.post("/api/embed", {"model": f"{EMBEDDER}:latest", "input": ["The clinic has beds.", "beds " * 400]})
    assert [len(vector) for vector in found["embeddings"]] == [384, 384]
    assert found["truncated"] == [1]
    assert found["total_duration"] > 0
    one = program.post("/api/embed", {"model": SMALL, "input": "The clinic has beds."})["embeddings"][0]
    assert one == pytest.approx(found["embeddings"][0])
    assert "longer than" in program.post("/api/embed", {"model": EMBEDDER, "input": "beds " * 400, "truncate": False}, status=400)["error"]


def test_one_text_the_older_way_and_none_that_only_loads_the_embedder(program: Program) -> None:
    new = program.post("/api/embed", {"model": EMBEDDER, "input": ["The clinic has beds.", ""]})["embeddings"]
    assert program.post("/api/embeddings", {"model": EMBEDDER, "prompt": "The clinic has beds."})["embedding"] == pytest.approx(new[0])
    assert len(new[1]) == 384, "a blank text among others keeps its place"
    for nothing in ({}, {"input": ""}, {"input": []}):
        assert program.post("/api/embed", {"model": EMBEDDER, **nothing})["embeddings"] == []
    assert program.post("/api/embeddings", {"model": EMBEDDER})["embedding"] == []


def test_what_other_servers_call_open_is_open(program: Program) -> None:
    options = {"seed": -1, "top_k": -1, "num_thread": 0, "num_ctx": 0, "top_p": 0, "stop": [f"never {number}" for number in range(40)]}
    assert program.post("/api/generate", {"model": SMALL, "prompt": "Say hello.", "stream": False, "options": options | SHORT})["done"]


def test_the_figures_of_a_collection_tell_loading_from_reading(program: Program) -> None:
    assert program.post("/api/chat", {"model": SMALL, "messages": [], "keep_alive": 0})["done_reason"] == "unload"
    asked = {"model": FIELD, "messages": OPENED, "stream": False}
    first = program.post("/api/chat", asked)
    assert first["load_duration"] > 0
    assert first["prompt_eval_duration"] > 0
    assert first["total_duration"] > first["load_duration"] + first["prompt_eval_duration"] + first["eval_duration"]
    assert program.post("/api/chat", asked)["load_duration"] == 0


def test_calls_of_a_streamed_answer_are_counted(program: Program, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    # A model that calls twice: this one is too small to.
    def twice(*_: Any) -> Iterator[Event]:
        for city in ("Goma", "Bukavu"):
            yield Called(Call("", "get_weather", json.dumps({"city": city})))
        yield Ended("tool_calls")

    monkeypatch.setattr(running, "write", twice)
    body = {"model": TOOLS, "messages": HELLO, "tools": [WEATHER]}
    streamed = [call for line in program.lines("/api/chat", body) for call in line["message"].get("tool_calls", ())]
    assert [call["function"]["index"] for call in streamed] == [0, 1]
    assert program.post("/api/chat", {**body, "stream": False})["message"]["tool_calls"] == streamed


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"messages": [{"role": "user", "content": "x", "images": ["aGk="]}]}),
    ("chat", {"messages": [{"role": "clown", "content": "x"}]}),
    ("chat", {"messages": [{"content": "x"}]}),
    ("chat", {"messages": "x"}),
    ("chat", {"messages": HELLO, "format": 3}),
    ("chat", {"messages": HELLO, "format": "xml"}),
    ("chat", {"messages": HELLO, "options": {"temperature": -1}}),
    ("chat", {"messages": HELLO, "options": {"num_ctx": 1e300}}),
    ("chat", {"messages": HELLO, "options": {"seed": -7}}),
    ("chat", {"messages": HELLO, "options": {"mirostat": 2}}),
    ("chat", {"messages": HELLO, "options": []}),
    ("chat", {"messages": HELLO, "stream": "yes"}),
    ("chat", {"messages": HELLO, "keep_alive": {}}),
    ("generate", {"prompt": "x", "suffix": "y"}),
    ("generate", {"prompt": "x", "template": "{{ .Prompt }}"}),
    ("generate", {"prompt": "x", "context": [1, 2]}),
    ("generate", {"prompt": ["x"]}),
    ("generate", {"prompt": "x", "images": ["aGk="]}),
    ("embed", {"input": "   "}),
    ("embed", {"input": [1, 2]}),
    ("embed", {"input": "x", "dimensions": 12}),
    ("embeddings", {"prompt": ["x"]}),
    ("chat", {"messages": HELLO, "options": {"stop": ["x"] * 65}}),
]


@pytest.mark.parametrize(("path", "more"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_isn_t_served_or_is_wrong_is_one_sentence(program: Program, path: str, more: dict[str, Any]) -> None:
    error = program.post(f"/api/{path}", {"model": SMALL, **more}, status=400)
    assert list(error) == ["error"]
    assert error["error"].endswith(".")


def test_what_ollama_has_and_haversack_has_not_is_not_there(program: Program) -> None:
    for path in ("pull", "push", "create", "copy"):
        assert "haversack models" in program.post(f"/api/{path}", {"model": "llama3"}, status=404)["error"]
    assert list(program.get("/api/chat", status=405)) == ["error"]
