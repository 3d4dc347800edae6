"""Bytes → text, whatever the encoding: BOMs, UTF-8, UTF-16 without a BOM, and the legacy ones by charset-normalizer."""

from __future__ import annotations

import codecs
import re
import unicodedata

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BINARY_SHARE = 0.01
"""Of control bytes. Random bytes have 0.11, compressed ones as well; text in any 8-bit encoding has none but a stray one."""
_SAMPLE = 1 << 16
_WESTERN = frozenset("àâäáãåæçéèêëíìîïñóòôöõøœúùûüßÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜ€‚„…‘’“”•–—™«»°§·¡¿ºª\u00a0\u00ad©®£")
_INSIDE_WORD = re.compile(r"(?<=\w)[¡¿ºª£€](?=[^\W\d_])")
_KANA = re.compile(r"[\u3041-\u30ff]")
_NO_TEXT = ("Cc", "Cn", "Co", "Cs")


def decode(data: bytes, *, partial: bool = False) -> tuple[str, str] | None:
    """The text and the name of its encoding; None where it is no text. `partial`: `data` is the beginning of a longer text."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _readable(data[len(mark) :].decode(name, "replace"), name)
    if b"\0" in data[:_SAMPLE]:
        return _utf16(data)
    if looks_binary(data):
        return None
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data, final=False), "utf-8"
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", "replace")
    letters = len(re.findall(r"[\u0080-\ufffc]", text))
    if letters and text.count("\ufffd") < 0.02 * letters:  # UTF-8 with a flaw
        return text, "utf-8, damaged"
    return _legacy(data)


def looks_binary(data: bytes) -> bool:
    sample = data[:_SAMPLE]
    return len(_CONTROL.findall(sample)) > _BINARY_SHARE * len(sample)


def _utf16(data: bytes) -> tuple[str, str] | None:
    """UTF-16 without a BOM betrays itself by blanks and line ends, which have a NUL beside them."""
    best: tuple[int, str, str] = (0, "", "")
    for name in ("utf-16-le", "utf-16-be"):
        text = data[: len(data) // 2 * 2].decode(name, "replace")
        best = max(best, (len(re.findall(r"[ \n]", text[:_SAMPLE])), text, name))
    return _readable(best[1], best[2]) if best[0] else None


def _readable(text: str, name: str) -> tuple[str, str] | None:
    sample = text[:_SAMPLE]
    strange = sum(1 for letter in sample if letter not in "\t\n\r\f" and (letter == "\ufffd" or unicodedata.category(letter) in _NO_TEXT))
    return (text, name) if strange <= 0.02 * len(sample) else None


def _is_western(telling: bytes) -> bool:
    """Whether bytes read as windows-1252 are words of a western language: charset-normalizer takes half of those for Polish."""
    text = telling.decode("cp1252", "replace")
    strange = [letter for letter in text if letter >= "\x80"]
    known = sum(1 for letter in strange if letter in _WESTERN) - len(_INSIDE_WORD.findall(text))
    return known >= 0.98 * len(strange) and len(strange) < 0.5 * len(text)


def _legacy(data: bytes) -> tuple[str, str] | None:
    from charset_normalizer import from_bytes  # 0.06 s to import, and hardly ever needed

    # Lines that are pure ASCII tell nothing: what is looked at is those that aren't.
    telling = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_SAMPLE]
    if _is_western(telling):
        return _readable(data.decode("cp1252", "replace"), "windows-1252")
    matches = from_bytes(telling)
    best = matches.best()
    if best is None:
        return None
    # EUC-JP passes for Big5 with it; only in the right one are there kana.
    japanese = next((match.encoding for match in matches if len(_KANA.findall(str(match))) > 0.1 * len(str(match))), None)
    name = japanese or best.encoding
    return _readable(data.decode(name, "replace"), name.replace("_", "-"))
