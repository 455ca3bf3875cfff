"""From rows to entries of `lookup`.

A process's exit has no program file, and what the signal's record holds of it may have no command line:
an exit is found by the names of its signals, too. They are mostly written shortly before it, so the
last ones are kept here; for all others the file is asked.
"""

import sqlite3
from collections.abc import Iterable
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

from killtrail.model import codec
from killtrail.recorder.history import words
from killtrail.recorder.history.words import Entry, Rows, Words

_INSERT: Final = "INSERT OR IGNORE INTO lookup (word, time_ns, row) VALUES (?,?,?)"
_CONTAINER: Final = "INSERT OR IGNORE INTO containers (boot, id) VALUES (?,?)"
_SIGNALS_OF: Final = (
    "SELECT r.body FROM lookup AS l CROSS JOIN events AS r ON r.id = l.row"
    " WHERE l.word = ? AND r.boot = ? AND r.start_ns = ? ORDER BY l.time_ns DESC LIMIT 64"
)
_EXITS_OF: Final = (
    "SELECT r.time_ns, l.row FROM lookup AS l CROSS JOIN %s AS r ON r.id = abs(l.row)"
    " WHERE l.word = ? AND r.boot = ? AND r.start_ns = ? LIMIT 8"
)
_REMEMBERED: Final = 8192
_EXIT_TABLES: Final = {Rows.EXIT: "events", Rows.ORDINARY: "exits"}
Life = tuple[int, int, int | None]
"""Boot, PID, start (ns)."""
_T = TypeVar("_T")


class Added(NamedTuple):
    """One row that was written: where it lies and what it is found by."""

    life: Life
    """Whose row it is."""
    kind: Rows
    row: int
    """As in `lookup`: negative for a row of `exits`."""
    time_ns: int
    words: Words

    @property
    def boot(self) -> int:
        """The row of its boot."""
        return self.life[0]


class _Recent(Generic[_T]):
    """What was seen last, and from which moment on that is all there is (ns since boot)."""

    def __init__(self, since_ns: int | None) -> None:
        self.since_ns = since_ns
        self._kept: dict[Life, tuple[int, _T]] = {}

    def get(self, life: Life) -> _T | None:
        found = self._kept.get(life)
        return None if found is None else found[1]

    def put(self, life: Life, time_ns: int, what: _T) -> None:
        self._kept[life] = (time_ns, what)
        if len(self._kept) > _REMEMBERED:
            self._forget_half()

    def _forget_half(self) -> None:
        kept = list(self._kept.items())
        half = len(kept) // 2
        self._kept = dict(kept[half:])
        if self.since_ns is not None:
            self.since_ns = max(self.since_ns, *(time_ns for _, (time_ns, _) in kept[:half]))

    def holds_all_since(self, time_ns: int | None) -> bool:
        return self.since_ns is not None and time_ns is not None and time_ns > self.since_ns


class Indexer:
    """Writes the entries of rows, inside the transaction that writes the rows.

    `since_ns`: the moment (ns since boot) from which on every row passes here, the rows of the running
    boot in order of time. None = the file is asked about every process.
    """

    def __init__(self, db: sqlite3.Connection, since_ns: int | None) -> None:
        self._db = db
        self._names: _Recent[frozenset[bytes]] = _Recent(since_ns)
        self._exits: _Recent[Added] = _Recent(since_ns)
        self._containers: set[tuple[int, str]] = set()

    def write(self, rows: Iterable[Added]) -> None:
        """Makes rows findable."""
        left = iter(rows)
        # No more at once than is remembered: what is forgotten is in the file then.
        while some := list(islice(left, _REMEMBERED // 2)):
            self._write(some)

    def _write(self, rows: list[Added]) -> None:
        entries: list[Entry] = []
        for added in rows:
            start = words.begun(added.boot, added.kind)
            entries += added.words.entries(start, added.time_ns, added.row)
            if added.words.container is not None:
                self._contain(added.boot, added.words.container)
            if added.kind is Rows.SIGNAL:
                entries += self._named_by(added)
            elif added.kind in _EXIT_TABLES:
                entries += _named(added, self._names_of(added))
                self._exits.put(added.life, added.time_ns, added)
        entries.sort()
        self._db.executemany(_INSERT, entries)

    def _contain(self, boot: int, number: str) -> None:
        if (boot, number) not in self._containers:
            self._db.execute(_CONTAINER, (boot, number))
            self._containers.add((boot, number))

    # A backlog may bring an exit before the signal that led to it.
    def _named_by(self, signal: Added) -> list[Entry]:
        names = signal.words.names
        before = self._names.get(signal.life)
        if before is None or not names <= before:
            self._names.put(signal.life, signal.time_ns, names | before if before else names)
        return [entry for gone in self._exits_of(signal) for entry in _named(gone, names)]

    def _exits_of(self, signal: Added) -> list[Added]:
        known = self._exits.get(signal.life)
        if known is not None:
            return [known]
        if self._exits.holds_all_since(signal.time_ns):
            return []
        found = []
        boot, pid, start_ns = signal.life
        for kind, table in _EXIT_TABLES.items():
            word = words.hashed(boot, kind, words.by_pid(pid))
            rows = self._db.execute(_EXITS_OF % table, (word, boot, start_ns)).fetchall()
            found += [Added(signal.life, kind, row, time_ns, Words()) for time_ns, row in rows]
        return found

    def _names_of(self, gone: Added) -> frozenset[bytes]:
        known = self._names.get(gone.life) or frozenset()
        boot, pid, start_ns = gone.life
        if self._names.holds_all_since(start_ns):
            return known
        word = words.hashed(boot, Rows.SIGNAL, words.by_pid(pid))
        bodies = self._db.execute(_SIGNALS_OF, (word, boot, start_ns)).fetchall()
        return known.union(*(_names_in(body) for (body,) in bodies))


def _named(gone: Added, names: frozenset[bytes]) -> list[Entry]:
    more = names - gone.words.names
    if not more:
        return []
    return Words(names=more).entries(words.begun(gone.boot, gone.kind), gone.time_ns, gone.row)


def _names_in(body: str) -> frozenset[bytes]:
    try:
        return words.of_event(codec.decode(body)).names
    except ValueError:
        return frozenset()
