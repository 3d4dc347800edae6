"""Every error that a user can meet. A class's docstring is the sentence that is shown; it says what to do next.

What only a build can meet is in bundle/errors.py. The classes are in the modules of this folder by subject, and are imported from here.

HaversackError
├── UsageError                 exit 2, HTTP 400: the request itself is wrong
│   ├── BadSetting
│   ├── BadProfile
│   ├── BadRequest
│   ├── BadParameter
│   └── TextTooLong
├── NotThere                   exit 1, HTTP 404
│   ├── NoSuchCollection
│   ├── NoSuchDocument
│   ├── NoSuchConversation
│   ├── NoSuchComparison
│   ├── NoSuchPath
│   ├── NoSuchPack
│   ├── NoSuchModel
│   └── NoSuchKey
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
│   ├── EmbedderFailed
│   ├── NotAModel              HTTP 422
│   ├── ModelTaken             HTTP 409
│   ├── ModelAltered
│   ├── ModelBusy              HTTP 409
│   ├── ModelTooLarge          HTTP 507
│   ├── ModelUnable            HTTP 400
│   └── BaseCampFailed
├── PortTaken                  exit 1
├── NotOurPage                 HTTP 403: a request that another site or name sent
├── PageOutdated               HTTP 401
├── KeyRefused                 HTTP 401: a program without a key
├── KeyTaken                   HTTP 409
├── KeysDamaged                HTTP 503
├── ProgramsShut               HTTP 403
├── PasswordRefused            HTTP 401: a guest on the local network
├── NotForGuests               HTTP 403
├── QueueFull                  HTTP 429
└── NetworkRefused             exit 1
"""

from __future__ import annotations

from appliance.errors.base import (
    BadParameter,
    BadProfile,
    BadRequest,
    BadSetting,
    HaversackError,
    NetworkRefused,
    NoSuchCollection,
    NoSuchComparison,
    NoSuchConversation,
    NoSuchDocument,
    NoSuchKey,
    NoSuchModel,
    NoSuchPack,
    NoSuchPath,
    NotThere,
    TextTooLong,
    UsageError,
)
from appliance.errors.carried import (
    BundleAltered,
    BundleError,
    BundleForeign,
    BundleMissing,
    BundleOlder,
    BundleOther,
    BundleThere,
    BundleUnreadable,
    DeltaUnfit,
    KeysUnreadable,
    ModelMissing,
    NameUnfit,
    NotADelta,
    StickBusy,
    StickError,
    StickFailing,
    TargetRefused,
    TargetTooSmall,
    TooLargeForStick,
)
from appliance.errors.kept import (
    DiskFull,
    EmbedderChanged,
    FileUnreadable,
    IngestError,
    KindUnknown,
    LibraryBusy,
    LibraryDamaged,
    LibraryError,
    LibraryReadOnly,
    LibraryTooNew,
    NameTaken,
    NoPlace,
    NotABackup,
    NotALibrary,
    NotAPack,
    PackAltered,
    PackError,
    PackGone,
    PackKeyUnusable,
    PackOfAnotherEmbedder,
    PackReadOnly,
    PackRefused,
    PackTooLarge,
    PackTooNew,
    PasswordNeeded,
)
from appliance.errors.models import (
    BaseCampFailed,
    EmbedderFailed,
    GeneratorFailed,
    ModelAltered,
    ModelBusy,
    ModelError,
    ModelTaken,
    ModelTooLarge,
    ModelUnable,
    NotAModel,
    PromptTooLong,
)
from appliance.errors.serving import (
    KeyRefused,
    KeysDamaged,
    KeyTaken,
    NotForGuests,
    NotOurPage,
    PageOutdated,
    PasswordRefused,
    PortTaken,
    ProgramsShut,
    QueueFull,
)

__all__ = [
    "BadParameter",
    "BadProfile",
    "BadRequest",
    "BadSetting",
    "BaseCampFailed",
    "BundleAltered",
    "BundleError",
    "BundleForeign",
    "BundleMissing",
    "BundleOlder",
    "BundleOther",
    "BundleThere",
    "BundleUnreadable",
    "DeltaUnfit",
    "DiskFull",
    "EmbedderChanged",
    "EmbedderFailed",
    "FileUnreadable",
    "GeneratorFailed",
    "HaversackError",
    "IngestError",
    "KeyRefused",
    "KeyTaken",
    "KeysDamaged",
    "KeysUnreadable",
    "KindUnknown",
    "LibraryBusy",
    "LibraryDamaged",
    "LibraryError",
    "LibraryReadOnly",
    "LibraryTooNew",
    "ModelAltered",
    "ModelBusy",
    "ModelError",
    "ModelMissing",
    "ModelTaken",
    "ModelTooLarge",
    "ModelUnable",
    "NameTaken",
    "NameUnfit",
    "NetworkRefused",
    "NoPlace",
    "NoSuchCollection",
    "NoSuchComparison",
    "NoSuchConversation",
    "NoSuchDocument",
    "NoSuchKey",
    "NoSuchModel",
    "NoSuchPack",
    "NoSuchPath",
    "NotABackup",
    "NotADelta",
    "NotALibrary",
    "NotAModel",
    "NotAPack",
    "NotForGuests",
    "NotOurPage",
    "NotThere",
    "PackAltered",
    "PackError",
    "PackGone",
    "PackKeyUnusable",
    "PackOfAnotherEmbedder",
    "PackReadOnly",
    "PackRefused",
    "PackTooLarge",
    "PackTooNew",
    "PageOutdated",
    "PasswordNeeded",
    "PasswordRefused",
    "PortTaken",
    "ProgramsShut",
    "PromptTooLong",
    "QueueFull",
    "StickBusy",
    "StickError",
    "StickFailing",
    "TargetRefused",
    "TargetTooSmall",
    "TextTooLong",
    "TooLargeForStick",
    "UsageError",
]
