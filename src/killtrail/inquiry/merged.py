"""Several sources about one boot, asked as one.

RingBuffers and history hold the same records (history is the box, drained), so an event seen twice is one:
same moment, same process, same kind. Where only one source has it, its provenance stays.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from killtrail.model.events import (
    Event,
    ImageReplaced,
    Loss,
    Note,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key
from killtrail.model.verdict import Host
from killtrail.sources.base import Source, Wanted

_E = TypeVar("_E", bound=Event)


class Fusion:
    """The sources of one boot as one source. Raises ValueError without any."""

    def __init__(self, sources: Sequence[Source]) -> None:
        if not sources:
            raise ValueError("no source to ask")
        self._sources = sources
        self.acts: list[tuple[SignalSent, ...]] = []
        """Acts with several victims that were looked at already."""

    @property
    def host(self) -> Host:
        """The host they speak of."""
        return self._sources[0].host

    @property
    def ids(self) -> tuple[str, ...]:
        """Which sources they are."""
        return tuple(s.id for s in self._sources)

    @property
    def armed_ns(self) -> int | None:
        """Since when all of them know who created whom."""
        return max((s.armed_ns for s in self._sources if s.armed_ns is not None), default=None)

    def exits(self, wanted: Wanted) -> list[ProcessExited]:
        """Ends of processes, oldest first, each life once.

        Two threads that leave together may both look like the last, and sources overlap: per life
        the record with the best truth counts.
        """
        events = _merged((s.exits(wanted) for s in self._sources), lambda e: (e.process.key, 0))
        return events[-wanted.most :] if wanted.most else events

    def signals(self, pid: int | None) -> list[SignalSent]:
        """Signals sent to a process number, oldest first."""
        return _merged(
            (s.signals(pid) for s in self._sources), lambda e: (e.target.key, e.time_ns, e.sig)
        )

    def ooms(self, pid: int) -> list[OomVictimMarked]:
        """OOM marks on a process number."""
        return _merged((s.ooms(pid) for s in self._sources), lambda e: (e.victim, e.time_ns))

    def sent_by(self, sender: Key, since_ns: int, until_ns: int) -> list[SignalSent]:
        """Signals for which this process was `current`, in that time, oldest first."""
        return _merged(
            (s.sent_by(sender, since_ns, until_ns) for s in self._sources),
            lambda e: (e.target.key, e.time_ns, e.sig),
        )

    def notes(self, since_ns: int, until_ns: int) -> list[Note]:
        """What people did then that reaches a victim only through the kernel or a manager."""
        return _merged(
            (s.notes(since_ns, until_ns) for s in self._sources),
            lambda e: (e.process.key, e.time_ns),
        )

    def threads(self, pid: int) -> list[ThreadDied | ImageReplaced]:
        """Threads that ended while their process went on."""
        return _merged(
            (s.threads(pid) for s in self._sources), lambda e: (e.process.key, e.time_ns)
        )

    def will(self, key: Key) -> OrphanedBy | None:
        """What a dead parent left."""
        return next((w for s in self._sources if (w := s.will(key)) is not None), None)

    def loss(self) -> Loss:
        """Losses added up; complete from where one of them is complete."""
        losses = [s.loss() for s in self._sources]
        known = [x.events for x in losses if x.events is not None]
        return Loss(
            events=min(known) if known else None,
            complete_from_ns=self.complete_since(),
            problems=tuple(p for x in losses for p in x.problems),
        )

    def complete_since(self, sig: int | None = None) -> int:
        """The earliest moment from which one of them has everything."""
        return min(s.complete_since(sig) for s in self._sources)

    def close(self) -> None:
        """Closes them all."""
        for source in self._sources:
            source.close()


def _merged(streams: Iterable[Iterable[_E]], key: Callable[[_E], object]) -> list[_E]:
    found: dict[object, _E] = {}
    for stream in streams:
        for event in stream:
            found.setdefault(key(event), event)
    return sorted(found.values(), key=lambda e: e.time_ns)
