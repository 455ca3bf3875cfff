"""Tables of the history file, and how one is opened.

Schema 2 is schema 1 with `lookup`: the words of words.py with time and row, so that whatever is asked is
answered from an index, the newest first, as far as the caller reads. `row` is the id in `events`; ids in
`exits` are negative there. The table is WITHOUT ROWID, its key is all it holds: one tree, no second copy.

A file of schema 1 stays one, and readable as one, until the last of its rows has its words.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from killtrail.errors import UnavailableError
from killtrail.recorder.history import files

VERSION: Final = 2
INDEXED: Final = 2
"""The first version with `lookup`."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS boots (
  id INTEGER PRIMARY KEY, boot_id TEXT UNIQUE, offset_ns INTEGER, name TEXT, kernel TEXT,
  armed_ns INTEGER, lost INTEGER NOT NULL DEFAULT 0, complete_ns INTEGER NOT NULL DEFAULT 0,
  seen TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, kind TEXT NOT NULL, pid INTEGER NOT NULL,
  start_ns INTEGER, time_ns INTEGER NOT NULL, wall_s INTEGER NOT NULL, place TEXT NOT NULL,
  body TEXT NOT NULL, UNIQUE (boot, place)
);
CREATE TABLE IF NOT EXISTS exits (
  id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, kind TEXT NOT NULL, pid INTEGER NOT NULL,
  start_ns INTEGER, time_ns INTEGER NOT NULL, wall_s INTEGER NOT NULL, place TEXT NOT NULL,
  body TEXT NOT NULL, UNIQUE (boot, place)
);
CREATE INDEX IF NOT EXISTS events_by_time ON events (boot, kind, time_ns);
CREATE INDEX IF NOT EXISTS exits_by_time ON exits (boot, time_ns);
"""
LOOKUP: Final = """
CREATE TABLE IF NOT EXISTS lookup (
  word INTEGER NOT NULL, time_ns INTEGER NOT NULL, row INTEGER NOT NULL,
  PRIMARY KEY (word, time_ns, row)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS containers (
  boot INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (boot, id)
) WITHOUT ROWID;
"""
_SETTINGS: Final = (
    # Takes effect on a file without pages only, so before anything that writes one.
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA cache_size=-2048",
)
_NO_SHM: Final = ("unable to open", "readonly database")
"""What SQLite says where it may not make -shm."""


def for_writing(path: Path) -> sqlite3.Connection:
    """The file, made where there is none; one of an older schema as it is."""
    files.prepare(path)
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    for setting in _SETTINGS:
        db.execute(setting)
    version_of(db, path)
    db.execute("BEGIN IMMEDIATE")
    if version_of(db, path) == 0:
        old = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone()
        run(db, _TABLES + LOOKUP)
        # Killed between its tables and its version, killtrail 0.1 left rows of schema 1 without one.
        db.execute(f"PRAGMA user_version={1 if old else VERSION}")
    db.execute("COMMIT")
    return db


def for_reading(path: Path) -> sqlite3.Connection:
    """The file as it is; nothing is ever written. Raises PermissionError."""
    if not os.access(path, os.R_OK):
        raise PermissionError(13, os.strerror(13), str(path))
    db = _read_only(path)
    version_of(db, path)
    return db


# SQLite wants to make -shm to read a file in WAL mode (wal.html, "Read-Only Databases"). Who may not,
# and finds no -wal, has the whole of it in the one file, which nobody is writing.
def _read_only(path: Path) -> sqlite3.Connection:
    where = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(where, timeout=10, uri=True)
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        refused = any(words in str(error) for words in _NO_SHM)
        if not refused or Path(f"{path}-wal").exists():
            raise
        db.close()
        return sqlite3.connect(f"{where}&immutable=1", timeout=10, uri=True)
    return db


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """The file's schema; `UnavailableError` where it is later than ours."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= VERSION:
        raise UnavailableError(
            f"the history file is of another version ({version}, this killtrail reads {VERSION})",
            f"move it away: mv {path} {path.with_suffix('.old.db')}",
        )
    return version


def run(db: sqlite3.Connection, script: str) -> None:
    """Several statements inside the transaction that is open; executescript() would commit it."""
    for statement in filter(str.strip, script.split(";")):
        db.execute(statement)
