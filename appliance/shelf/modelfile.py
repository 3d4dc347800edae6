"""Ollama's Modelfile: read, understood as far as Haversack has the same thing, and written.

FROM, PARAMETER, SYSTEM, MESSAGE and LICENSE are taken over; ADAPTER is refused. TEMPLATE is in Go's form, which nothing here reads: the
chat template of the GGUF itself is used, and a sentence says so where the two don't use the same marks. RENDERER and PARSER name code of Ollama's
and DRAFT a second model, so they are left out. Its form is Ollama's own: a word for the instruction in any case, then a value up to the line's
end, in quotes, or in three quotes over several lines; # begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.errors import NotAModel
from appliance.models.parameters import LONGEST_SYSTEM, NOTHING_TOLD, Parameters, checked, sampling
from appliance.models.protocol import Message
from appliance.models.template import CHATML
from appliance.shelf.adding import LICENCE, Wishes, licence_of
from appliance.shelf.entries import ShelfModel

LARGEST = 1 << 20
"""Bytes: licences are the longest thing in it, up to 40 kB."""
MOST_MESSAGES = 200
ROLES = ("system", "user", "assistant")
NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "num_ctx": "context",
    "num_predict": "max_tokens",
    "num_thread": "threads",
}
"""Ollama's names of parameters, and ours."""
_NOT_TOLD = {"num_predict", "num_ctx", "num_thread", "seed"}
"""Here 0 and less mean "as you like"; a seed of 0 is one."""
_MARKS = re.compile(r"<\|?[^<>\s{}|]{1,40}\|?>|\[/?[A-Z_]{2,20}\]")
_LEFT_OUT = ("RENDERER", "PARSER", "DRAFT")
_GO = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_INSTRUCTION = re.compile(r"\s*(?P<word>[^\s#]\S*)[ \t]*(?P<value>.*)")
_LICENCES = (
    (r"Apache License\s+Version 2\.0", "Apache-2.0"),
    (r"MIT License", "MIT"),
    (r"LLAMA (\d(?:\.\d)?) COMMUNITY LICENSE", "LicenseRef-Llama-{}"),
    (r"Gemma Terms of Use", "LicenseRef-Gemma"),
)
"""How the texts of licences begin."""


@dataclass(frozen=True, slots=True)
class Modelfile:
    """What one says, in the words of its instructions."""

    sources: tuple[str, ...] = ()
    """FROM: a file's path, or a model's name. Several where the model has a part that sees pictures."""
    parameters: tuple[tuple[str, str], ...] = ()
    template: str = ""
    system: str = ""
    messages: tuple[Message, ...] = ()
    licences: tuple[str, ...] = ()
    adapter: str = ""
    left_out: tuple[str, ...] = ()
    """Instructions that mean nothing here."""


def read_modelfile(path: Path) -> Modelfile:
    """Raises NotAModel with one plain reason."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise NotAModel(name=path.name, detail="it is larger than any Modelfile")
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except OSError as error:
        raise NotAModel(name=path.name, detail=f"it can't be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise NotAModel(name=path.name, detail="it is neither a GGUF nor the text of a Modelfile") from error
    return parse(text, path.name)


def parse(text: str, name: str = "The Modelfile") -> Modelfile:
    """Raises NotAModel naming the line."""
    found: dict[str, list[str]] = {}
    parameters: list[tuple[str, str]] = []
    messages: list[Message] = []
    for line, word, value in _instructions(text, name):
        match word:
            case "PARAMETER":
                parameters.append(_pair(name, line, word, value))
            case "MESSAGE":
                role, content = _pair(name, line, word, value)
                if role.lower() not in ROLES:
                    raise NotAModel(name=name, detail=f"line {line} has a MESSAGE of {role[:40]!r}, and it must be of {', '.join(ROLES)}")
                messages.append(Message(role.lower(), content))
            case "FROM" | "TEMPLATE" | "SYSTEM" | "LICENSE" | "ADAPTER" | "REQUIRES":
                found.setdefault(word, []).append(_unquoted(value))
            case _ if word in _LEFT_OUT:
                found.setdefault(word, [])
            case _:
                raise NotAModel(name=name, detail=f"line {line} begins with {word[:40]!r}, which is no instruction of a Modelfile")
    if len(messages) > MOST_MESSAGES:
        raise NotAModel(name=name, detail=f"it has {len(messages)} MESSAGEs, more than {MOST_MESSAGES}")

    def last(word: str) -> str:
        return found.get(word, [""])[-1]

    return Modelfile(
        sources=tuple(filter(None, found.get("FROM", ()))),
        parameters=tuple(parameters),
        template=last("TEMPLATE"),
        system=last("SYSTEM").strip(),
        messages=tuple(messages),
        licences=tuple(found.get("LICENSE", ())),
        adapter=last("ADAPTER"),
        left_out=tuple(word for word in _LEFT_OUT if word in found),
    )


def wishes_of(modelfile: Modelfile, own_template: str) -> Wishes:
    """What is taken over for a GGUF with that chat template, and sentences about what is not. Raises BadParameter, NotAModel for an adapter."""
    if modelfile.adapter:
        raise NotAModel(name="The Modelfile", detail="it changes the model with an ADAPTER, which Haversack can't do")
    parameters, left = _parameters(modelfile.parameters)
    notes = []
    if left:
        notes.append(f"Not taken over, since Haversack has no such parameter: {', '.join(left)}.")
    if modelfile.left_out:
        notes.append(f"Not taken over, since only Ollama can do it: {', '.join(modelfile.left_out)}.")
    stops = [value for name, value in modelfile.parameters if name == "stop" and value not in (own_template or CHATML)]
    if stops:
        shown = ", ".join(repr(stop[:40]) for stop in stops[:5])
        notes.append(f"Its stop texts ({shown}) are not kept: an answer ends where the model ends it.")
    notes += template_note(modelfile.template, own_template)
    text = "\n\n".join(modelfile.licences).strip()
    system = modelfile.system
    if len(system) > LONGEST_SYSTEM:
        notes.append(f"Its SYSTEM has {len(system)} characters, more than {LONGEST_SYSTEM}, and is left out.")
        system = ""
    system = checked({"system": system}).system or ""
    return Wishes(system=system, parameters=parameters, examples=modelfile.messages, licence=_licence(text), licence_text=text, notes=tuple(notes))


def template_note(told: str, own: str) -> list[str]:
    """A sentence where a TEMPLATE lays out messages in another way than the GGUF's own template; none where it uses the same marks."""
    marks = set(_MARKS.findall(_GO.sub(" ", told)))
    if not told.strip() or (marks and all(mark in (own or CHATML) for mark in marks)):
        return []
    if own:
        return ["Its TEMPLATE is in Go's form, which Haversack doesn't read: the chat template in the GGUF is used."]
    return ["Its TEMPLATE is in Go's form, which Haversack doesn't read, and the GGUF brings none: ChatML is used, so it may answer badly."]


