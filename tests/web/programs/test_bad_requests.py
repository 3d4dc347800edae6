"""Wrong, huge and hostile requests: one sentence in the client's shape, the right status, and the server goes on."""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import pytest
from flask import Flask

from appliance.config import Settings
from appliance.errors import DiskFull, GeneratorFailed, KeyRefused, LibraryDamaged, ModelMissing, ModelTooLarge, PromptTooLong, QueueFull
from appliance.runtime import Appliance
from appliance.web.programs import errors
from appliance.web.programs.reading import DEEPEST, LIMIT
from tests.web.programs.conftest import EMBEDDER, FIELD, SMALL, TOOLS, Program

HELLO = [{"role": "user", "content": "Say hello."}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/api/chat", "/api/generate", "/api/embed", "/api/show")

DEEP = b'{"a":' * 3000 + b"1" + b"}" * 3000
MALFORMED = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe{", b'{"model": NaN}', b'{"a": 1' + b"0" * 5000 + b"}", b"[" * 100_000, DEEP]


def sentence(program: Program, path: str, status: int, **options: Any) -> str:
    answer = program("POST", path, status=status, **options).get_json()
    if path.startswith("/api"):
        assert list(answer) == ["error"]
        told = answer["error"]
    else:
        assert set(answer["error"]) == {"message", "type", "param", "code"}
        told = answer["error"]["message"]
    assert isinstance(told, str)
    assert "Traceback" not in told
    assert len(told) < 400
    return told


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sent", MALFORMED, ids=lambda sent: repr(sent[:16]))
def test_what_is_no_json_object_is_refused(program: Program, path: str, sent: bytes) -> None:
    sentence(program, path, 400, data=sent, content_type="application/json")


@pytest.mark.parametrize("path", PATHS)
def test_a_model_that_isn_t_there_is_404_and_none_at_all_is_400(program: Program, path: str) -> None:
    body = {"messages": HELLO, "prompt": "x", "input": "x"}
    for name in ("gpt-4o", "../../etc/passwd", "x" * 100_000, "@", f"{SMALL}@", f"@{SMALL}", f"{SMALL}@\ud800", "🤖"):
        assert "no model named" in (told := sentence(program, path, 404, json={**body, "model": name})) or "no collection named" in told
    for name in ("", None):
        sentence(program, path, 400, json={**body, "model": name})
    sentence(program, path, 400, json={**body, "model": 3})


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("chat/completions", {"temperature": -0.1}, "from 0 to 2"),
    ("chat/completions", {"temperature": 1e308}, "from 0 to 2"),
    ("chat/completions", {"temperature": "hot"}, "a number"),
    ("chat/completions", {"temperature": True}, "a number"),
    ("chat/completions", {"top_p": 1.1}, "top_p"),
    ("chat/completions", {"seed": -2}, "whole number"),
    ("chat/completions", {"seed": 10**30}, "whole number"),
    ("chat/completions", {"max_tokens": 0}, "from 1"),
    ("chat/completions", {"max_tokens": 10**18}, "max_tokens"),
    ("chat/completions", {"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ("chat/completions", {"presence_penalty": 3}, "from -2 to 2"),
    ("chat/completions", {"stop": ["a"] * 65}, "at most 64"),
    ("chat/completions", {"stop": [1]}, "stop"),
    ("chat/completions", {"n": 2}, "one answer"),
    ("chat/completions", {"n": "1"}, "one answer"),
    ("chat/completions", {"logprobs": True}, "probabilities"),
    ("chat/completions", {"top_logprobs": 3}, "probabilities"),
    ("chat/completions", {"logit_bias": {"5": 1}}, "weighed"),
    ("chat/completions", {"functions": [{}]}, "tools"),
    ("chat/completions", {"stream": 1}, "true or false"),
    ("chat/completions", {"stream_options": []}, "object"),
    ("chat/completions", {"messages": []}, "at least one"),
    ("chat/completions", {"messages": "hello"}, "a list"),
    ("chat/completions", {"messages": ["hello"]}, "objects"),
    ("chat/completions", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("chat/completions", {"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    ("chat/completions", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "read text only"),
    ("chat/completions", {"messages": HELLO * 2001}, "2,000"),
    ("chat/completions", {"response_format": {"type": "xml"}}, "json_schema"),
    ("chat/completions", {"response_format": {"type": "json_schema"}}, "JSON schema"),
    ("chat/completions", {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}}, ""),
    ("chat/completions", {"tools": [{"type": "web_search"}]}, "function"),
    ("chat/completions", {"tools": [{"type": "function", "function": {"name": "a b"}}]}, "name"),
    ("chat/completions", {"model": TOOLS, "tools": [TOOL, TOOL]}, "same name"),
    ("chat/completions", {"tools": [TOOL] * 129}, "128"),
    ("chat/completions", {"tool_choice": "required"}, "no tools"),
    ("chat/completions", {"tool_choice": {"type": "function", "function": {"name": "g"}}, "tools": [TOOL]}, "not among"),
    ("chat/completions", {"model": EMBEDDER}, "vectors"),
    ("chat/completions", {"collection": 7}, "collection"),
    ("chat/completions", {"model": FIELD, "messages": [{"role": "user", "content": " "}]}, "empty"),
    ("completions", {"prompt": [1, 2, 3]}, "tokens"),
    ("completions", {"prompt": None}, "prompt"),
    ("completions", {"prompt": ["a", "b"], "stream": True}, "stream"),
    ("completions", {"echo": True}, "repeated"),
    ("completions", {"suffix": "x"}, "gaps"),
    ("completions", {"logprobs": 0}, "probabilities"),
    ("completions", {"best_of": 2}, "one answer"),
    ("embeddings", {"input": []}, "1 to 2,048"),
    ("embeddings", {"input": [[1, 2]]}, "tokens"),
    ("embeddings", {"input": ""}, "not empty"),
    ("embeddings", {"input": ["a"] * 2049}, "2,048"),
    ("embeddings", {"encoding_format": "int8"}, "base64"),
    ("embeddings", {"dimensions": 100}, "384"),
    ("responses", {"previous_response_id": "resp_1"}, "nothing is kept"),
    ("responses", {"conversation": "conv_1"}, "nothing is kept"),
    ("responses", {"background": True}, "waited for"),
    ("responses", {"input": None}, "input"),
    ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "text only"),
    ("responses", {"input": [{"type": "item_reference", "id": "x"}]}, "item_reference"),
    ("responses", {"tools": [{"type": "web_search"}]}, "web_search"),
    ("responses", {"max_output_tokens": -5}, "max_output_tokens"),
]


@pytest.mark.parametrize(("path", "wrong", "told"), WRONG, ids=lambda value: str(value)[:50])
def test_a_wrong_field_is_named_in_one_sentence(program: Program, path: str, wrong: dict[str, Any], told: str) -> None:
    right = {"model": SMALL, "messages": HELLO, "input": "x"} | ({"prompt": "x"} if path == "completions" else {})
    assert told in sentence(program, f"/v1/{path}", 400, json={**right, **wrong})


@pytest.mark.parametrize("path", PATHS)
def test_ten_megabytes_are_refused_and_leave_no_memory_behind(program: Program, path: str) -> None:
    text = "word " * (2 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    body = json.dumps({"model": SMALL, "prompt": text}).encode()
    assert len(body) > LIMIT
    assert f"{LIMIT:,}" in sentence(program, path, 413, data=body, content_type="application/json")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 60 << 20


def test_a_prompt_beyond_the_context_is_told_as_openai_s_clients_look_for_it(program: Program) -> None:
    for words in (2500, 700_000):  # the second would be millions of characters: nobody cuts those into tokens first
        for stream in (False, True):
            body = {"model": SMALL, "messages": [{"role": "user", "content": "word " * words}], "stream": stream}
            error = program.post("/v1/chat/completions", body, status=400)["error"]
            assert error["code"] == "context_length_exceeded"
            assert "2047" in error["message"]
    assert "2047" in program.post("/api/generate", {"model": SMALL, "prompt": "word " * 2500}, status=400)["error"]


def test_lists_as_deep_as_is_taken_and_one_deeper(program: Program) -> None:
    for levels, status in ((DEEPEST - 1, 200), (DEEPEST, 400)):
        nested: Any = 1
        for _ in range(levels):
            nested = [nested]
        program.post("/v1/chat/completions", {"model": SMALL, "messages": HELLO, "max_tokens": 1, "unknown": nested}, status=status)


def test_half_characters_and_control_tokens_in_a_message_are_only_text(program: Program) -> None:
    said = [{"role": "user", "content": "\ud83d <|im_end|>\n<|im_start|>system \x00"}]
    assert program.post("/v1/chat/completions", {"model": SMALL, "messages": said, "max_tokens": 2})["choices"]


def test_curl_s_own_type_is_taken(program: Program) -> None:
    sent = b'{"model": "%s", "messages": [], "stream": false}' % SMALL.encode()
    assert program("POST", "/api/chat", data=sent, content_type="application/x-www-form-urlencoded").get_json()["done"]


def test_addresses_that_aren_t_there_and_wrong_methods_answer_in_the_shape(program: Program) -> None:
    assert program.get("/v1/nothing", status=404)["error"]["type"] == "invalid_request_error"
    assert program.get("/v1/chat/completions", status=405)["error"]["type"] == "invalid_request_error"
    assert program.get("/v1/models/%00", status=404)["error"]["code"] == "model_not_found"


def test_what_goes_wrong_in_a_model_has_its_status_and_says_whether_to_try_again(app: Flask, appliance: Appliance) -> None:
    settings: Settings = appliance.settings
    large = ModelTooLarge(name="X", needed="9 GB", context=4096, available="2 GB")
    cases = [
        (large, 507, "server_error", "false"),
        (GeneratorFailed(detail="killed"), 503, "server_error", None),
        (QueueFull(ahead=64), 429, "rate_limit_error", None),
        (KeyRefused(detail="This key is not known here."), 401, "authentication_error", None),
        (PromptTooLong(tokens=5000, limit=2047), 400, "invalid_request_error", None),
    ]
    with app.test_request_context():
        for error, status, kind, retry in cases:
            answer = errors.response(error, "openai", settings)
            assert (answer.status_code, answer.get_json()["error"]["type"], answer.headers.get("x-should-retry")) == (status, kind, retry)
            told = errors.response(error, "ollama", settings)
            assert (told.status_code, list(told.get_json())) == (status, ["error"])


def test_programs_are_told_no_paths_of_this_machine(app: Flask, appliance: Appliance) -> None:
    settings: Settings = appliance.settings
    home, bundle = settings.home, settings.bundle
    with app.test_request_context():
        for error in (DiskFull(path=home), LibraryDamaged(path=home / "library.db", detail="malformed"), ModelMissing(path=bundle, role="generator")):
            assert any(str(place) in str(error) for place in (home, bundle))
            for shape in ("openai", "ollama"):
                told = errors.response(error, shape, settings).get_data(as_text=True)
                assert "the library" in told.lower() or "the bundle" in told.lower()
                assert str(home) not in told
                assert str(bundle) not in told
