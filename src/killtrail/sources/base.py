"""The questions that every source answers, and how it describes itself."""

from collections.abc import Callable, Iterable
from typing import Protocol

from killtrail._slotted import dataclass
from killtrail.model.events import (
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question about deaths: any field None = no restriction. Times are boot-clock ns."""

    pid: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    ordinary: bool = True
    """Whether exits without a signal and without a request count."""
    most: int | None = None
    """Only so many, the newest."""
    parent: int | None = None
    """Exits of processes whose parent had this PID."""
    pipe: int | None = None
    """Exits of processes with this pipe as standard input, at their exit or exec."""

    def within(self, time_ns: int) -> bool:
        """Whether a moment is in the requested window."""
        after = self.since_ns is None or time_ns >= self.since_ns
        return after and (self.until_ns is None or time_ns <= self.until_ns)

    def relates(self, end: ProcessExited) -> bool:
        """Whether an exit has the requested parent and pipe."""
        if self.parent is not None and (end.parent is None or end.parent.pid != self.parent):
            return False
        return self.pipe is None or self.pipe in (end.stdin_pipe, end.exec_pipe)


class Source(Protocol):
    """Evidence of one boot of one host."""

    @property
    def id(self) -> str:
        """The descriptor it belongs to."""
        ...

    @property
    def host(self) -> Host:
        """The machine and boot it speaks of."""
        ...

    @property
    def armed_ns(self) -> int | None:
        """Since when it watches without a gap, None if unknown."""
        ...

    def exits(self, wanted: Wanted) -> Iterable[ProcessExited]:
        """Exits of processes, oldest first."""
        ...

    def signals(self, pid: int | None) -> Iterable[SignalSent]:
        """Signals sent to a PID (None: to all), oldest first."""
        ...

    def ooms(self, pid: int) -> Iterable[OomVictimMarked]:
        """OOM marks on a PID."""
        ...

    def will(self, key: Key) -> OrphanedBy | None:
        """The record of a parent that exited before its children."""
        ...

    def sent_by(self, sender: Key, since_ns: int, until_ns: int) -> Iterable[SignalSent]:
        """Signals for which this process was `current`, in that time, oldest first.

        They may be outlines: sender, target, signal and time only.
        """
        ...

    def notes(self, since_ns: int, until_ns: int) -> Iterable[Note]:
        """What people did then that reaches a victim only through the kernel or a manager."""
        ...

    def threads(self, pid: int) -> Iterable[ThreadDied | ImageReplaced]:
        """Threads of a PID (or with this id) that exited while their process continued."""
        ...

    def loss(self) -> Loss:
        """What is known to be lost."""
        ...

    def complete_since(self, sig: int | None = None) -> int:
        """Boot-clock ns from which no death or fatal signal is missing.

        `sig`: the signal that killed the process, as other signals could be pending for a long
        time.
        """
        ...

    def close(self) -> None:
        """Closes descriptors."""
        ...


@dataclass(frozen=True, slots=True)
class Usable:
    """Whether a source is usable here: a reason and a remedy if not."""

    usable: bool
    says: str
    remedy: str | None = None
    damaged: bool = False
    """It is there, but can't be read."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A source's self-description; doctor, docs and the absent part of verdicts are made from it."""

    id: str
    what: str
    needs: str
    yields: str
    clock: str
    completeness: str
    probe: Callable[[], Usable]
    open: Callable[[], list[Source]]
