"""Licence texts in few files: every text is there, once, under the names of those it is for."""

from __future__ import annotations

from pathlib import Path

from bundle.notices import ModelNotices, write_notices
from bundle.software import Software

MIT = "Permission is hereby granted, free of charge …\n"


def package(name: str, *texts: tuple[str, str], platform: str = "linux-x64", licence: str = "MIT") -> Software:
    return Software(name, "1.0", licence, f"pkg:pypi/{name}@1.0", platform, texts)


def test_each_platform_has_one_file_and_the_models_and_we_ourselves_another(tmp_path: Path) -> None:
    software = [package("one", ("LICENSE", MIT)), package("one", ("LICENSE", MIT), platform="windows-x64")]
    paths = write_notices(tmp_path, models=[], software=software)
    names = ["haversack.txt", "models.txt", "software-linux-x64.txt", "software-windows-x64.txt"]
    assert [path.name for path in paths] == sorted(path.name for path in (tmp_path / "LICENSES").iterdir()) == names
    assert "Apache License" in paths[0].read_text(encoding="utf-8")


def test_a_text_that_several_share_stands_there_once_under_all_their_names(tmp_path: Path) -> None:
    software = [
        package("one", ("LICENSE", MIT), ("NOTICE", "One was made by Ada.")),
        package("two", ("COPYING", f"\n{MIT}  \n")),
        package("three", ("LICENSE", "Other terms.")),
    ]
    (path,) = [path for path in write_notices(tmp_path, models=[], software=software) if "software" in path.name]
    text = path.read_text(encoding="utf-8")
    assert text.count("Permission is hereby granted") == 1
    assert "LICENSE, of one, two" in text
    assert "NOTICE, of one" in text
    assert "Other terms." in text
    assert text.index("one 1.0: MIT") < text.index("three 1.0: MIT") < text.index("two 1.0: MIT") < text.index("Permission")


def test_what_a_licence_asks_for_in_return_stands_in_the_list(tmp_path: Path) -> None:
    path = write_notices(tmp_path, models=[], software=[package("one", ("LICENSE", "x"), licence="MPL-2.0")])[-1]
    assert "one 1.0: MPL-2.0 (MPL-2.0: its source is" in path.read_text(encoding="utf-8")


def test_a_model_s_licence_notice_and_card_travel(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("# A model card", encoding="utf-8")
    models = [
        ModelNotices("Small model", "Apache-2.0", "hub maker/small 1a2b", (card,)),
        ModelNotices("Odd model", "its-own-terms", "hub maker/odd 1a2b", ()),
        ModelNotices("Large model", "Apache-2.0", "hub maker/large 1a2b", ()),
    ]
    text = next(path for path in write_notices(tmp_path, models=models) if path.name == "models.txt").read_text(encoding="utf-8")
    assert "Small model: Apache-2.0, from hub maker/small 1a2b" in text
    assert "Odd model: its-own-terms" in text
    assert "LICENSES" not in text
    assert "Apache-2.0.txt, of Large model, Small model" in text
    assert text.count("TERMS AND CONDITIONS FOR USE") == 1
    assert "# A model card" in text


def test_what_an_earlier_build_left_in_the_folder_does_not_stay(tmp_path: Path) -> None:
    first = write_notices(tmp_path, models=[], software=[package("one", ("LICENSE", MIT), platform="macos-arm64")])
    second = write_notices(tmp_path, models=[], software=[package("one", ("LICENSE", MIT))])
    assert {path.name for path in first} - {path.name for path in second} == {"software-macos-arm64.txt"}
    assert sorted((tmp_path / "LICENSES").iterdir()) == list(second)


def test_the_same_is_written_twice(tmp_path: Path) -> None:
    software = [package("two", ("LICENSE", MIT)), package("one", ("LICENSE", MIT))]
    one = [path.read_bytes() for path in write_notices(tmp_path / "a", models=[], software=software)]
    assert one == [path.read_bytes() for path in write_notices(tmp_path / "b", models=[], software=software[::-1])]
