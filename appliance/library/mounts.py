"""Which packs were opened in this library, kept in its database: each is a row of `packs` and an empty collection that carries its name.

The collection's row is what conversations about the pack hang on. It stays when the pack is closed, and takes them with it when removed.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.library import indexing
from appliance.library.database import Connection, Database, has_table
from appliance.library.reading import Reader
from appliance.library.schema import PACKS_TABLE, seal


@dataclass(frozen=True, slots=True)
class Remembered:
    """A pack as the library remembers it. `name` is its collection's here, `title` its own; `signer` its key's fingerprint."""

    collection_id: int
    name: str
    identity: str
    title: str
    signer: str
    path: str
    is_open: bool


def remembered(library: Reader) -> tuple[Remembered, ...]:
    """Every pack that was ever opened here, the first first."""
    with library.database.reading() as connection:
        if not has_table(connection, "packs"):
            return ()
        query = """SELECT p.collection_id, c.name, p.identity, p.title, p.signer, p.path, p.open
          FROM packs p JOIN collections c ON c.id = p.collection_id ORDER BY p.collection_id"""
        rows = connection.execute(query).fetchall()
    return tuple(Remembered(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6])) for row in rows)


def remember(database: Database, identity: str, title: str, signer: str, path: str) -> Remembered:
    """Open a pack here: a new collection of its name, or the one that it had; the collection's name is another's already: a number follows."""
    with database.writing() as connection:
        connection.execute(PACKS_TABLE)
        known = connection.execute("SELECT collection_id FROM packs WHERE identity = ?", (identity,)).fetchone()
        if known:
            connection.execute("UPDATE packs SET path = ?, open = 1 WHERE identity = ?", (path, identity))
            (name,) = connection.execute("SELECT name FROM collections WHERE id = ?", known).fetchone()
            return Remembered(known[0], name, identity, title, signer, path, True)
        name = _free(connection, title)
        made = int(connection.execute("INSERT INTO collections (name, seal) VALUES (?, ?)", (name, seal(name))).lastrowid or 0)
        indexing.rebuild(connection, made)
        connection.execute("INSERT INTO packs VALUES (?, ?, ?, ?, ?, 1)", (made, identity, title, signer, path))
    return Remembered(made, name, identity, title, signer, path, True)


def set_open(database: Database, collection_id: int, *, is_open: bool) -> None:
    with database.writing() as connection:
        connection.execute("UPDATE packs SET open = ? WHERE collection_id = ?", (int(is_open), collection_id))


def retire(database: Database, collection_id: int) -> None:
    """A newer edition takes the pack's place: its name becomes free, and what was asked about it stays; where nothing was, it is forgotten."""
    with database.writing() as connection:
        if _asked(connection, collection_id):
            (name,) = connection.execute("SELECT name FROM collections WHERE id = ?", (collection_id,)).fetchone()
            name = _free(connection, f"{name} (older)")
            connection.execute("UPDATE collections SET name = ?, seal = ? WHERE id = ?", (name, seal(name), collection_id))
            connection.execute("UPDATE packs SET open = 0 WHERE collection_id = ?", (collection_id,))
        else:
            connection.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
            connection.execute(f"DROP TABLE IF EXISTS keywords_{collection_id:d}")


def _asked(connection: Connection, collection_id: int) -> bool:
    tables = [table for table in ("conversations", "comparisons") if has_table(connection, table)]
    return any(connection.execute(f"SELECT 1 FROM {table} WHERE collection_id = ?", (collection_id,)).fetchone() for table in tables)


def _free(connection: Connection, name: str) -> str:
    taken = {one for (one,) in connection.execute("SELECT name FROM collections").fetchall()}
    return next(one for one in (name, *(f"{name} ({number})" for number in range(2, 1 << 20))) if one not in taken)
