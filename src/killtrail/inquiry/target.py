"""What a user may type as TARGET."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from killtrail._slotted import dataclass
from killtrail.errors import UsageError
from killtrail.model.cgroup_path import container_of, unit_of
from killtrail.model.process import Process

_COMM_MOST: Final = 15


class Kind(StrEnum):
    """Ways to name a process."""

    PID = "pid"
    COMM = "comm"
    EXE = "exe"
    UNIT = "unit"
    CONTAINER = "container"
    NAME = "name"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed TARGET."""

    kind: Kind
    text: str

    @property
    def pid(self) -> int | None:
        """The number, if it is one."""
        return int(self.text) if self.kind is Kind.PID else None

    def matches(self, process: Process) -> bool:
        """Whether a process is meant."""
        return _MATCH[self.kind](process, self.text)


def parse(text: str) -> Target:
    """A bare number is a pid, a bare path an exe, `x.service` a unit, anything else a name.

    Raises `UsageError` for what is none of these, or is of a kind that this version can't answer.
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
    if text.endswith((".service", ".scope")):
        return Target(Kind.UNIT, text)
    if text.startswith("/"):
        return Target(Kind.EXE, text)
    return _checked(Kind.NAME, text)


def _checked(kind: Kind, text: str) -> Target:
    if not text:
        raise UsageError("an empty TARGET names nothing")
    if kind is Kind.PID:
        if not text.isdecimal() or not 0 < int(text) < 1 << 22:
            raise UsageError(f"{text}: not a process number (1 to 4194303)")
        return Target(kind, str(int(text)))
    return Target(kind, text)


def _by_comm(process: Process, text: str) -> bool:
    # The kernel keeps 15 bytes of a name; the leader's and the last thread's both count.
    return text[:_COMM_MOST] in (process.comm, process.thread)


def _by_exe(process: Process, text: str) -> bool:
    exe = process.exe
    if exe is None:
        return False
    return exe == text if "/" in text else exe.rsplit("/", 1)[-1] == text


def _by_argv0(process: Process, text: str) -> bool:
    if process.argv is None or not process.argv.words:
        return False
    return process.argv.words[0].rsplit("/", 1)[-1] == text


def _by_container(process: Process, text: str) -> bool:
    found = container_of(process.cgroup)
    return found is not None and found.split(":")[-1].startswith(
        text.rsplit(":", maxsplit=1)[-1].lower()
    )


_MATCH: Final[dict[Kind, Callable[[Process, str], bool]]] = {
    Kind.HOST: lambda _p, _text: False,
    Kind.PID: lambda p, text: p.pid == int(text),
    Kind.COMM: _by_comm,
    Kind.EXE: _by_exe,
    Kind.UNIT: lambda p, text: unit_of(p.cgroup) == text,
    Kind.CONTAINER: _by_container,
    Kind.NAME: lambda p, text: _by_comm(p, text) or _by_exe(p, text) or _by_argv0(p, text),
}
