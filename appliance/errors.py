"""Every error that a user can meet. A class's docstring is the sentence that is shown; it says what to do next.

What only a build can meet is in bundle/errors.py.

HaversackError
├── UsageError                 exit 2, HTTP 400: the request itself is wrong
│   ├── BadSetting
│   ├── BadProfile
│   ├── BadRequest
│   └── TextTooLong
├── NotThere                   exit 1, HTTP 404
│   ├── NoSuchCollection
│   ├── NoSuchDocument
│   ├── NoSuchConversation
│   ├── NoSuchPath
│   └── NoSuchPack
├── BundleError                exit 3, HTTP 503: no model is loaded
│   ├── BundleMissing
│   ├── BundleUnreadable
│   ├── BundleAltered
│   ├── BundleForeign
│   ├── KeysUnreadable
│   └── ModelMissing
├── StickError                 exit 1: the stick was not written; the bundle that was on it is as it was
│   ├── TargetRefused
│   ├── TargetTooSmall
│   ├── TooLargeForStick
│   ├── StickBusy
│   ├── StickFailing
│   ├── NameUnfit
│   ├── BundleThere
│   ├── BundleOlder
│   ├── BundleOther
│   ├── NotADelta
│   └── DeltaUnfit
├── LibraryError               exit 1, HTTP 409 unless said otherwise
│   ├── LibraryBusy
│   ├── LibraryDamaged
│   ├── LibraryTooNew
│   ├── LibraryReadOnly
│   ├── NoPlace
│   ├── NotALibrary
│   ├── EmbedderChanged
│   ├── NameTaken
│   ├── NotABackup
│   └── DiskFull               HTTP 507
├── PackError                  exit 1, HTTP 409 unless said otherwise
│   ├── NotAPack               HTTP 400
│   ├── PackTooNew
│   ├── PackAltered
│   ├── PackGone
│   ├── PackReadOnly
│   ├── PackOfAnotherEmbedder
│   ├── PackTooLarge
│   ├── PackRefused
│   └── PackKeyUnusable
├── IngestError                one file's failure; the batch goes on
│   ├── FileUnreadable
│   ├── PasswordNeeded
│   └── KindUnknown
├── ModelError                 exit 1, HTTP 503
│   ├── GeneratorFailed
│   ├── PromptTooLong          HTTP 413
│   └── EmbedderFailed
├── PortTaken                  exit 1
├── NotOurPage                 HTTP 403: a request that another site or name sent
├── PageOutdated               HTTP 401
└── NetworkRefused             exit 1
"""

from __future__ import annotations

from string import Formatter


class HaversackError(Exception):
    """Something went wrong: {detail}"""

    exit_code = 1
    status = 500

    def __init__(self, **details: object) -> None:
        self.details = details
        sentence = " ".join((type(self).__doc__ or "").split())
        wanted = {name for _, name, _, _ in Formatter().parse(sentence) if name}
        super().__init__(sentence.format(**{name: details.get(name, "?") for name in wanted}))

    @property
    def code(self) -> str:
        """The class's name in snake case: what programs test for ("no_such_collection")."""
        name = type(self).__name__
        return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


class UsageError(HaversackError):
    """{detail}"""

    exit_code = 2
    status = 400


class BadSetting(UsageError):
    """{name} can't be {value!r}: {allowed}."""


class BadProfile(UsageError):
    """The profile {name!r} can't be used: {detail}. Name one of {known}, or a TOML file made like them."""


class BadRequest(UsageError):
    """{detail}"""


class TextTooLong(UsageError):
    """The {what} has {length} characters; at most {limit} are taken. Shorten it and try again."""

    status = 413


class NotThere(HaversackError):
    """{detail}"""

    status = 404


class NoSuchCollection(NotThere):
    """There is no collection named {name!r}. `haversack collections list` shows those there are."""


class NoSuchDocument(NotThere):
    """There is no document {name!r} in this library. `haversack documents list --collection NAME` shows those there are."""


class NoSuchConversation(NotThere):
    """This conversation is not in the library any more. Start a new one."""


class NoSuchPath(NotThere):
    """There is no file or folder {path!r}. Check the name and try again."""


class NoSuchPack(NotThere):
    """There is no open pack named {name!r}. `haversack pack list` shows those there are."""


class BundleError(HaversackError):
    """The bundle can't be used: {detail}"""

    exit_code = 3
    status = 503


class BundleMissing(BundleError):
    """There is no bundle at {path}. Make one with `make bundle`, or name one with --bundle or HAVERSACK_BUNDLE."""


class BundleUnreadable(BundleError):
    """The manifest of the bundle at {path} can't be read ({detail}). Copy the bundle again or build it anew."""


class BundleAltered(BundleError):
    """{path} in the bundle is {state}. Copy the bundle again; `haversack-bundle verify` names every such file."""


class BundleForeign(BundleError):
    """The bundle at {path} is signed by {found}, and this library trusts {known}. If its maker gave you that key, say --trust "{found}" once."""


class KeysUnreadable(BundleError):
    """{path} says whose bundles are opened here, and is damaged ({detail}). Delete it: the next start then shows its bundle's key to be compared."""


class ModelMissing(BundleError):
    """The bundle at {path} holds no {role} model. Build it anew with `make bundle`."""


class StickError(HaversackError):
    """The stick was not written: {detail}"""


class TargetRefused(StickError):
    """{path} can't take a bundle: {detail}."""

    status = 409


class TargetTooSmall(StickError):
    """{path} has {free} free, and {needed} are needed there ({name}, in clusters of {cluster}). Free some space, or take a larger stick."""

    status = 507


