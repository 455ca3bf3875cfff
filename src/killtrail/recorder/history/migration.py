"""From schema 1 to 2, in place, a few thousand rows at a time.

The file stays one of schema 1, for readers and for the killtrail that wrote it, until the step that finds
no row without words: that one makes it schema 2. How far it has come is kept with what was written, so
that after kill -9, or on a full disk, the next one goes on there; nothing is moved, nothing is dropped but
two indexes that `lookup` takes the place of.
"""

import json
import sqlite3
from collections.abc import Iterator
from typing import Final

from killtrail.recorder.history import schema, words
from killtrail.recorder.history.indexer import Added, Indexer
from killtrail.recorder.history.words import Rows, Words

_STEP: Final = 2000
_CURSORS: Final = """
CREATE TABLE IF NOT EXISTS migration (events INTEGER NOT NULL, exits INTEGER NOT NULL);
INSERT INTO migration SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM migration);
"""
_END: Final = f"""
DROP INDEX IF EXISTS events_by_pid;
DROP INDEX IF EXISTS exits_by_pid;
DROP TABLE migration;
PRAGMA user_version={schema.VERSION};
"""
_CURSOR: Final = "SELECT events, exits FROM migration"
_MOVE: Final = "UPDATE migration SET %s = ?"
_LAST: Final = "SELECT coalesce(max(id), 0) FROM %s"
_NEXT: Final = (
    "SELECT id, boot, pid, start_ns, time_ns, body, kind FROM %s WHERE id > ? ORDER BY id LIMIT ?"
)

_KINDS: Final = {kind.value: kind for kind in Rows}
_Row = tuple[int, int, int, int | None, int, str, str]


def step(db: sqlite3.Connection) -> bool:
    """Gives the next rows their words, inside the caller's transaction; whether all have them now."""
    schema.run(db, schema.LOOKUP)
    schema.run(db, _CURSORS)
    events, exits = db.execute(_CURSOR).fetchone()
    if _some(db, "events", events) or _some(db, "exits", exits):
        return False
    schema.run(db, _END)
    return True


def _some(db: sqlite3.Connection, table: str, cursor: int) -> int:
    # The killtrail of before may have emptied the table meanwhile: its ids begin anew then.
    start = min(cursor, db.execute(_LAST % table).fetchone()[0])
    rows = db.execute(_NEXT % table, (start, _STEP)).fetchall()
    if rows:
        added = _events(rows) if table == "events" else _exits(rows)
        # Rows of schema 1 are in no order of time: the file is asked about every process.
        Indexer(db, None).write(added)
        db.execute(_MOVE % table, (rows[-1][0],))
    return len(rows)


def _events(rows: list[_Row]) -> Iterator[Added]:
    for row, boot, pid, start_ns, time_ns, body, kind in rows:
        if kind in _KINDS:
            yield Added((boot, pid, start_ns), _KINDS[kind], row, time_ns, _words(kind, body))


def _exits(rows: list[_Row]) -> Iterator[Added]:
    for row, boot, pid, start_ns, time_ns, body, kind in rows:
        yield Added((boot, pid, start_ns), Rows.ORDINARY, -row, time_ns, _words(kind, body))


def _words(kind: str, body: object) -> Words:
    try:
        _, event = json.loads(body if isinstance(body, str) else "")
    except (ValueError, TypeError, RecursionError):
        return Words()
    return words.of_old_row(kind, event)
