"""One boot of the history file as a source."""

from collections import OrderedDict
from collections.abc import Iterator
from heapq import merge
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
from killtrail.model.process import Key, Process
from killtrail.model.query import Query, key_of
from killtrail.model.target import Target
from killtrail.model.verdict import Host
from killtrail.recorder.history import paths
from killtrail.recorder.history.words import Rows
from killtrail.sources.base import Descriptor, Source, Usable
from killtrail.sources.shared_sender import completed

if TYPE_CHECKING:
    from killtrail.recorder.history.reader import BootRow, History, Row

_PROBLEMS_KEPT: Final = 100
_NAMED: Final = '"user":'
_DECODED_KEPT: Final = 256
"""Decoding is most of the work, and one death's rows are asked for several times."""
_HELD: Final[dict[Rows, tuple[type[Event], ...]]] = {
    Rows.SIGNAL: (SignalSent,),
    Rows.EXIT: (ProcessExited,),
    Rows.ORDINARY: (ProcessExited,),
    Rows.OOM: (OomVictimMarked,),
    Rows.THREAD: (ThreadDied,),
    Rows.REPLACED: (ImageReplaced,),
    Rows.NOTE: (KernelLine, ManagerAsked, LimitSet),
    Rows.ORPHANED: (OrphanedBy,),
}
"""Kinds of rows, and what they hold."""
_EXITS: Final = (Rows.EXIT, Rows.ORDINARY)
_UNNAMED: Final = (Rows.OOM, Rows.NOTE, Rows.ORPHANED)
"""Rows that say nothing of a victim but its PID, or have none."""


class HistorySource:
    """Answers from the file; rows that can't be read are counted and passed over."""

    id = "history"
    exact = True

    def __init__(self, history: "History", row: "BootRow", host: Host) -> None:
        self._history = history
        self._row = row
        self.host = host
        self._problems: list[ParseProblem] = []
        self._decoded: OrderedDict[str, Recorded] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """The file."""
        return (str(self._history.path),)

    def events(self, query: Query) -> Iterator[Event]:
        """What the file holds for this query, the newest first; only what is read gets decoded."""
        kinds = [k for k, held in _HELD.items() if query.wants(*held) and _asked(k, query)]
        streams = [self._history.rows(self._row.row, kind, query) for kind in kinds]
        for row in merge(*streams, key=lambda r: -r.time_ns):
            event = self._event(row)
            if event is not None and query.wants(type(event)) and self._meant(event, query):
                yield event

    # The index finds more than is meant, by its hashes.
    def _meant(self, event: Recorded, query: Query) -> bool:
        if query.pid is not None and query.pid not in _pids(event):
            return False
        key = key_of(event)
        if query.key is not None and not (key is not None and key.same_life(query.key)):
            return False
        if query.sender is not None and not _sent_by(event, query.sender):
            return False
        if isinstance(event, ProcessExited) and not query.relates(event):
            return False
        return query.target is None or self._named(event, query.target)

    # An exit record has no program file: what its signals say of the process counts, too.
    def _named(self, event: Recorded, target: Target) -> bool:
        if target.pid is not None:
            return target.pid in _pids(event)
        if not isinstance(event, ProcessExited):
            process = _victim(event)
            return process is not None and target.matches(process)
        if target.matches(event.process):
            return True
        signals = self.events(Query(kinds=(SignalSent,), key=event.process.key))
        return any(isinstance(s, SignalSent) and target.matches(s.target) for s in signals)

    def _event(self, row: "Row") -> Recorded | None:
        event = self._decoded.get(row.place)
        if event is not None:
            return event
        event = self._read(row)
        if event is not None:
            self._decoded[row.place] = event
            if len(self._decoded) > _DECODED_KEPT:
                self._decoded.popitem(last=False)
        return event

    def _read(self, row: "Row") -> Recorded | None:
        try:
            event = codec.decode(row.body if isinstance(row.body, str) else "")
        except ValueError as error:
            if len(self._problems) < _PROBLEMS_KEPT:
                self._problems.append(ParseProblem(self.id, str(row.place), str(error)))
            return None
        found = self._completed(event, row.place) if isinstance(event, SignalSent) else event
        # Earlier versions left names to those who show them.
        return found if _NAMED in row.body else named(found)

    def _completed(self, event: SignalSent, place: str) -> SignalSent:
        where = event.origin.where
        if not event.call_id or event.kernel.lineage or not where.startswith("victims:"):
            return event
        # Both are of one arming, which stands before the place in the ring buffer.
        arming = place.removesuffix(where)
        return completed(event, lambda act: self._first_of(arming + act))

    def _first_of(self, place: str) -> SignalSent | None:
        row = self._history.at(self._row.row, place)
        event = self._event(row) if row is not None else None
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


def _asked(kind: Rows, query: Query) -> bool:
    if kind is Rows.ORDINARY and not query.ordinary:
        return False
    if query.sender is not None:
        return kind is Rows.SIGNAL
    if query.parent is not None or query.pipe is not None:
        return kind in _EXITS
    if query.target is not None and query.target.pid is None:
        return kind not in _UNNAMED
    # The PID in a note is that of who wrote it, not of a victim.
    return query.pid is None or kind not in (Rows.NOTE, Rows.ORPHANED)


def _pids(event: Recorded) -> tuple[int | None, ...]:
    key = key_of(event)
    pid = None if key is None else key.tgid
    if isinstance(event, ThreadDied):
        return (pid, event.process.tid)
    return (pid, event.old_tid) if isinstance(event, ImageReplaced) else (pid,)


def _victim(event: Recorded) -> Process | None:
    if isinstance(event, SignalSent):
        return event.target
    return None if isinstance(event, OomVictimMarked) else event.process


def _sent_by(event: Recorded, sender: Key) -> bool:
    return isinstance(event, SignalSent) and event.current.key.same_life(sender)


def open_all() -> list[Source]:
    """Every recorded boot as a source; the running boot with its clock offset of now."""
    from killtrail.recorder.history.reader import History  # noqa: PLC0415 -- sqlite3 takes 6 ms

    running = boot.this_host()
    history = History()
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
        from killtrail.recorder.history import reader  # noqa: PLC0415 -- sqlite3 takes 6 ms

        count = reader.boots_on_record(path)
    except PermissionError:
        return Usable(
            usable=False,
            says="history may be read by root and group adm only",
            remedy="the same command with sudo",
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
