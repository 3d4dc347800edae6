"""What a runtime holds: licences in SPDX's words, texts, parts; what may not travel is refused by name."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bundle.errors import SoftwareRefused
from bundle.software import Software, checked, interpreter, native, native_licence, note_on, software_in

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = Path(sysconfig.get_path("purelib"))
Install = Callable[..., Path]


@pytest.fixture(scope="module")
def carried() -> tuple[Software, ...]:
    return software_in(SITE, "linux-x64", carried_names())


def carried_names() -> list[str]:
    """What the lock carries to this system."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line]
    return [one.name for one in wanted if one.marker is None or one.marker.evaluate()]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Put a distribution with that metadata and those files into a folder of packages."""

    def make(name: str, metadata: str, files: dict[str, str] | None = None) -> Path:
        folder = tmp_path / "site"
        own = {f"{name}-1.0.dist-info/{path}": text for path, text in (files or {}).items()}
        own[f"{name}-1.0.dist-info/METADATA"] = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}\n"
        record = "".join(f"{path},sha256=AA{len(text)},{len(text)}\n" for path, text in own.items())
        own[f"{name}-1.0.dist-info/RECORD"] = record
        for path, text in own.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder

    return make


def test_everything_that_is_carried_has_a_licence_a_text_and_a_digest(carried: tuple[Software, ...]) -> None:
    assert [one.name for one in carried] == sorted(name.lower().replace("_", "-").replace(".", "-") for name in carried_names())
    for one in carried:
        assert checked(one.name, one.licence) == one.licence
        assert all(content.strip() for _, content in one.texts), one.name
        assert one.texts, one.name
        assert len(one.digest) == 64, one.name
        assert one.purl == f"pkg:pypi/{one.name}@{one.version}"


def test_vague_words_become_the_licence_that_the_text_is(carried: tuple[Software, ...]) -> None:
    licences = {one.name: one.licence for one in carried}
    assert licences["flask"] == licences["itsdangerous"] == licences["protobuf"] == "BSD-3-Clause"
    assert licences["defusedxml"] == "PSF-2.0"
    assert licences["chromadb"] == licences["tokenizers"] == "Apache-2.0"
    assert licences["waitress"] == "ZPL-2.1"


def test_parts_that_were_compiled_in_are_listed(carried: tuple[Software, ...]) -> None:
    parts = {one.name: {part.name: part for part in one.parts} for one in carried}
    assert parts["cryptography"]["openssl"].version
    assert parts["numpy"]["OpenBLAS"].licence == "BSD-3-Clause"
    assert len(parts["chromadb"]) > 100
    assert not any("file:" in part.purl or "download_url" in part.purl for one in parts.values() for part in one.values())


def test_a_part_that_the_package_may_not_hold_is_marked_and_does_not_count(carried: tuple[Software, ...]) -> None:
    quantiser = next(part for one in carried if one.name == "pillow" for part in one.parts if part.name == "libimagequant")
    assert (quantiser.licence, quantiser.optional) == ("GPL-3.0-or-later", True)


def test_the_licence_expression_comes_first(install: Install) -> None:
    site = install("one", "License-Expression: MIT\nLicense: something", {"licenses/LICENSE": "terms"})
    (found,) = software_in(site, "linux-x64")
    assert (found.licence, found.texts) == ("MIT", (("LICENSE", "terms"),))


@pytest.mark.parametrize(("text", "licence"), [("Neither the name of the author", "BSD-3-Clause"), ("Redistributions of source", "BSD-2-Clause")])
def test_which_bsd_licence_it_is_stands_in_the_text(install: Install, text: str, licence: str) -> None:
    site = install("one", "Classifier: License :: OSI Approved :: BSD License", {"LICENSE.txt": text})
    assert software_in(site, "linux-x64")[0].licence == licence


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("", "says of its licence 'nothing'"),
        ("License: see the website", "says of its licence 'see the website'"),
        ("License-Expression: GPL-3.0-or-later", "GPL-3.0-or-later, and that is not one"),
        ("License-Expression: MIT AND AGPL-3.0-only", "AGPL-3.0-only, and that is not one"),
        ("License-Expression: LicenseRef-Proprietary", "not in SPDX's words"),
        ("License-Expression: MIT AND", "not in SPDX's words"),
    ],
)
def test_what_may_not_travel_is_refused_by_name(install: Install, metadata: str, reason: str) -> None:
    site = install("culprit", metadata, {"LICENSE": "terms"})
    install("innocent", "License-Expression: MIT", {"LICENSE": "terms"})
    with pytest.raises(SoftwareRefused, match=f"culprit.*{reason}.*bundle/software.toml"):
        software_in(site, "linux-x64")
    assert [one.name for one in software_in(site, "linux-x64", {"Innocent"})] == ["innocent"]


def test_a_package_without_its_text_is_refused(install: Install) -> None:
    with pytest.raises(SoftwareRefused, match=r"silent 1\.0 .*no text"):
        software_in(install("silent", "License-Expression: MIT"), "linux-x64")


def test_of_alternatives_one_is_enough_and_what_asks_for_more_is_noted() -> None:
    assert checked("x", "GPL-2.0-only OR MIT") == "GPL-2.0-only OR MIT"
    assert checked("x", "GPL-3.0-or-later WITH GCC-exception-3.1")
    assert note_on("MIT") == ""
    assert note_on("MPL-2.0 AND MIT").startswith("MPL-2.0: ")


def test_a_part_under_the_gpl_is_refused_through_its_package(install: Install) -> None:
    parts = '{"components": [{"name": "hidden", "version": "2", "licenses": [{"expression": "GPL-2.0-only"}]}]}'
    site = install("outer", "License-Expression: MIT", {"LICENSE": "terms", "sboms/outer.cdx.json": parts})
    with pytest.raises(SoftwareRefused, match=r"outer, by its part hidden,.*GPL-2\.0-only"):
        software_in(site, "linux-x64")


def test_the_interpreter_brings_its_text() -> None:
    prefix = Path(sysconfig.get_config_var("installed_base"))
    python = interpreter(prefix, sysconfig.get_config_var("py_version"), "linux-x64")
    assert (python.licence, python.name) == ("PSF-2.0", "Python")
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in python.texts[0][1]


def test_an_interpreter_without_its_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SoftwareRefused, match="its licence lies neither in"):
        interpreter(tmp_path, "3.11.7", "linux-x64")


@pytest.mark.parametrize(
    ("file", "name", "licence"),
    [
        ("libssl.so.3", "OpenSSL", "Apache-2.0"),
        ("libcrypto-3-x64.dll", "OpenSSL", "Apache-2.0"),
        ("libsqlite3.so.0.8.6", "SQLite", "blessing"),
        ("libz.1.dylib", "zlib", "Zlib"),
        ("libstdc++.so.6", "GNU C++ library", "GPL-3.0-or-later WITH GCC-exception-3.1"),
        ("libgcc_s.so.1", "GCC runtime", "GPL-3.0-or-later WITH GCC-exception-3.1"),
        ("libgomp-a34b3233.so.1.0.0", "GNU OpenMP", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    ],
)
def test_the_libraries_of_an_interpreter_are_known(file: str, name: str, licence: str) -> None:
    assert native_licence(file) == (name, licence)


@pytest.mark.parametrize("file", ["libreadline.so.8", "libgdbm.so.6", "libdb-5.3.so", "libzebra.so.1", "notes.txt"])
def test_a_library_that_nobody_has_looked_at_is_refused(file: str) -> None:
    with pytest.raises(SoftwareRefused, match=f"{file} can't be carried"):
        native_licence(file)


def test_libraries_of_this_system_come_with_version_and_text() -> None:
    folder = Path(sysconfig.get_config_var("LIBDIR"))
    candidates = [Path("/lib") / str(sysconfig.get_config_var("MULTIARCH")), Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH")), folder]
    libraries = [next(place / name for place in candidates if (place / name).exists()) for name in ("libssl.so.3", "libcrypto.so.3", "libgcc_s.so.1")]
    gcc, openssl = native([*libraries, Path("/anywhere/libpython3.11.so.1.0")], "linux-x64")  # the interpreter's own is no other software
    assert (gcc.name, openssl.name) == ("GCC runtime", "OpenSSL")
    assert openssl.version.startswith("3.")
    assert "OpenSSL" in openssl.texts[0][1]
    assert any(name == "GPL-3" and "GNU GENERAL PUBLIC LICENSE" in content for name, content in gcc.texts)
