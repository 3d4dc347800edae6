"""Which model answers, and with which parameters, for a collection and for a conversation: kept until they are reset.

Here they are a name and told values; what a value may be, and which layer holds, `appliance.answer.preferred` knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from appliance.errors import LibraryDamaged, NoSuchCollection, NoSuchConversation
from appliance.library.database import Connection, has_table, make_tables
from appliance.library.schema import PREFERENCES_TABLES, seal
from appliance.library.store import Library
from appliance.library.writing import clean

Value = float | int | str
Whose = Literal["collection", "conversation"]
_MISSING: Mapping[Whose, Callable[[int], Exception]] = {
    "collection": lambda number: NoSuchCollection(name=number),
    "conversation": lambda _: NoSuchConversation(),
}


@dataclass(frozen=True, slots=True)
class Preference:
    """`model` is empty where none is preferred; `parameters` holds only what is told."""

    model: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)


class Preferences:
    """The preferences of a library. Safe from many threads; `whose` and an id name a collection or a conversation."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def get(self, whose: Whose, number: int) -> Preference:
        """What is kept; nothing told where nothing is. Raises NoSuchCollection, NoSuchConversation, LibraryDamaged."""
        with self._library.database.reading() as connection:
            _check(connection, whose, number)
            if not has_table(connection, f"{whose}_preferences"):
                return Preference()
            row = connection.execute(f"SELECT model, parameters, seal FROM {whose}_preferences WHERE id = ?", (number,)).fetchone()
        if row is None:
            return Preference()
        if seal(*row[:-1]) != row[-1]:
            raise LibraryDamaged(path=self._library.database.path, detail=f"the parameters of a {whose} were changed on the disk")
        return Preference(row[0], json.loads(row[1]))

    def set(self, whose: Whose, number: int, preference: Preference) -> None:
        """Keep this in the place of what was kept; nothing told resets it."""
        if preference == Preference():
            self.reset(whose, number)
            return
        row = (clean(preference.model), json.dumps(dict(preference.parameters)))
        with self._library.database.writing() as connection:
            _check(connection, whose, number)
            make_tables(connection, PREFERENCES_TABLES)
            connection.execute(f"INSERT OR REPLACE INTO {whose}_preferences VALUES (?, ?, ?, ?)", (number, *row, seal(*row)))

    def reset(self, whose: Whose, number: int) -> None:
        """Keep nothing, also where what was kept was changed on the disk."""
        with self._library.database.writing() as connection:
            _check(connection, whose, number)
            if has_table(connection, f"{whose}_preferences"):
                connection.execute(f"DELETE FROM {whose}_preferences WHERE id = ?", (number,))


def _check(connection: Connection, whose: Whose, number: int) -> None:
    if not connection.execute(f"SELECT 1 FROM {whose}s WHERE id = ?", (number,)).fetchone():
        raise _MISSING[whose](number)
