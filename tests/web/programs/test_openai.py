"""OpenAI's shape on real models: what comes back, whole and streamed, from a model and from a collection."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from flask import Flask

from appliance.answer.answers import CUT, Draft
from appliance.answer.citations import Citations
from appliance.answer.prose import Prose
from appliance.documents import Finished
from appliance.runtime import Appliance
from appliance.web.programs import openai_completions
from appliance.web.programs.reading import Fields
from appliance.web.programs.running import OPEN
from tests.web.programs.conftest import EMBEDDER, FIELD, SMALL, TOOLS, Program

HELLO = [{"role": "user", "content": "Say hello."}]
OPENED = [{"role": "user", "content": "When was the clinic in Goma opened?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Goma", "Bukavu"]}}, "required": ["city"]},
    },
}
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}, "ok": {"type": "boolean"}}, "required": ["age", "ok"]}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": SMALL, "messages": HELLO, "max_tokens": 12, **more}


def test_models_are_listed_generators_first_then_with_collections_then_the_embedder(program: Program) -> None:
    listed = program.get("/v1/models")
    assert listed["object"] == "list"
    names = [one["id"] for one in listed["data"]]
    assert names == [SMALL, TOOLS, FIELD, f"{TOOLS}@field-notes", EMBEDDER]
    assert all(one["object"] == "model" and isinstance(one["created"], int) for one in listed["data"])
    assert [one["capabilities"] for one in listed["data"]][:2] == [["completion"], ["completion", "tools"]]
    for name in names:
        assert program.get(f"/v1/models/{name}")["id"] == name
    assert program.get("/v1/models/gpt-4o", status=404)["error"]["code"] == "model_not_found"
    assert program.get(f"/v1/models/{SMALL}@nowhere", status=404)["error"]["code"] == "model_not_found"


def test_a_chat_is_answered_and_counted(program: Program) -> None:
    answer = program.post("/v1/chat/completions", chat())
    assert answer["object"] == "chat.completion"
    assert answer["model"] == SMALL
    choice = answer["choices"][0]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] in ("stop", "length")
    usage = answer["usage"]
    assert 0 < usage["completion_tokens"] <= 12
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert "sources" not in answer


def test_a_streamed_chat_says_the_same_and_ends_with_usage_and_done(program: Program) -> None:
    whole = program.post("/v1/chat/completions", chat(seed=1))
    events = program.events("/v1/chat/completions", chat(seed=1, stream=True, stream_options={"include_usage": True}))
    assert events[-1] == "[DONE]"
    assert events[-2]["choices"] == []
    assert {**events[-2]["usage"], "prompt_tokens_details": None} == {**whole["usage"], "prompt_tokens_details": None}
    chunks = events[:-2]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all(chunk["object"] == "chat.completion.chunk" and chunk["usage"] is None for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == whole["choices"][0]["message"]["content"]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert reasons[-1] == whole["choices"][0]["finish_reason"]


def test_stop_ends_the_answer_before_itself(program: Program) -> None:
    whole = program.post("/v1/chat/completions", chat())["choices"][0]["message"]["content"]
    word = whole.split()[1]
    cut = program.post("/v1/chat/completions", chat(stop=[word]))["choices"][0]
    assert cut["message"]["content"] == whole[: whole.index(word)]
    assert cut["finish_reason"] == "stop"


def test_what_other_servers_call_open_is_open(program: Program, app: Flask, appliance: Appliance) -> None:
    """LM Studio's examples say `max_tokens: -1`, Continue sends every stop text that its template has."""
    stop = [*(f"never {number}" for number in range(40)), " "]
    body = {"model": SMALL, "prompt": "Once", "max_tokens": -1, "seed": -1, "top_k": -1, "stop": stop}
    assert program.post("/v1/completions", body)["choices"]
    assert program.post("/v1/chat/completions", chat(max_tokens=-1, stop=stop))["choices"]
    with app.test_request_context():
        (wanted,) = openai_completions.read(appliance, Fields(body)).wanted
    assert (wanted.request.max_tokens, wanted.request.parameters.top_k, wanted.request.parameters.seed) == (OPEN, 0, None)


