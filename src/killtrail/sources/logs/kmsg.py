"""The kernel's own ring of log lines, read from /dev/kmsg.

Documentation/ABI/testing/dev-kmsg. Each record has its facility: only records of the kernel itself
count, as root may write into the ring as well.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from killtrail.host import boot
from killtrail.model.coverage import Coverage
from killtrail.model.events import Event, ParseProblem
from killtrail.model.query import Query
from killtrail.model.verdict import Host
from killtrail.sources.base import Descriptor, Source, Usable

if TYPE_CHECKING:
    from killtrail.sources.logs.searched import SearchedLog

ID: Final = "kernlog"
_DEVICE: Final = "/dev/kmsg"
_RECORD: Final = re.compile(rb"(\d{1,18}),\d+,(\d{1,18}),[^;]*;([^\n]*)")
_RECORD_MOST: Final = 8192
_RECORDS_MOST: Final = 1_000_000
_KERNEL: Final = 0


def probe() -> Usable:
    """Whether this user may read the ring."""
    try:
        os.close(_open())
    except OSError as error:
        says = f"{_DEVICE} can't be read: {error.strerror}"
        return Usable(
            usable=False, says=says, remedy="run as root, or sysctl kernel.dmesg_restrict=0"
        )
    return Usable(usable=True, says="the kernel's ring of log lines can be read")


def open_here() -> list[Source]:
    """The ring, read when it is asked."""
    return [Ring()]


class Ring:
    """The ring as it is when it is first asked, as evidence of this boot."""

    id = ID
    exact = False
    names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.host: Host = Host(boot.this_boot())
        self._copy: SearchedLog | None = None
        self._problem: ParseProblem | None = None

    def events(self, query: Query) -> Iterator[Event]:
        """Its events for this query, the newest first."""
        if self._copy is None:
            self._copy = self._copied()
        return self._copy.events(query) if self._copy is not None else iter(())

    # The kernel is silent most of the time; then nothing is imported to read it.
    def _copied(self) -> "SearchedLog | None":
        with tempfile.TemporaryFile(prefix="killtrail-") as copy:
            copy.writelines(self._lines())
            copy.flush()
            if not copy.tell():
                return None
            from killtrail.files.opened import Piece  # noqa: PLC0415
            from killtrail.sources.logs import kernlog  # noqa: PLC0415
            from killtrail.sources.logs.searched import SearchedLog  # noqa: PLC0415

            piece = Piece("kmsg", os.dup(copy.fileno()), copy.tell())
            return SearchedLog(ID, piece, kernlog.KernelText(piece), self.host.boot)

    def _lines(self) -> Iterator[bytes]:
        try:
            fd = _open()
        except OSError as error:
            self._problem = ParseProblem(ID, _DEVICE, f"it can't be read: {error.strerror}")
            return
        try:
            for record in _records(fd):
                match = _RECORD.match(record)
                if match is not None and int(match[1]) >> 3 == _KERNEL:
                    yield b"[%d.%06d] %s\n" % (*divmod(int(match[2]), 1_000_000), match[3])
        finally:
            os.close(fd)

    def coverage(self) -> Coverage:
        """The ring is overwritten in the end: it proves no absence."""
        return Coverage(problems=() if self._problem is None else (self._problem,))

    def close(self) -> None:
        """Drops the copy."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None


def _records(fd: int) -> Iterator[bytes]:
    for _ in range(_RECORDS_MOST):
        try:
            yield os.read(fd, _RECORD_MOST)
        except BrokenPipeError:
            # Overwritten while it was read: the next read continues with the oldest remaining
            # record.
            continue
        except OSError:
            # EAGAIN: there is no more.
            return


def _open() -> int:
    return os.open(_DEVICE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


DESCRIPTOR: Final = Descriptor(
    id=ID,
    what="the kernel's own ring of log lines, /dev/kmsg",
    yields="what kernlog yields of this boot, by the kernel alone",
    silent_about="signals that processes sent; what was overwritten since",
    needs="root, or kernel.dmesg_restrict=0",
    clock="seconds since boot",
    completeness="the newest lines: the oldest are overwritten",
    probe=probe,
    open_here=open_here,
)
