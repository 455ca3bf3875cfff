"""Where in a file of dated lines a span of time lies, found by halving."""

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from killtrail.files.opened import CHUNK, HEAD, Piece
from killtrail.model.query import Window

_PROBES: Final = 32
_GRAIN: Final = 1 << 16


class TimeOrder:
    """The times of a file's lines, looked at in few places.

    Lines are nearly in order: several programs write them, clocks step, a zone has two hours of one
    name in autumn. `slack_ns` is what they may be off.
    """

    def __init__(self, piece: Piece, time: Callable[[bytes], int | None], slack_ns: int) -> None:
        self._piece = piece
        self._time = time
        self._slack = slack_ns
        self._in_order: bool | None = None

    @property
    def in_order(self) -> bool:
        """Whether it is, at as many places as are looked at; its end is one of them."""
        if self._in_order is None:
            size = self._piece.size
            places = [size * n // _PROBES for n in range(_PROBES)]
            times = [t for t in map(self._after, places) if t is not None]
            last = self._last()
            times.extend([] if last is None else [last])
            self._in_order = len(times) > 1 and all(
                b >= a - self._slack for a, b in pairwise(times)
            )
        return self._in_order

    def span(self, window: Window) -> tuple[int, int]:
        """[low, high) of the file in which all lines of a span of time lie."""
        low, high = 0, self._piece.size
        if window == Window() or not self.in_order:
            return low, high
        if window.since_ns is not None:
            low = self._halved(window.since_ns - self._slack - 1, low, high)[0]
        if window.until_ns is not None:
            high = self._halved(window.until_ns + self._slack, low, high)[1]
        return low, high

    # (a place before, a place after) the first line that is later than a moment.
    def _halved(self, moment: int, low: int, high: int) -> tuple[int, int]:
        while high - low > _GRAIN:
            middle = (low + high) // 2
            time = self._after(middle)
            if time is None:
                # Nothing dated for a while: no side can be left out for sure.
                return low, high
            if time > moment:
                high = middle
            else:
                low = middle
        return low, high

    def _after(self, place: int) -> int | None:
        begin = self._piece.line_start(place)
        stop = min(self._piece.size, begin + CHUNK)
        while begin < stop:
            block = os.pread(self._piece.fd, _GRAIN, begin)
            if not block:
                break
            for line in block.split(b"\n"):
                if (time := self._time(line)) is not None:
                    return time
            begin += len(block)
        return None

    def _last(self) -> int | None:
        block = os.pread(self._piece.fd, HEAD, max(0, self._piece.size - HEAD))
        for line in reversed(block.split(b"\n")[1:]):
            if (time := self._time(line)) is not None:
                return time
        return None
