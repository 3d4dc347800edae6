"""The build, in order: profile → spec → plan → fetch → prepare → assemble → verify → dist/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.manifest import Manifest, read_manifest
from bundle.assemble import assemble, put_in_place, recipe, staging, up_to_date
from bundle.fetch import check_space, fetch, resolve
from bundle.prepare import prepare
from bundle.progress import Progress
from bundle.sources import Fetched
from bundle.spec import read_spec


@dataclass(frozen=True, slots=True)
class Built:
    manifest: Manifest
    fresh: bool
    """False where what was there already is what would have been made."""


def build(profile: str, output: Path, cache: Path, progress: Progress) -> Built:
    """Make the bundle of `profile` at `output`. Interrupted anywhere, what was there stays, and the next build goes on from here.

    Raises BadProfile, BuildError.
    """
    spec = read_spec(profile)
    resolved = resolve(spec, cache)
    mark = recipe(spec, resolved)
    if up_to_date(output, mark):
        return Built(read_manifest(output), fresh=False)
    check_space(resolved, cache, output)
    with staging(output) as folder:
        progress.say("Fetching the models")
        fetched = fetch(resolved, cache, folder / "sources", progress)
        progress.say("Preparing the embedder (a minute or so)")
        models = [(one, _settings(one, folder)) for one in fetched]
        progress.say("Putting the bundle together")
        root = folder / "bundle"
        assemble(spec, models, root, mark)
        put_in_place(root, output)
    return Built(read_manifest(output), fresh=True)


def _settings(fetched: Fetched, folder: Path) -> dict[str, Any]:
    item = fetched.resolved.item
    if item.role == "embedder":
        return prepare(fetched, folder / "bundle" / "models" / item.id, folder / "work" / item.id) | dict(item.settings)
    return dict(item.settings)
