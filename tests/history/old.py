"""Files of schema 1."""

import gzip
import sqlite3
from pathlib import Path

REAL = Path(__file__).with_name("schema-1.db.gz")
"""Written by the last killtrail of schema 1 (commit 6df6a42) from made-up events, two boots."""


def real_schema_1(path: Path) -> None:
    """A file as that killtrail left it."""
    path.write_bytes(gzip.decompress(REAL.read_bytes()))


def empty_schema_1(path: Path) -> None:
    """Such a file without rows."""
    real_schema_1(path)
    with sqlite3.connect(path) as db:
        for table in ("boots", "events", "exits"):
            db.execute(f"DELETE FROM {table}")
    db.close()


def multiplied(path: Path, times: int) -> None:
    """Such a file with its rows so many times over, each time of other places, moments and starts."""
    real_schema_1(path)
    with sqlite3.connect(path) as db:
        for table in ("events", "exits"):
            first = db.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
            for number in range(1, times):
                db.execute(
                    f"INSERT INTO {table} (boot, kind, pid, start_ns, time_ns, wall_s, place, body)"
                    " SELECT boot, kind, pid, start_ns, time_ns, wall_s, place || '.' || ?, body"
                    f" FROM {table} WHERE id <= ?",
                    (number, first),
                )
    db.close()
