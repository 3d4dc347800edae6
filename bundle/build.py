"""The build, in order: spec → resolve → licences → runtime parts → space → fetch → prepare → runtimes → packs → assemble → sign → verify → dist/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.manifest import Manifest, read_manifest
from bundle.assemble import Contents, assemble, now, recipe, up_to_date
from bundle.fetch import check_space, fetch, resolve
from bundle.interpreters import fetch_interpreters
from bundle.licences import allow, check_text
from bundle.lock import (
    LockedRuntime,
    check_fetched,
    check_runtimes,
    content_of,
    is_lock_of,
    lock_path,
    make_lock,
    read_lock,
    resolve_locked,
    write_lock,
)
from bundle.packs import make_packs
from bundle.prepare import prepared
from bundle.progress import Progress
from bundle.runtime.image import make, parts
from bundle.sign import load_key
from bundle.sources import Fetched
from bundle.spec import Spec
from bundle.staging import put_in_place, staging


@dataclass(frozen=True, slots=True)
class Built:
    manifest: Manifest
    fresh: bool
    """False where what was there already is what would have been made."""


def build(spec: Spec, output: Path, cache: Path, progress: Progress, *, locked: bool = False) -> Built:
    """Make the bundle of `spec` at `output`, and its lock beside it; `locked`: exactly what that lock says.

    Interrupted anywhere, what was there stays, and the next build goes on from here. Raises BuildError.
    """
    path, key = lock_path(output), load_key()
    lock = read_lock(path) if locked else None
    resolved = allow(resolve_locked(spec, lock, path, cache) if lock else resolve(spec, cache), spec.accepted)
    spec = fetch_interpreters(spec, cache, progress)
    ingredients = [parts(spec, platform) for platform in spec.platforms]
    runtimes = [LockedRuntime(one.platform.name, one.provider, one.locked) for one in ingredients]
    if lock:
        check_runtimes(lock, runtimes, path)
    mark = recipe(spec, resolved, [one.key for one in ingredients], [content_of(folder) for folder in spec.packs], key.public)
    if up_to_date(output, mark) and is_lock_of(path, read_manifest(output).created):
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
        next_lock = make_lock(spec, fetched, created, runtimes)
        progress.say("Preparing the embedder (a minute the first time)")
        models = tuple(_prepared(one, folder, cache) for one in fetched)
        for platform in spec.platforms:
            progress.say(f"Making the software for {platform} (a minute the first time)")
        images = tuple(make(spec, platform, cache) for platform in spec.platforms)
        progress.say("Putting the bundle together")
        packer = make_packs(spec.packs, created, progress) if spec.packs else None
        assemble(Contents(spec, models, images, created, mark, key), folder / "bundle", folder / "scratch", packer)
        put_in_place(folder / "bundle", output)
    write_lock(next_lock, path)
    return Built(read_manifest(output), fresh=True)


def _prepared(fetched: Fetched, folder: Path, cache: Path) -> tuple[Fetched, Path, dict[str, Any]]:
    """The model as the appliance loads it: where its files are, and its settings."""
    item = fetched.resolved.item
    if item.role != "embedder":
        return fetched, fetched.folder, dict(item.settings)
    ready = folder / "prepared" / item.id
    return fetched, ready, prepared(fetched, cache, ready) | dict(item.settings)
