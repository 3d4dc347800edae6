"""The openai package. Its version is whichever the environment has: 2 and 3 are both run."""

from __future__ import annotations

import asyncio
import json

import openai
from pydantic import BaseModel, Field
from telling import EMBEDDER, FIELD, KEY, OPENAI, QUESTION, SCHEMA, SMALL, THREE, TOOLS, WEATHER, alike, call, fits, tell

client = openai.OpenAI(base_url=OPENAI, api_key=KEY, timeout=120, max_retries=0)
HELLO = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "What is a well?"}]
ASK = [{"role": "user", "content": QUESTION}]
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}


class Place(BaseModel):
    town: str = Field(max_length=20)
    people: int


@call("models.list")
def _() -> None:
    names = [model.id for model in client.models.list()]
    assert {SMALL, TOOLS, FIELD, EMBEDDER} <= set(names), names
    assert names.index(SMALL) < names.index(FIELD) < names.index(EMBEDDER)


@call("models.retrieve")
def _() -> None:
    assert client.models.retrieve(SMALL).id == SMALL
    assert client.models.retrieve(FIELD).id == FIELD


@call("chat.completions.create")
def _() -> None:
    answer = client.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=24, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens <= 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@call("chat.completions.create, max_completion_tokens")
def _() -> None:
    answer = client.chat.completions.create(model=SMALL, messages=[{"role": "user", "content": "Count to one hundred."}], max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


@call("chat.completions.create, stream")
def _() -> None:
    chunks = list(
        client.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    whole = client.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=24, temperature=0)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-2].choices[0].finish_reason in ("stop", "length")


@call("chat.completions.create, stop")
def _() -> None:
    free = client.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=40, temperature=0).choices[0].message.content
    word = free.split()[3]
    cut = client.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=40, temperature=0, stop=[word])
    assert cut.choices[0].message.content == free.partition(word)[0]
    assert cut.choices[0].finish_reason == "stop"


@call("chat.completions.create, seed")
def _() -> None:
    def drawn(seed: int) -> str:
        return client.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=24, temperature=1.2, seed=seed).choices[0].message.content

    assert drawn(7) == drawn(7)
    assert len({drawn(seed) for seed in range(4)}) > 1


@call("chat.completions.create, response_format json_object")
def _() -> None:
    answer = client.chat.completions.create(
        model=SMALL,
        messages=[{"role": "user", "content": "Say yes as JSON."}],
        max_tokens=200,
        temperature=0,
        response_format={"type": "json_object"},
    )
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)
    else:
        assert answer.choices[0].message.content.lstrip().startswith("{")


@call("chat.completions.create, response_format json_schema")
def _() -> None:
    answer = client.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=100, temperature=0, response_format=FORMAT)
    fits(answer.choices[0].message.content)


@call("chat.completions.parse")
def _() -> None:
    parsed = client.chat.completions.parse(
        model=SMALL,
        messages=[{"role": "user", "content": "Kidatu has 900 people. As JSON: town and people."}],
        max_tokens=200,
        temperature=0,
        response_format=Place,
    )
    assert isinstance(parsed.choices[0].message.parsed, Place)


@call("chat.completions.create, tools")
def _() -> None:
    asked = [{"role": "user", "content": "How is the weather in Kidatu?"}]
    answer = client.chat.completions.create(model=TOOLS, messages=asked, tools=[WEATHER], tool_choice="required", max_tokens=80, temperature=0)
    assert answer.choices[0].finish_reason == "tool_calls"
    (made,) = answer.choices[0].message.tool_calls
    assert made.function.name == "get_weather"
    assert isinstance(json.loads(made.function.arguments)["town"], str)
    # The result goes back, and the model answers in words.
    result = {"role": "tool", "tool_call_id": made.id, "content": "sunny, 31 degrees"}
    after = client.chat.completions.create(
        model=TOOLS, messages=[*asked, answer.choices[0].message, result], tools=[WEATHER], tool_choice="none", max_tokens=30, temperature=0
    )
    assert after.choices[0].message.content


@call("chat.completions.create, tools, stream")
def _() -> None:
    stream = client.chat.completions.create(
        model=TOOLS,
        messages=[{"role": "user", "content": "How is the weather in Kidatu?"}],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        max_tokens=80,
        temperature=0,
        stream=True,
    )
    chunks = list(stream)
    made = [one for chunk in chunks for one in (chunk.choices[0].delta.tool_calls or [])]
    assert made[0].function.name == "get_weather"
    assert json.loads("".join(one.function.arguments or "" for one in made))
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@call("chat.completions.create, tools and response_format")
def _() -> None:
    # An agent whose last word is JSON sends both with every turn: what comes is a call, or the JSON.
    said = [{"role": "user", "content": "How is the weather in Kidatu?"}]
    message = (
        client.chat.completions.create(model=TOOLS, messages=said, tools=[WEATHER], response_format=FORMAT, max_tokens=100, temperature=0)
        .choices[0]
        .message
    )
    if message.tool_calls:
        assert isinstance(json.loads(message.tool_calls[0].function.arguments)["town"], str)
    else:
        fits(message.content)


