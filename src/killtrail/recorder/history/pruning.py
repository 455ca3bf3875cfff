"""What history drops, by age and by size, in short transactions.

Age is counted on the clocks of the boots: the time since it happened in its own boot, the time that
later boots ran, and between two boots what the wall clock says, a day at most. A wall clock that jumps
by a month ages nothing by more than a day.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.clock import NS
from killtrail.recorder.history import words
from killtrail.recorder.history.words import Rows

_STEP: Final = 2000
_EXITS_SHARE: Final = 4
"""Ordinary exits may take a quarter of the file."""
_BETWEEN_NS: Final = 86400 * NS
_TABLES: Final = {"events": 1, "exits": -1}
"""Tables with rows that age, and the sign of their ids in `lookup`."""
_BOOTS: Final = "SELECT id, offset_ns FROM boots ORDER BY id DESC"
_LAST: Final = "SELECT max(time_ns) FROM %s WHERE boot = ? AND kind = ?"
_OLD: Final = (
    "DELETE FROM %s WHERE id IN"
    " (SELECT id FROM %s WHERE boot = ? AND kind = ? AND time_ns < ? LIMIT ?)"
)
_OLDEST: Final = "DELETE FROM %s WHERE id IN (SELECT id FROM %s ORDER BY id LIMIT ?)"
_COUNT: Final = "SELECT count(*) FROM %s"
_SIZE: Final = "SELECT page_size * (page_count - freelist_count) FROM pragma_page_size, pragma_page_count, pragma_freelist_count"
_GAP: Final = (
    "UPDATE boots SET complete_ns = max(complete_ns, coalesce("
    "(SELECT min(time_ns) FROM events WHERE boot = boots.id), complete_ns))"
)
_FIRST: Final = "SELECT coalesce(min(id), 1 << 62) FROM %s"
_SWEEP: Final = "DELETE FROM lookup WHERE row BETWEEN ? AND ?"
_CONTAINERS: Final = "SELECT boot, id FROM containers"
_USED: Final = "SELECT 1 FROM lookup WHERE word = ? LIMIT 1"
_UNUSED: Final = "DELETE FROM containers WHERE boot = ? AND id = ?"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much history may grow."""

    max_bytes: int = 64 << 20
    max_age_s: int = 30 * 86400


Step = Callable[[sqlite3.Connection, Limits, int], int]
"""Drops a few rows; gives how many."""


def drop_old(db: sqlite3.Connection, limits: Limits, now_ns: int) -> int:
    """Some rows older than the limit; `now_ns` on the running boot's clock, which has the last row."""
    left_ns = limits.max_age_s * NS
    later_ns: int | None = None
    for boot, offset_ns in db.execute(_BOOTS).fetchall():
        end_ns = max(_last(db, boot), now_ns if later_ns is None else 0)
        if later_ns is not None and offset_ns is not None:
            left_ns -= min(max(later_ns - (end_ns + offset_ns), 0), _BETWEEN_NS)
        dropped = _before(db, boot, end_ns - left_ns)
        if dropped:
            return dropped
        left_ns -= end_ns
        later_ns = offset_ns if offset_ns is not None else 0
    return 0


def _last(db: sqlite3.Connection, boot: int) -> int:
    found = [
        db.execute(_LAST % table, (boot, kind.value)).fetchone()[0] for table, kind in _aging()
    ]
    return max((t for t in found if t is not None), default=0)


def _before(db: sqlite3.Connection, boot: int, time_ns: int) -> int:
    return sum(
        db.execute(_OLD % (table, table), (boot, kind.value, time_ns, _STEP)).rowcount
        for table, kind in _aging()
    )


def _aging() -> list[tuple[str, Rows]]:
    events = [("events", kind) for kind in Rows if kind is not Rows.ORDINARY]
    return [*events, ("exits", Rows.EXIT)]


def drop_most(db: sqlite3.Connection, limits: Limits, _now_ns: int) -> int:
    """The oldest rows of the table that has too many, where the file is too big."""
    if db.execute(_SIZE).fetchone()[0] <= limits.max_bytes:
        return 0
    table = "exits" if _exits_too_many(db) else "events"
    return db.execute(_OLDEST % (table, table), (_STEP,)).rowcount


def _exits_too_many(db: sqlite3.Connection) -> bool:
    events, exits = (db.execute(_COUNT % table).fetchone()[0] for table in ("events", "exits"))
    return bool(exits * (_EXITS_SHARE - 1) > events) or not events


def settle(db: sqlite3.Connection, *, indexed: bool) -> None:
    """What follows from dropping: a gap at the old end, and words without rows."""
    db.execute(_GAP)
    if indexed:
        for table, sign in _TABLES.items():
            first = db.execute(_FIRST % table).fetchone()[0]
            db.execute(_SWEEP, sorted((sign, sign * (first - 1))) if first > 1 else (0, 0))
        _drop_containers(db)


def _drop_containers(db: sqlite3.Connection) -> None:
    for boot, number in db.execute(_CONTAINERS).fetchall():
        used = (words.hashed(boot, kind, words.by_container(number)) for kind in Rows)
        if not any(db.execute(_USED, (word,)).fetchone() for word in used):
            db.execute(_UNUSED, (boot, number))
