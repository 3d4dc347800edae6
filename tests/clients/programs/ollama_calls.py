"""The ollama package."""

from __future__ import annotations

import asyncio

import ollama
from telling import BASE, EMBEDDER, FIELD, KEY, QUESTION, SCHEMA, SMALL, THREE, TOOLS, WEATHER, alike, call, fits, key_in_the_environment, tell

HEADERS = {"Authorization": f"Bearer {KEY}"}
client = ollama.Client(host=BASE, headers=HEADERS, timeout=120)
HELLO = [{"role": "user", "content": "What is a well?"}]
SHORT = {"num_predict": 24, "temperature": 0}


@call("list")
def _() -> None:
    names = {model.model for model in client.list().models}
    assert {f"{name}:latest" for name in (SMALL, TOOLS, FIELD, EMBEDDER)} <= names, names


@call("show")
def _() -> None:
    shown = client.show(SMALL)
    assert shown.details.format == "gguf"
    assert "completion" in shown.capabilities
    assert "tools" in client.show(TOOLS).capabilities
    assert client.show(EMBEDDER).capabilities == ["embedding"]


@call("chat")
def _() -> None:
    answer = client.chat(SMALL, HELLO, options=SHORT)
    assert answer.message.content
    assert answer.done
    assert answer.eval_count <= 24
    assert client.chat(f"{SMALL}:latest", HELLO, options=SHORT).message.content == answer.message.content


@call("chat, stream")
def _() -> None:
    pieces = list(client.chat(SMALL, HELLO, options=SHORT, stream=True))
    assert "".join(piece.message.content for piece in pieces) == client.chat(SMALL, HELLO, options=SHORT).message.content
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@call("chat, options stop and seed")
def _() -> None:
    free = client.chat(SMALL, HELLO, options=SHORT).message.content
    word = free.split()[3]
    assert client.chat(SMALL, HELLO, options={**SHORT, "stop": [word]}).message.content == free.partition(word)[0]
    drawn = [client.chat(SMALL, HELLO, options={"num_predict": 24, "temperature": 1.2, "seed": seed}).message.content for seed in (7, 7, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


@call("chat, format")
def _() -> None:
    fits(client.chat(SMALL, HELLO, format=SCHEMA, options={"temperature": 0, "num_predict": 100}).message.content)
    assert client.chat(SMALL, HELLO, format="json", options={"temperature": 0, "num_predict": 60}).message.content.lstrip().startswith("{")


@call("chat, tools")
def _() -> None:
    # Ollama has no way to demand a call, and this model is too small to make one by itself: what counts is that the answer is one of the two.
    answer = client.chat(TOOLS, [{"role": "user", "content": "How is the weather in Kidatu?"}], tools=[WEATHER], options=SHORT)
    assert answer.message.content or answer.message.tool_calls
    told = [
        {"role": "user", "content": "How is the weather in Kidatu?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"town": "Kidatu"}}}]},
        {"role": "tool", "tool_name": "get_weather", "content": "sunny, 31 degrees"},
    ]
    assert client.chat(TOOLS, told, tools=[WEATHER], options=SHORT).message.content
    try:
        client.chat(SMALL, HELLO, tools=[WEATHER])
    except ollama.ResponseError as error:
        assert error.status_code == 400
        assert "tools" in error.error
    else:
        raise AssertionError("a model without tools took one")


@call("chat, collection")
def _() -> None:
    answer = client.chat(FIELD, [{"role": "user", "content": QUESTION}])
    assert "Amina Salum" in answer.message.content
    whole = "".join(piece.message.content for piece in client.chat(FIELD, [{"role": "user", "content": QUESTION}], stream=True))
    assert "Amina Salum" in whole


@call("generate")
def _() -> None:
    answer = client.generate(SMALL, "What is a well?", system="You are brief.", options=SHORT)
    assert answer.response
    assert answer.done_reason in ("stop", "length")


@call("generate, stream")
def _() -> None:
    whole = client.generate(SMALL, "What is a well?", options=SHORT).response
    assert "".join(piece.response for piece in client.generate(SMALL, "What is a well?", options=SHORT, stream=True)) == whole


@call("generate, raw")
def _() -> None:
    assert "Paris" in client.generate(SMALL, "The capital of France is", raw=True, options={"num_predict": 8, "temperature": 0}).response


@call("embed")
def _() -> None:
    found = client.embed(EMBEDDER, THREE)
    alike([list(one) for one in found.embeddings])
    assert len(client.embed(EMBEDDER, THREE[0]).embeddings) == 1


@call("embeddings")
def _() -> None:
    assert len(client.embeddings(EMBEDDER, THREE[0]).embedding) == 384


@call("ps")
def _() -> None:
    assert f"{SMALL}:latest" in {model.model for model in client.ps().models}


@call("AsyncClient chat, stream")
def _() -> None:
    async def streamed() -> str:
        several = ollama.AsyncClient(host=BASE, headers=HEADERS, timeout=120)
        return "".join([piece.message.content async for piece in await several.chat(SMALL, HELLO, options=SHORT, stream=True)])

    assert asyncio.run(streamed()) == client.chat(SMALL, HELLO, options=SHORT).message.content


@call("list, OLLAMA_API_KEY")
def _() -> None:
    with key_in_the_environment():
        assert ollama.Client(host=BASE).list().models


@call("errors: unknown model, unknown collection, wrong key, wrong option")
def _() -> None:
    for model, options, status, word in (
        ("no-such-model", {}, 404, "no-such-model"),
        (f"{SMALL}@lakes", {}, 404, "lakes"),
        (SMALL, {"temperature": -1}, 400, "temperature"),
    ):
        try:
            client.chat(model, HELLO, options=options)
        except ollama.ResponseError as error:
            assert error.status_code == status
            assert word in error.error
        else:
            raise AssertionError(f"{model} {options} was not refused")
    try:
        ollama.Client(host=BASE, headers={"Authorization": "Bearer wrong"}).list()
    except ollama.ResponseError as error:
        assert error.status_code == 401
    else:
        raise AssertionError("a wrong key was let in")


tell()
