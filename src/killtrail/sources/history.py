"""One boot of the history file as a source."""

from collections.abc import Iterator
from typing import Final

from killtrail.model import codec
from killtrail.model.events import (
    ImageReplaced,
    KernelLine,
    LimitSet,
    Loss,
    ManagerAsked,
    Note,
    OomVictimMarked,
    OrphanedBy,
    ParseProblem,
    ProcessExited,
    Recorded,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key
from killtrail.model.verdict import Host
from killtrail.recorder.history.store import BootRow, History
from killtrail.sources.base import Source, Wanted
from killtrail.sources.shared_sender import completed

_PROBLEMS_KEPT: Final = 100


class HistorySource:
    """Answers from the file; rows that can't be read are counted and passed over."""

    id = "history"

    def __init__(self, history: History, row: BootRow, host: Host) -> None:
        self._history = history
        self._row = row
        self.host = host
        self._problems: list[ParseProblem] = []

    @property
    def armed_ns(self) -> int | None:
        """When the recorder behind it was first armed in that boot."""
        return self._row.armed_ns

    def exits(self, wanted: Wanted) -> Iterator[ProcessExited]:
        """Ends of processes, oldest first."""
        kinds = ("exit", "ordinary") if wanted.ordinary else ("exit",)
        # Relations are checked behind the query, so a limit may only go into it without one.
        most = wanted.most
        if wanted.parent is not None or wanted.pipe is not None:
            most = None
        found = [
            e
            for kind in kinds
            for e in self._events(kind, wanted.pid, most, wanted.since_ns, wanted.until_ns)
            if isinstance(e, ProcessExited) and wanted.relates(e)
        ]
        found.sort(key=lambda e: e.time_ns)
        yield from found[-wanted.most :] if wanted.most else found

    def signals(self, pid: int | None) -> Iterator[SignalSent]:
        """Signals sent to a process number, oldest first."""
        for event in self._events("signal", pid):
            if isinstance(event, SignalSent):
                yield self._completed(event)

    def ooms(self, pid: int) -> Iterator[OomVictimMarked]:
        """OOM marks on a process number."""
        for event in self._events("oom", pid):
            if isinstance(event, OomVictimMarked):
                yield event

    def will(self, key: Key) -> OrphanedBy | None:
        """What a dead parent left."""
        body = self._history.will(self._row.row, key)
        event = self._decoded("will", body) if body is not None else None
        return event if isinstance(event, OrphanedBy) else None

    def sent_by(self, sender: Key, since_ns: int, until_ns: int) -> Iterator[SignalSent]:
        """Signals for which this process was `current`, in that time."""
        for event in self._events("signal", None, None, since_ns, until_ns):
            if isinstance(event, SignalSent) and event.current.key.same_life(sender):
                yield self._completed(event)

    def notes(self, since_ns: int, until_ns: int) -> Iterator[Note]:
        """Kernel lines and managers' clients of that time."""
        for event in self._events("note", None, None, since_ns, until_ns):
            if isinstance(event, KernelLine | ManagerAsked | LimitSet):
                yield event

    def threads(self, pid: int) -> Iterator[ThreadDied | ImageReplaced]:
        """Threads of a process number that ended while their process went on."""
        for kind in ("thread", "replaced"):
            for event in self._events(kind, pid):
                if isinstance(event, ThreadDied | ImageReplaced):
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

    def loss(self) -> Loss:
        """What record knew to be lost before it could drain it."""
        return Loss(self._row.lost, self.complete_since(), tuple(self._problems))

    def complete_since(self, sig: int | None = None) -> int:  # noqa: ARG002
        """From the last gap (pruned rows are one), else from arming."""
        return max(self._row.complete_ns, self._row.armed_ns or 0)

    def close(self) -> None:
        """Closes the file (shared by all boots: closing twice is harmless)."""
        self._history.close()

    def _events(
        self,
        kind: str,
        pid: int | None,
        most: int | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> Iterator[Recorded]:
        rows = self._history.bodies(self._row.row, kind, pid, most, since_ns, until_ns)
        for place, body in rows:
            event = self._decoded(place, body)
            if event is not None:
                yield event

    def _decoded(self, place: str, body: object) -> Recorded | None:
        try:
            return codec.decode(body if isinstance(body, str) else "")
        except ValueError as error:
            if len(self._problems) < _PROBLEMS_KEPT:
                self._problems.append(ParseProblem(self.id, place, str(error)))
            return None


def open_all(running: Host) -> list[Source]:
    """Every boot on record as a source; the running boot with its clock offset of now."""
    history = History(writable=False)
    sources: list[Source] = []
    for row in history.boots():
        host = running if row.host.boot.boot_id == running.boot.boot_id else row.host
        sources.append(HistorySource(history, row, host))
    return sources
