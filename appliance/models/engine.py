"""llama.cpp, by llama-cpp-python's low-level calls: the importer of llama_cpp, with sampler.py. It runs in the child process alone.

What it does that the shipped `Llama` class does not: it tokenises trusted and untrusted text apart, stops inside prompt
reading, says why a file can't be loaded, and keeps the state of earlier prompts in memory (research/packaging.md §2).
"""

from __future__ import annotations

import ctypes
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as llama

from appliance.models.parameters import Sampling
from appliance.models.prefixes import Prefixes, common_prefix
from appliance.models.sampler import Sampler
from appliance.models.template import Part
from appliance.models.thoughts import CONTROL

CHUNK = 64
"""Tokens of prompt that are read at once: 285 tokens/s on 2 idle cores, where 32 gave 240 and 512 gave 294 (docs/decisions/0004).
Prefixes are used again in multiples of it, so that a smaller one loses less."""
_BYTES_PER_THREAD = 256 << 20
"""Weights for which another thread pays while writing: below, the threads wait for each other longer than they compute."""
_SNAPSHOT_BYTES = 64 << 20
"""Memory for the states of earlier prompts: three prompts of 900 tokens with SmolLM2 (23 KiB a token)."""
_WORTH_KEEPING = 256
"""Tokens that would have to be read again (1 to 2 s on an old laptop): less is not worth the memory of a snapshot."""
_ABORTED = 2
_FLASH_ATTENTION_ON = 1
_ERROR = 4  # the numbering of ggml.h; the binding's own table is one off
_LOADED = re.compile(r"loaded CPU backend from .*ggml-cpu-(\w+)\.")


class EngineFailed(Exception):
    """llama.cpp refuses; the message says what and why, in one line."""


class Stopped(Exception):
    """The reading of the prompt was cancelled. The engine is usable."""


