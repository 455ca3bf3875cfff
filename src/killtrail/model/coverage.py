"""What a source is known to hold, and to have lost."""

from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.model.events import ParseProblem
from killtrail.model.signals import SIGKILL

_NAMED_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read, in lines, bytes and files."""

    lines: int = 0
    bytes: int = 0
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lines or self.bytes or self.files)

    @property
    def says(self) -> str:
        """`2 lines (300 bytes) and 1 file (audit.log.1.gz) could not be read`."""
        parts = []
        if self.lines:
            parts.append(f"{self.lines:,} line{'s' * (self.lines > 1)} ({self.bytes:,} bytes)")
        if self.files:
            named = ", ".join(self.files[:_NAMED_MOST]) + ", ..." * (len(self.files) > _NAMED_MOST)
            parts.append(f"{len(self.files)} file{'s' * (len(self.files) > 1)} ({named})")
        return " and ".join(parts or [f"{self.bytes:,} bytes"]) + " could not be read"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a source can be relied on; times on its own clock (ns), None = it can't say.

    Only where a source is complete does the absence of an event prove anything.
    """

    lost: int | None = None
    """Events that are known to be lost."""
    complete_from_ns: int | None = None
    """From this moment on no exit by signal and no fatal signal is missing."""
    requests_from_ns: int | None = None
    """The same for signals that may have been blocked when they were sent."""
    creators_from_ns: int | None = None
    """From this moment on it is known who forked whom, also for orphans."""
    problems: tuple[ParseProblem, ...] = field(default=())
    gaps: tuple[str, ...] = ()
    """Times in which a writer of logs was not running, in words."""
    unread: Unread = field(default_factory=Unread)

    def complete_since(self, sig: int | None) -> int | None:
        """From when on the send of a fatal signal can't be missing.

        `sig`: the signal that ended a process. All but SIGKILL may have been sent long before.
        """
        return self.complete_from_ns if sig in (None, 0, SIGKILL) else self.requests_from_ns


def together(coverages: list[Coverage]) -> Coverage:
    """Of several sources of one host on one clock: complete from where one of them is."""
    lost = [c.lost for c in coverages if c.lost is not None]
    return Coverage(
        lost=min(lost) if lost else None,
        complete_from_ns=_earliest([c.complete_from_ns for c in coverages]),
        requests_from_ns=_earliest([c.requests_from_ns for c in coverages]),
        creators_from_ns=max(
            (c.creators_from_ns for c in coverages if c.creators_from_ns is not None), default=None
        ),
        problems=tuple(p for c in coverages for p in c.problems),
        gaps=tuple(gap for c in coverages for gap in c.gaps),
        unread=Unread(
            sum(c.unread.lines for c in coverages),
            sum(c.unread.bytes for c in coverages),
            # Several formats may read one file, each its own lines.
            tuple(dict.fromkeys(file for c in coverages for file in c.unread.files)),
        ),
    )


def _earliest(moments: list[int | None]) -> int | None:
    return min((m for m in moments if m is not None), default=None)
