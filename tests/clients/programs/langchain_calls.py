"""LangChain's classes for OpenAI's and for Ollama's server."""

from __future__ import annotations

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field
from telling import BASE, EMBEDDER, FIELD, KEY, OPENAI, QUESTION, SMALL, THREE, TOOLS, alike, call, key_in_the_environment, tell

HELLO = [SystemMessage("You are brief."), HumanMessage("What is a well?")]
HEADERS = {"headers": {"Authorization": f"Bearer {KEY}"}}


class Place(BaseModel):
    """A place."""

    town: str = Field(max_length=20)
    people: int


@tool
def get_weather(town: str) -> str:
    """The weather of a town."""
    return f"sunny in {town}"


def chat_openai(model: str = SMALL, tokens: int = 24) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=OPENAI, api_key=KEY, temperature=0, max_tokens=tokens, max_retries=0, timeout=120)


def chat_ollama(model: str = SMALL, tokens: int = 24) -> ChatOllama:
    return ChatOllama(model=model, base_url=BASE, client_kwargs=HEADERS, temperature=0, num_predict=tokens)


@call("ChatOpenAI.invoke")
def _() -> None:
    answer = chat_openai().invoke(HELLO)
    assert answer.content
    assert answer.usage_metadata["output_tokens"] <= 24


@call("ChatOpenAI.stream")
def _() -> None:
    assert "".join(piece.content for piece in chat_openai().stream(HELLO)) == chat_openai().invoke(HELLO).content


@call("ChatOpenAI.with_structured_output")
def _() -> None:
    place = chat_openai(tokens=200).with_structured_output(Place, method="json_schema").invoke("Kidatu has 900 people. Town and people, as JSON.")
    assert isinstance(place, Place)


@call("ChatOpenAI.bind_tools")
def _() -> None:
    answer = chat_openai(TOOLS, 80).bind_tools([get_weather], tool_choice="any").invoke("How is the weather in Kidatu?")
    assert answer.tool_calls[0]["name"] == "get_weather"
    assert isinstance(answer.tool_calls[0]["args"]["town"], str)


@call("ChatOpenAI.invoke, collection")
def _() -> None:
    assert "Amina Salum" in chat_openai(FIELD, 200).invoke(QUESTION).content


@call("ChatOpenAI.invoke, use_responses_api")
def _() -> None:
    model = ChatOpenAI(model=SMALL, base_url=OPENAI, api_key=KEY, temperature=0, max_tokens=24, use_responses_api=True, timeout=120)
    assert model.invoke(HELLO).text


@call("OpenAI.invoke")
def _() -> None:
    assert "Paris" in OpenAI(model=SMALL, base_url=OPENAI, api_key=KEY, temperature=0, max_tokens=8).invoke("The capital of France is")


@call("OpenAIEmbeddings.embed_documents, embed_query")
def _() -> None:
    # Its default is to send tokens of OpenAI's own models, which stand for other texts here.
    embeddings = OpenAIEmbeddings(model=EMBEDDER, base_url=OPENAI, api_key=KEY, check_embedding_ctx_length=False)
    alike(embeddings.embed_documents(THREE))
    assert len(embeddings.embed_query(THREE[0])) == 384


@call("ChatOllama.invoke")
def _() -> None:
    assert chat_ollama().invoke(HELLO).content


@call("ChatOllama.stream")
def _() -> None:
    assert "".join(piece.content for piece in chat_ollama().stream(HELLO)) == chat_ollama().invoke(HELLO).content


@call("ChatOllama.with_structured_output")
def _() -> None:
    place = chat_ollama(tokens=200).with_structured_output(Place, method="json_schema").invoke("Kidatu has 900 people. Town and people, as JSON.")
    assert isinstance(place, Place)


@call("ChatOllama.invoke, collection")
def _() -> None:
    assert "Amina Salum" in chat_ollama(FIELD, 200).invoke(QUESTION).content


@call("ChatOllama.invoke, OLLAMA_API_KEY")
def _() -> None:
    with key_in_the_environment():
        assert ChatOllama(model=SMALL, base_url=BASE, temperature=0, num_predict=12).invoke(HELLO).content


@call("OllamaLLM.invoke")
def _() -> None:
    assert OllamaLLM(model=SMALL, base_url=BASE, client_kwargs=HEADERS, temperature=0, num_predict=12).invoke("What is a well?")


@call("OllamaEmbeddings.embed_documents, embed_query")
def _() -> None:
    embeddings = OllamaEmbeddings(model=EMBEDDER, base_url=BASE, client_kwargs=HEADERS)
    alike(embeddings.embed_documents(THREE))
    assert len(embeddings.embed_query(THREE[0])) == 384


tell()
