"""What is carried: bundles and sticks. The tree is drawn in `appliance/errors/__init__.py`."""

from __future__ import annotations

from appliance.errors.base import HaversackError


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
