"""What a user may type as TARGET."""

import os
from typing import Final

from killtrail.errors import UsageError
from killtrail.model.target import Kind, Target

_PID_MOST: Final = 1 << 22
"""PID_MAX_LIMIT on 64 bits (include/linux/threads.h)."""
_UNITS: Final = (".service", ".scope", ".slice", ".socket", ".timer", ".mount")


def is_dump(path: str) -> bool:
    """Whether it names a file that may be a crash dump."""
    if not os.path.isfile(path):  # noqa: PTH113 -- pathlib costs more to import
        return False
    from killtrail.inquiry import vmcore  # noqa: PLC0415 -- most targets are no files

    return vmcore.is_dump(path)


def parse(text: str) -> Target:
    """A bare number is a PID, a bare path an exe, `x.service` a unit, anything else a name.

    Raises `UsageError` for what is none of these, or of a kind that this version can't answer.
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix in set(Kind) - {Kind.HOST}:
        return _checked(Kind(prefix), rest)
    if text.isdecimal():
        return _checked(Kind.PID, text)
    if text == "host":
        return Target(Kind.HOST, text)
    if prefix == "file":
        raise UsageError(f"{text}: ask `killtrail why host --from {rest or 'FILE'}`")
    if text.endswith(_UNITS):
        return Target(Kind.UNIT, text)
    if text.startswith("/"):
        return Target(Kind.EXE, text)
    return _checked(Kind.NAME, text)


def _checked(kind: Kind, text: str) -> Target:
    if not text:
        raise UsageError("an empty TARGET names nothing")
    if kind is Kind.PID:
        if not text.isdecimal() or not 0 < int(text) < _PID_MOST:
            raise UsageError(f"{text}: not a PID (1 to {_PID_MOST - 1})")
        return Target(kind, str(int(text)))
    if kind in (Kind.NAME, Kind.CONTAINER):
        from killtrail.host import container_names  # noqa: PLC0415 -- names alone can be theirs

        return Target(kind, text, container_names.ids(text))
    return Target(kind, text)
