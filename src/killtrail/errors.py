"""One root for errors a user can act on; each carries the exit code of the command line."""

from typing import ClassVar


class KilltrailError(Exception):
    """Something went wrong that can be said in one line, with what would help in `remedy`."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(KilltrailError):
    """The command line makes no sense."""

    exit_code = 2


class NoSuchDeathError(KilltrailError):
    """No such death was recorded."""

    exit_code = 4


class UnavailableError(KilltrailError):
    """A source or facility can't be used here: not permitted, not present, not supported."""

    exit_code = 5
