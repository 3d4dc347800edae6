"""The build, in order: profile → spec → plan → fetch → prepare → assemble → verify → dist/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.manifest import Manifest, read_manifest
from bundle.assemble import assemble, now, put_in_place, recipe, staging, up_to_date
from bundle.fetch import check_space, fetch, resolve
from bundle.licences import allow, check_text
from bundle.lock import check_fetched, lock_path, make_lock, read_lock, resolve_locked, write_lock
from bundle.prepare import prepare
from bundle.progress import Progress
from bundle.sources import Fetched
from bundle.spec import Spec


@dataclass(frozen=True, slots=True)
class Built:
    manifest: Manifest
    fresh: bool
    """False where what was there already is what would have been made."""


def build(spec: Spec, output: Path, cache: Path, progress: Progress, *, locked: bool = False) -> Built:
    """Make the bundle of `spec` at `output`, and its lock beside it; `locked`: exactly what that lock says.

    Interrupted anywhere, what was there stays, and the next build goes on from here. Raises BuildError.
    """
    path = lock_path(output)
    lock = read_lock(path) if locked else None
    resolved = allow(resolve_locked(spec, lock, path, cache) if lock else resolve(spec, cache), spec.accepted)
    mark = recipe(spec, resolved)
    if up_to_date(output, mark) and path.is_file():
        return Built(read_manifest(output), fresh=False)
    check_space(resolved, cache, output)
    created = lock.created if lock else now()
    with staging(output) as folder:
        progress.say("Fetching the models")
        fetched = fetch(resolved, cache, folder / "sources", progress)
        for one in fetched:
            check_text(one)
        if lock:
            check_fetched(lock, fetched)
        next_lock = make_lock(spec, fetched, created)
        progress.say("Preparing the embedder (a minute or so)")
        models = [(one, _settings(one, folder)) for one in fetched]
        progress.say("Putting the bundle together")
        root = folder / "bundle"
        assemble(spec, models, root, mark, created)
        put_in_place(root, output)
    write_lock(next_lock, path)
    return Built(read_manifest(output), fresh=True)


def _settings(fetched: Fetched, folder: Path) -> dict[str, Any]:
    item = fetched.resolved.item
    if item.role == "embedder":
        return prepare(fetched, folder / "bundle" / "models" / item.id, folder / "work" / item.id) | dict(item.settings)
    return dict(item.settings)
