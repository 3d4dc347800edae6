"""The base camp's model by way of the broker: a real llama_cpp.server, and one that misbehaves."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.basecamp.breaker import Breaker
from appliance.basecamp.exchange import Limits
from appliance.basecamp.link import Link
from appliance.basecamp.writer import RemoteWriter
from appliance.errors import BaseCampFailed, ModelUnable, PromptTooLong
from appliance.models.parameters import Parameters
from appliance.models.protocol import Done, GeneratorEvent, Message, Piece
from appliance.models.request import Request
from appliance.models.writes import prompt_tokens
from tests.basecamp.misbehaving import Behaviour, Misbehaving, endless, event, raw, reply, status, stays, stream

ASKED = [Message("system", "You are brief."), Message("user", "What is the capital of France?")]
Links = Callable[..., Link]


def written(writer: RemoteWriter, prompt: Sequence[Message] | str = ASKED, **told: object) -> tuple[str, Done]:
    events: list[GeneratorEvent] = list(writer.generate(Request(prompt, 12, **told), threading.Event()))  # type: ignore[arg-type]
    assert isinstance(events[-1], Done)
    return "".join(one.text for one in events if isinstance(one, Piece)), events[-1]


# A real engine


def test_a_real_engine_says_who_it_is_counts_and_answers(engine: str, link: Links) -> None:
    writer = RemoteWriter(link(engine, limits=Limits()))
    assert not writer.ready
    writer.start()
    assert writer.ready
    assert writer.name.startswith("smollm2 at 127.0.0.1:")
    assert writer.settings.context == 2048
    assert "tokens of texts" in writer.settings.advice
    # The template and its own system message have 60 tokens: what is estimated around the texts may not be fewer.
    few, many = writer.count_tokens([ASKED, [*ASKED, Message("assistant", "word " * 200)]])
    assert few >= 30
    assert many - few >= 200
    text, done = written(writer)
    assert text
    assert 0 < done.completion_tokens <= 12
    assert done.reading_ms > 0


def test_a_real_engine_takes_raw_text_parameters_stops_and_a_schema(engine: str, link: Links) -> None:
    writer = RemoteWriter(link(engine, limits=Limits()))
    text, _ = written(writer, "The capital of France is", stop=["."])
    assert text
    assert "." not in text
    free = Parameters(temperature=1.5, seed=7, top_k=50, min_p=0.0, repeat_penalty=1.1)
    assert written(writer, parameters=free)[0] == written(writer, parameters=free)[0] != written(writer)[0]
    shape = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    events = writer.generate(Request(ASKED, 60, schema=shape), threading.Event())
    value = json.loads("".join(one.text for one in events if isinstance(one, Piece)))
    assert isinstance(value["n"], int)


def test_a_prompt_that_is_too_long_is_said_with_the_engines_figures(engine: str, link: Links) -> None:
    writer = RemoteWriter(link(engine, limits=Limits()))
    with pytest.raises(PromptTooLong, match="2048"):
        written(writer, [Message("user", "word " * 3000)])
    assert written(writer)[0], "one question that is too long says nothing against the base camp"


def test_cancelling_ends_the_answer_and_the_engine_takes_the_next(engine: str, link: Links) -> None:
    writer = RemoteWriter(link(engine, limits=Limits()))
    cancel = threading.Event()
    events = writer.generate(Request([Message("user", "Tell me a long story.")], 400), cancel)
    assert isinstance(next(events), Piece)
    cancel.set()
    started = time.monotonic()
    assert [one.reason for one in events if isinstance(one, Done)] == ["cancelled"]
    assert time.monotonic() - started < 5
    assert written(writer)[0]


def test_a_model_is_named_and_one_that_is_not_there_is_said(engine: str, link: Links) -> None:
    RemoteWriter(link(engine, HAVERSACK_LLM_MODEL="smollm2")).start()
    with pytest.raises(BaseCampFailed, match="has no model 'llama9'; it has smollm2"):
        RemoteWriter(link(engine, HAVERSACK_LLM_MODEL="llama9")).start()


def test_questions_are_answered_one_at_a_time_and_clients_in_rotation(engine: str, link: Links) -> None:
    writer = RemoteWriter(link(engine, limits=Limits()))
    answers: list[str] = []

    def ask(client: str) -> None:
        answers.append(written(writer, client=client)[0])

    threads = [threading.Thread(target=ask, args=(f"client {number % 2}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 6
    assert len(set(answers)) == 1, "llama_cpp.server breaks an answer off where another is asked for"
    assert writer.waiting == 0


# One that misbehaves

FAULTS: dict[str, tuple[Behaviour, str]] = {
    "closes at once": (raw(b""), "went away before its answer was whole"),
    "is no HTTP": (raw(b"220 smtp ready\r\n"), "is not HTTP"),
    "is a web page": (raw("HTTP/1.1 200 OK\r\n\r\n<html>Router login</html>"), "sends what no language engine sends"),
    "is not JSON": (stream("data: {oops\n\n"), "sends what no language engine sends"),
    "has another shape": (stream('data: {"choices": {"delta": 3}}\n\n'), "sends what no language engine sends"),
    "has a number for text": (stream('data: {"choices": [{"delta": {"content": 3}}]}\n\n'), "sends what no language engine sends"),
    "is a list": (stream("data: [1, 2]\n\n"), "sends what no language engine sends"),
    "nests too deep": (stream("data: " + "[" * 100_000 + "\n\n"), "sends what no language engine sends"),
    "says nothing": (stream("data: [DONE]\n\n"), "sent an empty answer"),
    "ends before a word": (stream(": ping\n\n"), "went away before it said a word"),
    "never answers": (stays(), "has not said a word within 1.5 s"),
    "only pings": (endless(b": ping\n\n", 0.1), "has not said a word within 1.5 s"),
    "has a line without end": (endless(b"data: " + b"x" * 65536), "sends more than any answer can have"),
    "has headers without end": (endless(b"X-Header: 1\r\n", begin="HTTP/1.1 200 OK\r\n"), "is not HTTP"),
    "tells an error": (stream('data: {"error": {"message": "out of memory"}}\n\n'), r"broke the answer off \(out of memory\)"),
    "is 500": (status(500, "Oh", {"error": {"message": "CUDA\n\x1b[31m is\x07 gone"}}), r"the error 500 \(CUDA \[31m is gone\)"),
    "is 401": (status(401, "Oh", {"error": {"message": "bad key"}}), "refuses the key .*HAVERSACK_LLM_KEY"),
    "is 404": (status(404, "Oh"), "has to end in /v1"),
    "is 503": (status(503, "Oh", {"error": "loading model"}), r"is too busy \(loading model\)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_sentence_and_leaves_nothing_written(rogue: Misbehaving, link: Links, fault: str) -> None:
    behaviour, sentence = FAULTS[fault]
    writer = RemoteWriter(link(rogue.as_engine(behaviour).url))
    pieces: list[GeneratorEvent] = []
    started = time.monotonic()
    with pytest.raises(BaseCampFailed, match=sentence) as caught:
        pieces.extend(writer.generate(Request(ASKED, 12), threading.Event()))
    assert pieces == []
    assert str(caught.value).startswith(f"The base camp at 127.0.0.1:{rogue.port} ")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (stream(event("Paris is"), event(" the")), "went away in the middle of the answer"),
        (stays(event("Paris is"), event(" the")), "nothing came for 1 s"),
        (stream(event("Paris is"), event(" the"), "data: rubbish\n\n"), "sends what no language engine sends"),
    ],
)
def test_what_was_written_before_the_break_stays_and_is_not_gone_on_with(
    rogue: Misbehaving, link: Links, behaviour: Behaviour, sentence: str
) -> None:
    writer = RemoteWriter(link(rogue.as_engine(behaviour).url))
    pieces: list[GeneratorEvent] = []
    with pytest.raises(BaseCampFailed, match=sentence) as caught:
        pieces.extend(writer.generate(Request(ASKED, 12), threading.Event()))
    assert pieces == [Piece("Paris is"), Piece(" the")]
    assert "what it wrote until then stays" in str(caught.value)


def test_an_answer_that_drips_for_ever_ends(rogue: Misbehaving, link: Links) -> None:
    writer = RemoteWriter(link(rogue.as_engine(endless(event("word ").encode(), 0.05)).url))
    with pytest.raises(BaseCampFailed, match="takes too long"):
        list(writer.generate(Request(ASKED, 12), threading.Event()))
    assert rogue.gone.wait(10), "the connection was closed"


def test_cancelling_a_silent_engine_closes_its_connection_at_once(rogue: Misbehaving, link: Links) -> None:
    writer = RemoteWriter(link(rogue.as_engine(stays()).url, limits=Limits()))
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    assert written_events(writer, cancel) == [Done(0, 0, 0, "cancelled")]
    assert time.monotonic() - started < 10
    assert rogue.gone.wait(10)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def test_stop_is_heard_while_tokens_are_counted(rogue: Misbehaving, link: Links) -> None:
    rogue.as_engine(raw(b""), owned_by="llamacpp").on("/apply-template", stays())
    writer, cancel = RemoteWriter(link(rogue.url, limits=Limits(short=600.0))), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(lambda: writer.hold("page", cancel).count_tokens([ASKED, ASKED]))
        until(lambda: any("/apply-template" in request for request in rogue.requests))
        cancel.set()
        assert counting.result(60) == [0, 0]
    assert rogue.gone.wait(60), "the connection was closed"
    assert writer.breaker.last is None, "who stops says nothing against the base camp"


def test_stop_is_heard_by_all_who_wait_for_its_name(rogue: Misbehaving, link: Links) -> None:
    rogue.on("/models", stays())
    writer, cancel = RemoteWriter(link(rogue.url, limits=Limits(short=600.0))), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(written_events, writer, cancel) for _ in range(2)]
        until(lambda: bool(rogue.requests))
        cancel.set()
        assert [one.result(60) for one in asking] == [[Done(0, 0, 0, "cancelled")]] * 2
    assert not writer.ready
    assert writer.breaker.last is None


@pytest.mark.parametrize("each", [1, 20])
def test_all_that_is_counted_for_a_prompt_has_one_limit(rogue: Misbehaving, link: Links, each: int) -> None:
    def slowly(connection: socket.socket, text: str) -> None:
        time.sleep(0.2)
        reply({"count": 3})(connection, text)

    rogue.as_engine(raw(b""), owned_by="vllm", max_model_len=8192).on("/tokenize", slowly)
    writer = RemoteWriter(link(rogue.url))
    held = writer.hold("page", threading.Event())

    def count() -> None:
        for _ in range(20):
            held.count_tokens([ASKED] * each)

    with pytest.raises(BaseCampFailed, match="takes too long to count tokens"):  # none of them alone takes 1.5 s
        count()
    assert sum("/tokenize" in request for request in rogue.requests) < 20


def written_events(writer: RemoteWriter, cancel: threading.Event) -> list[GeneratorEvent]:
    return list(writer.generate(Request(ASKED, 12), cancel))


def test_nobody_there_is_one_sentence(link: Links) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    with pytest.raises(BaseCampFailed, match="can't be reached \\(connection refused\\)"):
        RemoteWriter(link(f"http://127.0.0.1:{port}/v1")).start()


def test_a_name_that_nobody_knows_is_said_at_the_start(link: Links) -> None:
    made = link("http://no-such-camp.invalid:8080/v1")
    assert made.unknown == ("no-such-camp.invalid:8080",)
    with pytest.raises(BaseCampFailed, match="has a name that nobody knew when Haversack was started"):
        RemoteWriter(made).start()


def test_after_a_failure_it_is_left_alone_for_a_while_and_then_tried_again(rogue: Misbehaving, link: Links) -> None:
    breaker = Breaker(pause=600)
    writer = RemoteWriter(link(rogue.as_engine(status(500, "Oh")).url), breaker)
    with pytest.raises(BaseCampFailed):
        written(writer)
    assert not writer.ready
    asked = len(rogue.requests)
    with pytest.raises(BaseCampFailed, match="the error 500"):
        writer.start()
    assert len(rogue.requests) == asked, "it was not asked again"
    rogue.as_engine(stream(event("Paris."), event("", "stop"), "data: [DONE]\n\n"))
    breaker._pause = -1.0
    assert written(writer)[0] == "Paris."
    assert breaker.last is None


def test_the_key_goes_to_the_engine_and_to_no_other_child(rogue: Misbehaving, link: Links) -> None:
    environment = {"HAVERSACK_LLM_KEY": "sk-secret", "PATH": "/usr/bin"}
    rogue.as_engine(stream(event("Yes."), "data: [DONE]\n\n"))
    made = Link(rogue.url, "", environment=environment)
    try:
        assert environment == {"PATH": "/usr/bin"}
        written(RemoteWriter(made))
    finally:
        made.close()
    assert all("Authorization: Bearer sk-secret" in request for request in rogue.requests)


def test_a_redirect_is_not_followed(rogue: Misbehaving, link: Links) -> None:
    elsewhere = Misbehaving()
    rogue.as_engine(status(307, "Elsewhere", Location=elsewhere.url + "/chat/completions"))
    try:
        with pytest.raises(BaseCampFailed, match="points to another address, which is not followed"):
            written(RemoteWriter(link(rogue.url)))
        assert elsewhere.requests == []
    finally:
        elsewhere.close()


def test_a_proxy_of_the_environment_is_not_asked(rogue: Misbehaving, link: Links) -> None:
    proxy = Misbehaving()
    rogue.as_engine(stream(event("Yes."), "data: [DONE]\n\n"))
    try:
        told = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"), f"http://127.0.0.1:{proxy.port}")
        assert written(RemoteWriter(link(rogue.url, **told)))[0] == "Yes."
        assert proxy.requests == []
    finally:
        proxy.close()


def test_each_engine_is_asked_in_its_own_words(rogue: Misbehaving, link: Links) -> None:
    told = Parameters(temperature=0.5, top_p=0.9, repeat_penalty=1.1)
    ended = stream(event("Yes.", "stop"), 'data: {"choices": [], "usage": {"prompt_tokens": 31, "completion_tokens": 2}}\n\n', "data: [DONE]\n\n")
    expected = {"vllm": {"repetition_penalty": 1.1}, "llamacpp": {"repeat_penalty": 1.1}, "library": {}, "somebody": {}}
    for owner, own in expected.items():
        rogue.as_engine(ended, owned_by=owner, max_model_len=8192)
        text, done = written(RemoteWriter(link(rogue.url)), parameters=told)
        assert (text, done.prompt_tokens, done.completion_tokens) == ("Yes.", 31, 2)
        body = json.loads(rogue.requests[-1].partition("\r\n\r\n")[2])
        assert {name: body[name] for name in body if "penalty" in name} == own
        assert (body["temperature"], body["top_p"], body["stream"], body["model"]) == (0.5, 0.9, True, "some-model")


def test_what_engines_tell_of_themselves_is_taken_and_rubbish_is_not(rogue: Misbehaving, link: Links) -> None:
    rogue.as_engine(raw(b""), owned_by="llamacpp", meta={"n_params": 7_615_616_512})
    rogue.on("/props", reply({"default_generation_settings": {"n_ctx": 16384}}))
    rogue.on("/apply-template", reply({"prompt": "<|im_start|>user"})).on("/tokenize", reply({"tokens": [1, 2, 3]}))
    writer = RemoteWriter(link(rogue.url))
    writer.start()
    assert (writer.settings.context, writer.settings.parameters) == (16384, "7.6B")
    assert writer.count_tokens([ASKED]) == [3]
    for rubbish in (
        {"default_generation_settings": {"n_ctx": -5}},
        [],
        {"default_generation_settings": "x"},
        {"default_generation_settings": {"n_ctx": 1e99}},
    ):
        rogue.on("/props", reply(rubbish))
        writer = RemoteWriter(link(rogue.url))
        writer.start()
        assert writer.settings.context == 4096
        assert "doesn't tell its context" in writer.settings.advice


@pytest.mark.parametrize("listed", [[], {}, {"data": []}, {"data": [{"id": 3}]}, {"data": "models"}, "models", None, 7])
def test_a_list_of_models_that_is_none_is_said(rogue: Misbehaving, link: Links, listed: object) -> None:
    rogue.on("/models", reply(listed))
    with pytest.raises(BaseCampFailed, match=r"names no model|answers what no language engine answers"):
        RemoteWriter(link(rogue.url)).start()


def test_tokens_are_estimated_rather_too_many_and_learnt_from_what_was_used(rogue: Misbehaving, link: Links) -> None:
    words = [Message("user", "The convoy crossed the bridge before dawn. " * 20)]
    used = 'data: {"choices": [], "usage": {"prompt_tokens": 190, "completion_tokens": 2}}\n\n'
    rogue.as_engine(stream(event("Yes.", "stop"), used, "data: [DONE]\n\n"))
    writer = RemoteWriter(link(rogue.url))
    writer.start()
    assert "rather too many" in writer.settings.advice
    before = prompt_tokens(writer, words)
    assert before > 300
    written(writer, words)
    assert 190 <= prompt_tokens(writer, words) < before


def test_tools_are_refused_in_a_sentence(rogue: Misbehaving, link: Links) -> None:
    with pytest.raises(ModelUnable, match="tools are not passed on"):
        written(RemoteWriter(link(rogue.as_engine(raw(b"")).url)), tools=[{"type": "function"}])


def test_half_a_surrogate_pair_is_no_text(rogue: Misbehaving, link: Links) -> None:
    rogue.as_engine(stream('data: {"choices": [{"delta": {"content": "a\\ud800b"}}]}\n\n', "data: [DONE]\n\n"))
    assert written(RemoteWriter(link(rogue.url)))[0] == "a?b"


def test_a_rogue_that_cut_off_ten_answers_leaves_the_broker_alive(rogue: Misbehaving, link: Links) -> None:
    rogue.as_engine(stream(event("Paris"), "data: rubbish\n\n"))
    made = link(rogue.url)
    pid = made.pid
    for _ in range(10):
        with pytest.raises(BaseCampFailed):
            written(RemoteWriter(made))
    rogue.as_engine(stream(event("Paris.", "stop"), "data: [DONE]\n\n"))
    assert written(RemoteWriter(made))[0] == "Paris."
    assert made.pid == pid


def test_a_broker_that_dies_in_the_middle_of_a_line_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = tmp_path / "broker"
    broker.write_text("""#!/bin/sh\nprintf '{"is": "ready", "id": 0, "unkn'\n""", encoding="utf-8")
    broker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broker))
    link = Link("http://127.0.0.1:9/v1", "", environment={})
    try:
        with pytest.raises(BaseCampFailed, match="has ended"):
            RemoteWriter(link).start()
    finally:
        link.close()
