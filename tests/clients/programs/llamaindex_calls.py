"""LlamaIndex's classes for OpenAI's and for Ollama's server."""

from __future__ import annotations

import ollama
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.ollama import OllamaEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike
from telling import BASE, EMBEDDER, FIELD, KEY, OPENAI, QUESTION, SMALL, THREE, alike, call, key_in_the_environment, tell

HELLO = [ChatMessage(role="system", content="You are brief."), ChatMessage(role="user", content="What is a well?")]
HEADERS = {"Authorization": f"Bearer {KEY}"}


def openai_like(model: str = SMALL, *, tokens: int = 24, chat: bool = True) -> OpenAILike:
    return OpenAILike(
        model=model, api_base=OPENAI, api_key=KEY, is_chat_model=chat, context_window=2048, max_tokens=tokens, temperature=0, max_retries=0
    )


def from_ollama(model: str = SMALL, tokens: int = 24) -> Ollama:
    return Ollama(
        model=model,
        client=ollama.Client(host=BASE, headers=HEADERS),
        context_window=2048,
        temperature=0,
        request_timeout=120,
        additional_kwargs={"num_predict": tokens},
    )


@call("OpenAILike.chat")
def _() -> None:
    assert openai_like().chat(HELLO).message.content


@call("OpenAILike.stream_chat")
def _() -> None:
    pieces = list(openai_like().stream_chat(HELLO))
    assert pieces[-1].message.content == openai_like().chat(HELLO).message.content


@call("OpenAILike.complete")
def _() -> None:
    assert "Paris" in openai_like(chat=False, tokens=8).complete("The capital of France is").text
    assert openai_like().complete("What is a well?").text


@call("OpenAILike.stream_complete")
def _() -> None:
    pieces = list(openai_like(chat=False, tokens=8).stream_complete("The capital of France is"))
    assert "Paris" in pieces[-1].text


@call("OpenAILike.chat, collection")
def _() -> None:
    answer = openai_like(FIELD, tokens=200).chat([ChatMessage(role="user", content=QUESTION)])
    assert "Amina Salum" in answer.message.content


@call("OpenAILikeEmbedding.get_text_embedding_batch, get_query_embedding")
def _() -> None:
    embeddings = OpenAILikeEmbedding(model_name=EMBEDDER, api_base=OPENAI, api_key=KEY)
    alike(embeddings.get_text_embedding_batch(THREE))
    assert len(embeddings.get_query_embedding(THREE[0])) == 384


@call("Ollama.chat")
def _() -> None:
    assert from_ollama().chat(HELLO).message.content


@call("Ollama.stream_chat")
def _() -> None:
    assert list(from_ollama().stream_chat(HELLO))[-1].message.content == from_ollama().chat(HELLO).message.content


@call("Ollama.complete")
def _() -> None:
    assert from_ollama().complete("What is a well?").text


@call("Ollama.chat, collection")
def _() -> None:
    assert "Amina Salum" in from_ollama(FIELD, 200).chat([ChatMessage(role="user", content=QUESTION)]).message.content


@call("Ollama.chat, OLLAMA_API_KEY, its own context_window")
def _() -> None:
    # It asks for as long a context as /api/show tells: one that fits here.
    with key_in_the_environment():
        model = Ollama(model=SMALL, base_url=BASE, temperature=0, request_timeout=120, additional_kwargs={"num_predict": 12})
        assert model.chat(HELLO).message.content
        assert model.metadata.context_window == 2048


@call("OllamaEmbedding.get_text_embedding_batch, get_query_embedding")
def _() -> None:
    embeddings = OllamaEmbedding(model_name=EMBEDDER, base_url=BASE, client_kwargs={"headers": HEADERS})
    alike(embeddings.get_text_embedding_batch(THREE))
    assert len(embeddings.get_query_embedding(THREE[0])) == 384


tell()
