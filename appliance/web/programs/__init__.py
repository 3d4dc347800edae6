"""The server for programs, in the shapes of OpenAI (/v1) and of Ollama (/api/tags and its like). docs/api.md says what it takes and gives.

A module reads each kind of request into one `running.Wanted`; `answers.Answers` answers it, from a model or from a collection; the module
writes what happens in its own shape.
"""

from __future__ import annotations

from flask import Blueprint, Flask

from appliance.runtime import Appliance
from appliance.web.answering import Answering
from appliance.web.programs import (
    ollama_embed,
    ollama_models,
    ollama_writing,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_models,
    openai_responses,
)
from appliance.web.programs.answers import Answers
from appliance.web.programs.errors import Told, response, told

__all__ = ["register", "response"]


def register(app: Flask, appliance: Appliance, answering: Answering) -> None:
    """Add both servers to the application; who may call them is the guard's to say (`appliance.web.security`).

    Errors take their shapes in `appliance.web.errors`, those of the guard and of addresses that aren't there, too.
    """
    answers = Answers(appliance, answering)

    def tell(error: Exception) -> Told:
        return told(error, appliance.settings)

    openai, ollama = Blueprint("openai", __name__), Blueprint("ollama", __name__)
    openai.register_blueprint(openai_models.routes(appliance))
    openai.register_blueprint(openai_chat.routes(appliance, answers, tell))
    openai.register_blueprint(openai_completions.routes(appliance, answers, tell))
    openai.register_blueprint(openai_embeddings.routes(appliance, answering))
    openai.register_blueprint(openai_responses.routes(appliance, answers, tell))
    ollama.register_blueprint(ollama_models.routes(appliance))
    ollama.register_blueprint(ollama_writing.routes(appliance, answers, tell))
    ollama.register_blueprint(ollama_embed.routes(appliance, answering))
    app.register_blueprint(openai, url_prefix="/v1")
    app.register_blueprint(ollama, url_prefix="/api")
