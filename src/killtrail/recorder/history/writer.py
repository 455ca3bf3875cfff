"""Writing history: the file that `record` drains to.

Why SQLite: crash safety that others have proved (a commit survives kill -9 of the writer and loss
of power), readers that never block the writer, indexes, and repair tools on every machine; an own
format would have to earn all that. synchronous=NORMAL: after a power cut the last second may be missing,
never the file's integrity.

Ordinary exits are many and worth little: they have a table and a budget of their own, so that they
can't push kills out.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from killtrail._slotted import dataclass
from killtrail.host import boot as clocks
from killtrail.model import codec
from killtrail.model.clock import NS
from killtrail.model.events import ProcessExited, Recorded
from killtrail.model.query import key_of
from killtrail.model.verdict import Host
from killtrail.recorder.history import files, migration, pruning, schema, words
from killtrail.recorder.history.indexer import Added, Indexer, Life
from killtrail.recorder.history.pruning import Limits
from killtrail.recorder.history.reader import History
from killtrail.recorder.history.words import Rows

_ADD: Final = (
    "INSERT OR IGNORE INTO %s (id, boot, kind, pid, start_ns, time_ns, wall_s, place, body)"
    " VALUES (?,?,?,?,?,?,?,?,?)"
)
_NEXT: Final = "SELECT coalesce(max(id), 0) + 1 FROM %s"
_ADDED: Final = "SELECT id FROM %s WHERE id >= ?"
_BOOT: Final = (
    "INSERT INTO boots (boot_id, offset_ns, name, kernel, armed_ns) VALUES (?,?,?,?,?)"
    " ON CONFLICT (boot_id) DO UPDATE SET armed_ns = min(armed_ns, excluded.armed_ns)"
)
_BOOT_ROW: Final = "SELECT id FROM boots WHERE boot_id = ?"
_PROGRESS: Final = (
    "UPDATE boots SET lost = lost + ?, complete_ns = max(complete_ns, ?), seen = ? WHERE id = ?"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one transaction acknowledges beside its events."""

    lost: int = 0
    """Records overwritten before they could be read."""
    complete_ns: int = 0
    """From when on nothing is missing again, where something was lost."""
    seen: str = "{}"
    """How far the ring buffers were read."""
    armed_ns: int = 0
    """Which arming the places are of: ring buffers that are armed anew count from 0 again."""


class WritableHistory(History):
    """The file, opened for writing; made where there is none.

    All methods raise `UnavailableError` where the file can't be written, and `DamagedError` where it is
    no database any more; then nothing was changed.
    """

    def _opened(self) -> sqlite3.Connection:
        self._indexer: Indexer | None = None
        return schema.for_writing(self.path)

    def begin_boot(self, host: Host, armed_ns: int | None) -> int:
        """The row of this boot, made or found. A boot keeps its first clock offset."""
        with self._transaction():
            values = (host.boot.boot_id, host.boot.offset_ns, host.name, host.kernel, armed_ns)
            self._db.execute(_BOOT, values)
            row: int = self._db.execute(_BOOT_ROW, (host.boot.boot_id,)).fetchone()[0]
        return row

    def add(self, boot: int, host: Host, events: Iterable[Recorded], progress: Progress) -> None:
        """One transaction: the events, what was lost before them, and how far the rings were read."""
        prepared = [_prepared(boot, host, each, progress) for each in sorted(events, key=_moment)]
        ordinary = [each for each in prepared if each.kind is Rows.ORDINARY]
        others = [each for each in prepared if each.kind is not Rows.ORDINARY]
        with self._transaction():
            # Signals before the exits that they explain.
            added = [*self._add("events", 1, others), *self._add("exits", -1, ordinary)]
            if self.version >= schema.INDEXED:
                self._indexing().write(added)
            values = (progress.lost, progress.complete_ns, progress.seen, boot)
            self._db.execute(_PROGRESS, values)

    # `sign`: of ids in `lookup`. What was there already, by its place, is passed over.
    def _add(self, table: str, sign: int, rows: "list[_Prepared]") -> list[Added]:
        if not rows:
            return []
        first: int = self._db.execute(_NEXT % table).fetchone()[0]
        before = self._db.total_changes
        numbered = list(enumerate(rows, first))
        values = [(number, *row.values) for number, row in numbered]
        self._db.executemany(_ADD % table, values)
        if self._db.total_changes - before < len(rows):
            there = {number for (number,) in self._db.execute(_ADDED % table, (first,))}
            numbered = [each for each in numbered if each[0] in there]
        return [
            Added(row.life, row.kind, sign * number, row.event.time_ns, words.of_event(row.event))
            for number, row in numbered
        ]

    def _indexing(self) -> Indexer:
        if self._indexer is None:
            self._indexer = Indexer(self._db, clocks.now_ns())
        return self._indexer

    def migrate(self) -> bool:
        """One short step towards the current schema; whether more are to be done.

        Rows may be added between the steps: they are among those that still wait for their words.
        """
        if self.version >= schema.VERSION:
            return False
        with self._transaction():
            done = migration.step(self._db)
        if done:
            self.version = schema.VERSION
        return not done

    def prune(self, limits: Limits, now_ns: int) -> int:
        """Drops what is too old, then the oldest until the file fits; gives how many rows went.

        `now_ns`: the running boot's clock; the wall clock is not asked.
        """
        gone = 0
        for dropping in (pruning.drop_old, pruning.drop_most):
            while dropped := self._drop(dropping, limits, now_ns):
                gone += dropped
        if gone:
            with self._transaction():
                pruning.settle(self._db, indexed=self.version >= schema.INDEXED)
            self._indexer = None
            with self._said():
                # execute() takes one step of it, which frees one page.
                self._db.executescript("PRAGMA incremental_vacuum")
        return gone

    def _drop(self, dropping: pruning.Step, limits: Limits, now_ns: int) -> int:
        with self._transaction():
            return dropping(self._db, limits, now_ns)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._said():
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
        except BaseException:
            # What it had learned may have been rolled back.
            self._indexer = None
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except files.BROKEN as error:
            raise files.unwritable(self.path, error) from error


class _Prepared(NamedTuple):
    kind: Rows
    event: Recorded
    life: Life
    values: tuple[object, ...]


def _prepared(boot: int, host: Host, event: Recorded, progress: Progress) -> _Prepared:
    key = key_of(event)
    assert key is not None  # noqa: S101 -- all that our recorders write is about a process
    kind = _rows(event)
    kept = Rows.EXIT if kind is Rows.ORDINARY else kind
    wall_s = (host.boot.wall(event.time_ns) or 0) // NS
    place = f"{progress.armed_ns:x}.{event.origin.where}"
    body = codec.encode(event)
    values = (boot, kept.value, key.tgid, key.start_ns, event.time_ns, wall_s, place, body)
    return _Prepared(kind, event, (boot, key.tgid, key.start_ns), values)


def _moment(event: Recorded) -> int:
    return event.time_ns


def _rows(event: Recorded) -> Rows:
    if isinstance(event, ProcessExited) and not event.signal and not event.asked:
        return Rows.ORDINARY
    return words.KINDS[type(event)]
