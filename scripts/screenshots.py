"""Makes the pictures in docs/images from the real appliance: `python -m scripts.screenshots`.

A small PDF is put into a new library and a second real model on the shelf; a question is asked, the source is opened at the boxed passage, and
the models, the parameters, a comparison and the programs are shown.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from appliance.manifest import read_manifest
from tests.second_model import second_model

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1360, 840
QUESTION = "When was the clinic in Goma opened, and by whom?"
REPORT = (
    (
        "Lake shore health report, 2012",
        "This report was written for the district office after a visit of nine days. It describes the three health posts between Sake "
        "and Goma, what they lack, and what was promised.",
        "The Goma clinic was opened on 14 March 2011 by Dr Amina Kasongo. It has forty beds, a small laboratory and a pharmacy that is "
        "open on market days. Patients come from the whole of the lake shore; in the rainy season many of them arrive by boat.",
        "Nurses work in two shifts. At night there is one nurse for the whole house, and the generator runs from six to ten only.",
    ),
    (
        "Water",
        "Water for the clinic is drawn from two wells. Each well was tested for cholera in June 2012, and neither was contaminated. "
        "A third well, nearer to the road, was closed after the flood of 2010.",
    ),
    (
        "Money",
        "The yearly budget of the clinic is 84,500 dollars, of which a third is spent on medicines and a fifth on fuel. "
        "The rest pays the nurses and the boat.",
    ),
)
NOTES = "The road from Goma to Bukavu is closed in the rainy season.\n\nIn the dry season the journey takes nine hours by lorry.\n"


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for theme in ("light", "dark"):
            keep(f"page-{theme}", shot(browser, origin, theme))
        for name, theme, show in (
            ("models", "light", models),
            ("parameters", "dark", parameters),
            ("compare", "light", compare),
            ("programs", "dark", programs),
        ):
            page = opened(browser, origin, theme)
            show(page)
            page.wait_for_timeout(300)
            keep(name, page.screenshot())
            page.close()
        browser.close()


def keep(name: str, picture: bytes) -> None:
    path = IMAGES / f"{name}.png"
    path.write_bytes(small(picture))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")


def opened(browser: Browser, origin: str, theme: str) -> Page:
    """The page with the collection open, everything loaded and nothing to be told."""
    page = browser.new_page(color_scheme=theme, viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
    page.goto(origin)
    page.locator("#collections .entry", has_text="Lake shore").click()
    page.wait_for_selector("#seal.good")
    page.wait_for_selector("#state", state="hidden")
    return page


def models(page: Page) -> None:
    page.click("#open-models")
    for card in page.locator("dialog .model").all():
        if card.locator("dd", has_text="not measured yet").count():
            card.locator("[data-act=measure]").click()
            card.locator("dd", has_text="tokens a second").wait_for(timeout=120_000)


def parameters(page: Page) -> None:
    page.click("#open-parameters")
    page.fill("#parameter-temperature", "0.4")
    page.press("#parameter-temperature", "Tab")
    page.wait_for_selector("dialog .changed:visible")


def compare(page: Page) -> None:
    page.click("#open-compare")
    page.fill("#compare-question", QUESTION)
    page.click("text=Ask them all")
    page.wait_for_selector(".column .vote >> nth=1", timeout=120_000)
    page.locator(".vote").first.click()
    page.wait_for_selector(".all-compared tbody tr")
    page.locator(".compared").evaluate("(node) => node.scrollIntoView()")


def programs(page: Page) -> None:
    page.click("#open-keys")
    page.wait_for_selector("dialog .keys-list")
    page.click("dialog summary:has-text('OpenAI')")


def shot(browser: Browser, origin: str, theme: str) -> bytes:
    page = opened(browser, origin, theme)
    page.fill("#question", QUESTION)
    page.press("#question", "Enter")
    page.wait_for_selector(".turn .foot-row", timeout=120_000)
    page.locator(".quotes .marker").first.click()
    page.wait_for_selector(".sheet .box")
    page.wait_for_timeout(300)
    picture = page.screenshot()
    page.click("#conversations .open [aria-label^='Delete']")
    page.click("dialog >> text=Delete it")
    page.wait_for_selector(".beginning")
    page.close()
    return picture


def small(picture: bytes) -> bytes:
    """The same in 256 colours, which is enough for a page and a quarter of the bytes."""
    target = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, "PNG", optimize=True)
    return target.getvalue()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    documents = folder / "documents"
    documents.mkdir()
    write_report(documents / "health-report-2012.pdf")
    (documents / "travel-notes.md").write_text(NOTES, encoding="utf-8")
    environment = {**os.environ, "HAVERSACK_HOME": str(folder / "home"), "HAVERSACK_PORT": str(port)}
    command = [sys.executable, "-m", "appliance.cli"]
    second = second_model(read_manifest(ROOT / "dist" / "starter"), folder)
    for words in (["ingest", str(documents), "--collection", "Lake shore 2012"], ["models", "add", str(second)], ["keys", "add", "notebook"]):
        subprocess.run([*command, *words], env=environment, check=True)
    process = subprocess.Popen([*command, "serve"], env=environment)
    try:
        origin = f"http://127.0.0.1:{port}"
        wait_for(origin)
        yield origin
    finally:
        process.terminate()
        process.wait(30)


def wait_for(origin: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(origin, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The page did not come.")


def write_report(path: Path) -> None:
    page = canvas.Canvas(str(path), pagesize=A4)
    for title, *paragraphs in REPORT:
        page.setFont("Times-Bold", 20)
        page.drawString(64, 770, title)
        page.setFont("Times-Roman", 13)
        height = 730
        for paragraph in paragraphs:
            line = ""
            for word in [*paragraph.split(), None]:
                if word is None or page.stringWidth(f"{line} {word}", "Times-Roman", 13) > 460:
                    page.drawString(64, height, line)
                    height -= 20
                    line = word or ""
                else:
                    line = f"{line} {word}".strip()
            height -= 12
        page.showPage()
    page.save()


if __name__ == "__main__":
    main()
