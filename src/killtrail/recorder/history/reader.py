"""Reading history: boots, and rows of one boot, the newest first, as far as the caller reads.

A file of schema 1 has no index but PIDs and times; there all else is searched for in the text of the rows.
Readers never bring a file up to date: asking changes nothing on disk, as root neither.
"""

import sqlite3
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from killtrail._slotted import dataclass
from killtrail.model.clock import Boot
from killtrail.model.process import SLACK_NS, TICK_NS, Key
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.model.verdict import Host
from killtrail.recorder.history import files, schema, words
from killtrail.recorder.history.files import unreadable
from killtrail.recorder.history.paths import default_path
from killtrail.recorder.history.words import Rows

_FOUND: Final = (
    "SELECT l.row, r.time_ns, r.place, r.body FROM lookup AS l CROSS JOIN %s AS r ON r.id = %s"
    " WHERE l.word = ? AND l.time_ns BETWEEN ? AND ? AND r.boot = ? AND r.kind = ? AND r.time_ns = l.time_ns"
    " AND coalesce(r.start_ns, 0) BETWEEN ? AND ? ORDER BY l.time_ns DESC, l.row DESC"
)
_TIMED: Final = (
    "SELECT r.id, r.time_ns, r.place, r.body FROM %s AS r WHERE r.boot = ? AND r.kind = ?"
    " AND r.time_ns BETWEEN ? AND ?%s ORDER BY r.time_ns DESC"
)
_BOOTS: Final = (
    "SELECT id, boot_id, offset_ns, name, kernel, armed_ns, lost, complete_ns, seen FROM boots"
    " ORDER BY offset_ns"
)
_AT: Final = "SELECT id, time_ns, place, body FROM events WHERE boot = ? AND place = ?"
_CONTAINERS: Final = "SELECT id FROM containers WHERE boot = ? AND id >= ? AND id < ? LIMIT ?"
# In schema 1: exits of processes that only a signal's record names are found by their PID.
_OLD_PID: Final = " AND r.pid = ?"
_OLD_TEXT: Final = " AND (%s)"
_OLD_NAMED: Final = " AND (%s OR r.pid IN (SELECT pid FROM events AS r WHERE boot = ? AND kind = 'signal' AND (%s)))"
_HOLDS: Final = "instr(r.body, ?)"
_PAGES: Final = "SELECT page_size * (page_count - freelist_count) FROM pragma_page_size, pragma_page_count, pragma_freelist_count"
_EVER: Final = (-(1 << 63), (1 << 63) - 1)
_CONTAINERS_MOST: Final = 64
"""Beginnings of ids that more containers share are searched for by time."""


class Row(NamedTuple):
    """One row, not decoded yet."""

    id: int
    time_ns: int
    place: str
    body: str


@dataclass(frozen=True, slots=True)
class BootRow:
    """One recorded boot."""

    row: int
    host: Host
    armed_ns: int | None
    lost: int
    complete_ns: int
    seen: str


def boots_on_record(path: Path) -> int:
    """How many boots the file knows. Raises PermissionError and `UnavailableError`."""
    with History(path) as history:
        return len(history.boots())