class Engine:
    """One model and one context. Not for several threads, but for `tokens` and `stop`."""

    def __init__(self, file: Path, context: int, threads: int, cores: int, variant: str = "") -> None:
        """Load the model: `threads` read prompts, and up to `cores` of them write, as many as the model's size is worth.

        `variant` names the processor whose instructions are used (processors.py); llama.cpp chooses where none is named.
        Raises EngineFailed with llama.cpp's own reason.
        """
        self.variant = variant
        self._log: deque[str] = deque(maxlen=20)
        self._stopping = False
        self._keep = [llama.llama_log_callback(self._on_log), llama.ggml_abort_callback(lambda _: self._stopping)]
        llama.llama_log_set(self._keep[0], None)
        self._load_backend(variant)
        llama.llama_backend_init()
        # The defaults map the file into memory, so that its pages are shared and need no second copy.
        self._model: Any = llama.llama_model_load_from_file(os.fsencode(file), llama.llama_model_default_params())
        if not self._model:
            raise EngineFailed(self._reason(f"{file.name} can't be loaded"))
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = min(context, llama.llama_model_n_ctx_train(self._model))
        parameters.n_batch = parameters.n_ubatch = CHUNK
        parameters.n_threads_batch = threads
        parameters.n_threads = min(threads, cores, 1 + llama.llama_model_size(self._model) // _BYTES_PER_THREAD)
        # Measured: generation 42.8 → 66.5 tokens/s at 2,000 tokens; a q8_0 cache would read prompts three times slower.
        parameters.flash_attn_type = _FLASH_ATTENTION_ON
        parameters.swa_full = True  # sliding windows forget what a reused prefix needs
        parameters.n_outputs_max = 1
        parameters.no_perf = True
        self._context: Any = llama.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise EngineFailed(self._reason("there is no memory for its context"))
        self.context = int(llama.llama_n_ctx(self._context))
        self._vocabulary: Any = llama.llama_model_get_vocab(self._model)
        self._memory: Any = llama.llama_get_memory(self._context)
        self._marks = {token for mark in CONTROL if self._piece(token := self.tokens([Part(mark, True)])[-1], special=True) == mark.encode()}
        self._read: list[int] = []
        """Tokens in the cache that were read in whole chunks, and so can be used again with the very same result."""
        self._prefixes = Prefixes(_SNAPSHOT_BYTES)

    def _load_backend(self, variant: str) -> None:
        """Register the code for this processor, where llama.cpp was built with one library for each kind.

        Through libllama's own handle: the binding's `_ggml.libggml` is another copy, whose registry libllama does not see (research/packaging.md §2).
        """
        own = Path(llama.__file__).parent
        folder = next((place for place in (own / "lib", own.parent / "bin") if any(place.glob("*ggml-cpu-*"))), None)
        if folder is None:
            return  # built for one kind of processor, inside libllama
        library: Any = llama._lib
        if not variant:
            library.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
            library.ggml_backend_load_all_from_path.restype = None
            library.ggml_backend_load_all_from_path(os.fsencode(folder))
            return
        file = next(iter(folder.glob(f"*ggml-cpu-{variant}.*")), None)
        library.ggml_backend_load.argtypes = [ctypes.c_char_p]
        library.ggml_backend_load.restype = ctypes.c_void_p
        if file is None or not library.ggml_backend_load(os.fsencode(file)):
            raise EngineFailed(f"this processor can't run llama.cpp's code for {variant}")

    def stop(self) -> None:
        """From any thread: let a running `read` end with Stopped within a second. `read` calls after it are not touched."""
        self._stopping = True

    def metadata(self, key: str) -> str:
        """A value of the model file's metadata, empty where there is none."""
        size = llama.llama_model_meta_val_str(self._model, key.encode(), ctypes.create_string_buffer(1), 1)
        if size < 0:
            return ""
        buffer = ctypes.create_string_buffer(size + 1)
        llama.llama_model_meta_val_str(self._model, key.encode(), buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    def special_texts(self) -> tuple[str, str]:
        """The texts of the begin and the end token, for the chat template."""
        begin, end = llama.llama_vocab_bos(self._vocabulary), llama.llama_vocab_eos(self._vocabulary)
        first, second = (self._piece(token, special=True).decode("utf-8", "replace") if token >= 0 else "" for token in (begin, end))
        return first, second

    def tokens(self, parts: Sequence[Part]) -> list[int]:
        """The prompt's tokens: control tokens only from trusted parts. Safe while another thread reads or writes."""
        found: list[int] = []
        for part in parts:
            text = part.text.encode("utf-8", "replace")
            room = len(text) + 2
            buffer = (llama.llama_token * room)()
            count = llama.llama_tokenize(self._vocabulary, text, len(text), buffer, room, False, part.trusted)
            if count < 0:
                raise EngineFailed(f"a text of {len(text)} bytes can't be cut into tokens")
            found.extend(buffer[:count])
        begin = llama.llama_vocab_bos(self._vocabulary)
        if llama.llama_vocab_get_add_bos(self._vocabulary) and begin >= 0 and found[:1] != [begin]:
            found.insert(0, begin)
        return found

    def read(self, prompt: Sequence[int], progress: Callable[[int, int], None]) -> int:
        """Read the prompt, but for the prefix that is still known; returns that prefix's length in tokens.

        Raises Stopped after `stop`, EngineFailed where llama.cpp fails.
        """
        self._stopping = False
        reused = self._reuse(prompt)
        progress(reused, len(prompt))
        llama.llama_set_abort_callback(self._context, self._keep[1], None)
        try:
            for start in range(reused, len(prompt), CHUNK):
                chunk = prompt[start : start + CHUNK]
                if self._stopping:
                    raise Stopped
                self._decode(chunk)
                if len(chunk) == CHUNK:
                    self._read.extend(chunk)
                progress(start + len(chunk), len(prompt))
        finally:
            # Asked before every step of the graph: fine for a chunk, too dear for the single tokens of an answer.
            llama.llama_set_abort_callback(self._context, llama.ggml_abort_callback(), None)
        return reused

    def sampler(self, sampling: Sampling, grammar: str = "") -> Sampler:
        """What `write` draws tokens with, and closes. Raises GrammarRefused."""
        return Sampler(self._vocabulary, sampling, grammar)

    def write(self, sampler: Sampler) -> Iterator[bytes]:
        """The answer, token by token as bytes (maybe a part of a character), until the model ends it. Raises EngineFailed."""
        try:
            first = True
            while not llama.llama_vocab_is_eog(self._vocabulary, token := sampler.draw(self._context)):
                yield self._piece(token, special=token in self._marks, leading_space=not first)
                first = False
                self._decode([token])
        finally:
            sampler.close()

    def _reuse(self, prompt: Sequence[int]) -> int:
        """Bring the cache to the longest known prefix of `prompt`, which leaves at least its last token to be read.

        Cut at whole chunks, so that every token was computed in the same company as in a first reading: kernels round
        differently for batches of different sizes, and an answer must not depend on what was asked before.
        """
        live = common_prefix(self._read, prompt[:-1]) // CHUNK * CHUNK
        llama.llama_memory_seq_rm(self._memory, 0, len(self._read), -1)
        if len(self._read) - live >= _WORTH_KEEPING:
            self._prefixes.keep(self._read, self._state)
        tokens, state = self._prefixes.find(prompt[:-1])
        kept = common_prefix(tokens, prompt[:-1]) // CHUNK * CHUNK
        if state is not None and kept > live:
            llama.llama_memory_clear(self._memory, False)
            source = (ctypes.c_uint8 * len(state)).from_buffer(state)
            live = kept if llama.llama_state_seq_set_data(self._context, source, len(state), 0) else 0
            self._read = list(tokens)
        # A model with recurrent layers can't forget only the tail; then everything is read again.
        if not llama.llama_memory_seq_rm(self._memory, 0, live, -1):
            llama.llama_memory_clear(self._memory, False)
            live = 0
        del self._read[live:]
        return live

    def _state(self) -> bytearray:
        size = llama.llama_state_seq_get_size(self._context, 0)
        state = bytearray(size)
        target = (ctypes.c_uint8 * size).from_buffer(state)
        written = llama.llama_state_seq_get_data(self._context, target, size, 0)
        return state if written == size else bytearray()

    def _decode(self, tokens: Sequence[int]) -> None:
        buffer = (llama.llama_token * len(tokens))(*tokens)  # the batch holds only its address
        code = llama.llama_decode(self._context, llama.llama_batch_get_one(buffer, len(tokens)))
        if code:
            llama.llama_memory_seq_rm(self._memory, 0, len(self._read), -1)
        if code == _ABORTED:
            raise Stopped
        if code:
            raise EngineFailed(self._reason(f"llama.cpp says {code}"))

    def _piece(self, token: int, *, special: bool = False, leading_space: bool = True) -> bytes:
        """The token's bytes. Control tokens have none unless `special`, so the model can't print them; but thoughts are known by theirs."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama.llama_token_to_piece(self._vocabulary, token, buffer, size, 0 if leading_space else 1, special)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def _on_log(self, level: int, text: bytes, _: object) -> None:
        if found := _LOADED.search(line := text.decode("utf-8", "replace")):
            self.variant = found[1]
        if level == _ERROR:
            self._log.append(line.strip())

    def _reason(self, what: str) -> str:
        first = next((line for line in self._log if line), "")
        return f"{what}: {first}" if first else what
