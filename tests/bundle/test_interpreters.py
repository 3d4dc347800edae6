"""An interpreter by its address: fetched once, compared, and refused where it is something else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.errors import SourceAltered, SourceMissing, SourceUnreachable, SourceUnsafe
from bundle.interpreters import archive_name, cached_interpreters, fetch_interpreters
from bundle.progress import Progress
from bundle.spec import Spec
from tests.bundle.hub_server import HubServer, Repository

NAME = "cpython-3.11.9+20240814-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
CONTENT = b"an interpreter " * 1000
PATH = f"/cdn/python/build/{NAME}"


@pytest.fixture
def spec(hub: HubServer) -> Spec:
    """The hub's content host serves plain files; that is all an address needs."""
    hub.repositories["python/build"] = Repository({NAME: CONTENT})
    address = hub.content_url + PATH.replace("+", "%2B")
    return Spec("tiny", "Tiny", (), interpreter_urls=(address,), interpreter_sha256={address: hashlib.sha256(CONTENT).hexdigest()})


def test_it_comes_once_and_is_a_file_under_its_own_name(spec: Spec, hub: HubServer, tmp_path: Path, progress: Progress) -> None:
    assert cached_interpreters(spec, tmp_path).interpreter_urls == spec.interpreter_urls
    assert hub.requests == []
    got = fetch_interpreters(spec, tmp_path, progress)
    assert got.interpreter_urls == ()
    assert [path.name for path in got.interpreters] == [NAME]
    assert got.interpreters[0].read_bytes() == CONTENT
    asked = len(hub.requests)
    assert fetch_interpreters(spec, tmp_path, progress) == got == cached_interpreters(spec, tmp_path)
    assert len(hub.requests) == asked


def test_one_that_was_altered_in_the_cache_comes_again(spec: Spec, tmp_path: Path, progress: Progress) -> None:
    path = fetch_interpreters(spec, tmp_path, progress).interpreters[0]
    path.write_bytes(b"X" + CONTENT[1:])
    assert cached_interpreters(spec, tmp_path).interpreters == ()
    assert fetch_interpreters(spec, tmp_path, progress).interpreters[0].read_bytes() == CONTENT


def test_one_that_is_not_what_was_meant_is_refused(spec: Spec, tmp_path: Path, progress: Progress) -> None:
    other = replace(spec, interpreter_sha256=dict.fromkeys(spec.interpreter_urls, "0" * 64))
    with pytest.raises(SourceAltered, match=r"cpython-3\.11\.9"):
        fetch_interpreters(other, tmp_path, progress)
    assert [path for path in tmp_path.rglob("*.tar.gz") if path.is_file()] == []


def test_one_that_is_not_there_and_one_without_a_server_are_told_apart(spec: Spec, hub: HubServer, tmp_path: Path, progress: Progress) -> None:
    for address, error in ((f"{hub.url}/nothing/here.tar.gz", SourceMissing), ("http://127.0.0.1:1/x.tar.gz", SourceUnreachable)):
        with pytest.raises(error):
            fetch_interpreters(replace(spec, interpreter_urls=(address,), interpreter_sha256={address: "0" * 64}), tmp_path, progress)


def test_a_name_that_leads_elsewhere_is_refused() -> None:
    assert archive_name("https://example.org/a/cpython%2Bx.tar.gz?download=1") == "cpython+x.tar.gz"
    for address in ("https://example.org/", "https://example.org/a/%2E%2E", "https://example.org/a%5Cb"):
        with pytest.raises(SourceUnsafe):
            archive_name(address)
