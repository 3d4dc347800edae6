"""Licence texts and notices, folded into few files: 250 small ones would fill a stick's clusters with air.

`LICENSES/software-<platform>.txt` for what is in a runtime, `LICENSES/models.txt` for the models, `LICENSES/haversack.txt` for ourselves.
Each is headed by a list of what it is for; a text that several share stands there once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.software import LICENCES, Software, note_on

FOLDER = "LICENSES"
_OWN = Path(__file__).resolve().parent.parent / "LICENSE"
_RULE = "=" * 78


@dataclass(frozen=True, slots=True)
class ModelNotices:
    """What a model's source gave with it: licence, notice, model card."""

    title: str
    licence: str
    source: str
    """Where it comes from, in one line ("hub Qwen/Qwen3-4B-GGUF 1a2b…")."""
    notices: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    name: str
    content: str
    whose: tuple[str, ...]


def write_notices(root: Path, *, models: Iterable[ModelNotices], software: Iterable[Software] = ()) -> tuple[Path, ...]:
    """Write them into `root`/LICENSES, replacing what an earlier build left there; the paths written, sorted.

    One file for each platform that the software names, and two besides.
    """
    folder = root / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    written = [_write(folder / "haversack.txt", "Haversack", [("Haversack", "Apache-2.0")], [("LICENSE", _read(_own_licence()), "Haversack")])]
    written.append(_write_models(folder / "models.txt", sorted(models, key=lambda model: model.title)))
    everything = tuple(software)
    for platform in sorted({one.platform for one in everything}):
        own = sorted((one for one in everything if one.platform == platform), key=lambda one: (one.name.lower(), one.version))
        written.append(_write_software(folder / f"software-{platform}.txt", platform, own))
    return tuple(sorted(written))


def _write_models(path: Path, models: Sequence[ModelNotices]) -> Path:
    rows = [(model.title, f"{model.licence}, from {model.source}") for model in models]
    texts = [(f"{model.licence}.txt", _read(LICENCES / f"{model.licence}.txt"), model.title) for model in models if _known(model)]
    texts += [(notice.name, _read(notice), model.title) for model in models for notice in model.notices]
    return _write(path, "The models of this bundle", rows, texts)


def _known(model: ModelNotices) -> bool:
    return "/" not in model.licence and (LICENCES / f"{model.licence}.txt").is_file()


def _write_software(path: Path, platform: str, software: Sequence[Software]) -> Path:
    rows = [(f"{one.name} {one.version}".rstrip(), one.licence + (f" ({note})" if (note := note_on(one.licence)) else "")) for one in software]
    texts = [(name, content, one.name) for one in software for name, content in one.texts]
    return _write(path, f"The software in the runtime for {platform}", rows, texts, "What each was built from in turn is listed in sbom.cdx.json.")


def _write(path: Path, title: str, rows: Iterable[tuple[str, str]], texts: Iterable[tuple[str, str, str]], more: str = "") -> Path:
    lines = [title, "", *(f"  {name}: {licence}" for name, licence in rows), *(["", more] if more else [])]
    for text in _folded(texts):
        lines += ["", _RULE, f"{text.name}, of {', '.join(text.whose)}", _RULE, "", text.content]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return path


def _folded(texts: Iterable[tuple[str, str, str]]) -> list[_Text]:
    """Name, content and whose it is → each content once, in the order it came. White space doesn't make a text another."""
    found: dict[str, _Text] = {}
    for name, content, whose in texts:
        key = " ".join(content.split())
        first = found.get(key, _Text(name, "\n".join(line.rstrip() for line in content.strip("\n").splitlines()), ()))
        found[key] = _Text(first.name, first.content, tuple(dict.fromkeys([*first.whose, whose])))
    return list(found.values())


def _own_licence() -> Path:
    """The checkout's LICENSE; where only the package is installed, the same text from its own folder."""
    return _OWN if _OWN.is_file() else LICENCES / "Apache-2.0.txt"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
