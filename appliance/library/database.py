"""Connections to the one SQLite file. The only place that opens it, and the only one that turns SQLite's errors into ours.

Readers are pooled and read-only; one connection writes. A new file is made beside and renamed, so an empty file is never
a new library but a damaged one. `pack_database` opens the database inside a pack in the same way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from appliance.durable import storage_error, sync_folder
from appliance.errors import DiskFull, HaversackError, LibraryBusy, LibraryDamaged, LibraryReadOnly, LibraryTooNew
from appliance.library.lock import WriterLock, holder
from appliance.library.schema import APPLICATION_ID, FORMAT, PRAGMAS, TABLES, WRITER_PRAGMAS

Connection = sqlite3.Connection
FILE = "library.sqlite3"
_IDLE_READERS = 8


class Connections(ABC):
    """Pooled read-only connections to one SQLite file, for any number of threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[Connection] = []
        self._guard = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only connection, in one read transaction: what is read inside belongs together."""
        with self.errors():
            with self._guard:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect(write=False)
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            with self._guard:
                if len(self._idle) < _IDLE_READERS and not self._closed:
                    self._idle.append(connection)
                    return
            connection.close()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            connections, self._idle = self._idle, []
        for connection in connections:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._named(error) from error
        except UnicodeDecodeError as error:  # of SQLite's own message, where it quotes a damaged schema
            raise self.damaged("its schema was changed on the disk") from error

    @abstractmethod
    def damaged(self, detail: object) -> HaversackError:
        """The error that says: what lies here is not what was written."""

    @abstractmethod
    def _named(self, error: sqlite3.Error) -> HaversackError: ...

    @abstractmethod
    def _connect(self, *, write: bool) -> Connection: ...


class Database(Connections):
    """`home/library.sqlite3`, for any number of threads. `write` needs the writer lock held by the caller."""

    def __init__(self, home: Path, *, write: bool) -> None:
        super().__init__(home / FILE)
        self.home = home
        self.turn = threading.RLock()
        """Held by whoever writes: one at a time in this process, the writer lock keeps other processes out."""
        self._writer: Connection | None = None
        self._empty = not write and not self.path.exists()
        with self.errors():
            if write:
                if not self.path.exists():
                    _create(self.path)
                self._writer = self._connect(write=True)
            elif not self._empty:
                self._recover()
            with self.reading() as connection:
                self._check_format(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """The writer's connection inside one transaction: committed at the end of the block, or nothing of it happened."""
        with self.turn, self.errors():
            writer = self._writer
            if writer is None:
                raise LibraryReadOnly(path=self.home, detail="it was opened for reading")
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                writer.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    if writer.in_transaction:
                        writer.execute("ROLLBACK")
                raise

    def copy_to(self, target: Path) -> None:
        """A consistent copy of the file while others read. Raises LibraryDamaged, DiskFull."""
        with self.reading() as source, contextlib.closing(sqlite3.connect(target)) as copy:
            copy.execute("PRAGMA secure_delete = ON")
            source.backup(copy)

    def close(self) -> None:
        super().close()
        with self._guard:
            writer, self._writer = self._writer, None
        if writer:
            with contextlib.suppress(sqlite3.Error):
                writer.close()

    def damaged(self, detail: object) -> HaversackError:
        return LibraryDamaged(path=self.path, detail=detail)

    def _named(self, error: sqlite3.Error) -> HaversackError:
        code = getattr(error, "sqlite_errorcode", None) or 0
        primary = code & 0xFF
        if primary == sqlite3.SQLITE_FULL:
            return DiskFull(path=self.home)
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            other = holder(self.home)
            return LibraryBusy(pid=other.pid if other else "?", where="")
        if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
            return LibraryReadOnly(path=self.home, detail=error)
        if primary == sqlite3.SQLITE_IOERR and code not in (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ):
            full = True
            with contextlib.suppress(OSError):
                full = shutil.disk_usage(self.home).free < 1 << 20
            return DiskFull(path=self.home) if full else LibraryReadOnly(path=self.home, detail=error)
        return self.damaged(error)

    def _connect(self, *, write: bool) -> Connection:
        if self._empty:
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            connection.executescript(TABLES + f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};")
            return connection
        mode = "rw" if write else "ro"
        connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False)
        for pragma in (*PRAGMAS, *(WRITER_PRAGMAS if write else ())):
            connection.execute(pragma)
        return connection

    def _recover(self) -> None:
        """A reader can't roll back what a killed writer left half done. Where nobody writes now, do it for the next ones."""
        if not self.path.with_name(FILE + "-journal").exists():
            return
        try:
            with contextlib.closing(self._connect(write=False)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
                raise
        try:
            lock = WriterLock(self.home, "recovering")
        except LibraryBusy:
            return  # the one that writes now has rolled back, or is about to; the reader waits for it like for any commit
        except OSError as error:
            raise LibraryReadOnly(path=self.home, detail="it was left in the middle of a write, which must be undone first") from error
        try:
            with contextlib.closing(self._connect(write=True)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            lock.release()

    def _check_format(self, connection: Connection) -> None:
        (ours,) = connection.execute("PRAGMA application_id").fetchone()
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if ours != APPLICATION_ID or found < 1:
            raise self.damaged("it is not a Haversack library")
        if found > FORMAT:
            raise LibraryTooNew(path=self.path, found=found, known=FORMAT)


def has_table(connection: Connection, name: str) -> bool:
    """Whether there is a table of that name: libraries of older versions lack those that came later."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone() is not None


def make_tables(connection: Connection, statements: str) -> None:
    """`CREATE … IF NOT EXISTS` one by one inside the caller's transaction, which `executescript` would end."""
    for statement in statements.split(";"):
        if statement.strip():
            connection.execute(statement)


def _create(path: Path) -> None:
    """A new, empty library under `path`, whole or not at all."""
    beside = path.with_name(FILE + ".new")
    try:
        for name in (beside, beside.with_name(beside.name + "-journal")):
            name.unlink(missing_ok=True)
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT, 0o600))
        with contextlib.closing(sqlite3.connect(beside, isolation_level=None)) as connection:
            for pragma in WRITER_PRAGMAS:
                connection.execute(pragma)
            connection.executescript(f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;")
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path.parent) from error
