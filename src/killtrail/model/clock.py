"""Two clocks: boot time inside (nanoseconds since boot, suspend included), RFC 3339 outside.

Kept evidence is counted on the clock that it was written by. For a log with dates that is the wall
clock (offset 0), for a trace without a date the boot clock with an unknown offset, for text without
times the order of its lines.
"""

from datetime import UTC, datetime
from typing import Final

from killtrail._slotted import dataclass

NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot of a host and the wall clock's offset to its boot clock.

    `offset_ns` is CLOCK_REALTIME minus CLOCK_BOOTTIME as read at one moment; a later step of the
    wall clock moves every printed time with it, never the order of events. None = the date of this
    boot is not known; `timed` False = not even how long anything took, only its order.
    """

    boot_id: str
    offset_ns: int | None
    timed: bool = True

    def wall(self, boot_ns: int) -> int | None:
        """Nanoseconds since the epoch of a moment on the boot clock."""
        return None if self.offset_ns is None else boot_ns + self.offset_ns


def rfc3339(wall_ns: int) -> str:
    """Local time with offset and nanoseconds; UTC where the platform can't convert the moment."""
    seconds, nanos = divmod(wall_ns, NS)
    try:
        moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}.{nanos:09d}"
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanos:09d}{offset[:3]}:{offset[3:]}"
