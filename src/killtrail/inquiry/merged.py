"""The sources of one host on one clock, asked as one."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

from killtrail._slotted import replace
from killtrail.model.coverage import Coverage, Unread, together
from killtrail.model.events import (
    NO_LOG_CONTEXT,
    Event,
    HostEvent,
    LogContext,
    OomKilled,
    OomVictimMarked,
    SignalRefused,
    SignalSent,
)
from killtrail.model.query import ALWAYS, Query, Window, key_of
from killtrail.model.verdict import Host
from killtrail.sources.base import Source

_REMEMBERED: Final = 4096
"""Identities that are kept to recognise copies of a record, which are close to it in time."""

_SENDERLESS: Final = ("journal",)


class OnClock:
    """A source seen from another clock, and only within a span of it."""

    def __init__(self, source: Source, shift_ns: int, span: Window = ALWAYS) -> None:
        self.source = source
        self.id: str = source.id
        self._shift = shift_ns
        self._span = span

    def events(self, query: Query) -> Iterator[Event]:
        """Its events with times on this clock, the newest first."""
        window = query.window.within(self._span)
        if window.empty:
            return
        asked = replace(query, window=window.shifted(-self._shift))
        for event in self.source.events(asked):
            yield moved(event, self._shift)


def moved(event: Event, by_ns: int) -> Event:
    """An event on a clock that is `by_ns` ahead."""
    if not by_ns:
        return event
    moved_event = replace(event, time_ns=event.time_ns + by_ns)
    if not isinstance(moved_event, SignalSent) or moved_event.log is NO_LOG_CONTEXT:
        return moved_event
    log = moved_event.log
    login = log.login and replace(log.login, time_ns=log.login.time_ns + by_ns)
    chain = tuple(replace(s, time_ns=s.time_ns + by_ns) for s in log.chain)
    return replace(moved_event, log=LogContext(chain, login))


class Merged:
    """One host on one clock: recorders, whose processes have start times, and logs, which have PIDs.

    Ring buffers and history hold the same records (history is the rings, drained), and a log entry
    may stand in several files: an event that is found twice is one.
    """

    def __init__(
        self,
        host: Host,
        recorders: Sequence[Source] = (),
        logs: Callable[[], Sequence[OnClock]] = tuple,
        unread: tuple[str, ...] = (),
    ) -> None:
        self.host = host
        self.recorders: tuple[Source, ...] = tuple(recorders)
        self._open_logs = logs
        self._unread = Coverage(unread=Unread(files=unread))
        self.acts: list[tuple[SignalSent, ...]] = []
        """Acts with several victims that were looked at already."""

    @cached_property
    def logs(self) -> tuple[OnClock, ...]:
        """Logs are opened when they are first asked."""
        return tuple(self._open_logs())

    @property
    def ids(self) -> tuple[str, ...]:
        """Which recorders they are."""
        return tuple(s.id for s in self.recorders)

    def recorded(self, query: Query) -> list[Event]:
        """What recorders hold, oldest first, every record once; the first recorder's is taken."""
        found: dict[object, Event] = {}
        for source in self.recorders:
            for event in list(source.events(query))[::-1]:
                found.setdefault(_identity(event), event)
        return sorted(found.values(), key=_time)

    def newest_recorded(self, query: Query) -> Iterator[Event]:
        """The same, the newest first, read no further than the caller reads."""
        yield from _once(_newest_first([s.events(query) for s in self.recorders]))

    def logged(self, query: Query, near: Window | None = None) -> list[Event]:
        """What logs hold, oldest first, every record once.

        `near`: a shorter window, for logs that name no senders but the kernel and systemd.
        """
        narrow = query if near is None else replace(query, window=near)
        found = [s.events(narrow if s.id in _SENDERLESS else query) for s in self.logs]
        return list(_once(_newest_first(found)))[::-1]

    def newest_logged(self, query: Query) -> Iterator[Event]:
        """The same, the newest first, read no further than the caller reads."""
        yield from _once(_newest_first([s.events(query) for s in self.logs]))

    @cached_property
    def coverage(self) -> Coverage:
        """How far the recorders can be relied on."""
        return together([s.coverage() for s in self.recorders])

    def read(self) -> Coverage:
        """The same after they were read, with what could not be read."""
        logs = [s.source.coverage() for s in self.__dict__.get("logs", ())]
        return together([*(s.coverage() for s in self.recorders), *logs, self._unread])

    def close(self) -> None:
        """Closes all sources."""
        for source in self.recorders:
            source.close()
        for log in self.__dict__.get("logs", ()):
            log.source.close()


def _time(event: Event) -> int:
    return event.time_ns


def _newest_first(streams: list[Iterator[Event]]) -> Iterator[Event]:
    if len(streams) == 1:
        return streams[0]
    return heapq.merge(*streams, key=lambda e: -e.time_ns)


def _once(events: Iterable[Event]) -> Iterator[Event]:
    seen: dict[object, None] = {}
    for event in events:
        same = _identity(event)
        if same in seen:
            continue
        seen[same] = None
        if len(seen) > _REMEMBERED:
            del seen[next(iter(seen))]
        yield event


# Two threads that leave together may both look like the last: a process with a start time exits once.
def _identity(event: Event) -> object:
    key = key_of(event)
    if key is not None and key.start_ns is not None:
        sig = event.sig if isinstance(event, SignalSent) else 0
        at = 0 if type(event).__name__ == "ProcessExited" else event.time_ns
        return (type(event), key, at, sig)
    return _in_text(event)


# The same entry may stand in several files: a log, its rotated copy, an excerpt of it.
def _in_text(event: Event) -> object:
    host, when = event.origin.host, event.time_ns
    if isinstance(event, SignalSent):
        return (host, when, event.sig, event.target.pid, event.current.pid, event.call_id)
    if isinstance(event, SignalRefused):
        return (host, when, event.sig, event.pid, event.process.pid, "refused")
    if isinstance(event, OomVictimMarked):
        return (host, when, event.victim.tgid)
    if isinstance(event, OomKilled):
        return (host, when, event.victim.pid, event.victim.comm, "oom")
    if isinstance(event, HostEvent):
        return (host, when, event.kind, event.text)
    # Within one tick of audit's clock a process may exit and its PID be used again: serials differ.
    number = event.origin.where.rpartition("(")[2]
    return (host, when, event.process.pid, type(event).__name__, number)