def test_a_seed_makes_a_drawn_answer_the_same_again_and_none_makes_it_another(program: Program) -> None:
    def said(**more: Any) -> str:
        text: str = program.post("/v1/chat/completions", chat(temperature=1.5, max_tokens=24, **more))["choices"][0]["message"]["content"]
        return text

    assert said(seed=7) == said(seed=7)
    assert len({said() for _ in range(3)}) > 1


def test_json_comes_by_grammar(program: Program) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    found = json.loads(program.post("/v1/chat/completions", chat(max_tokens=60, response_format=wanted))["choices"][0]["message"]["content"])
    assert isinstance(found["age"], int)
    assert isinstance(found["ok"], bool)
    text = program.post("/v1/chat/completions", chat(max_tokens=200, response_format={"type": "json_object"}))["choices"][0]["message"]["content"]
    assert text.lstrip().startswith("{")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}], ids=["required", "named"])
def test_a_tool_that_must_be_called_is_called_with_arguments_that_fit(program: Program, choice: Any) -> None:
    body = chat(model=TOOLS, tools=[WEATHER], tool_choice=choice, max_tokens=60)
    answer = program.post("/v1/chat/completions", body)["choices"][0]
    assert answer["finish_reason"] == "tool_calls"
    assert answer["message"]["content"] is None
    call = answer["message"]["tool_calls"][0]
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert json.loads(call["function"]["arguments"])["city"] in ("Goma", "Bukavu")

    streamed = [event["choices"][0] for event in program.events("/v1/chat/completions", {**body, "stream": True})[:-1]]
    delta = next(one["delta"]["tool_calls"][0] for one in streamed if "tool_calls" in one["delta"])
    assert delta["index"] == 0
    assert delta["function"] == call["function"]
    assert streamed[-1]["finish_reason"] == "tool_calls"

    # What came of it goes back to the model, which answers.
    said = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}]
    assert program.post("/v1/chat/completions", chat(model=TOOLS, messages=said, tools=[WEATHER]))["choices"][0]["message"]["content"]


def test_json_beside_tools_is_either_a_call_or_the_json(program: Program) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    body = chat(model=TOOLS, tools=[WEATHER], response_format=wanted, max_tokens=60)

    def fits(text: str | None, calls: list[Any]) -> bool:
        if calls:
            return not text and json.loads(calls[0]["function"]["arguments"])["city"] in ("Goma", "Bukavu")
        return set(json.loads(text or "")) == {"age", "ok"}

    message = program.post("/v1/chat/completions", body)["choices"][0]["message"]
    assert fits(message["content"], message.get("tool_calls", []))
    deltas = [event["choices"][0]["delta"] for event in program.events("/v1/chat/completions", {**body, "stream": True})[:-1]]
    assert fits("".join(one.get("content", "") for one in deltas), [call for one in deltas for call in one.get("tool_calls", ())])


def test_tools_are_refused_where_the_template_has_no_place_for_them_and_let_be_where_none_may_be_called(program: Program) -> None:
    refused = program.post("/v1/chat/completions", chat(tools=[WEATHER]), status=400)["error"]
    assert "tools" in refused["message"]
    assert program.post("/v1/chat/completions", chat(tools=[WEATHER], tool_choice="none"))["choices"]


def test_roles_and_parts_are_taken_as_openai_s_clients_send_them(program: Program) -> None:
    said = [
        {"role": "developer", "content": "You are brief."},
        {"role": "system", "content": [{"type": "text", "text": "You are kind."}]},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello."}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Again."},
    ]
    assert program.post("/v1/chat/completions", chat(messages=said, user="u", metadata={}, store=False, unheard_of=1))["choices"]


def test_a_collection_answers_with_its_sources(program: Program) -> None:
    answer = program.post("/v1/chat/completions", {"model": FIELD, "messages": OPENED})
    text = answer["choices"][0]["message"]["content"]
    assert "14 March 2011" in text
    assert "[1]" in text
    source = answer["sources"][0]
    assert (source["marker"], source["document"], source["page"]) == (1, "reports/clinic.pdf", 1)
    assert "14 March 2011" in source["quote"]
    assert source["end"] - source["start"] == len(source["quote"])
    assert source["score"] > 0
    assert answer["refused"] is False
    assert answer["usage"]["completion_tokens"] > 0
    again = program.post("/v1/chat/completions", {"model": SMALL, "collection": "Field notes", "messages": OPENED})
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert again["choices"] == answer["choices"]


