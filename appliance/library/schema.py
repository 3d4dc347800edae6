"""The one SQLite file: its tables, and the format number that `PRAGMA user_version` carries.

Keywords live in one FTS5 table per collection (`keywords_<id>`): BM25 statistics are the collection's own, no filter is needed,
and a removed collection takes its index with it. The tables are contentless: the words are made again from `chunks`.
"""

from __future__ import annotations

from zlib import crc32

APPLICATION_ID = 0x48415653
"""'HAVS': says that the file is ours."""
FORMAT = 1
PACK_APPLICATION_ID = 0x48415650
"""'HAVP': the database inside a pack. It has the tables of the documents, and nothing else."""
PACK_FORMAT = 1

DOCUMENT_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE collections (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL DEFAULT 1,
  seal INTEGER NOT NULL
);

CREATE TABLE documents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
  name TEXT NOT NULL, sha256 TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL, size INTEGER NOT NULL,
  pages INTEGER NOT NULL, chunks INTEGER NOT NULL, status TEXT NOT NULL, added TEXT NOT NULL, reader TEXT NOT NULL,
  original TEXT, headings TEXT NOT NULL, metadata TEXT NOT NULL, seal INTEGER NOT NULL,
  UNIQUE (collection_id, name)
);
CREATE INDEX documents_by_content ON documents(sha256);
CREATE INDEX documents_by_original ON documents(original);

CREATE TABLE pages (
  id INTEGER PRIMARY KEY,
  document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
  position INTEGER NOT NULL, number INTEGER, text TEXT NOT NULL, label TEXT, reason TEXT, seal INTEGER NOT NULL,
  UNIQUE (document_id, position)
);

CREATE TABLE chunks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
  position INTEGER NOT NULL, page INTEGER, start INTEGER NOT NULL, end INTEGER NOT NULL,
  text TEXT NOT NULL, heading TEXT NOT NULL, seal INTEGER NOT NULL
);
CREATE INDEX chunks_by_document ON chunks(document_id);

-- Chunk ids of a document are consecutive: first, first + 1, …, one row of `data` (float16, row by row) each.
CREATE TABLE embeddings (
  document_id INTEGER PRIMARY KEY REFERENCES documents(id) ON DELETE CASCADE,
  collection_id INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, dimensions INTEGER NOT NULL,
  data BLOB NOT NULL, seal INTEGER NOT NULL
);
CREATE INDEX embeddings_by_collection ON embeddings(collection_id, first, count);

CREATE TABLE failures (
  collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
  name TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, reason TEXT NOT NULL, added TEXT NOT NULL,
  PRIMARY KEY (collection_id, name)
) WITHOUT ROWID;
"""

CONVERSATION_TABLES = """
CREATE TABLE conversations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
  title TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL
);
CREATE INDEX conversations_by_collection ON conversations(collection_id);

CREATE TABLE turns (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
  question TEXT NOT NULL, searched_for TEXT NOT NULL, answer TEXT NOT NULL, data TEXT NOT NULL, seal INTEGER NOT NULL
);
CREATE INDEX turns_by_conversation ON turns(conversation_id);

-- Which documents an answer shows, so that deleting a document takes its quotes out of the conversations too.
CREATE TABLE turn_documents (
  turn_id INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
  document_id INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (turn_id, document_id)
) WITHOUT ROWID;
CREATE INDEX turn_documents_by_document ON turn_documents(document_id);
"""
TABLES = DOCUMENT_TABLES + CONVERSATION_TABLES

PACKS_TABLE = """
CREATE TABLE IF NOT EXISTS packs (
  collection_id INTEGER PRIMARY KEY REFERENCES collections(id) ON DELETE CASCADE,
  identity TEXT NOT NULL UNIQUE, title TEXT NOT NULL, signer TEXT NOT NULL, path TEXT NOT NULL, open INTEGER NOT NULL
)"""
"""Packs that were opened in this library, each an empty collection of its own. Made with the first: libraries of older versions have none."""

PREFERENCES_TABLES = """
CREATE TABLE IF NOT EXISTS collection_preferences (
  id INTEGER PRIMARY KEY REFERENCES collections(id) ON DELETE CASCADE, model TEXT NOT NULL, parameters TEXT NOT NULL, seal INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS conversation_preferences (
  id INTEGER PRIMARY KEY REFERENCES conversations(id) ON DELETE CASCADE, model TEXT NOT NULL, parameters TEXT NOT NULL, seal INTEGER NOT NULL
);
"""
"""The model and the parameters of a collection or a conversation. Made with the first: libraries of older versions have none."""

COMPARISONS_TABLES = """
CREATE TABLE IF NOT EXISTS comparisons (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
  question TEXT NOT NULL, created TEXT NOT NULL, data TEXT NOT NULL, vote INTEGER, seal INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS comparisons_by_collection ON comparisons(collection_id);

-- As turn_documents: deleting a document takes its quotes out of the comparisons too.
CREATE TABLE IF NOT EXISTS comparison_documents (
  comparison_id INTEGER NOT NULL REFERENCES comparisons(id) ON DELETE CASCADE,
  document_id INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (comparison_id, document_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS comparison_documents_by_document ON comparison_documents(document_id);
"""
"""One question to several models, with their answers. Made with the first: libraries of older versions have none."""

PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA temp_store = MEMORY",
)
WRITER_PRAGMAS = (
    "PRAGMA journal_mode = DELETE",
    # EXTRA also syncs the folder after the journal is deleted: else a power cut may bring the journal, and the old state, back.
    "PRAGMA synchronous = EXTRA",
    "PRAGMA secure_delete = ON",
    "PRAGMA fullfsync = ON",
    # A large document must not spill into the file before its commit: spilling takes the exclusive lock and readers wait.
    "PRAGMA cache_spill = OFF",
)


def keywords_table(collection_id: int) -> str:
    return f"keywords_{collection_id:d}"


def create_keywords(collection_id: int) -> str:
    """Marks count as letters, so that Hindi and Thai words stay whole; Latin accents are folded away."""
    return (
        f"CREATE VIRTUAL TABLE {keywords_table(collection_id)} USING fts5(text, title, heading, content='', "
        "tokenize=\"porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'\")"
    )


def seal(*values: object) -> int:
    """A checksum of a row: SQLite has none, and a flipped bit in a text must never be shown as the document's words."""
    return crc32("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass"))


CONSUMPTION_TABLE = """
CREATE TABLE IF NOT EXISTS consumption (
  date TEXT NOT NULL, kind TEXT NOT NULL, method TEXT NOT NULL, count INTEGER NOT NULL,
  joules REAL NOT NULL, seconds REAL NOT NULL, uncertain REAL NOT NULL,
  PRIMARY KEY (date, kind, method)
) WITHOUT ROWID"""
"""What answering and reading took, summed up by day. `uncertain`: joules that it may be more or less."""
