"""What a backwards search finds, put in order while it goes on.

A log is not quite in the order of its stamps: records of one moment were seen 40 ms apart. So what is
found waits until the search is a second further back.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.files.search import Window
from killtrail.model.clock import NS
from killtrail.model.events import Event
from killtrail.sources.logs.audit.record import Head, head

_HOLD_NS: Final = NS
_HELD_MOST: Final = 4096
_LINES_TRIED: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A record that says something; the events are made when they are taken."""

    head: Head
    offset: int
    pid: int
    """Whom it is about."""
    events: Callable[[], Iterable[Event]]

    @property
    def newness(self) -> tuple[int, int, int]:
        """Sorts the newest first. Within a tick of the kernel's clock the serial has the order."""
        return (-self.head.time_ns, -self.head.serial, -self.offset)


def newest_first(batches: Iterable[tuple[int | None, list[Found]]]) -> Iterator[Found]:
    """In order of time; batches come backwards, each with the time at which its window begins."""
    heap: list[tuple[tuple[int, int, int], int, Found]] = []
    count = 0
    for begins_ns, batch in batches:
        for found in batch:
            count += 1
            heapq.heappush(heap, (found.newness, count, found))
        while heap and _settled(heap[0][2], begins_ns, len(heap)):
            yield heapq.heappop(heap)[2]
    while heap:
        yield heapq.heappop(heap)[2]


def _settled(found: Found, begins_ns: int | None, held: int) -> bool:
    if held > _HELD_MOST:
        return True
    return begins_ns is not None and found.head.time_ns > begins_ns + _HOLD_NS


def begins_ns(window: Window) -> int | None:
    """The time of the first record that begins in a window; None where none is near its beginning."""
    at = window.first
    for _ in range(_LINES_TRIED):
        at = window.buffer.find(b"\n", at, window.last) + 1
        if not at:
            return None
        of = head(window.buffer, at)
        if of is not None:
            return of.time_ns
    return None
