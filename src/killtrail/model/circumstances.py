"""Circumstances of a signal when it was sent: the call, limits, filters, terminals."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.process import Process

_FOREIGN: Final = frozenset({"i386", "x32", "arm"})


@dataclass(frozen=True, slots=True)
class SystemCall:
    """The system call in progress: call number, ABI (`x86_64`, `i386`, ...), name, arguments."""

    number: int
    abi: str
    name: str | None
    args: tuple[int, ...]

    @property
    def foreign(self) -> bool:
        """Whether it came over an ABI that most programs of such a machine do not use."""
        return self.abi in _FOREIGN


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The memory cgroup that was full: path, limit and use in bytes."""

    cgroup: str
    max_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class ResourceLimit:
    """A limit of the target (getrlimit(2)): values as the kernel has them, None = unlimited.

    `carriers` counts the ancestors in a row, from the parent on, that had the very same limit: the
    last of them, or the target itself where it is 0, is where it came in. `at_exec` says whether
    it was in force when the target's program was started, None where that is not known.
    """

    resource: str
    soft: int | None
    hard: int | None
    carriers: int
    at_exec: bool | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """The seccomp filters that bound the target. Only a task itself can install one (seccomp(2)).

    `carriers`: ancestors in a row that had any; `full_carriers`: that had as many as the target.
    `at_exec`: how many were there when its program was started.
    """

    count: int
    carriers: int
    full_carriers: int
    at_exec: int | None = None


@dataclass(frozen=True, slots=True)
class Terminal:
    """The target's controlling terminal, and the ancestor that held its master open.

    `sole`: no other descriptor in the system referred to the master, so no other process could
    write. `known`: only ancestors' descriptors did. `chained`: a kernel thread carried the key, and
    the signal's lineage is the holder's.
    """

    name: str
    pty: bool
    holder: Process | None = None
    sole: bool = False
    known: bool = False
    chained: bool = False