def test_a_streamed_answer_of_a_collection_is_the_same_text_and_its_last_chunk_has_the_sources(program: Program) -> None:
    whole = program.post("/v1/chat/completions", {"model": FIELD, "messages": OPENED})
    events = program.events("/v1/chat/completions", {"model": FIELD, "messages": OPENED, "stream": True})
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1]) == whole["choices"][0]["message"]["content"]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert [one["quote"] for one in events[-2]["sources"]] == [one["quote"] for one in whole["sources"]]
    assert not any("sources" in event for event in events[:-2])


def test_an_answer_that_was_cut_says_so_by_its_reason_whatever_else_is_noted(
    program: Program, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Draft("?", "?", (), 0.0, 0.0, note=f"Two pages could not be read. {CUT}").answer(Citations(), Prose(Citations(), ()))
    monkeypatch.setattr(appliance.asker, "ask", lambda *_, **__: iter([Finished(answer)]))
    choice = program.post("/v1/chat/completions", {"model": FIELD, "messages": OPENED})["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"].strip()) == ("length", "Two pages could not be read.")


def test_a_follow_up_is_understood_from_the_messages_before_it(program: Program) -> None:
    first = program.post("/v1/chat/completions", {"model": FIELD, "messages": OPENED})["choices"][0]["message"]
    said = [*OPENED, first, {"role": "user", "content": "And how many beds does it have?"}]
    answer = program.post("/v1/chat/completions", {"model": FIELD, "messages": said})
    assert not answer["refused"]
    assert answer["sources"][0]["document"] == "reports/clinic.pdf"


def test_a_refusal_is_an_answer(program: Program) -> None:
    said = [{"role": "user", "content": "Which football club won the Brazilian championship in 1987?"}]
    answer = program.post("/v1/chat/completions", {"model": FIELD, "messages": said})
    assert answer["refused"] is True
    assert answer["sources"] == []
    assert "Nothing in this collection answers" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_whole_collection_is_summarised_the_same_way_streamed_or_not(program: Program) -> None:
    said = [{"role": "user", "content": "What is in here?"}]
    whole = program.post("/v1/chat/completions", {"model": FIELD, "messages": said})
    events = program.events("/v1/chat/completions", {"model": FIELD, "messages": said, "stream": True})
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1])
    assert text == whole["choices"][0]["message"]["content"]
    assert "[1]" in text


def test_what_a_collection_can_t_do_is_refused(program: Program) -> None:
    for more in (
        {"response_format": {"type": "json_object"}},
        {"model": f"{TOOLS}@field-notes", "tools": [WEATHER]},
        {"messages": [*OPENED, {"role": "assistant", "content": "In 2011."}]},
        {"collection": "elsewhere", "model": FIELD},
    ):
        program.post("/v1/chat/completions", {"model": FIELD, "messages": OPENED, **more}, status=404 if "collection" in more else 400)


def test_a_text_is_gone_on_with(program: Program) -> None:
    body = {"model": SMALL, "prompt": "The capital of France is", "max_tokens": 4, "temperature": 0}
    whole = program.post("/v1/completions", body)
    assert whole["object"] == "text_completion"
    assert "Paris" in whole["choices"][0]["text"]
    assert whole["usage"]["completion_tokens"] == 4
    assert whole["choices"][0]["finish_reason"] == "length"
    events = program.events("/v1/completions", {**body, "stream": True})
    assert events[-1] == "[DONE]"
    assert "".join(event["choices"][0]["text"] for event in events[:-1]) == whole["choices"][0]["text"]
    both = program.post("/v1/completions", {**body, "prompt": [body["prompt"], "Two and two make"]})
    assert [one["index"] for one in both["choices"]] == [0, 1]
    assert both["choices"][0]["text"] == whole["choices"][0]["text"]
    assert program.post("/v1/completions", {"model": FIELD, "prompt": OPENED[0]["content"]})["sources"]
    assert program.post("/v1/completions", {"model": SMALL, "prompt": "Once"})["usage"]["completion_tokens"] <= 16


