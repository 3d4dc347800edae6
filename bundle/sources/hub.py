"""Models of the Hugging Face Hub, by huggingface_hub: planned, pinned to a commit, and compared with what was promised.

A token is read from the environment (HF_TOKEN) and handed over for the request; it is written nowhere. HF_ENDPOINT names a mirror.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.errors import BuildError, SourceAltered, SourceMissing, SourceRefused, SourceUnreachable, SourceUnsafe
from appliance.manifest import sha256_of
from bundle.sources import Fetched, Report, Resolved, SourceFile, carried, is_notice, safe_name, scratch
from bundle.spec import HubSource, Item

# Read by huggingface_hub when it is imported: plain HTTP (its other transport hides the bytes from our progress), and nothing told about us.
os.environ.update({"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"})

WHERE = "the Hub"
# Other formats of the same weights, which embedders' repositories hold beside the safetensors.
_TWINS = ("onnx/", "openvino/")
_TIMEOUT_SECONDS = 20.0


class Hub:
    """Repositories of models. Files already in the cache are compared by their hash, not fetched again."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache / "hub"
        self._endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        self._token: str | bool = os.environ.get("HF_TOKEN", "").strip() or False

    def resolve(self, item: Item) -> Resolved:
        source = _source(item)
        info = self._info(source)
        revision = str(info.sha or "")
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise SourceAltered(what=source.repository, source=WHERE, detail="it names no commit")
        if source.revision and revision != source.revision:
            raise SourceAltered(what=source.repository, source=WHERE, detail=f"it gave the revision {revision[:12]} instead of the pinned one")
        terms = _terms(info)
        gated = self._page(source.repository) if info.gated else ""
        promised = {safe_name(entry.rfilename, source.repository): entry for entry in info.siblings or ()}
        files = tuple(_promise(source, promised[name]) for name in _choose(item, source, promised))
        size = sum(file.size for file in files)
        cached = sum(file.size for file in files if self._whole(source.repository, revision, file))
        record = {"kind": "hub", "name": source.repository, "revision": revision, "sha256": _sum(files)}
        unpacked = sum(file.size for file in files if carried(file.path))
        return Resolved(item, item.licence or terms, record, files, size, cached, unpacked, gated, terms)

    def fetch(self, resolved: Resolved, into: Path, report: Report) -> Fetched:
        source, revision = _source(resolved.item), resolved.record["revision"]
        for file in resolved.files:
            if not self._whole(source.repository, revision, file):
                self._download(source.repository, revision, file, report)
            target = into / ("model" if carried(file.path) else "notices") / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._folder(source.repository, revision) / file.path, target)
            _compare(source.repository, file, target)
        return Fetched(resolved, into / "model", tuple(sorted((into / "notices").glob("*"))))

    def _page(self, repository: str) -> str:
        """Where a person reads about the repository and accepts its terms."""
        from huggingface_hub import constants

        return f"{self._endpoint or constants.ENDPOINT}/{repository}"

    def _folder(self, repository: str, revision: str) -> Path:
        return self._cache / repository.replace("/", "--") / revision

    def _whole(self, repository: str, revision: str, file: SourceFile) -> bool:
        """Whether the cache holds it; its size is enough here, since `fetch` takes the hash of every file it hands on."""
        path = self._folder(repository, revision) / file.path
        return path.is_file() and path.stat().st_size == file.size

    def _info(self, source: HubSource) -> Any:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self._endpoint, token=self._token)
        with _explained(source.repository):
            return api.model_info(source.repository, revision=source.revision or None, files_metadata=True, timeout=_TIMEOUT_SECONDS)

    def _download(self, repository: str, revision: str, file: SourceFile, report: Report) -> None:
        from huggingface_hub import hf_hub_download

        # In a folder of its own, and moved when it is whole: what lies in the cache under its name has been compared.
        with scratch(self._cache) as own:
            with _explained(f"{file.path} of {repository}"):
                hf_hub_download(
                    repository,
                    file.path,
                    revision=revision,
                    local_dir=own,  # plain files: its shared cache is made of links
                    endpoint=self._endpoint,
                    token=self._token,
                    etag_timeout=_TIMEOUT_SECONDS,
                    tqdm_class=_bar(report),
                )
            _compare(repository, file, own / file.path)
            target = self._folder(repository, revision) / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            (own / file.path).replace(target)


def _terms(info: Any) -> str:
    """The licence as the model's card says it: its name where the card calls it "other"."""
    card = info.card_data
    said = (card.get("license") if card else None) or ""
    if said == "other":
        said = card.get("license_name") or said
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said)


