"""The history file: SQLite in WAL mode.

Why SQLite: crash safety that others have proved (a commit survives kill -9 of the writer and loss
of power), readers that never block the writer, an index by pid, and repair tools on every
machine; an own format would have to earn all that. synchronous=NORMAL: after a power cut the last
second may be missing, never the file's integrity.

Ordinary exits are many and worth little: they have a table and a budget of their own, so that they
can't push kills out.
"""

import grp
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self

from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError
from killtrail.model import codec
from killtrail.model.clock import NS, Boot
from killtrail.model.events import (
    ImageReplaced,
    KernelLine,
    ManagerAsked,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    Recorded,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key
from killtrail.model.query import Window
from killtrail.model.verdict import Host
from killtrail.recorder.history.paths import default_path

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
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
CREATE INDEX IF NOT EXISTS events_by_pid ON events (boot, kind, pid);
CREATE INDEX IF NOT EXISTS exits_by_pid ON exits (boot, pid);
CREATE INDEX IF NOT EXISTS events_by_time ON events (boot, kind, time_ns);
CREATE INDEX IF NOT EXISTS exits_by_time ON exits (boot, time_ns);
"""
_KINDS: Final[dict[type, str]] = {
    ProcessExited: "exit",
    OrphanedBy: "will",
    ThreadDied: "thread",
    ImageReplaced: "replaced",
    KernelLine: "note",
    ManagerAsked: "note",
}
_BROKEN: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises: its text may be no UTF-8, error messages about it neither."""
_PRUNE_STEP: Final = 2000
_EXITS_SHARE: Final = 4
"""Ordinary exits may take a quarter of the file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much history may grow."""

    max_bytes: int = 64 << 20
    max_age_s: int = 30 * 86400


@dataclass(frozen=True, slots=True)
class BootRow:
    """One boot on record."""

    row: int
    host: Host
    armed_ns: int | None
    lost: int
    complete_ns: int
    seen: str


def boots_on_record(path: Path) -> int:
    """How many boots the file knows. Raises PermissionError and `UnavailableError`."""
    with History(path, writable=False) as history:
        return len(history.boots())


class History:
    """The file, opened. Raises `UnavailableError` where it is no history of this version."""

    def __init__(self, path: Path | None = None, *, writable: bool) -> None:
        self.path: Path = path or default_path()
        self._writable = writable
        try:
            self._db = self._open()
        except _BROKEN as error:
            raise _unreadable(self.path, error) from error

    def _open(self) -> sqlite3.Connection:
        if self._writable:
            _make_folder(self.path.parent)
            db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA cache_size=-2048")
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            _check_version(db)
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            _open_to_readers(self.path)
            return db
        if not os.access(self.path, os.R_OK):
            raise PermissionError(13, os.strerror(13), str(self.path))
        db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", timeout=10, uri=True)
        _check_version(db)
        return db

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    # -- reading ---------------------------------------------------------------------------------

    def boots(self) -> list[BootRow]:
        """All boots on record, oldest first."""
        return [
            BootRow(row, Host(Boot(boot_id, offset), name, kernel), armed, lost, complete, seen)
            for row, boot_id, offset, name, kernel, armed, lost, complete, seen in self._rows(
                "SELECT id, boot_id, offset_ns, name, kernel, armed_ns, lost, complete_ns, seen"
                " FROM boots ORDER BY offset_ns",
                (),
            )
        ]

    def bodies(
        self, boot: int, kind: str, pid: int | None, window: Window
    ) -> Iterator[tuple[str, str]]:
        """(place, JSON) of the events of a kind, the newest first, read as far as the caller reads.

        `exit` gives deaths by signal and asked ones, `ordinary` all other exits.
        """
        table = "exits" if kind == "ordinary" else "events"
        kind = "exit" if kind == "ordinary" else kind
        where, values = "boot = ? AND kind = ?", [boot, kind]
        for condition, value in (
            ("pid = ?", pid),
            ("time_ns >= ?", window.since_ns),
            ("time_ns <= ?", window.until_ns),
        ):
            if value is not None:
                where, values = f"{where} AND {condition}", [*values, value]
        query = f"SELECT place, body FROM {table} WHERE {where} ORDER BY time_ns DESC"  # noqa: S608 -- names from this file
        try:
            yield from self._db.execute(query, values)
        except _BROKEN as error:
            raise _unreadable(self.path, error) from error

    def at(self, boot: int, place: str) -> str | None:
        """JSON of the event that lay at a place of the box, of the latest arming that has one."""
        rows = self._rows(
            "SELECT body FROM events WHERE boot = ? AND place LIKE ? ESCAPE '!'"
            " ORDER BY time_ns DESC LIMIT 1",
            (boot, f"%{place.replace('_', '!_')}"),
        )
        return rows[0][0] if rows else None

    def will(self, boot: int, key: Key) -> str | None:
        """JSON of what a dead parent left."""
        rows = self._rows(
            "SELECT body FROM events WHERE boot = ? AND kind = 'will' AND pid = ? AND start_ns = ?",
            (boot, key.tgid, key.start_ns),
        )
        return rows[0][0] if rows else None

    def _rows(self, query: str, values: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        try:
            return self._db.execute(query, values).fetchall()
        except _BROKEN as error:
            raise _unreadable(self.path, error) from error

    # -- writing ---------------------------------------------------------------------------------

    def begin_boot(self, host: Host, armed_ns: int | None) -> int:
        """The row of this boot, made or found. A boot keeps its first clock offset."""
        self._db.execute(
            "INSERT INTO boots (boot_id, offset_ns, name, kernel, armed_ns) VALUES (?,?,?,?,?)"
            " ON CONFLICT (boot_id) DO UPDATE SET armed_ns = min(armed_ns, excluded.armed_ns)",
            (host.boot.boot_id, host.boot.offset_ns, host.name, host.kernel, armed_ns),
        )
        row: int = self._db.execute(
            "SELECT id FROM boots WHERE boot_id = ?", (host.boot.boot_id,)
        ).fetchone()[0]
        return row

    def add(
        self,
        boot: int,
        host: Host,
        events: Iterable[Recorded],
        *,
        lost: int,
        complete_ns: int,
        seen: str,
    ) -> None:
        """One transaction: the events, what was lost before them, and how far the box was read.

        All or nothing: what `seen` acknowledges is on disk with it. Raises OSError (ENOSPC) or
        `UnavailableError` where the file can't be written; then nothing was added.
        """
        # A box that is armed anew counts its slots from 0 again: the place alone is no identity.
        arming = seen.partition(",")[0]
        rows: dict[str, list[tuple[object, ...]]] = {"events": [], "exits": []}
        for event in events:
            rows[_table(event)].append((boot, *_row(event, host, arming)))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for table, values in rows.items():
                self._db.executemany(
                    f"INSERT OR IGNORE INTO {table}"  # noqa: S608 -- names from this file
                    " (boot, kind, pid, start_ns, time_ns, wall_s, place, body)"
                    " VALUES (?,?,?,?,?,?,?,?)",
                    values,
                )
            self._db.execute(
                "UPDATE boots SET lost = lost + ?, complete_ns = max(complete_ns, ?), seen = ?"
                " WHERE id = ?",
                (lost, complete_ns, seen, boot),
            )
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._roll_back()
            raise _unwritable(self.path, error) from error

    def prune(self, limits: Limits, now_s: int) -> int:
        """Drops what is too old, then the oldest until the file fits; gives how many rows went."""
        gone = 0
        for table in ("events", "exits"):
            gone += self._db.execute(
                f"DELETE FROM {table} WHERE wall_s < ?",  # noqa: S608
                (now_s - limits.max_age_s,),
            ).rowcount
        while self.size() > limits.max_bytes:
            table = "exits" if self._exits_too_many() else "events"
            dropped = self._db.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT ?)",  # noqa: S608
                (_PRUNE_STEP,),
            ).rowcount
            if not dropped:
                break
            gone += dropped
        if gone:
            # What went is a gap at the old end: nothing is complete before the oldest left.
            self._db.execute(
                "UPDATE boots SET complete_ns = max(complete_ns, coalesce("
                "(SELECT min(time_ns) FROM events WHERE boot = boots.id), complete_ns))"
            )
            self._db.execute("PRAGMA incremental_vacuum")
        return gone

    def size(self) -> int:
        """Bytes in use: pages that hold something, as pages freed are used again."""
        page = self._db.execute("PRAGMA page_size").fetchone()[0]
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        free = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        return int(page * (pages - free))

    def _exits_too_many(self) -> bool:
        exits = self._db.execute("SELECT count(*) FROM exits").fetchone()[0]
        events = self._db.execute("SELECT count(*) FROM events").fetchone()[0]
        return bool(exits * (_EXITS_SHARE - 1) > events) or not events

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _table(event: Recorded) -> str:
    ordinary = isinstance(event, ProcessExited) and not event.signal and not event.asked
    return "exits" if ordinary else "events"


