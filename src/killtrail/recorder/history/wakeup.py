"""Sleeps until records arrive: a BPF ring buffer that the programs write once per 256 records.

An overwriting array can't wake its reader. Waking per record would cost the sender more than the
recording does (fork+SIGKILL+reap x1.3 instead of x1.1), so wake-ups are rare, but early enough to
drain before the ring wraps, and a slow poll does the rest.
"""

import mmap
import os
import select
import struct
from types import TracebackType
from typing import Self

from killtrail.recorder import bpf
from killtrail.recorder.pins import Pins

_PAGE = mmap.PAGESIZE


class Bell:
    """The pinned ring buffer `bell`; needs write access to it (root)."""

    def __init__(self, pins: Pins) -> None:
        self._fd = bpf.open_pin(str(pins.folder / "map_bell"), read_only=False)
        # Page 0 is the consumer's position, page 1 the producer's (kernel/bpf/ringbuf.c).
        self._consumer = mmap.mmap(
            self._fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE
        )
        self._producer = mmap.mmap(self._fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()
        self._producer.close()
        os.close(self._fd)

    def also(self, fd: int) -> None:
        """Lets another descriptor wake the sleeper as well."""
        self._poll.register(fd, select.POLLIN)

    def sleep(self, seconds: float) -> None:
        """Until the bell rings, another descriptor is ready, or the time is up."""
        self._poll.poll(int(seconds * 1000))
        self._consumer[:8] = struct.pack("<Q", struct.unpack("<Q", self._producer[:8])[0])