class TooLargeForStick(StickError):
    """{name} has {size}, and {path} is {kind}, which takes files of up to {limit}. Format the stick as exFAT, or build the bundle for FAT32."""

    status = 413


class StickBusy(StickError):
    """Another process is writing the bundle at {path}. Wait for it to end, then run the same command again."""

    status = 409


class StickFailing(StickError):
    """{name} was written to {path} and reads back differently. The stick may be failing: run the same command again, or take another stick."""


class NameUnfit(StickError):
    """The name {name!r} can't be on a stick: {detail}. Build the bundle anew with another name there."""

    status = 409


class BundleThere(StickError):
    """At {path} there is a bundle already ({profile}, {created}). `haversack-bundle update` brings it up to date and keeps its library."""

    status = 409


class BundleOlder(StickError):
    """The bundle of {created} is older than that of {there} at {path}. If you want the older one, say --allow-downgrade."""

    status = 409


class BundleOther(StickError):
    """The bundle at {path} is {there}, and what is offered is {offered}. {advice}"""

    status = 409


class NotADelta(StickError):
    """{path} is neither a bundle nor a whole delta ({detail}). Nothing was changed; get it anew and try again."""

    status = 400


class DeltaUnfit(StickError):
    """{path} can't be applied to {root}: {detail}. Ask for a delta from the manifest.json that is there, or for the whole bundle."""

    status = 409


class LibraryError(HaversackError):
    """The library can't do that: {detail}"""

    status = 409


class LibraryBusy(LibraryError):
    """Another Haversack (process {pid}{where}) is writing to this library. Use that one, or stop it and try again."""


class LibraryDamaged(LibraryError):
    """The library at {path} is damaged ({detail}). It was left as it is; bring back a backup with `haversack restore FILE`."""

    status = 500


class LibraryTooNew(LibraryError):
    """The library at {path} was made by a newer Haversack (format {found}, this one knows {known}). Use the newer one."""


class LibraryReadOnly(LibraryError):
    """The library at {path} can't be written to ({detail}). Remove the write protection, or name another place with --home."""


class NoPlace(LibraryError):
    """There is no place for a library: {detail}, and neither can the bundle at {bundle}. Name a folder with --home, or unlock the stick and say
    --portable."""


class NotALibrary(LibraryError):
    """{path} can't hold a library: {detail}. Name an empty folder, or one that isn't there yet, with --home."""


class EmbedderChanged(LibraryError):
    """This library was indexed with {found}, and the bundle holds {wanted}. Use the bundle it was made with, or a new --home."""


class NameTaken(LibraryError):
    """There is already a collection named {name!r}. Choose another name."""


class NotABackup(LibraryError):
    """{path} is not a whole Haversack backup ({detail}). Nothing was changed."""

    status = 400


class DiskFull(LibraryError):
    """The disk that holds {path} is full. Nothing was lost; free some space and try again."""

    status = 507


class PackError(HaversackError):
    """The pack can't be used: {detail}"""

    status = 409


class NotAPack(PackError):
    """{path} is not a whole Haversack pack ({detail}). Copy it again from where it came."""

    status = 400


class PackTooNew(PackError):
    """The pack {path} was made by a newer Haversack (format {found}, this one knows {known}). Use the newer one."""


class PackAltered(PackError):
    """The pack {path} is not as it was signed ({detail}). Nothing of it is shown; copy it again from where it came."""


class PackGone(PackError):
    """The pack {name!r} is not at {path} any more. Put its stick back in, or open the pack where it is now with `haversack pack open FILE`."""


class PackReadOnly(PackError):
    """{name!r} is a pack, and packs are not changed. Copy it into a collection with `haversack pack merge`, or close it with `haversack pack
    close`."""


class PackOfAnotherEmbedder(PackError):
    """{path} was made with {found}, and the bundle holds {wanted}: it has to be embedded again ({estimate}). Add --re-embed to do that."""


class PackTooLarge(PackError):
    """The pack would have {size}, and the disk of {path} takes no file above 4 GB. Use a stick formatted exFAT, or add --without-originals."""


class PackRefused(PackError):
    """The pack was not made: {detail}"""


class PackKeyUnusable(PackError):
    """The key in {path} can't sign ({detail}). Name another with --key, or move that file away: a new one is made."""


class IngestError(HaversackError):
    """{detail}"""

    status = 422


class FileUnreadable(IngestError):
    """{detail}"""


class PasswordNeeded(IngestError):
    """This file is encrypted: {detail}. Give its password with --password."""


class KindUnknown(IngestError):
    """This kind of file is not read ({detail})."""


class ModelError(HaversackError):
    """A model failed: {detail}"""

    status = 503


class GeneratorFailed(ModelError):
    """The language model stopped ({detail}). The evidence is kept; ask again and it starts anew."""


class PromptTooLong(ModelError):
    """The question and its evidence make {tokens} tokens, and this model reads at most {limit}. Ask a shorter question."""

    status = 413


class EmbedderFailed(ModelError):
    """The embedding model can't be used ({detail}). Build the bundle anew with `make bundle`."""


class PortTaken(HaversackError):
    """Port {port} is in use by another program. Choose another with --port or HAVERSACK_PORT."""

    status = 409


class NotOurPage(HaversackError):
    """This request does not come from the page at http://127.0.0.1:{port}. Open that address in your browser."""

    status = 403


class PageOutdated(HaversackError):
    """Haversack was started anew since this page was opened. Reload the page."""

    status = 401


class NetworkRefused(HaversackError, PermissionError):
    """Haversack opens no connection to {address}. It works without a network; this attempt was refused and counted."""
