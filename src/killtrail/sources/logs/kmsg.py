"""The kernel's own ring of log lines, read from /dev/kmsg.

Documentation/ABI/testing/dev-kmsg. Each record has its facility: only records of the kernel itself
count, as root may write into the ring as well.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from typing import Final

from killtrail.host import boot
from killtrail.sources.base import Source

_DEVICE: Final = "/dev/kmsg"
_RECORD: Final = re.compile(rb"(\d{1,18}),\d+,(\d{1,18}),[^;]*;([^\n]*)")
_RECORD_MOST: Final = 8192
_RECORDS_MOST: Final = 1_000_000
_KERNEL: Final = 0
_BEFORE_NS: Final = 30_000_000_000


def open_ring(since_ns: int = 0) -> Source | None:
    """The ring as it is now, as evidence of this boot; None where it may not be read.

    `since_ns`: on the boot clock; a little more is read, for reports that begin before.
    """
    try:
        fd = os.open(_DEVICE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with tempfile.TemporaryFile(prefix="killtrail-") as copy:
        try:
            for line in _lines(fd, max(0, since_ns - _BEFORE_NS) // 1000):
                copy.write(line)
        finally:
            os.close(fd)
        copy.flush()
        return _stream(copy.fileno(), copy.tell()) if copy.tell() else None


# The kernel is silent most of the time; then nothing is imported to read it.
def _stream(fd: int, size: int) -> Source:
    from killtrail.files.opened import Piece  # noqa: PLC0415
    from killtrail.sources.logs import kernlog  # noqa: PLC0415
    from killtrail.sources.logs.stream import Stream  # noqa: PLC0415

    return Stream(kernlog.ID, Piece("kmsg", os.dup(fd), size), kernlog.parse, boot.this_boot())


def _lines(fd: int, since_us: int) -> Iterator[bytes]:
    for _ in range(_RECORDS_MOST):
        try:
            record = os.read(fd, _RECORD_MOST)
        except BlockingIOError:
            return
        except BrokenPipeError:
            # Overwritten while it was read: the next read continues with the oldest remaining
            # record.
            continue
        except OSError:
            return
        match = _RECORD.match(record)
        if match is None or int(match[2]) < since_us:
            continue
        if int(match[1]) >> 3 == _KERNEL:
            yield b"[%d.%06d] %s\n" % (*divmod(int(match[2]), 1_000_000), match[3])
