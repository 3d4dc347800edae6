"""Models of the Hugging Face Hub: huggingface_hub plans, pins and proves; `transfer` brings the bytes.

A token is read from the environment (HF_TOKEN) and handed over for the request; it is written nowhere, and sent to no other host.
HF_ENDPOINT names a mirror.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

from bundle import TOOL, VERSION
from bundle.errors import SourceAltered, SourceMissing, SourceRefused, SourceUnreachable, SourceUnsafe, TokenRefused
from bundle.sources import WEIGHTS, Download, Fetched, Report, Resolved, SourceFile, carried, is_notice, safe_name
from bundle.sources.store import Slot, copy_compared
from bundle.sources.transfer import PASSING, Patience, Wanted, asked_wait, bring, words_for
from bundle.spec import HubSource, Item

# Read by huggingface_hub when it is imported: nothing is told about us.
os.environ.update({"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"})

WHERE = "the Hub"
# Other formats of the same weights, which embedders' repositories hold beside the safetensors.
_TWINS = ("onnx/", "openvino/")
_WEIGHTS = {"embedder": (".safetensors",), "generator": (".gguf",)}
_TIMEOUT_SECONDS = 20.0


class Hub:
    """Repositories of models. Files already in the cache are compared by their hash, not fetched again."""

    def __init__(self, cache: Path, patience: Patience | None = None) -> None:
        self._cache = cache / "hub"
        self._endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        self._token: str | bool = os.environ.get("HF_TOKEN", "").strip() or False
        self._patience = patience or Patience()

    def resolve(self, item: Item) -> Resolved:
        source = _source(item)
        info = self._info(source)
        revision = str(info.sha or "")
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise SourceAltered(what=source.repository, source=WHERE, detail="it names no commit")
        if source.revision and revision != source.revision:
            raise SourceAltered(what=source.repository, source=WHERE, detail=f"it gave the revision {revision[:12]} instead of the pinned one")
        promised = {safe_name(entry.rfilename, source.repository): entry for entry in info.siblings or ()}
        files = tuple(_promise(source, promised[name]) for name in _choose(item, source, promised))
        record = {"kind": "hub", "name": source.repository, "revision": revision, "sha256": _sum(files)}
        terms = _terms(info)
        return Resolved(
            item,
            item.licence or terms,
            record,
            files,
            download=sum(file.size for file in files),
            cached=sum(self._slot(file).have() for file in files),
            unpacked=sum(file.size for file in files if carried(file.path)),
            gated=self._page(source.repository) if info.gated else "",
            terms=terms,
        )

    def downloads(self, resolved: Resolved) -> tuple[Download, ...]:
        slots = [(file, self._slot(file)) for file in resolved.files]
        return tuple(
            Download(file.path, file.size, slot.have(), partial(self._bring, resolved, file, slot.have())) for file, slot in slots if not slot.whole()
        )

    def fetch(self, resolved: Resolved, into: Path, report: Report) -> Fetched:
        for file in resolved.files:
            slot, target = self._slot(file), into / ("model" if carried(file.path) else "notices") / file.path
            for last in (False, True):
                self._bring(resolved, file, slot.have(), report, Event())
                if copy_compared(slot.path, target, file.digest):
                    break
                slot.path.unlink(missing_ok=True)  # it was right when it came: the disk lost it
                if last:
                    raise SourceAltered(what=_what(resolved, file), source="the cache", detail="its hash differs from the promised one")
        return Fetched(resolved, into / "model", tuple(sorted((into / "notices").glob("*"))))

    def _bring(self, resolved: Resolved, file: SourceFile, reported: int, report: Report, stop: Event) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]  # documented, not in its __all__

        slot = self._slot(file)
        if slot.whole():
            return
        repository, revision, what = resolved.record["name"], resolved.record["revision"], _what(resolved, file)
        said = {"X-Repo-Commit": revision, "X-Linked-Size": str(file.size)}
        if not file.digest.startswith("git:"):
            said["X-Linked-ETag"] = file.digest

        def explain(response: Any) -> None:
            with _explained(what, self._page(repository), bool(self._token)):
                hf_raise_for_status(response)

        wanted = Wanted(
            what=what,
            source=WHERE,
            url=hf_hub_url(repository, file.path, revision=revision, endpoint=self._endpoint),
            slot=slot,
            headers=build_hf_headers(token=self._token, library_name=TOOL, library_version=VERSION),
            said=said,
            explain=explain,
        )
        bring(wanted, report, stop, self._patience, reported)

    def _page(self, repository: str) -> str:
        """Where a person reads about the repository and accepts its terms."""
        from huggingface_hub import constants

        return f"{self._endpoint or constants.ENDPOINT}/{repository}"

    def _slot(self, file: SourceFile) -> Slot:
        return Slot(self._cache, file.digest, file.size)

    def _info(self, source: HubSource) -> Any:
        from huggingface_hub import HfApi, errors

        if isinstance(self._token, str) and not re.fullmatch(r"[!-~]+", self._token):  # no header can carry it: a line break, a curly quote
            raise TokenRefused(what=source.repository, source=WHERE)
        api = HfApi(endpoint=self._endpoint, token=self._token, library_name=TOOL, library_version=VERSION)
        for failures in count(1):
            try:
                with _explained(source.repository, self._page(source.repository), bool(self._token)):
                    return api.model_info(source.repository, revision=source.revision or None, files_metadata=True, timeout=_TIMEOUT_SECONDS)
            except SourceUnreachable as error:
                answer = error.__cause__.response if isinstance(error.__cause__, errors.HfHubHTTPError) else None
                if answer is None or answer.status_code not in PASSING or failures >= self._patience.tries:
                    raise
                asked = asked_wait(answer)
                if asked > self._patience.asked:
                    detail = f"it answered {answer.status_code}, and asks to wait {asked / 60:.0f} minutes"
                    raise SourceUnreachable(what=source.repository, source=WHERE, detail=detail) from error
                time.sleep(self._patience.pause(failures, asked))
        raise AssertionError


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
    wanted = _WEIGHTS.get(item.role, WEIGHTS)
    if not any(name.endswith(wanted) for name in chosen):
        kinds = " or ".join(kind[1:] for kind in wanted)
        raise SourceUnsafe(what=source.repository, detail=f"it holds no weights as {kinds}, only kinds that can hold code")
    return [*chosen, *(name for name in promised if is_notice(name) and name not in chosen)]


def _promise(source: HubSource, entry: Any) -> SourceFile:
    """Size and hash of one file as the Hub promises them; small files have git's own hash, large ones a sha256."""
    what = f"{entry.rfilename} of {source.repository}"
    digest = str(entry.lfs["sha256"]) if entry.lfs is not None else f"git:{entry.blob_id}"
    if not isinstance(entry.size, int) or not re.fullmatch(r"[0-9a-f]{64}|git:[0-9a-f]{40}", digest):  # also a file's name in the cache
        raise SourceAltered(what=what, source=WHERE, detail="no size and hash are given for it")
    if len(source.files) == 1 and entry.rfilename == source.files[0]:
        if source.size and source.size != entry.size:
            raise SourceAltered(what=what, source=WHERE, detail=f"it has {entry.size} bytes, the catalogue says {source.size}")
        if source.sha256 and source.sha256 != digest:
            raise SourceAltered(what=what, source=WHERE, detail="its sha256 differs from the catalogue's")
    return SourceFile(entry.rfilename, entry.size, digest)


