"""The small report that many tests put in and ask about."""

from __future__ import annotations

import io

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

PAGES = (
    "The Goma clinic was opened on 14 March 2011 by Dr Amina Kasongo. It has forty beds and a small laboratory.",
    "Water for the clinic is drawn from two wells. Each well was tested for cholera in June 2012, and neither was contaminated.",
    "The yearly budget of the clinic is 84,500 dollars, of which a third is spent on medicines and a fifth on fuel.",
)
PAGES_WITH_A_SCAN = (*PAGES[:2], "")
NOTES = "The road from Goma to Bukavu is closed in the rainy season.\n\nIn the dry season the journey takes nine hours by lorry.\n"


def make_pdf(pages: tuple[str, ...] = PAGES, password: str | None = None) -> bytes:
    target = io.BytesIO()
    page = canvas.Canvas(target, pagesize=A4, encrypt=password)
    for text in pages:
        for number, start in enumerate(range(0, len(text), 70)):
            page.drawString(60, 780 - 16 * number, text[start : start + 70])
        page.showPage()
    page.save()
    return target.getvalue()
