"""What can go wrong and be said in one line. The command's exit code stands with each class.

`KilltrailError` (1) is the root: `UsageError` (2), `NoSuchDeathError` (4), `UnavailableError` (5) and,
below it, `IncompleteError` (7). Other exit codes are answers, not errors: 0 answered, 3 found but its
cause is not established, 6 a check found something, 7 also a list that may be incomplete, 124 a wait
that timed out.
"""

from typing import ClassVar


class KilltrailError(Exception):
    """Something went wrong that can be said in one line, with what would help in `remedy`.

    Exit code 1. What the Python API raises on purpose is of this class, or a `ValueError` where a
    document is none.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["KilltrailError"], tuple[str, str | None]]:
        # Exception's own knows of the message alone: a copy, or one from another process, lost the remedy.
        return type(self), (str(self), self.remedy)


class UsageError(KilltrailError):
    """The question makes no sense: no such option, file, time, signal or target. Exit code 2."""

    exit_code = 2


class NoSuchDeathError(KilltrailError):
    """Sources could be asked, and record no such death, boot or process. Exit code 4."""

    exit_code = 4


class UnavailableError(KilltrailError):
    """A source or facility can't be used: not permitted, not present, not supported. Exit code 5."""

    exit_code = 5


class IncompleteError(UnavailableError):
    """No such death was found, and something that was asked could not be read. Exit code 7."""

    exit_code = 7
