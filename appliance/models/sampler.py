"""How the engine draws the next token: llama.cpp's own samplers in a chain, and a grammar that the answer has to follow.

Used by the engine alone, in the child process. A grammar is asked about the one token that was drawn, and about all of them only where it
refuses that one, as llama.cpp's own programs do: asking about 49,152 tokens each time would cost more than a small model's own work.
"""

from __future__ import annotations

import ctypes
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy
from llama_cpp.llama_grammar import json_schema_to_gbnf

from appliance.models.parameters import Sampling

_REPEATS_WITHIN = 64
"""Tokens back that the repeat penalties look at: llama.cpp's own default."""
_CANDIDATE = numpy.dtype([("id", numpy.int32), ("logit", numpy.float32), ("p", numpy.float32)])
LONGEST_GRAMMAR = 1 << 18
"""Characters: what a schema of this size makes is no form any more, and takes llama.cpp seconds to read."""


MOST_REPEATS, MOST_IN_A_PATTERN = 2000, 256
"""What a schema may ask to be repeated, nested repeats multiplied: each is written out in the grammar. `maxLength` of 100 million took 2.4 GB."""
_DEEPEST = 64
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


class GrammarRefused(Exception):
    """The schema can't be made into a grammar; the message says why."""


def grammar_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema as llama.cpp's grammar; an empty one is any JSON object. Raises GrammarRefused."""
    _bounded(schema)
    try:
        grammar: str = json_schema_to_gbnf(json.dumps(schema or {"type": "object"}))
    except Exception as error:  # its converter raises whatever a strange schema makes it stumble over
        raise GrammarRefused(f"this JSON schema can't be followed ({type(error).__name__}: {error})"[:300]) from error
    if len(grammar) > LONGEST_GRAMMAR:
        raise GrammarRefused("this JSON schema is too large to be followed")
    return grammar


def _bounded(value: Any, repeats: int = 1, depth: int = 0) -> None:
    """Raises GrammarRefused where the grammar would be written out too long."""
    if depth > _DEEPEST:
        raise GrammarRefused(f"this JSON schema is nested more than {_DEEPEST} deep")
    if isinstance(value, Mapping):
        counts = [count for name in _COUNTS if isinstance(count := value.get(name), (int, float))]
        repeats = int(repeats * max(1, *counts)) if counts and max(counts) < 1e9 else MOST_REPEATS + 1 if counts else repeats
        if repeats > MOST_REPEATS:
            raise GrammarRefused(f"this JSON schema asks for more than {MOST_REPEATS:,} repeats: leave its limits of length out")
        pattern = value.get("pattern")
        if isinstance(pattern, str):
            told = math.prod(max(1, *(int(number[:9] or 1) for number in pair)) for pair in re.findall(r"\{(\d*),?(\d*)\}", pattern))
            if told * len(re.findall(r"[?*+]", pattern) or "1") > MOST_IN_A_PATTERN or len(pattern) > 4 * MOST_IN_A_PATTERN:
                raise GrammarRefused(f"a pattern of this JSON schema asks for more than {MOST_IN_A_PATTERN} repeats")
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _bounded(item, repeats, depth + 1)


class Sampler:
    """Draws tokens for one answer. Close it."""

    def __init__(self, vocabulary: Any, sampling: Sampling, grammar: str = "") -> None:
        """`vocabulary` is llama.cpp's. Raises GrammarRefused."""
        self._grammar: Any = None
        self._size = int(llama.llama_vocab_n_tokens(vocabulary))
        if grammar:
            self._grammar = llama.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
            if not self._grammar:
                raise GrammarRefused("this JSON schema makes no grammar that llama.cpp can read")
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for step in self._steps(sampling):
            llama.llama_sampler_chain_add(self._chain, step)

    def draw(self, context: Any) -> int:
        """The next token after what `context` read last."""
        if self._grammar is None:
            return int(llama.llama_sampler_sample(self._chain, context, -1))
        logits = numpy.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), shape=(self._size,))
        candidates = numpy.empty(self._size, _CANDIDATE)
        candidates["id"], candidates["logit"], candidates["p"] = numpy.arange(self._size), logits, 0
        token = self._choose(candidates.copy())
        if not self._allows(token):
            self._apply(self._grammar, candidates)
            token = self._choose(candidates[numpy.isfinite(candidates["logit"])])
        for sampler in (self._grammar, self._chain):
            llama.llama_sampler_accept(sampler, token)
        return token

    def close(self) -> None:
        for sampler in (self._grammar, self._chain):
            if sampler:
                llama.llama_sampler_free(sampler)

    def _steps(self, told: Sampling) -> list[Any]:
        steps = []
        if (told.repeat_penalty, told.presence_penalty, told.frequency_penalty) != (1.0, 0.0, 0.0):
            penalties = (told.repeat_penalty, told.frequency_penalty, told.presence_penalty)
            steps.append(llama.llama_sampler_init_penalties(self._size, _REPEATS_WITHIN, *penalties))
        if told.temperature <= 0:
            return [*steps, llama.llama_sampler_init_greedy()]
        if told.top_k:
            steps.append(llama.llama_sampler_init_top_k(told.top_k))
        return [
            *steps,
            llama.llama_sampler_init_top_p(told.top_p, 1),
            llama.llama_sampler_init_min_p(told.min_p, 1),
            llama.llama_sampler_init_temp(told.temperature),
            llama.llama_sampler_init_dist(told.seed),
        ]

    def _choose(self, candidates: Any) -> int:
        array = self._apply(self._chain, candidates)
        return int(array.data[array.selected].id)

    def _allows(self, token: int) -> bool:
        one = numpy.array([(token, 1.0, 0.0)], _CANDIDATE)
        self._apply(self._grammar, one)
        return bool(numpy.isfinite(one["logit"][0]))

    def _apply(self, sampler: Any, candidates: Any) -> Any:
        data = candidates.ctypes.data_as(llama.llama_token_data_p)
        array = llama.llama_token_data_array(data, len(candidates), -1, False)
        llama.llama_sampler_apply(sampler, ctypes.byref(array))
        return array