def _sum(files: tuple[SourceFile, ...]) -> str:
    """One hash for all that was promised; for a single weight file, that file's own."""
    weights = [file for file in files if carried(file.path)]
    if len(weights) == 1:
        return weights[0].digest
    return hashlib.sha256("".join(f"{file.path} {file.digest}\n" for file in sorted(weights, key=lambda file: file.path)).encode()).hexdigest()


@contextmanager
def _explained(what: str, page: str, token: bool) -> Iterator[None]:
    """huggingface_hub's errors as one sentence each; the one place that knows them."""
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise SourceUnreachable(what=what, source=WHERE, detail="HF_HUB_OFFLINE is set") from error
    except (errors.GatedRepoError, errors.DisabledRepoError) as error:
        raise SourceRefused(what=what, source=WHERE, page=page) from error
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError, errors.EntryNotFoundError) as error:
        raise SourceMissing(what=what, source=WHERE, detail="the repository has no such revision or file") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if token and status in (401, 403):  # to a token that it knows, the Hub answers 404 for what isn't there
            raise TokenRefused(what=what, source=WHERE) from error
        if isinstance(error, errors.RepositoryNotFoundError):
            # Without one it answers 401 both for what is private and for what isn't there, so that nobody can guess names.
            raise SourceMissing(what=what, source=WHERE, detail="there is no such repository, or it is private") from error
        if status in (401, 403):
            raise SourceRefused(what=what, source=WHERE, page=page) from error
        raise SourceUnreachable(what=what, source=WHERE, detail=f"it answered {status}") from error
    except errors.HFValidationError as error:
        raise SourceMissing(what=what, source=WHERE, detail="that can't be a repository's name") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceUnreachable(what=what, source=WHERE, detail="what answers is no Hub; HF_ENDPOINT may name the wrong one") from error
    except Exception as error:  # its HTTP client has a tree of its own
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise SourceUnreachable(what=what, source=WHERE, detail=words_for(error)) from error


def _what(resolved: Resolved, file: SourceFile) -> str:
    return f"{file.path} of {resolved.record['name']}"


def _source(item: Item) -> HubSource:
    assert isinstance(item.source, HubSource)
    return item.source
