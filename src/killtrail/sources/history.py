"""One boot of the history file as a source."""

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from killtrail.errors import UnavailableError
from killtrail.host import boot
from killtrail.host.users import named
from killtrail.model import codec
from killtrail.model.coverage import Coverage
from killtrail.model.events import (
    Event,
    ImageReplaced,
    KernelLine,
    LimitSet,
    ManagerAsked,
    OomVictimMarked,
    OrphanedBy,
    ParseProblem,
    ProcessExited,
    Recorded,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key
from killtrail.model.query import Query, Window, key_of
from killtrail.model.verdict import Host
from killtrail.recorder.history import paths
from killtrail.sources.base import Descriptor, Source, Usable
from killtrail.sources.shared_sender import completed

if TYPE_CHECKING:
    from killtrail.recorder.history.store import BootRow, History

_PROBLEMS_KEPT: Final = 100
_NAMED: Final = '"user":'


class HistorySource:
    """Answers from the file; rows that can't be read are counted and passed over."""

    id = "history"
    exact = True

    def __init__(self, history: "History", row: "BootRow", host: Host) -> None:
        self._history = history
        self._row = row
        self.host = host
        self._problems: list[ParseProblem] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The file."""
        return (str(self._history.path),)

    def events(self, query: Query) -> Iterator[Event]:
        """What the file holds for this query, the newest first."""
        streams = [
            self._of(kind, query) for kind, classes in _KINDS.items() if query.wants(*classes)
        ]
        yield from heapq.merge(*streams, key=lambda e: -e.time_ns)

    def _of(self, kind: str, query: Query) -> Iterator[Recorded]:
        if kind == "will":
            if query.key is not None:
                yield from self._orphaned(query.key)
            return
        if kind == "note" and query.pid is not None:
            return
        if kind == "ordinary" and not query.ordinary:
            return
        pid = query.key.tgid if query.key is not None else query.pid
        for event in self._events(kind, pid, query.window):
            found = self._completed(event) if isinstance(event, SignalSent) else event
            if query.wants(type(found)) and _meant(found, query):
                yield found

    def _orphaned(self, key: Key) -> Iterator[OrphanedBy]:
        body = self._history.will(self._row.row, key)
        event = self._decoded("will", body) if body is not None else None
        if isinstance(event, OrphanedBy):
            yield event

    def _completed(self, event: SignalSent) -> SignalSent:
        if (
            not event.call_id
            or event.kernel.lineage
            or not event.origin.where.startswith("victims:")
        ):
            return event
        return completed(event, self._first_of)

    def _first_of(self, place: str) -> SignalSent | None:
        body = self._history.at(self._row.row, place)
        event = self._decoded(place, body) if body else None
        return event if isinstance(event, SignalSent) else None

    def coverage(self) -> Coverage:
        """From the last gap (pruned rows are one), else from arming; what `record` knew to be lost."""
        since = max(self._row.complete_ns, self._row.armed_ns or 0)
        return Coverage(
            lost=self._row.lost,
            complete_from_ns=since,
            requests_from_ns=since,
            creators_from_ns=self._row.armed_ns,
            problems=tuple(self._problems),
        )

    def close(self) -> None:
        """Closes the file (shared by all boots: closing twice is harmless)."""
        self._history.close()

    def _events(self, kind: str, pid: int | None, window: Window) -> Iterator[Recorded]:
        rows = self._history.bodies(self._row.row, kind, pid, window)
        for place, body in rows:
            event = self._decoded(place, body)
            if event is not None:
                yield event

    def _decoded(self, place: str, body: object) -> Recorded | None:
        try:
            text = body if isinstance(body, str) else ""
            event = codec.decode(text)
            # Written by a version that left names to whoever printed them.
            return event if _NAMED in text else named(event)
        except ValueError as error:
            if len(self._problems) < _PROBLEMS_KEPT:
                self._problems.append(ParseProblem(self.id, place, str(error)))
            return None


_KINDS: Final[dict[str, tuple[type[Event], ...]]] = {
    "signal": (SignalSent,),
    "exit": (ProcessExited,),
    "ordinary": (ProcessExited,),
    "oom": (OomVictimMarked,),
    "thread": (ThreadDied,),
    "replaced": (ImageReplaced,),
    "note": (KernelLine, ManagerAsked, LimitSet),
    "will": (OrphanedBy,),
}
"""Kinds of rows, and what they hold."""


def _meant(event: Recorded, query: Query) -> bool:
    if isinstance(event, ProcessExited) and not query.relates(event):
        return False
    if query.sender is not None:
        return isinstance(event, SignalSent) and event.current.key.same_life(query.sender)
    key = key_of(event)
    return query.key is None or (key is not None and key.same_life(query.key))


def open_all() -> list[Source]:
    """Every recorded boot as a source; the running boot with its clock offset of now."""
    from killtrail.recorder.history.store import History  # noqa: PLC0415 -- sqlite3 takes 6 ms

    running = boot.this_host()
    history = History(writable=False)
    sources: list[Source] = []
    for row in history.boots():
        host = running if row.host.boot.boot_id == running.boot.boot_id else row.host
        sources.append(HistorySource(history, row, host))
    return sources


def probe() -> Usable:
    """Whether it can be asked here, by this user."""
    try:
        path = paths.default_path()
        if not paths.exists(path):
            return Usable(usable=False, says="there is no history", remedy="sudo killtrail record")
        from killtrail.recorder.history import store  # noqa: PLC0415 -- sqlite3 takes 6 ms

        count = store.boots_on_record(path)
    except PermissionError:
        return Usable(
            usable=False,
            says="history may be read by root and group adm only",
            remedy="sudo killtrail why ...",
        )
    except UnavailableError as error:
        return Usable(usable=False, says=str(error), remedy=error.remedy, damaged=True)
    return Usable(usable=True, says=f"{count} boot{'s' if count > 1 else ''} recorded")


DESCRIPTOR: Final = Descriptor(
    id="history",
    what="what `killtrail record` saved to disk, earlier boots too",
    yields="as bpf",
    silent_about="what happened while neither `record` nor the recorder was running",
    needs="a past `killtrail record` or shutdown save; reading as root or group adm",
    clock="boot",
    completeness="complete while record was running, up to its size and age; losses are counted",
    places=("/var/lib/killtrail/history.db",),
    probe=probe,
    open_here=open_all,
)
