"""An address as a QR code, for a camera: as a picture, or in the letters of a terminal."""

from __future__ import annotations

import io

import segno


def svg(address: str) -> bytes:
    """A picture of one path, black on nothing, with the quiet zone of four modules."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="svg", border=4, xmldecl=False)
    return out.getvalue()


def letters(address: str) -> str:
    """Half blocks for a terminal, light where the code is light: right for light letters on a dark ground."""
    out = io.StringIO()
    segno.make(address, error="m", micro=False).terminal(out=out, border=2, compact=True)
    return out.getvalue()
