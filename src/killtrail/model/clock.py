"""Two clocks: boot time inside (nanoseconds since boot, suspend included), RFC 3339 outside.

Kept evidence is counted on the clock that it was written by. For a log with dates that is the wall
clock (offset 0), for a trace without a date the boot clock with an unknown offset, for text without
times the order of its lines.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from killtrail._slotted import dataclass

NS: Final = 1_000_000_000
_MINUTE: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_STAMP: Final = r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)"
_SINCE_EPOCH: Final = r"@(-?\d+)\.(\d{9})"


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

    def rfc3339(self, boot_ns: int | None) -> str | None:
        """The same with its date, in words; None where either is not known."""
        if boot_ns is None or self.offset_ns is None:
            return None
        return rfc3339(boot_ns + self.offset_ns)


def rfc3339(wall_ns: int) -> str:
    """Local time with offset and nanoseconds; UTC where the platform can't convert the moment."""
    seconds, nanos = divmod(wall_ns, NS)
    try:
        moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}.{nanos:09d}"
    # RFC 3339 has no seconds in an offset; local mean times, before zones were agreed on, do.
    if (moment.utcoffset() or _MINUTE) % _MINUTE:
        moment = moment.astimezone(UTC)
    text = moment.isoformat(timespec="seconds")
    return f"{text[:19]}.{nanos:09d}{text[19:]}"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch of what `rfc3339` wrote, or another program; ValueError otherwise."""
    found = re.fullmatch(_STAMP, text)
    if found is not None:
        moment, fraction, zone = found.groups()
        at = datetime.fromisoformat(moment + ("+00:00" if zone in "Zz" else zone))
        return (at - _EPOCH) // _SECOND * NS + int((fraction or "").ljust(9, "0"))
    found = re.fullmatch(_SINCE_EPOCH, text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a time of RFC 3339")
    return int(found[1]) * NS + int(found[2])
