"""Conversations: kept as they were shown, found again, handed on, and forgotten with what they quote."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from appliance.documents import Answer, Citation, Document, Evidence, Sentence, Timings
from appliance.errors import LibraryDamaged, NoSuchCollection, NoSuchConversation
from appliance.library.conversations import Conversation, Conversations
from appliance.library.export import html, markdown
from appliance.library.store import Library
from appliance.library.writing import FORGOTTEN
from tests.library.making import Maker

HOSTILE = (
    '<script>alert(1)</script> ![x](http://evil.example/a.png) [link](http://evil.example) "quoted" & <img src=x onerror=1>\n# no heading\n1. one'
)

HARMLESS = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "section", "a", "ol", "li", "span", "strong", "blockquote"}


def answer(question: str, document: Document | None = None, text: str = "It rained [1].", quote: str = "It rained in May.") -> Answer:
    where = (document.id, document.name) if document else (77, "gone.pdf")
    citation = Citation(1, *where, 3, 2, quote, 5, 5 + len(quote))
    evidence = Evidence(*where, 3, 2, 0, 40, quote, 0.9, ("Weather",), "Title", (1, 2))
    sentences = (Sentence("It rained.", (1,), True), Sentence("It snowed in 1999.", (), False, ("1999",)))
    return Answer(
        question, f"{question} (May)", text, "It rained.", sentences, (citation,), (evidence,), False, "m", Timings(1.5, None, 9.0), 5, 6, False, ""
    )


def test_answers_come_back_exactly_as_they_were_shown(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "It rained in May.")
    conversations = Conversations(library)
    conversation = conversations.start(collection.id)
    shown = [answer("Did it rain?", document), answer("And snow? \ud800", document, text="日本 👍🏽")]
    turns = [conversations.append(conversation.id, one) for one in shown]
    assert turns == sorted(set(turns))
    assert list(conversations.answers(conversation.id)) == shown
    assert [turn.answer for turn in conversations.turns(conversation.id)] == ["It rained [1].", "日本 👍🏽"]
    assert conversations.turns(conversation.id)[0].searched_for == "Did it rain? (May)"
    assert conversations.get(conversation.id).title == "Did it rain?"


def test_conversations_are_found_by_title_question_and_answer(library: Library) -> None:
    collection = library.ensure_collection("a")
    conversations = Conversations(library)
    rain, snow = conversations.start(collection.id, "Straße"), conversations.start(collection.id)
    conversations.append(rain.id, answer("Did it rain?", text="Yes, 100% ÄRGER"))
    conversations.append(snow.id, answer("Did it snow?", text="No"))
    assert [one.id for one in conversations.all()] == [snow.id, rain.id]
    for query, found in {
        "STRASSE": [rain.id],
        "rain yes": [rain.id],
        "ärger": [rain.id],
        "0% ä": [rain.id],
        "did": [snow.id, rain.id],
        "_": [],
    }.items():
        assert [one.id for one in conversations.all(query)] == found, query


def test_conversations_are_renamed_and_removed(library: Library) -> None:
    collection = library.ensure_collection("a")
    conversations = Conversations(library)
    conversation = conversations.start(collection.id, "x" * 500)
    assert len(conversation.title) == 80
    conversations.rename(conversation.id, "  Rain\nin May ")
    assert conversations.get(conversation.id).title == "Rain in May"
    conversations.append(conversation.id, answer("Secretquestion?", text="Secretanswer"))
    conversations.remove(conversation.id)
    for refused in (conversations.get, conversations.turns, conversations.answers, conversations.remove):
        with pytest.raises(NoSuchConversation):
            refused(conversation.id)
    with pytest.raises(NoSuchConversation):
        conversations.append(conversation.id, answer("?"))
    with pytest.raises(NoSuchCollection):
        conversations.start(999)
    library.close()
    assert b"Secret" not in (library.home / "library.sqlite3").read_bytes()


def test_deleting_a_document_empties_the_answers_that_quote_it(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    old = make(library, collection.id, "a.txt", "Canaryold text")
    other = make(library, collection.id, "b.txt", "Other text")
    conversations = Conversations(library)
    conversation = conversations.start(collection.id)
    conversations.append(conversation.id, answer("One?", old, text="Canaryold [1]", quote="Canaryold text"))
    conversations.append(conversation.id, answer("Two?", other, text="Other [1]", quote="Other text"))
    new = make(library, collection.id, "a.txt", "Canarynew text")
    assert conversations.turns(conversation.id)[0].answer == "Canaryold [1]"
    library.remove_document(new.id)
    emptied, kept = conversations.answers(conversation.id)
    assert (emptied.question, emptied.answer, emptied.citations, emptied.evidence) == ("One?", FORGOTTEN, (), ())
    assert kept == answer("Two?", other, text="Other [1]", quote="Other text")
    library.close()
    assert b"Canary" not in (library.home / "library.sqlite3").read_bytes()


def test_removing_a_collection_removes_its_conversations(library: Library) -> None:
    kept, gone = library.ensure_collection("kept"), library.ensure_collection("gone")
    conversations = Conversations(library)
    stays = conversations.start(kept.id, "stays")
    conversations.append(conversations.start(gone.id, "goes").id, answer("?"))
    library.remove_collection("gone")
    assert conversations.all() == (stays,)


def test_an_answer_that_was_changed_on_the_disk_is_not_shown(library: Library) -> None:
    conversations = Conversations(library)
    conversation = conversations.start(library.ensure_collection("a").id)
    conversations.append(conversation.id, answer("?"))
    with library.database.writing() as connection:
        connection.execute("UPDATE turns SET answer = 'It never rained [1].'")
    with pytest.raises(LibraryDamaged):
        conversations.turns(conversation.id)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_html_page_needs_nothing_and_runs_nothing() -> None:
    conversation = Conversation(1, 1, f"Title {HOSTILE}", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z")
    page = html(conversation, [answer(HOSTILE, text=f"{HOSTILE} [1] [9]", quote=HOSTILE)])
    parsed = Tags(page)
    assert {tag for tag, _ in parsed.tags} <= HARMLESS
    assert [attributes["href"] for tag, attributes in parsed.tags if tag == "a"] == ["#q1-1"]
    assert "q1-1" in [attributes.get("id") for _, attributes in parsed.tags]
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on") or name == "src"]
    assert HOSTILE in parsed.text, "the quote stands in full"
    assert "Not found in your documents: It snowed in 1999." in parsed.text
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_the_markdown_shows_the_texts_and_makes_nothing_of_them() -> None:
    conversation = Conversation(1, 1, "Title *x*", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z")
    source = markdown(conversation, [answer(HOSTILE, text=f"- {HOSTILE}\n\n3) [1]", quote=HOSTILE)])
    tokens = MarkdownIt("commonmark").parse(source)
    inline = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "softbreak", "em_open", "em_close", "strong_open", "strong_close", "text_special"}
    assert {token.tag for token in tokens if token.type.endswith("_open")} == {"h1", "h2", "p", "blockquote"}
    shown = "".join(child.content for child in inline)
    assert re.sub(r"\s", "", HOSTILE) in re.sub(r"\s", "", shown)
    assert "gone.pdf, page 3" in shown


def test_exports_are_plain_files(tmp_path: Path) -> None:
    conversation = Conversation(1, 1, "", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z")
    for name, text in {"a.md": markdown(conversation, []), "a.html": html(conversation, [])}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert "Conversation" in text
