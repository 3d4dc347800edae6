"""A conversation as a file to hand on: Markdown, or one HTML page that needs nothing else. Quotes in full, everything escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from appliance.documents import Answer, Citation
from appliance.library.conversations import Conversation

UNSUPPORTED = "Not found in your documents"

_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#!|~&])")
_MARKER = re.compile(r"\[(\d+)\]")

_STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --quiet: #59636f; --paper: #fcfcfa; --card: #f1f1ec; --line: #d8d8d0; --mark: #0b5f6b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --quiet: #a3adb8; --paper: #15191e; --card: #1e242b; --line: #333c46; --mark: #6fd0dd; }
}
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink); }
body { font: 1rem/1.6 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.answer, blockquote { white-space: pre-wrap; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: .9rem; }
ol { list-style: none; padding: 0; }
li { margin: .75rem 0; padding: .75rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
blockquote { margin: .35rem 0 0; }
a, .marker { color: var(--mark); }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def markdown(conversation: Conversation, answers: Sequence[Answer]) -> str:
    """The conversation in CommonMark. Signs of the texts are escaped: none of them becomes a heading, a link or an image."""
    parts = [f"# {plain(conversation.title or 'Conversation')}", f"{plain(_when(conversation))}"]
    for answer in answers:
        parts += [f"## {plain(answer.question)}", *(plain(line) for line in answer.answer.splitlines() if line.strip())]
        parts += [f"*{UNSUPPORTED}:* {plain(sentence.text)}" for sentence in answer.sentences if not sentence.supported]
        if answer.note:
            parts.append(f"*{plain(answer.note)}*")
        for citation in answer.citations:
            quote = "\n".join(f"> {plain(line)}" for line in citation.quote.splitlines() or [""])
            parts.append(f"**\\[{citation.marker}\\] {plain(_source(citation))}**\n\n{quote}")
    return "\n\n".join(parts) + "\n"


def html(conversation: Conversation, answers: Sequence[Answer]) -> str:
    """The conversation as one page: no script, nothing loaded, light and dark; a marker leads to its quote."""
    title = escape(conversation.title or "Conversation")
    body = "".join(_section(number, answer) for number, answer in enumerate(answers, 1))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{_STYLE}</style></head>\n'
        f'<body><main><h1>{title}</h1><p class="quiet">{escape(_when(conversation))}</p>{body}</main></body></html>\n'
    )


def _section(number: int, answer: Answer) -> str:
    known = {citation.marker for citation in answer.citations}

    def marker(match: re.Match[str]) -> str:
        return f'<a href="#q{number}-{match[1]}">[{match[1]}]</a>' if int(match[1]) in known else match[0]

    lines = [f'<section><h2>{escape(answer.question)}</h2><p class="answer">{_MARKER.sub(marker, escape(answer.answer))}</p>']
    lines += [f'<p class="quiet">{UNSUPPORTED}: {escape(sentence.text)}</p>' for sentence in answer.sentences if not sentence.supported]
    if answer.note:
        lines.append(f'<p class="quiet">{escape(answer.note)}</p>')
    if answer.citations:
        lines.append("<ol>")
        for citation in answer.citations:
            where = f'<span class="marker">[{citation.marker}]</span> <strong>{escape(_source(citation))}</strong>'
            lines.append(f'<li id="q{number}-{citation.marker}">{where}<blockquote>{escape(citation.quote)}</blockquote></li>')
        lines.append("</ol>")
    return "\n".join([*lines, "</section>"])


def _source(citation: Citation) -> str:
    return citation.document if citation.page is None else f"{citation.document}, page {citation.page}"


def _when(conversation: Conversation) -> str:
    return f"Haversack, {conversation.created[:10]}"


def plain(text: str) -> str:
    """One line of CommonMark that shows exactly `text`."""
    line = _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", line)
