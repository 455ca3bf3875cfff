"""Moments as people read them: a date where there is one, else what the source counts by."""

from typing import Final

from killtrail.model.clock import NS, Boot

_UNKNOWN: Final = "time not recorded"


def full(boot_ns: int | None, boot: Boot) -> str | None:
    """RFC 3339 with nanoseconds; None where the date is not known."""
    return boot.rfc3339(boot_ns)


def moment(boot_ns: int | None, boot: Boot) -> str:
    """Date and time of day with offset, or seconds after boot."""
    text = full(boot_ns, boot)
    if text is not None:
        return f"{text[:10]} {text[11:23]}{text[29:]}" if len(text) > 29 else text  # noqa: PLR2004
    return _undated(boot_ns, boot) or _UNKNOWN


def of_day(boot_ns: int | None, boot: Boot) -> str:
    """Time of day to the microsecond, or seconds after boot; empty where nothing is known."""
    text = full(boot_ns, boot)
    if text is not None:
        return text[11:26] if len(text) > 26 else text  # noqa: PLR2004
    return _undated(boot_ns, boot)


def short(boot_ns: int | None, boot: Boot) -> str:
    """Date and time of day without offset, for lists."""
    text = full(boot_ns, boot)
    if text is not None:
        return f"{text[:10]} {text[11:23]}" if len(text) > 23 else text  # noqa: PLR2004
    return _undated(boot_ns, boot) or "-"


def _undated(boot_ns: int | None, boot: Boot) -> str:
    if boot_ns is None or not boot.timed:
        return ""
    return f"{boot_ns / NS:.6f} s after boot"
