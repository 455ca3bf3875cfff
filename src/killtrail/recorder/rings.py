"""Reads the armed ring buffers through their pins: slots first, events only on demand."""

import mmap
import os
import struct
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.recorder import bpf
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.decode import Decoder
from killtrail.recorder.pins import Meta, Pins

_PAGE: Final = mmap.PAGESIZE


@dataclass(frozen=True, slots=True)
class Slot:
    """One whole record as stored in a ring."""

    ring: L.Ring
    seq: int
    record: bytes
    truncated: bool

    @property
    def where(self) -> str:
        """`kills:77`: the place a person can find it at."""
        return f"{self.ring.name}:{self.seq}"

    @property
    def time_ns(self) -> int:
        """Boot-clock time of the record."""
        return int.from_bytes(self.record[8:16], "little")


@dataclass(frozen=True, slots=True)
class RingState:
    """How much a ring took, holds and has overwritten."""

    ring: L.Ring
    written: int

    @property
    def overwritten(self) -> int:
        """Records that newer ones have replaced."""
        return max(0, self.written - self.ring.slots)


class RingBuffers:
    """The pinned maps, opened for reading.

    Raises FileNotFoundError where nothing is armed, PermissionError where the pins may not be
    opened, and `UnavailableError` where another layout is armed.
    """

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.meta: Meta = pins.read_meta()
        self._fds = {ring.name: pins.open_map(ring.name) for ring in L.RINGS}
        self._heads = pins.open_map("bss")

    def close(self) -> None:
        """Closes the descriptors."""
        for fd in (*self._fds.values(), self._heads):
            os.close(fd)

    def decoder(self) -> Decoder:
        """A decoder with this recorder's symbols and redaction."""
        return Decoder(self.meta.symbols, redact_argv=self.meta.argv != "full")

    def states(self) -> tuple[RingState, ...]:
        """Every ring's counters."""
        raw = bpf.lookup(self._heads, 0, self.meta.bss_size)
        heads = struct.unpack_from(f"<{len(L.RINGS)}Q", raw)
        return tuple(RingState(ring, heads[ring.head]) for ring in L.RINGS)

    def state(self, ring: L.Ring) -> RingState:
        """One ring's counters."""
        return next(s for s in self.states() if s.ring is ring)

    def slots(self, ring: L.Ring, since: int = 0) -> Iterator[Slot]:
        """Whole records of a ring with sequence >= `since`, oldest first."""
        yield from live_slots(self._fds[ring.name], ring, since, self.state(ring).written)

    def oldest(self, ring: L.Ring) -> Slot | None:
        """The oldest whole record of a ring."""
        written = self.state(ring).written
        first = max(0, written - ring.slots)
        near = live_slots(self._fds[ring.name], ring, first, min(written, first + 64))
        return next(iter(near), None)

    def stats(self) -> dict[str, int]:
        """The programs' own counters, summed over CPUs."""
        with self.pins.opened("stats") as fd:
            cpus = possible_cpus()
            rows = {}
            for i, name in enumerate(L.STATS):
                values = struct.unpack(f"<{cpus}Q", bpf.lookup(fd, i, 8 * cpus))
                rows[name] = sum(values)
        return rows


def possible_cpus() -> int:
    """How many values a per-CPU map gives: one for each CPU that could ever come."""
    with open("/sys/devices/system/cpu/possible", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().strip().replace(",", "-").rsplit("-", 1)[-1]) + 1


def live_slots(fd: int, ring: L.Ring, since: int, written: int) -> Iterator[Slot]:
    """Whole records of a ring map with sequence in [since, written), if not overwritten yet."""
    first = max(since, written - ring.slots, 0)
    for start, count in _runs(first, written, ring.slots):
        yield from _whole(ring, _read(fd, ring, start % ring.slots, count), start)


def _runs(first: int, end: int, slots: int) -> Iterator[tuple[int, int]]:
    # The valid part of a ring wraps around at most once.
    while first < end:
        count = min(end - first, slots - first % slots)
        yield first, count
        first += count


def _read(fd: int, ring: L.Ring, index: int, count: int) -> bytes:
    start = index * ring.slot_size
    length = count * ring.slot_size
    offset = start - start % _PAGE
    try:
        with mmap.mmap(
            fd, length + start - offset, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset
        ) as m:
            return m[start - offset : start - offset + length]
    except (PermissionError, ValueError, OSError):
        # A reader without root may look up elements, but not map them.
        return bpf.lookup_many(fd, index, count, ring.slot_size)


def _whole(ring: L.Ring, raw: bytes, first: int) -> Iterator[Slot]:
    for i in range(len(raw) // ring.slot_size):
        at = i * ring.slot_size
        begin, end, size, flags = L.SLOT_HEAD.unpack_from(raw, at)
        # Another sequence means: being written, or already overwritten by a later lap (then it was
        # counted as overwritten).
        if begin != first + i + 1 or end != begin:
            continue
        body = at + L.SLOT_HEAD.size
        size = min(size, ring.slot_size - L.SLOT_HEAD.size)
        yield Slot(ring, first + i, raw[body : body + size], bool(flags & L.SLOT_TRUNCATED))
