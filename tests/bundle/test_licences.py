"""The gate: what may be carried, what must be accepted first, and that the texts go with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.licenses import canonicalize_license_expression

from appliance.errors import BadRequest
from bundle.errors import LicenceRefused, LicenceTextMissing
from bundle.licences import CONDITIONS, FREE, NOTICES, TEXTS, accepted_ids, allow, check_text, judge, notice, spdx, texts
from bundle.sources import Fetched, Resolved
from bundle.spec import HubSource, Item, read_catalogue

ITEM = Item("generator", "my_model", "My model", "", HubSource("someone/model"))
RECORD = {"kind": "hub", "name": "someone/model", "revision": "ab" * 20}


def resolved(licence: str, terms: str = "") -> Resolved:
    return Resolved(ITEM, licence or terms, RECORD, (), 0, 0, 0, terms=terms)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("MIT", "MIT"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("gemma", "LicenseRef-Gemma"),
        ("llama3.2", "LicenseRef-Llama-3.2"),
        ("licenseref-lfm-1.0", "LicenseRef-LFM-1.0"),
        ("other", ""),
        ("", ""),
        ("see the card", ""),
    ],
)
def test_what_sources_write_becomes_spdx(said: str, wanted: str) -> None:
    assert spdx(said) == wanted


@pytest.mark.parametrize(
    ("licence", "terms", "found", "redistributable"),
    [
        ("Apache-2.0", "apache-2.0", "Apache-2.0", "yes"),
        ("", "mit", "MIT", "yes"),
        ("Apache-2.0", "", "Apache-2.0", "yes"),
        ("Apache-2.0 WITH LLVM-exception", "", "Apache-2.0 WITH LLVM-exception", "yes"),
        ("MIT AND (BSD-3-Clause OR ISC)", "", "MIT AND (BSD-3-Clause OR ISC)", "yes"),
        ("MIT AND GPL-3.0-only", "", "MIT AND GPL-3.0-only", "no"),
        ("", "cc-by-nc-4.0", "CC-BY-NC-4.0", "no"),
        ("Apache-2.0", "cc-by-nc-4.0", "CC-BY-NC-4.0", "no"),
        ("MIT", "apache-2.0", "Apache-2.0", "no"),
        ("", "gemma", "LicenseRef-Gemma", "conditions"),
        ("LicenseRef-LFM-1.0", "other", "LicenseRef-LFM-1.0", "conditions"),
        ("Apache-2.0", "other", "LicenseRef-my-model", "unknown"),
        ("", "other", "LicenseRef-my-model", "unknown"),
        ("", "", "LicenseRef-my-model", "unknown"),
    ],
)
def test_only_what_is_known_to_be_free_passes_unasked(licence: str, terms: str, found: str, redistributable: str) -> None:
    one = resolved(licence, terms)
    judged = judge(one, ())
    assert (judged.id, judged.redistributable, judged.refused) == (found, redistributable, redistributable != "yes")
    assert bool(judged.why) == judged.refused
    if not judged.refused:
        assert [each.licence for each in allow([one], ())] == [found]
        return
    with pytest.raises(LicenceRefused, match=rf"My model .*--accept-licence {found}") as caught:
        allow([one], ["MIT"])
    assert "\n" not in str(caught.value)
    assert [each.licence for each in allow([one], accepted_ids([found.lower() if redistributable == "no" else found]))] == [found]


def test_a_source_that_contradicts_the_catalogue_is_named_with_both_words() -> None:
    with pytest.raises(LicenceRefused, match=r"the catalogue says Apache-2\.0, but its source says CC-BY-NC-4\.0"):
        allow([resolved("Apache-2.0", "cc-by-nc-4.0")], ())


def test_what_is_no_licence_id_can_not_be_accepted() -> None:
    with pytest.raises(BadRequest, match="'whatever it is'") as caught:
        accepted_ids(["MIT", "whatever it is"])
    assert caught.value.exit_code == 2


def test_every_id_here_and_in_the_catalogue_is_one_of_spdx() -> None:
    for name in FREE:
        assert str(canonicalize_license_expression(name)) == name
    for terms in CONDITIONS:
        assert str(canonicalize_license_expression(terms.id)) == terms.id == spdx(terms.hub)
        assert terms.obliges
        assert NOTICES[terms.id]
    for name, entry in read_catalogue().items():
        assert spdx(entry["licence"]) == entry["licence"], name


def test_every_licence_of_the_catalogue_has_its_text_here_or_must_bring_it() -> None:
    """Llama's, Gemma's and the like are not ours to copy: a build without their text from the source is refused (`check_text`)."""
    for name, entry in read_catalogue().items():
        assert texts(entry["licence"]) or entry["licence"] in NOTICES, name
    for name in ("Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0"):
        assert len((TEXTS / f"{name}.txt").read_text(encoding="utf-8")) > 1000


def test_a_text_travels_or_nothing_does(tmp_path: Path) -> None:
    ours = Fetched(replace(resolved("MIT"), licence="MIT"), tmp_path, ())
    check_text(ours)
    theirs = Fetched(resolved("LicenseRef-Gemma"), tmp_path, (tmp_path / "README.md", tmp_path / "1-LICENSE"))
    check_text(theirs)
    for notices in ((), (tmp_path / "README.md",)):
        with pytest.raises(LicenceTextMissing, match="LicenseRef-Gemma"):
            check_text(replace(theirs, notices=notices))
    with pytest.raises(LicenceTextMissing):
        check_text(Fetched(resolved("MIT AND Zlib"), tmp_path, ()))


def test_the_notice_names_every_model_and_what_its_licence_wants_shown() -> None:
    text = notice([resolved("Apache-2.0"), resolved("LicenseRef-Llama-3.2")])
    assert text.count("My model (generator): ") == 2
    assert "ab" * 20 in text
    assert "Built with Llama" in text
    assert "Llama 3.2 Community License" in text
