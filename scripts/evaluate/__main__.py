"""`python -m scripts.evaluate --data DIR`: evaluate, print the report and write it to docs/evaluation.md."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from appliance.answer.pipeline import Asker
from appliance.integrity import verify_model
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors
from appliance.manifest import Manifest, read_manifest
from appliance.models.embedder import Embedder
from appliance.models.generator import Generator
from scripts.evaluate.corpora import Asked, Remembering, gold_places, ingest_judged, ingest_squad, judged, squad, squad_paragraphs
from scripts.evaluate.end_to_end import answer, before_the_model, quotes_hold, refusals, sample, written
from scripts.evaluate.plain import ask_plain_once
from scripts.evaluate.report import Grid, Row, Table, render
from scripts.evaluate.retrieval import Searches, hits, judge

ROOT = Path(__file__).resolve().parent.parent.parent
LANGUAGES = ("en", "es", "ru", "ar", "hi", "zh")
SEED = 20261124
PARTS = ("squad", "scifact", "cranfield", "xquad", "answers", "reference")
MEASURED_SHARE = 0.18
"""Of the plain pipeline's answers that held the gold answer when it was measured for the design (40 questions)."""


class Evaluation:
    """One run: the models, and a library in a folder of its own for each set."""

    def __init__(self, data: Path, manifest: Manifest, folder: Path, cache: Path) -> None:
        self.data = data
        self.folder = folder
        self.cache = cache
        embedder, generator = manifest.model("embedder"), manifest.model("generator")
        verify_model(manifest, embedder)
        verify_model(manifest, generator)
        threads = os.cpu_count() or 2
        self.embedder = Remembering(Embedder(manifest.folder(embedder), embedder, threads), cache)
        self.generator = Generator.carried(manifest.folder(generator), generator, threads)

    def asker(self, library: Library) -> Asker:
        return Asker(library, ExactVectors(library), lambda: self.embedder, lambda *_, **__: self.generator)

    def judged(self, folder: Path, name: str) -> dict[str, float]:
        """nDCG@10 of each way to search one BEIR set."""
        of = judged(folder, name)
        with Library.open(self.folder / name, write=True, purpose="evaluate") as library:
            collection_id = ingest_judged(of, library, self.embedder)
            return judge(Searches(library, self.embedder, self.asker(library), collection_id), of)

    def judged_grid(self, names: list[str]) -> list[tuple[str, dict[str, float]]]:
        return [(name, self.judged(self.data / name, name.replace("/", "-"))) for name in names]

    def squad(self, answers: int, unanswerable: int, plain: bool, wanted: set[str]) -> list[Table | Grid]:
        with Library.open(self.folder / "squad", write=True, purpose="evaluate") as library:
            collection_id = ingest_squad(self.data, library, self.embedder)
            asker = self.asker(library)
            parts: list[Table | Grid] = []
            questions = {name: squad(self.data, name) for name in ("dev", "test")}
            if "squad" in wanted:
                parts += self._retrieval(library, collection_id, asker, questions)
                parts.append(self._before(asker, collection_id, questions))
            if "answers" in wanted:
                parts.append(self._answers(library, asker, collection_id, sample(questions["test"], answers, unanswerable, SEED), plain))
            return parts

    def _retrieval(self, library: Library, collection_id: int, asker: Asker, questions: dict[str, list[Asked]]) -> list[Table | Grid]:
        gold = gold_places(library, collection_id, squad_paragraphs(self.data))
        searches = Searches(library, self.embedder, asker, collection_id)
        answerable = [one for one in questions["test"] if one.kind == "answerable"]
        found = hits(searches, answerable, gold)
        say(f"squad test: {found}")
        grid = Grid(
            "Finding the paragraph: SQuAD",
            f"{len(answerable)} answerable questions of the test split, 28 articles as one collection ({library.collection('squad').chunks} chunks).",
            ("hit@1", "hit@5", "nDCG@10"),
            [(name, (one.at1, one.at5, one.ndcg)) for name, one in found.items()],
        )
        rows = [Row("hit@1, fused", "squad test", found["fused"].at1, 0.82), Row("hit@5, fused", "squad test", found["fused"].at5, 0.97)]
        return [Table("Targets of retrieval", "", rows), grid]

    def _before(self, asker: Asker, collection_id: int, questions: dict[str, list[Asked]]) -> Table:
        rows = []
        for name, asked in questions.items():
            found = before_the_model(asker, collection_id, asked)
            refused = refusals(found)
            times = sorted(one.milliseconds for one in found)
            goal = name == "test"
            rows += [
                Row("other-article questions refused", f"squad {name}", refused.other_article, 0.85 if goal else None),
                Row("answerable questions refused", f"squad {name}", refused.answerable, 0.10 if goal else None, at_most=True),
                Row("same-article questions refused", f"squad {name}", refused.same_article),
                Row("gold answer in the first quote", f"squad {name}", quotes_hold(found, 1)),
                Row("gold answer in the first two quotes", f"squad {name}", quotes_hold(found, 2)),
                Row("gold answer in the quotes shown", f"squad {name}", quotes_hold(found, 3), 0.78 if goal else None),
                Row("evidence after, median ms", f"squad {name}", times[len(times) // 2], digits=1),
            ]
            say(f"squad {name}: {refused}")
        return Table("Refusals and quotes, before any model", "All 1,000 answerable and 500 unanswerable questions of each split.", rows)

    def _answers(self, library: Library, asker: Asker, collection_id: int, asked: list[Asked], plain: bool) -> Table:
        answerable = [one for one in asked if one.kind == "answerable"]
        got = []
        for done, one in enumerate(asked, start=1):
            got.append((one, answer(asker, collection_id, one)))
            if done % 20 == 0:
                say(f"answers: {done} of {len(asked)}")
        of = written(library, [pair for pair in got if pair[0].kind == "answerable"])
        answered = sum(one.kind != "answerable" and not its.refused for one, its in got)
        say(f"answers: {of}")
        reference = None
        if plain:
            reference = ask_plain_once(self.data, answerable, self.cache)
            say(f"reference: {reference}")
        base = reference.generated if reference else MEASURED_SHARE
        split = f"squad test, {len(answerable)} answerable, seed {SEED}"
        rows = [
            Row("gold answer in the generated text", split, of.generated, 1.9 * base),
            Row("… as a multiple of the plain pipeline's", split, of.generated / base if base else 0.0, 1.9, digits=2),
            Row("gold answer in generated text or shown quotes", split, of.shown, 0.80),
            Row("citations that resolve to document, page and quote", split, of.resolving / of.citations, 1.0),
            Row("sentences of the model that are supported", split, of.supported),
            Row("… where the answer holds the gold answer", split, of.supported_where_right),
            Row("… where it doesn't", split, of.supported_where_wrong),
            Row("first token after, median ms", split, of.first_token, digits=0),
            Row("whole answer after, median ms", split, of.total, digits=0),
        ]
        if reference:
            rows += [
                Row("plain pipeline: gold answer in the generated text", split, reference.generated),
                Row("plain pipeline: gold answer in its four passages", split, reference.passages),
                Row("plain pipeline: whole answer after, median ms", split, reference.total, digits=0),
            ]
        text = f"Of {len(asked) - len(answerable)} unanswerable questions in the sample, {answered} were answered. {of.citations} citations in all."
        return Table("Answers, end to end", text, rows)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds squad/, scifact/, cranfield/, xquad/")
    parser.add_argument("--bundle", type=Path, default=ROOT / "dist" / "starter")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "evaluation.md")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "haversack-evaluate",
        help="keeps embeddings and the plain pipeline's figures between runs",
    )
    parser.add_argument("--answers", type=int, default=100, help="answerable questions to answer with the model")
    parser.add_argument("--unanswerable", type=int, default=20, help="unanswerable questions of each kind to answer with the model")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="leave the other parts out, and write no report")
    given = parser.parse_args()
    manifest = read_manifest(given.bundle)
    wanted = set(given.only)
    folder = Path(tempfile.mkdtemp(prefix="haversack-evaluate-"))
    try:
        evaluation = Evaluation(given.data, manifest, folder, given.cache)
        parts: list[Table | Grid] = []
        sets = [name for name in ("scifact", "cranfield") if name in wanted]
        sets += [f"xquad/{language}" for language in LANGUAGES if "xquad" in wanted]
        if sets:
            grid = evaluation.judged_grid(sets)
            say(str(grid))
            if "scifact" in wanted:
                parts.append(Table("Target of fusion", "", [Row("nDCG@10, fused", "scifact test", dict(grid)["scifact"]["fused"], 0.72)]))
            columns = list(grid[0][1])
            rows = [(name, [figures[column] for column in columns]) for name, figures in grid]
            parts.append(Grid("nDCG@10 by search", "Test queries of each set. Not tuned on.", columns, rows))
        if wanted & {"squad", "answers"}:
            parts = evaluation.squad(given.answers, given.unanswerable, "reference" in wanted, wanted) + parts
        evaluation.generator.close()
        models = ", ".join(manifest.model(role).title for role in ("embedder", "generator"))
        report = render(parts, profile=manifest.profile, models=models)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(report)
    if wanted == set(PARTS):
        given.output.write_text(report, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
