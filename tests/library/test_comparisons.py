"""Comparisons: kept with their figures and a vote, exported so that nothing runs, and forgotten with what they quote."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from appliance.documents import Document, Energy
from appliance.errors import BadRequest, LibraryDamaged, NoSuchCollection, NoSuchComparison
from appliance.library import backup
from appliance.library.comparison_export import COLUMNS, exported_csv, exported_json, exported_markdown, figures_in_words, harmless
from appliance.library.comparisons import Comparison, Comparisons, Contender, Figures, Result, table, told_apart
from appliance.library.store import Library
from appliance.library.writing import FORGOTTEN
from tests.library.making import Maker
from tests.library.test_conversations import HOSTILE, answer

SMALL = Contender("small", "Small 1B", "exact", {"temperature": 0.0, "seed": 7}, "exact, seed 7")
LARGE = Contender("large", "Large 4B")


def comparison(collection: int, document: Document | None = None, *, question: str = "Did it rain?", text: str = "It rained [1].") -> Comparison:
    shown = replace(answer(question, document, text=text, quote=text), energy=Energy(12.5, "estimated from processor time", 0.5, 2.0))
    first = Result(SMALL, shown, "", Figures(120.0, 40.0, 0.5, 2, 12.5, 3))
    second = Result(LARGE, None, "Large 4B needs 5.0 GB of memory.")
    return Comparison(None, collection, "a", question, "2026-11-24T16:00:00Z", False, "They answered one after the other.", (first, second))


def test_a_comparison_comes_back_as_it_was_with_its_vote(library: Library) -> None:
    comparisons = Comparisons(library)
    assert comparisons.all() == ()
    made = comparison(library.ensure_collection("a").id)
    kept = comparisons.keep(made)
    assert kept == replace(made, id=kept.id)
    other = comparisons.keep(replace(made, question="And snow?"))
    assert comparisons.all() == (other, kept)
    assert comparisons.vote(kept.id or 0, 0) == replace(kept, vote=0)
    assert comparisons.get(kept.id or 0).vote == 0
    comparisons.vote(kept.id or 0, None)
    assert comparisons.get(kept.id or 0) == kept
    for wrong in (-1, 2):
        with pytest.raises(BadRequest, match="from 0 to 1"):
            comparisons.vote(kept.id or 0, wrong)


def test_what_is_not_there_is_said(library: Library) -> None:
    comparisons = Comparisons(library)
    for missing in (lambda: comparisons.get(1), lambda: comparisons.vote(1, 0), lambda: comparisons.remove(1)):
        with pytest.raises(NoSuchComparison):
            missing()
    with pytest.raises(NoSuchCollection):
        comparisons.keep(comparison(99))


def test_deleting_a_document_takes_the_answers_out_and_leaves_the_figures(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    old = make(library, collection.id, "a.txt", "Canaryold text")
    other = make(library, collection.id, "b.txt", "Other text")
    comparisons = Comparisons(library)
    quoted = comparisons.keep(comparison(collection.id, old, text="Canaryold text"))
    stays = comparisons.keep(comparison(collection.id, other))
    comparisons.vote(quoted.id or 0, 0)
    new = make(library, collection.id, "a.txt", "Canarynew text")
    library.remove_document(new.id)
    emptied = comparisons.get(quoted.id or 0)
    assert [result.answer for result in emptied.results] == [None, None]
    assert emptied.results[0].figures == quoted.results[0].figures
    assert (emptied.note, emptied.vote, emptied.question) == (FORGOTTEN, 0, "Did it rain?")
    assert comparisons.get(stays.id or 0) == stays
    library.close()
    assert b"Canary" not in (library.home / "library.sqlite3").read_bytes()


def test_one_that_was_changed_on_the_disk_is_not_shown_and_goes_with_its_document(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "Text")
    comparisons = Comparisons(library)
    kept = comparisons.keep(comparison(collection.id, document))
    with library.database.writing() as connection:
        connection.execute("UPDATE comparisons SET data = substr(data, 5)")
    with pytest.raises(LibraryDamaged):
        comparisons.all()
    library.remove_document(document.id)
    with pytest.raises(NoSuchComparison):
        comparisons.get(kept.id or 0)


def test_removing_a_collection_or_a_comparison_removes_it_from_the_disk(library: Library) -> None:
    comparisons = Comparisons(library)
    comparisons.keep(comparison(library.ensure_collection("a").id, text="Canaryone"))
    alone = comparisons.keep(comparison(library.ensure_collection("b").id, text="Canarytwo"))
    library.remove_collection("a")
    assert [one.id for one in comparisons.all()] == [alone.id]
    comparisons.remove(alone.id or 0)
    library.close()
    assert b"Canary" not in (library.home / "library.sqlite3").read_bytes()


def test_comparisons_are_in_a_backup(library: Library, tmp_path: Path) -> None:
    kept = Comparisons(library).keep(comparison(library.ensure_collection("a").id))
    backup.backup(library, tmp_path / "all.backup")
    backup.restore(tmp_path / "other", tmp_path / "all.backup")
    with Library.open(tmp_path / "other", write=False) as restored:
        assert Comparisons(restored).all() == (kept,)


def test_the_table_counts_answers_and_votes_by_model_and_setting() -> None:
    one = replace(comparison(1), vote=0)
    first, second = one.results
    slower = replace(first, figures=Figures(320.0, None, 1.0, 6, None))
    two = replace(one, vote=None, results=(slower, second))
    three = replace(
        one, results=(replace(first, contender=replace(SMALL, preset="free", settings="free, seed 7"), figures=Figures()), second), vote=1
    )
    rows = table([one, two, three])
    assert [(row.model, row.settings, row.answers, row.votes) for row in rows] == [
        ("small", "exact, seed 7", 2, 1),
        ("large", "", 0, 1),
        ("small", "free, seed 7", 1, 0),
    ]
    assert (rows[0].first_token_ms, rows[0].tokens_per_second, rows[0].joules) == (220.0, 40.0, 12.5)
    assert rows[0].passages == 3
    assert rows[0].supported_share == pytest.approx(7 / 8), "one of two sentences, then six of six"
    assert (rows[2].first_token_ms, rows[2].supported_share) == (None, None)


def test_times_of_those_that_answered_together_are_not_in_the_medians() -> None:
    alone = comparison(1)
    first, second = alone.results
    slow = replace(first, figures=Figures(9000.0, 4.0, 1.0, 2, 14.5, passages=5))
    together = replace(alone, together=True, results=(slow, second))
    row, _ = table([together, alone])
    assert (row.answers, row.first_token_ms, row.tokens_per_second, row.joules, row.passages) == (2, 120.0, 40.0, 13.5, 4.0)
    assert together.results[0].figures.first_token_ms == 9000.0
    row, _ = table([together])
    assert (row.first_token_ms, row.tokens_per_second, row.supported_share) == (None, None, 1.0)


def test_two_system_prompts_are_two_rows_with_two_names() -> None:
    def told(system: str) -> Contender:
        return Contender("small", "Small 1B", "exact", {"temperature": 0.0, "system": system}, "exact, a system prompt")

    brief, kind = told_apart([told("Be brief."), told("Be kind.")])
    assert (brief.settings, kind.settings) == ("exact, a system prompt", "exact, a system prompt (2)")
    one = replace(comparison(1), results=(Result(brief, None, "-"), Result(kind, None, "-")), vote=1)
    # In another comparison, the same two were asked the other way round.
    turned = told_apart([kind, brief])
    other = replace(one, results=tuple(Result(contender, None, "-") for contender in turned), vote=0)
    assert [(row.settings, row.votes) for row in table([one, other])] == [("exact, a system prompt", 0), ("exact, a system prompt (2)", 2)]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "\u200b=1"])
def test_no_cell_is_a_formula(formula: str) -> None:
    made = comparison(1, question=formula, text=formula)
    contender = replace(SMALL, model=formula, title=formula, settings=formula)
    made = replace(made, collection=formula, results=(replace(made.results[0], contender=contender), replace(made.results[1], failure=formula)))
    header, *lines = csv.reader(io.StringIO(exported_csv([made])))
    assert tuple(header) == COLUMNS
    assert len(lines) == 2
    cells = dict(zip(header, lines[0], strict=True))
    assert cells["question"] == f"'{formula}"
    assert float(cells["tokens_per_second"]) == 40.0
    assert cells["passages"] == "3"
    assert not [cell for line in lines for cell in line if re.match(r"\s*[=+\-@＝]", cell)]
    assert harmless("It is -2 degrees.") == "It is -2 degrees."


def test_the_json_holds_everything() -> None:
    made = replace(comparison(1, question="日本"), id=3)
    read = json.loads(exported_json([made]))
    assert read["comparisons"][0]["results"][0]["figures"]["joules"] == 12.5
    assert read["comparisons"][0]["results"][0]["answer"]["citations"][0]["document"] == "gone.pdf"
    assert read["comparisons"][0]["question"] == "日本"
    assert read["table"][0]["supported_share"] == 0.5


def test_the_markdown_shows_table_and_answers_and_makes_nothing_of_texts() -> None:
    made = comparison(1, question=HOSTILE, text=HOSTILE)
    made = replace(made, vote=0, results=(made.results[0], replace(made.results[1], failure=HOSTILE, contender=replace(LARGE, title=HOSTILE))))
    tokens = MarkdownIt("commonmark").enable("table").parse(exported_markdown([made]))
    opened = {token.tag for token in tokens if token.type.endswith("_open")}
    assert opened <= {"h1", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td"}
    inline = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "softbreak", "em_open", "em_close", "text_special"}
    shown = "".join(child.content for child in inline)
    assert "voted for" in shown
    assert re.sub(r"\s", "", HOSTILE) in re.sub(r"\s", "", shown)


def test_figures_are_told_in_words_and_unknown_ones_left_out() -> None:
    assert (
        figures_in_words(Figures(420.0, 38.06, 1.0, 3, 12.0))
        == "First word after 0.42 s · 38.1 tokens a second · 100 % found in the documents · 12.0 J"
    )
    assert figures_in_words(Figures(None, 9.0, passages=6)) == "9.0 tokens a second · from 6 passages"
    assert figures_in_words(Figures(None, 9.0, passages=1)).endswith("from 1 passage")
    assert figures_in_words(Figures(None, 9.0)) == "9.0 tokens a second"
    assert figures_in_words(Figures()) == ""