def parameter_lines(model: ShelfModel) -> list[str]:
    """How the model answers unless told, in Ollama's names ("num_ctx 2048"). All of it is said: where a Modelfile is silent, Ollama has defaults
    of its own (top_p 0.9, repeat_penalty 1.1 in most versions), which change answers even at temperature 0."""
    settings, own = model.settings, model.parameters
    told = own.over(Parameters(context=settings.context, max_tokens=settings.max_tokens)).told()
    values = {**told, **asdict(sampling(own, settings))}
    return [f"{theirs} {values[ours]}" for theirs, ours in NAMES.items() if ours in values]


def exported(model: ShelfModel, source: str = "") -> str:
    """A Modelfile that makes the model in Ollama, which finds the chat template in the GGUF itself. `source` stands in the place of its path."""
    lines = [f"# {_one_line(model.title)}, written by Haversack. The chat template is in the GGUF itself."]
    if len(model.files) > 1 and not source:
        lines.append(f"# Ollama takes no model in parts, and this one has {len(model.files)}: join them with `llama-gguf-split --merge`,")
        lines.append("# which comes with llama.cpp, and name the joined file here.")
    lines.append(f"FROM {source or model.file}")
    lines += [f"PARAMETER {line}" for line in parameter_lines(model)]
    if model.system:
        lines.append(f"SYSTEM {_quoted(model.system)}")
    lines += [f"MESSAGE {message.role} {_quoted(message.content)}" for message in model.examples]
    if text := _licence_text(model) or model.licence:
        lines.append(f"LICENSE {_quoted(text)}")
    return "\n".join(lines) + "\n"


def _instructions(text: str, name: str) -> Iterable[tuple[int, str, str]]:
    """Line number, word in capitals, raw value of each."""
    lines = text.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        number, found = at + 1, _INSTRUCTION.match(lines[at])
        at += 1
        if not found:
            continue  # empty, or a comment
        word, value = found["word"].upper(), found["value"]
        first = ""
        if word in ("PARAMETER", "MESSAGE"):
            first, value = _first_word(value)
        while not _complete(value):
            if at == len(lines):
                raise NotAModel(name=name, detail=f"line {number} opens a quotation that never ends")
            value += "\n" + lines[at]
            at += 1
        yield number, word, f"{first} {value}" if first else value


def _first_word(text: str) -> tuple[str, str]:
    word, *rest = text.split(None, 1) or ("",)
    return word, rest[0] if rest else ""


def _complete(value: str) -> bool:
    value = value.strip()
    for quote in ('"""', '"'):
        if value.startswith(quote):
            return len(value) >= 2 * len(quote) and value.endswith(quote)
    return True


def _unquoted(value: str) -> str:
    value = value.strip()
    for quote in ('"""', '"'):
        if value.startswith(quote):
            return value[len(quote) : -len(quote)]
    return value


def _pair(name: str, line: int, word: str, value: str) -> tuple[str, str]:
    first, _, rest = value.partition(" ")
    if not first or not rest.strip():
        raise NotAModel(name=name, detail=f"line {line} has a {word} without {'a value' if word == 'PARAMETER' else 'a text'}")
    return (first.lower() if word == "PARAMETER" else first), _unquoted(rest)


def _parameters(pairs: Sequence[tuple[str, str]]) -> tuple[Parameters, list[str]]:
    """Those that we have, and the names of those that we don't."""
    told: dict[str, object] = {}
    left: dict[str, None] = {}
    for name, text in pairs:
        if name not in NAMES:
            if name != "stop":
                left[name[:40]] = None
            continue
        value = _number(text)
        if name in _NOT_TOLD and isinstance(value, int) and value <= (-1 if name == "seed" else 0):
            continue
        told[NAMES[name]] = value
    return checked(told) if told else NOTHING_TOLD, list(left)[:20]


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _licence(text: str) -> str:
    for pattern, name in _LICENCES:
        if found := re.search(pattern, text[:2000], re.IGNORECASE):
            return name.format(*found.groups())
    return licence_of(text) if len(text) < 40 and "\n" not in text else ""


def _licence_text(model: ShelfModel) -> str:
    try:
        return (model.file.parent / LICENCE).read_text(encoding="utf-8") if model.origin == "added" else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    """In three quotes. A Modelfile has no way to write three quotes inside of them, so those become apostrophes."""
    return '"""' + text.replace('"""', "'''") + '"""'
