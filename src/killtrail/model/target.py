"""What a question is about: a PID, a name, a unit, a container, or the host."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.cgroup_path import apps_of, container_of, unit_of
from killtrail.model.process import Process

_COMM_MOST: Final = 15
"""TASK_COMM_LEN - 1 (include/linux/sched.h)."""


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
    """A parsed TARGET; `containers` are the ids of containers of that name, where names are known."""

    kind: Kind
    text: str
    containers: tuple[str, ...] = ()

    @property
    def pid(self) -> int | None:
        """The PID, if the target is one."""
        return int(self.text) if self.kind is Kind.PID else None

    @property
    def host(self) -> bool:
        """Whether the machine itself is meant."""
        return self.kind is Kind.HOST

    def matches(self, process: Process) -> bool:
        """Whether a process is meant."""
        return _MATCH[self.kind](process, self)

    def words(self) -> tuple[str, ...]:
        """Literals of which one stands in every record that names this target, however it was escaped.

        Readers search for them before they decode. Empty: nothing may be left out.
        """
        if self.kind is Kind.HOST:
            return ()
        if self.kind is Kind.PID:
            return (self.text,)
        base = self.text.rpartition("/")[2] or self.text
        if self.kind is Kind.CONTAINER:
            base = base.rpartition(":")[2].lower()
        elif self.kind is not Kind.UNIT:
            base = base[:_COMM_MOST]
        # systemd writes all but these as \\xNN in the names of cgroups (systemd.unit(5)).
        plain = max(re.findall(r"[A-Za-z0-9:_.]+", base), key=len, default="")
        return (plain, *self.containers) if plain else ()


def _by_comm(process: Process, target: Target) -> bool:
    # The leader's name and the last thread's both count.
    return target.text[:_COMM_MOST] in (process.comm, process.thread)


def _by_exe(process: Process, target: Target) -> bool:
    exe = process.exe
    if exe is None:
        return False
    return exe == target.text if "/" in target.text else exe.rsplit("/", 1)[-1] == target.text


def _by_argv0(process: Process, target: Target) -> bool:
    if process.argv is None or not process.argv.words:
        return False
    return process.argv.words[0].rsplit("/", 1)[-1] == target.text


def _by_unit(process: Process, target: Target) -> bool:
    unit = unit_of(process.cgroup)
    return unit is not None and target.text in (unit, unit.rpartition(".")[0], *apps_of(unit))


def _by_container(process: Process, target: Target) -> bool:
    found = container_of(process.cgroup)
    if found is None:
        return False
    number = found.rpartition(":")[2]
    return number in target.containers or number.startswith(target.text.rpartition(":")[2].lower())


def _by_name(process: Process, target: Target) -> bool:
    return (
        _by_comm(process, target)
        or _by_exe(process, target)
        or _by_argv0(process, target)
        or _by_unit(process, target)
        or (bool(target.containers) and _by_container(process, target))
    )


_MATCH: Final[dict[Kind, Callable[[Process, Target], bool]]] = {
    Kind.HOST: lambda _p, _target: False,
    Kind.PID: lambda p, target: p.pid == int(target.text),
    Kind.COMM: _by_comm,
    Kind.EXE: _by_exe,
    Kind.UNIT: _by_unit,
    Kind.CONTAINER: _by_container,
    Kind.NAME: _by_name,
}