def _choose(item: Item, source: HubSource, promised: dict[str, Any]) -> list[str]:
    """The files that are fetched: those named, or all that an embedder needs; and the notices."""
    missing = [name for name in source.files if name not in promised]
    if missing:
        raise SourceMissing(what=f"{missing[0]} of {source.repository}", source=WHERE, detail="the repository has no such file")
    refused = [name for name in source.files if not carried(name)]
    if refused:
        raise SourceUnsafe(what=f"{refused[0]} of {source.repository}", detail="files of its kind can hold code")
    chosen = list(source.files) or [name for name in promised if carried(name) and not name.startswith(_TWINS)]
    wanted = "*.safetensors" if item.role == "embedder" else "*.gguf"
    if not fnmatch.filter(chosen, wanted):
        raise SourceUnsafe(what=source.repository, detail=f"it holds no weights as {wanted[2:]}, only kinds that can hold code")
    return [*chosen, *(name for name in promised if is_notice(name) and name not in chosen)]


def _promise(source: HubSource, entry: Any) -> SourceFile:
    """Size and hash of one file as the Hub promises them; small files have git's own hash, large ones a sha256."""
    what = f"{entry.rfilename} of {source.repository}"
    if entry.size is None or (entry.lfs is None and not entry.blob_id):
        raise SourceAltered(what=what, source=WHERE, detail="no size and hash are given for it")
    digest = str(entry.lfs["sha256"]) if entry.lfs is not None else f"git:{entry.blob_id}"
    if len(source.files) == 1 and entry.rfilename == source.files[0]:
        if source.size and source.size != entry.size:
            raise SourceAltered(what=what, source=WHERE, detail=f"it has {entry.size} bytes, the catalogue says {source.size}")
        if source.sha256 and source.sha256 != digest:
            raise SourceAltered(what=what, source=WHERE, detail="its sha256 differs from the catalogue's")
    return SourceFile(entry.rfilename, int(entry.size), digest)


def _compare(repository: str, file: SourceFile, path: Path) -> None:
    """Raises SourceAltered when the bytes at `path` are not those promised."""
    size = path.stat().st_size
    if size != file.size:
        raise SourceAltered(what=f"{file.path} of {repository}", source=WHERE, detail=f"it has {size} bytes instead of {file.size}")
    if file.digest.startswith("git:"):
        content = path.read_bytes()
        found = "git:" + hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    else:
        found = sha256_of(path)
    if found != file.digest:
        raise SourceAltered(what=f"{file.path} of {repository}", source=WHERE, detail="its hash differs from the promised one")


def _sum(files: tuple[SourceFile, ...]) -> str:
    """One hash for all that was promised; for a single weight file, that file's own."""
    weights = [file for file in files if carried(file.path)]
    if len(weights) == 1:
        return weights[0].digest
    return hashlib.sha256("".join(f"{file.path} {file.digest}\n" for file in sorted(weights, key=lambda file: file.path)).encode()).hexdigest()


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """huggingface_hub's errors as one sentence each; the one place that knows them."""
    from huggingface_hub import errors

    try:
        yield
    except BuildError:
        raise
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        foreign = isinstance(error.__cause__, errors.FileMetadataError)
        raise SourceUnreachable(what=what, source=WHERE, detail="what answers is no Hub" if foreign else "no answer") from error
    except (errors.GatedRepoError, errors.DisabledRepoError) as error:
        raise SourceRefused(what=what, source=WHERE) from error
    except errors.RepositoryNotFoundError as error:
        # The Hub answers 401 both for what is private and for what isn't there, so that nobody can guess names.
        raise SourceMissing(what=what, source=WHERE, detail="there is no such repository, or it is private") from error
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError, errors.EntryNotFoundError) as error:
        raise SourceMissing(what=what, source=WHERE, detail="the repository has no such revision or file") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise SourceRefused(what=what, source=WHERE) from error
        raise SourceUnreachable(what=what, source=WHERE, detail=f"it answered {status}") from error
    except errors.HFValidationError as error:
        raise SourceMissing(what=what, source=WHERE, detail="that can't be a repository's name") from error
    except Exception as error:  # its HTTP client has a tree of its own; OSError is its "size differs"
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise SourceUnreachable(what=what, source=WHERE, detail=type(error).__name__) from error


def _bar(report: Report) -> type[Any]:
    """What huggingface_hub takes for a progress bar: hands the bytes on and draws nothing."""

    class Bar:
        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None: ...

        def update(self, count: float | None = 1) -> None:
            report(int(count or 0))

        def close(self) -> None: ...

    return Bar


def _source(item: Item) -> HubSource:
    assert isinstance(item.source, HubSource)
    return item.source
