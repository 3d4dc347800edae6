"""Signatures that minisign's own program takes, and that no changed byte gets past."""

from __future__ import annotations

import hashlib
import random
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.minisign import BadSignature, SecretKey, load_key, parse_key, sign, verify
from tests.images import fat_image

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def key(tmp_path: Path) -> SecretKey:
    return load_key(tmp_path / "keys" / "signing.pem")


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path, key: SecretKey) -> None:
    file = tmp_path / "keys" / "signing.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(file).public == key.public


@pytest.mark.parametrize("content", [b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "signing.pem"
    file.write_bytes(content)
    with pytest.raises(BadSignature):
        load_key(file)
    assert file.read_bytes() == content


def test_an_empty_file_that_a_power_cut_left_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "signing.pem"
    file.touch()
    made = load_key(file)
    assert load_key(file).public == made.public
    assert list(tmp_path.iterdir()) == [file]


def test_where_there_are_no_links_a_key_is_made_too(tmp_path: Path) -> None:
    with fat_image(tmp_path) as stick:
        made = load_key(stick.mount / "keys" / "signing.pem")
        assert load_key(stick.mount / "keys" / "signing.pem").public == made.public
        assert [path.name for path in (stick.mount / "keys").iterdir()] == ["signing.pem"]


MANY = """
import sys
from pathlib import Path
from appliance.minisign import load_key
print("ready", flush=True)
for line in sys.stdin:
    print(load_key(Path(line.strip())).public.fingerprint, flush=True)
"""


def test_two_that_make_a_key_at_once_have_the_same_one(tmp_path: Path) -> None:
    files = "".join(f"{tmp_path / str(number)}\n" for number in range(300))
    two = [subprocess.Popen([sys.executable, "-c", MANY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    for process in two:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in two:
        assert process.stdin is not None
        process.stdin.write(files)
        process.stdin.flush()
    one, other = (process.communicate()[0].splitlines() for process in two)
    assert [process.returncode for process in two] == [0, 0]
    assert one == other
    assert len(set(one)) == 300


def test_the_signature_gives_its_comment_back(key: SecretKey) -> None:
    digest = hashlib.blake2b(b"words").digest()
    assert verify(digest, sign(digest, key, "haversack bundle starter"), key.public) == "haversack bundle starter"


def test_another_file_and_another_key_are_refused(tmp_path: Path, key: SecretKey) -> None:
    digest = hashlib.blake2b(b"one").digest()
    signature = sign(digest, key, "c")
    with pytest.raises(BadSignature, match="does not fit"):
        verify(hashlib.blake2b(b"two").digest(), signature, key.public)
    with pytest.raises(BadSignature, match="another key"):
        verify(digest, signature, load_key(tmp_path / "other.pem").public)


def test_no_flipped_bit_of_signature_or_key_is_taken(key: SecretKey) -> None:
    """But for the first line, which minisign calls untrusted."""
    digest = hashlib.blake2b(b"one").digest()
    signature, public = sign(digest, key, "a comment").encode(), key.public.text().encode()
    chance = random.Random(7)
    for text, kind in ((signature, "signature"), (public, "key")):
        start = text.index(b"\n") + 1
        for _ in range(400):
            flipped = bytearray(text)
            flipped[chance.randrange(start, len(text))] ^= 1 << chance.randrange(8)
            shown = flipped.decode("utf-8", "replace")
            with pytest.raises(BadSignature):
                verify(digest, shown, key.public) if kind == "signature" else parse_key(shown)


def test_minisign_itself_verifies_what_we_sign(tmp_path: Path, key: SecretKey) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(b'{"format": 2}\n')
    (tmp_path / "manifest.json.minisig").write_text(sign(hashlib.blake2b(file.read_bytes()).digest(), key, "haversack bundle starter 2026"))
    (tmp_path / "haversack.pub").write_text(key.public.text())
    command = ["minisign", "-V", "-m", str(file), "-p", str(tmp_path / "haversack.pub")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "haversack bundle starter 2026" in found.stdout
    file.write_bytes(b'{"format": 3}\n')
    assert subprocess.run(command, capture_output=True).returncode != 0
