"""Keyword search: any text may be asked, in any script; nothing in it is an operator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.documents import Document
from appliance.library import keywords
from appliance.library.store import Library
from appliance.library.words import MOST_WORDS, STOPWORDS, prepare, terms
from tests.library.making import Maker


@pytest.fixture
def texts(library: Library, make: Maker) -> Callable[[str], list[str]]:
    """The documents of a small library, and what a query finds in them, best first."""
    collection = library.ensure_collection("a")
    for name, text in {
        "capitals.txt": "Paris is the capital of France.\n\nThe capital of Italy is Rome.",
        "goats.md": "The goats were running through the meadow in 1987.",
        "parts/valve-A-12.txt": "Replace valve A-12 when the pressure exceeds 3.14 bar.\n\nValve A-13 holds 12 bar; A valve of class 14.",
        "日本.txt": "東京は日本の首都です。",
        "thai.txt": "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
        "hindi.txt": "दिल्ली भारत की राजधानी है",
        "arabic.txt": "القَاهِرَة عاصمة مصر",
        "cafe.txt": "Un cafe\u0301 crème à Orléans",
    }.items():
        make(library, collection.id, name, text)

    def find(query: str, limit: int = 10) -> list[str]:
        hits = keywords.search(library, collection.id, query, limit)
        assert hits == sorted(hits, key=lambda hit: -hit.score)
        chunks = library.chunks([hit.chunk_id for hit in hits])
        return [chunks[hit.chunk_id].text for hit in hits]

    return find


def test_the_passage_that_holds_the_words_comes_first(texts: Callable[[str], list[str]]) -> None:
    assert texts("What is the capital of France?")[0].startswith("Paris")
    assert texts("Where did the goat run?")[0].startswith("The goats")
    assert texts("1987")[0].startswith("The goats")


def test_every_script_is_found_by_its_words(texts: Callable[[str], list[str]]) -> None:
    assert texts("首都")[0].startswith("東京")
    assert texts("東京の人口は？")[0].startswith("東京")
    assert texts("เมืองหลวง")[0].startswith("กรุงเทพ")
    assert texts("भारत की राजधानी")[0].startswith("दिल्ली")
    assert texts("القاهرة")[0].startswith("القَاهِرَة")
    assert texts("CAFÉ orleans")[0].startswith("Un cafe")
    assert texts("ＰＡＲＩＳ")[0].startswith("Paris")


def test_numbers_and_part_numbers_are_found_whole(texts: Callable[[str], list[str]]) -> None:
    assert [text[:13] for text in texts("3.14")] == ["Replace valve"]
    assert texts("A-13")[0].startswith("Valve A-13")


def test_titles_names_and_headings_count(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "reports/annual_budget.pdf", "The total rose.")
    make(library, collection.id, "other.pdf", "Nothing of the sort.", title="Minutes of Kinshasa", heading=("Roads", "Bridges"))
    for query, name in {"budget": "reports/annual_budget.pdf", "kinshasa minutes": "other.pdf", "bridge": "other.pdf"}.items():
        (hit,) = keywords.search(library, collection.id, query, 5)
        assert library.chunks([hit.chunk_id])[hit.chunk_id].document == name
    assert keywords.search(library, collection.id, "pdf", 5) == []


def test_function_words_are_asked_for_only_where_there_are_no_others() -> None:
    assert terms("What is the capital of France?") == ["capital", "france"]
    assert terms("to be or not to be") == ["to", "be", "or", "not"]
    assert terms("What's the U.N. doing in well-known places?") == ["u", "n", "well", "known", "places"]
    assert terms("") == terms("?!… \n\0") == []
    assert "the" in STOPWORDS


def test_a_query_of_any_length_becomes_few_terms() -> None:
    assert len(terms(" ".join(f"word{number}" for number in range(100_000)))) == MOST_WORDS
    assert terms("long " * 100_000) == ["long"]


def test_ascii_text_goes_into_the_index_as_it_is() -> None:
    assert prepare("plain text") == "plain text"
    assert prepare("首都です").split() == ["首都", "都で", "です"]


def test_documents_can_be_chosen(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    documents: list[Document] = [make(library, collection.id, f"{number}.txt", f"shared words {number}") for number in range(5)]
    chosen = [documents[1].id, documents[3].id]
    hits = keywords.search(library, collection.id, "shared", 10, chosen)
    assert {library.chunks([hit.chunk_id])[hit.chunk_id].document_id for hit in hits} == set(chosen)
    assert keywords.search(library, collection.id, "shared", 10, []) == []
    assert len(keywords.search(library, collection.id, "shared", 2)) == 2
    assert keywords.search(library, collection.id, "shared", 0) == []


def test_collections_dont_see_each_other(library: Library, make: Maker) -> None:
    one, other = library.ensure_collection("a"), library.ensure_collection("b")
    make(library, one.id, "a.txt", "goats")
    assert keywords.search(library, other.id, "goats", 5) == []
    assert keywords.search(library, 999, "goats", 5) == []


def test_removed_and_renamed_documents_leave_the_index(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "zebra.txt", "goats graze")
    library.rename_document(document.id, "yak.txt")
    assert keywords.search(library, collection.id, "zebra", 5) == []
    assert len(keywords.search(library, collection.id, "yak", 5)) == 1
    library.remove_document(document.id)
    assert keywords.search(library, collection.id, "goats yak", 5) == []


def test_document_frequency_counts_chunks_with_any_form_of_the_word(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "x.txt", "a goat ran\n\ngoats run\n\nthe sheep")
    found = keywords.document_frequency(library, collection.id, ["goat", "running", "sheep", "the", "wolf", "?"])
    assert found == {"goat": 2, "running": 1, "sheep": 1, "the": 1, "wolf": 0, "?": 0}
    assert keywords.document_frequency(library, 999, ["goat"]) == {"goat": 0}


def test_an_index_prepared_in_an_older_way_is_made_again(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "x.txt", "goats")
    with library.database.writing() as connection:
        connection.execute("UPDATE settings SET value = '0' WHERE name = 'words'")
        connection.execute(f"INSERT INTO keywords_{collection.id}(keywords_{collection.id}) VALUES ('delete-all')")
    assert keywords.search(library, collection.id, "goat", 5) == []
    library.close()
    with Library.open(library.home, write=True) as again:
        assert len(keywords.search(again, collection.id, "goat", 5)) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=300))
def test_no_query_is_an_operator_or_an_error(library: Library, query: str) -> None:
    collection = library.ensure_collection("a")
    keywords.search(library, collection.id, query, 5)
    keywords.document_frequency(library, collection.id, [query])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_text_that_went_in_comes_out_of_the_index(library: Library, make: Maker, text: str) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "x.txt", text)
    library.remove_document(document.id)
    with library.database.reading() as connection:
        connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab(main, keywords_{collection.id}, row)")
        assert connection.execute("SELECT term FROM temp.words").fetchall() == []


def test_words_that_most_chunks_hold_are_left_out_where_others_tell_more(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", *(f"la ville numéro{number} de la région" for number in range(1200)))
    (first, *others) = keywords.search(library, collection.id, "la ville numéro77", 5)
    assert library.chunks([first.chunk_id])[first.chunk_id].text.startswith("la ville numéro77 ")
    assert others == []
    assert len(keywords.search(library, collection.id, "la ville", 5)) == 5
