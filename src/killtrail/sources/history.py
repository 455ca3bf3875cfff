"""One boot of the history file as a source."""

from collections.abc import Iterator
from typing import Final

from killtrail.model import codec
from killtrail.model.events import (
    Event,
    Loss,
    OomVictimMarked,
    ParentDied,
    ParseProblem,
    ProcessExited,
    SignalSent,
)
from killtrail.model.process import Key
from killtrail.model.verdict import Host
from killtrail.recorder.history.store import BootRow, History
from killtrail.sources.base import Source, Wanted

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
        # Time is checked behind the query, so a limit may only go into it without one.
        most = wanted.most if wanted.since_ns is None and wanted.until_ns is None else None
        found = [
            e
            for kind in kinds
            for e in self._events(kind, wanted.pid, most)
            if isinstance(e, ProcessExited) and _in_time(e, wanted)
        ]
        found.sort(key=lambda e: e.time_ns)
        yield from found[-wanted.most :] if wanted.most else found

    def signals(self, pid: int | None) -> Iterator[SignalSent]:
        """Signals sent to a process number, oldest first."""
        for event in self._events("signal", pid):
            if isinstance(event, SignalSent):
                yield event

    def ooms(self, pid: int) -> Iterator[OomVictimMarked]:
        """OOM marks on a process number."""
        for event in self._events("oom", pid):
            if isinstance(event, OomVictimMarked):
                yield event

    def will(self, key: Key) -> ParentDied | None:
        """What a dead parent left."""
        body = self._history.will(self._row.row, key)
        event = self._decoded("will", body) if body is not None else None
        return event if isinstance(event, ParentDied) else None

    def loss(self) -> Loss:
        """What record knew to be lost before it could drain it."""
        return Loss(self._row.lost, self.complete_since(), tuple(self._problems))

    def complete_since(self) -> int:
        """From the last gap (pruned rows are one), else from arming."""
        return max(self._row.complete_ns, self._row.armed_ns or 0)

    def close(self) -> None:
        """Closes the file (shared by all boots: closing twice is harmless)."""
        self._history.close()

    def _events(self, kind: str, pid: int | None, most: int | None = None) -> Iterator[Event]:
        for place, body in self._history.bodies(self._row.row, kind, pid, most):
            event = self._decoded(place, body)
            if event is not None:
                yield event

    def _decoded(self, place: str, body: object) -> Event | None:
        try:
            return codec.decode(body if isinstance(body, str) else "")
        except ValueError as error:
            if len(self._problems) < _PROBLEMS_KEPT:
                self._problems.append(ParseProblem(self.id, place, str(error)))
            return None


def _in_time(event: ProcessExited, wanted: Wanted) -> bool:
    after = wanted.since_ns is None or event.time_ns >= wanted.since_ns
    return after and (wanted.until_ns is None or event.time_ns <= wanted.until_ns)


def open_all(running: Host) -> list[Source]:
    """Every boot on record as a source; the running boot with its clock offset of now."""
    history = History(writable=False)
    sources: list[Source] = []
    for row in history.boots():
        host = running if row.host.boot.boot_id == running.boot.boot_id else row.host
        sources.append(HistorySource(history, row, host))
    return sources