def _row(event: Recorded, host: Host, arming: str) -> tuple[object, ...]:
    kind, key = _kind_and_key(event)
    wall_s = (host.boot.wall(event.time_ns) or 0) // NS
    return (
        kind, key.tgid, key.start_ns, event.time_ns, wall_s, f"{arming}{event.origin.where}", codec.encode(event)
    )  # fmt: skip


def _kind_and_key(event: Recorded) -> tuple[str, Key]:
    match event:
        case SignalSent():
            return "signal", event.target.key
        case OomVictimMarked():
            return "oom", event.victim
        case _:
            return _KINDS[type(event)], event.process.key


def _check_version(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, SCHEMA_VERSION):
        raise UnavailableError(
            f"the history file is of another version ({version}, this killtrail reads {SCHEMA_VERSION})",
            "move it away: mv /var/lib/killtrail/history.db /var/lib/killtrail/history.old.db",
        )


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(mode=0o750, parents=True)
    _give_to_readers(folder, 0o750)


# Before the first row goes in: WAL and shared-memory files take over the database's mode.
def _open_to_readers(path: Path) -> None:
    if path.stat().st_uid == os.geteuid():
        _give_to_readers(path, 0o640)


def _give_to_readers(path: Path, mode: int) -> None:
    if os.geteuid() != 0:
        return
    try:
        os.chown(path, 0, grp.getgrnam("adm").gr_gid)
    except KeyError:
        mode &= 0o700
    path.chmod(mode)


def _unreadable(path: Path, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"{path} can't be read as history: {error}",
        f"move it away, or salvage what is left: sqlite3 {path} .recover",
    )


def _unwritable(path: Path, error: sqlite3.DatabaseError) -> UnavailableError:
    full = "full" in str(error)
    return UnavailableError(
        f"{path} can't be written: {error}",
        f"free space below {path.parent}, or lower --max-size" if full else None,
    )
