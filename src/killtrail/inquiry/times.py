"""Moments and lengths of time as people write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from killtrail.errors import UsageError
from killtrail.model.clock import NS

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS: Final = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600,
    "d": 86400, "day": 86400, "w": 604800, "week": 604800,
}  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SPAN: Final = r"(\d+)\s*([a-z]+)"


def parse_time(text: str, now_wall_ns: int) -> int:
    """Nanoseconds since the epoch of a moment as people write it; local time without an offset.

    Raises `UsageError` for what is no time.
    """
    words = text.strip().lower()
    now = datetime.fromtimestamp(now_wall_ns / NS).astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    known = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if words in known:
        return wall_ns(known[words])
    back = _ago(words)
    if back is not None:
        return now_wall_ns - back * NS
    if words.startswith("@") and words[1:].isdecimal():
        return int(words[1:]) * NS
    return wall_ns(_absolute(text, midnight))


def seconds(text: str) -> int | None:
    """Seconds in `90s`, `1h 30min`, or a plain number of seconds; None for anything else."""
    words = text.strip().lower()
    return int(words) if words.isdecimal() else _seconds(words)


def wall_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch; local time without an offset.

    Raises `UsageError` where the platform can't convert it.
    """
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND * 1000
    except (OverflowError, ValueError, OSError) as error:
        raise UsageError(f"{moment}: out of range") from error


def _ago(words: str) -> int | None:
    ago = words.endswith((" ago", "ago")) or words.startswith("-")
    if not ago:
        return None
    return _seconds(words.removesuffix("ago").lstrip("-").strip())


def _seconds(body: str) -> int | None:
    parts = re.findall(_SPAN, body)
    if not parts or re.sub(_SPAN, "", body).strip():
        return None
    found = 0
    for count, unit in parts:
        size = _UNITS.get(unit) or _UNITS.get(unit.rstrip("s"))
        if size is None:
            return None
        found += int(count) * size
    return found


def _absolute(text: str, midnight: datetime) -> datetime:
    forms: tuple[Callable[[], datetime], ...] = (
        lambda: datetime.fromisoformat(text.strip()),
        lambda: datetime.combine(
            midnight.date(), datetime.fromisoformat(f"2000-01-01 {text.strip()}").time()
        ),
    )
    for form in forms:
        try:
            return form().astimezone()
        except (ValueError, OverflowError, OSError):
            continue
    raise UsageError(f"invalid time {text!r}", "--since '1 h ago', --since '2026-11-20 13:30'")