@call("chat.completions.create, collection")
def _() -> None:
    answer = client.chat.completions.create(model=FIELD, messages=ASK)
    assert "Amina Salum" in answer.choices[0].message.content
    source = answer.model_extra["sources"][0]
    assert source["document"] == "well.md"
    assert "Amina Salum" in source["quote"]
    by_field = client.chat.completions.create(model=SMALL, messages=ASK, extra_body={"collection": "field-notes"})
    assert by_field.model_extra["sources"][0] == source


@call("chat.completions.create, collection, stream")
def _() -> None:
    chunks = list(client.chat.completions.create(model=FIELD, messages=ASK, stream=True))
    assert "Amina Salum" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].model_extra["sources"][0]["document"] == "well.md"


@call("completions.create")
def _() -> None:
    answer = client.completions.create(model=SMALL, prompt="The capital of France is", max_tokens=8, temperature=0)
    assert "Paris" in answer.choices[0].text
    pieces = list(client.completions.create(model=SMALL, prompt="The capital of France is", max_tokens=8, temperature=0, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == answer.choices[0].text


@call("embeddings.create")
def _() -> None:
    packed = [one.embedding for one in client.embeddings.create(model=EMBEDDER, input=THREE).data]  # the client asks for base64
    alike(packed)
    plain = client.embeddings.create(model=EMBEDDER, input=THREE[0], encoding_format="float")
    assert max(abs(a - b) for a, b in zip(plain.data[0].embedding, packed[0], strict=True)) < 1e-3
    assert plain.usage.prompt_tokens > 3
    # Any other name that is listed stands for the bundle's embedder.
    other = client.embeddings.create(model=SMALL, input=THREE[0], encoding_format="float")
    assert other.data[0].embedding == plain.data[0].embedding


@call("responses.create")
def _() -> None:
    answer = client.responses.create(model=SMALL, instructions="You are brief.", input="What is a well?", max_output_tokens=24, temperature=0)
    assert answer.output_text
    assert answer.usage.output_tokens <= 24
    assert answer.status in ("completed", "incomplete")


@call("responses.create, stream")
def _() -> None:
    events = list(client.responses.create(model=SMALL, input="What is a well?", max_output_tokens=24, temperature=0, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert events[0].type == "response.created"
    assert events[-1].type in ("response.completed", "response.incomplete")
    assert events[-1].response.output_text == text
    # The client puts the pieces together itself, and takes no answer that was cut: by this schema it is short.
    told = {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}
    with client.responses.stream(model=SMALL, input="What is a well?", max_output_tokens=100, temperature=0, text=told) as stream:
        written = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == written
        fits(written)


@call("responses.parse")
def _() -> None:
    asked = "Kidatu has 900 people. As JSON: town and people."
    parsed = client.responses.parse(model=SMALL, input=asked, max_output_tokens=200, temperature=0, text_format=Place)
    assert isinstance(parsed.output_parsed, Place)


@call("responses.create, tools")
def _() -> None:
    tool = {"type": "function", **WEATHER["function"]}
    answer = client.responses.create(
        model=TOOLS, input="How is the weather in Kidatu?", tools=[tool], tool_choice="required", max_output_tokens=80, temperature=0
    )
    (made,) = [item for item in answer.output if item.type == "function_call"]
    assert made.name == "get_weather"
    assert json.loads(made.arguments)


@call("responses.create, collection")
def _() -> None:
    answer = client.responses.create(model=FIELD, input=QUESTION)
    assert "Amina Salum" in answer.output_text
    assert answer.output[0].content[0].annotations[0].filename == "well.md"
    assert answer.model_extra["sources"][0]["document"] == "well.md"


@call("AsyncOpenAI chat.completions.create")
def _() -> None:
    async def three() -> list[str]:
        async with openai.AsyncOpenAI(base_url=OPENAI, api_key=KEY, timeout=120, max_retries=0) as several:
            asked = [several.chat.completions.create(model=SMALL, messages=HELLO, max_tokens=12, temperature=0) for _ in range(3)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

    assert len(set(asyncio.run(three()))) == 1


def refused(error: type[openai.APIStatusError], sentence: str, **changed: object) -> None:
    try:
        client.chat.completions.create(**{"model": SMALL, "messages": HELLO, "max_tokens": 4, **changed})
    except error as raised:
        assert sentence in raised.message, raised.message
        assert raised.body["message"]
    else:
        raise AssertionError("it was not refused")


@call("errors: unknown model, unknown collection, wrong key, wrong parameter")
def _() -> None:
    refused(openai.NotFoundError, "no-such-model", model="no-such-model")
    refused(openai.NotFoundError, "lakes", model=f"{SMALL}@lakes")
    refused(openai.BadRequestError, "temperature", temperature=-1)
    refused(openai.BadRequestError, "messages", messages=[])
    refused(openai.BadRequestError, "reads at most", messages=[{"role": "user", "content": "word " * 60_000}])
    for call_it in (
        lambda other: other.models.list(),
        lambda other: other.embeddings.create(model=EMBEDDER, input="x"),
        lambda other: other.chat.completions.create(model=SMALL, messages=HELLO, stream=True),
    ):
        try:
            call_it(openai.OpenAI(base_url=OPENAI, api_key="wrong", max_retries=0))
        except openai.AuthenticationError as raised:
            assert raised.body["code"] == "invalid_api_key"
        else:
            raise AssertionError("a wrong key was let in")


tell()
