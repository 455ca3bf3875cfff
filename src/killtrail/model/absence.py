"""Why a value is missing: five kinds, never a bare null without a reason."""

from enum import StrEnum

from killtrail._slotted import dataclass


class Why(StrEnum):
    """The kind of a missing value."""

    NOT_RECORDED = "not-recorded"
    NOT_APPLICABLE = "not-applicable"
    LOST = "lost"
    UNREADABLE = "unreadable"
    REDACTED = "redacted"


@dataclass(frozen=True, slots=True)
class Absence:
    """Something the verdict would need and has not got, and what would have given it."""

    what: str
    why: Why
    remedy: str | None = None
