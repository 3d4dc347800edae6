"""The root of the tree, and what any request can meet. The tree is drawn in `appliance/errors/__init__.py`."""

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


class NoSuchComparison(NotThere):
    """This comparison is not in the library any more. Make a new one."""


class NoSuchPath(NotThere):
    """There is no file or folder {path!r}. Check the name and try again."""


class NoSuchPack(NotThere):
    """There is no open pack named {name!r}. `haversack pack list` shows those there are."""


class NetworkRefused(HaversackError, PermissionError):
    """Haversack opens no connection to {address}. It works without a network; this attempt was refused and counted."""


class BadParameter(UsageError):
    """{name} can't be {value}: {allowed}."""


class NoSuchModel(NotThere):
    """There is no model named {name!r}. `haversack models list` shows those there are."""


class NoSuchKey(NotThere):
    """There is no key named {name!r}. `haversack keys list` shows those there are."""