def test_texts_become_vectors_as_numbers_and_as_base64(program: Program) -> None:
    body = {"model": EMBEDDER, "input": ["The clinic has beds.", "A hospital with beds."]}
    found = program.post("/v1/embeddings", body)
    assert [one["index"] for one in found["data"]] == [0, 1]
    assert len(found["data"][0]["embedding"]) == 384
    assert found["usage"]["prompt_tokens"] == found["usage"]["total_tokens"] > 8
    assert found["truncated"] == []
    packed = program.post("/v1/embeddings", {**body, "encoding_format": "base64"})["data"][1]["embedding"]
    assert list(struct.unpack("<384f", base64.b64decode(packed))) == pytest.approx(found["data"][1]["embedding"])
    for name in (SMALL, FIELD, f"{EMBEDDER}:latest"):
        assert program.post("/v1/embeddings", {"model": name, "input": body["input"][0]})["data"][0]["embedding"] == found["data"][0]["embedding"]
    assert program.post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "a"}, status=404)["error"]["code"] == "model_not_found"


def test_a_text_longer_than_the_window_is_cut_and_that_is_said(program: Program) -> None:
    found = program.post("/v1/embeddings", {"model": EMBEDDER, "input": ["short", "beds " * 400, "x" * 100_000]})
    assert found["truncated"] == [1, 2]


def test_a_response_is_written_and_counted(program: Program) -> None:
    body = {"model": SMALL, "input": "Say hello.", "instructions": "You are brief.", "max_output_tokens": 12}
    found = program.post("/v1/responses", body)
    assert (found["object"], found["store"]) == ("response", False)
    assert found["status"] in ("completed", "incomplete")
    part = found["output"][0]["content"][0]
    assert (found["output"][0]["type"], part["type"]) == ("message", "output_text")
    assert part["text"]
    assert found["usage"]["total_tokens"] == found["usage"]["input_tokens"] + found["usage"]["output_tokens"]
    events = program.events("/v1/responses", {**body, "stream": True})
    kinds = [event["type"] for event in events]
    assert kinds[:4] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        f"response.{found['status']}",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert "".join(event["delta"] for event in events if event["type"].endswith("text.delta")) == part["text"]
    assert events[-1]["response"]["output"][0]["content"] == found["output"][0]["content"]


def test_responses_take_items_formats_tools_and_collections(program: Program) -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is the weather in Goma?"}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city": "Goma"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ]
    flat = {"type": "function", **WEATHER["function"]}  # type: ignore[dict-item]
    body = {"model": TOOLS, "input": items, "tools": [flat], "max_output_tokens": 60}
    assert program.post("/v1/responses", body)["output"]
    forced = program.post("/v1/responses", {**body, "tool_choice": {"type": "function", "name": "get_weather"}})["output"][0]
    assert (forced["type"], forced["name"]) == ("function_call", "get_weather")
    assert json.loads(forced["arguments"])["city"] in ("Goma", "Bukavu")
    streamed = program.events("/v1/responses", {**body, "tool_choice": "required", "stream": True})
    done = next(event for event in streamed if event["type"] == "response.function_call_arguments.done")
    assert done["arguments"] == forced["arguments"]

    text = {"format": {"type": "json_schema", "name": "person", "schema": PERSON}}
    found = program.post("/v1/responses", {"model": SMALL, "input": "Say hello.", "text": text, "max_output_tokens": 60})
    assert set(json.loads(found["output"][0]["content"][0]["text"])) == {"age", "ok"}

    asked = program.post("/v1/responses", {"model": FIELD, "input": OPENED[0]["content"]})
    part = asked["output"][0]["content"][0]
    assert asked["sources"][0]["document"] == "reports/clinic.pdf"
    cited = part["annotations"][0]
    assert cited["filename"] == "reports/clinic.pdf"
    assert part["text"][cited["index"] :].startswith("[1]")
