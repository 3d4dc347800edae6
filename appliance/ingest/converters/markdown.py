"""Markdown: the text stays as it was written; markdown-it finds its headings (one in a code block is none)."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

from appliance.documents import Conversion, Heading, Page
from appliance.ingest.converters.plain import read_text
from appliance.ingest.hygiene import clean, line
from appliance.ingest.limits import HEADINGS

_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)(?:---|\.\.\.)(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"(?mi)^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`~]+(?=\S)|(?<=\S)[*_`~]+|</?\w[^>]*>|\\(?=[^\w\s])")


def read(path: Path, name: str) -> Conversion:
    source, encoding = read_text(path)
    text = clean(source)
    front = _FRONT_MATTER.match(text)
    begin = front.end() if front else 0
    headings = _headings(text, begin)
    stated = _TITLE.search(front[1]) if front else None
    title = stated[1] if stated else next((heading.title for heading in headings if heading.level == 1), "")
    return Conversion("markdown", (Page(None, text),), line(title), tuple(headings), {}, f"markdown-it, text in {encoding}")


def _headings(text: str, begin: int) -> list[Heading]:
    """`begin` is where the Markdown starts: front matter would be read as a heading."""
    starts = [begin]
    for match in re.finditer("\n", text[begin:]):
        starts.append(begin + match.end())
    tokens = MarkdownIt("commonmark").parse(text[begin:])
    found: list[Heading] = []
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.map and len(found) < HEADINGS:
            title = line(_MARKUP.sub(lambda match: match[1] or "", inline.content))
            if title:
                found.append(Heading(0, starts[token.map[0]], title, int(token.tag[1:])))
    return found