class History:
    """The file, opened for reading. Raises `UnavailableError` for any other file or version."""

    def __init__(self, path: Path | None = None) -> None:
        self.path: Path = path or default_path()
        try:
            self._db = self._opened()
            self.version: int = schema.version_of(self._db, self.path)
        except files.BROKEN as error:
            raise unreadable(self.path, error) from error

    def _opened(self) -> sqlite3.Connection:
        return schema.for_reading(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def boots(self) -> list[BootRow]:
        """All recorded boots, oldest first."""
        return [
            BootRow(row, Host(Boot(boot_id, offset), name, kernel), armed, lost, complete, seen)
            for row, boot_id, offset, name, kernel, armed, lost, complete, seen in self.each(_BOOTS)
        ]

    def rows(self, boot: int, kind: Rows, query: Query) -> Iterator[Row]:
        """Rows of one kind that may answer a query, the newest first.

        They may hold more than what is meant: words share hashes, and schema 1 is searched for text.
        """
        if self.version < schema.INDEXED:
            return self._searched(boot, kind, query)
        asked = self._words(boot, query)
        if asked is None:
            return self._timed(boot, kind, query.window)
        streams = [self._found(boot, kind, word, query) for word in asked]
        return streams[0] if len(streams) == 1 else _newest(streams)

    def at(self, boot: int, place: str) -> Row | None:
        """The row that came from a place of the ring buffers, `place` as rows have it."""
        return next((Row(*found) for found in self.each(_AT, boot, place)), None)

    def size(self) -> int:
        """Bytes in use: pages that hold something, as pages freed are used again."""
        return int(next(self.each(_PAGES))[0])

    def each(self, statement: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """What a statement gives, read as far as the caller reads. Raises `UnavailableError`."""
        try:
            # Not `yield from`: that would close the cursor of a reader who stops early, which fails where
            # the file has been closed meanwhile.
            for row in self._db.execute(statement, values):  # noqa: UP028
                yield row
        except files.BROKEN as error:
            raise unreadable(self.path, error) from error

    # None: nothing but time narrows it down.
    def _words(self, boot: int, query: Query) -> list[bytes] | None:
        pid = query.key.tgid if query.key is not None else _pid(query)
        sender = query.sender.tgid if query.sender is not None else None
        for word, number in (
            (words.by_pid, pid),
            (words.by_sender, sender),
            (words.by_pipe, query.pipe),
            (words.by_parent, query.parent),
        ):
            if number is not None:
                return [word(number)]
        if query.target is None:
            return None
        containers = self._containers(boot, query.target)
        if containers is None:
            return None
        names = [words.by_name(name) for name in words.of_target(query.target)]
        return names + [words.by_container(number) for number in containers]

    def _containers(self, boot: int, target: Target) -> set[str] | None:
        found = set(target.containers)
        if target.kind is Kind.CONTAINER:
            start = target.text.rpartition(":")[2].lower()
            # Digits of ids are hexadecimal: none sorts behind f.
            rows = self.each(_CONTAINERS, boot, start, f"{start}g", _CONTAINERS_MOST)
            known = [number for (number,) in rows]
            if len(known) == _CONTAINERS_MOST:
                return None
            found.update(known)
        return found

    def _found(self, boot: int, kind: Rows, word: bytes, query: Query) -> Iterator[Row]:
        table, kept = _table(kind)
        row = "l.row" if table == "events" else "-l.row"
        values = (*_span(query.window), boot, kept, *_started(query.key))
        hashed = words.hashed(boot, kind, word)
        return map(Row._make, self.each(_FOUND % (table, row), hashed, *values))

    def _timed(
        self, boot: int, kind: Rows, window: Window, more: str = "", *values: object
    ) -> Iterator[Row]:
        table, kept = _table(kind)
        statement = _TIMED % (table, more)
        return map(Row._make, self.each(statement, boot, kept, *_span(window), *values))

    def _searched(self, boot: int, kind: Rows, query: Query) -> Iterator[Row]:
        pid = query.key.tgid if query.key is not None else _pid(query)
        if pid is not None and kind not in (Rows.THREAD, Rows.REPLACED):
            return self._timed(boot, kind, query.window, _OLD_PID, pid)
        texts = _texts(query)
        if not texts:
            return self._timed(boot, kind, query.window)
        holds = " OR ".join([_HOLDS] * len(texts))
        if query.target is None or kind not in (Rows.EXIT, Rows.ORDINARY):
            return self._timed(boot, kind, query.window, _OLD_TEXT % holds, *texts)
        more = _OLD_NAMED % (holds, holds)
        return self._timed(boot, kind, query.window, more, *texts, boot, *texts)


def _table(kind: Rows) -> tuple[str, str]:
    """The table and what it calls the kind."""
    return ("exits", Rows.EXIT.value) if kind is Rows.ORDINARY else ("events", kind.value)


def _pid(query: Query) -> int | None:
    if query.pid is None and query.target is not None:
        return query.target.pid
    return query.pid


def _span(window: Window) -> tuple[int, int]:
    since, until = window.since_ns, window.until_ns
    return (_EVER[0] if since is None else since, _EVER[1] if until is None else until)


# As far apart as Key.same_life() takes two readings of one start for the same.
def _started(key: Key | None) -> tuple[int, int]:
    if key is None or key.start_ns is None:
        return _EVER
    return (key.start_ns - TICK_NS - SLACK_NS, key.start_ns + TICK_NS + SLACK_NS)


def _texts(query: Query) -> tuple[str, ...]:
    for what in (query.sender, query.pipe, query.parent):
        if what is not None:
            return (str(what.tgid if isinstance(what, Key) else what),)
    return query.target.words() if query.target is not None else ()


# One row may lie under several names of one target.
def _newest(streams: list[Iterator[Row]]) -> Iterator[Row]:
    last: Row | None = None
    for row in merge(*streams, key=lambda r: (-r.time_ns, -r.id)):
        if last is None or (row.id, row.time_ns) != (last.id, last.time_ns):
            yield row
        last = row
