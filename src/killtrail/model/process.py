"""A process: one use of a PID, identified by boot, PID and start time."""

from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.model.text import visible

NO_ID = 0xFFFFFFFF
"""What the kernel calls an unset loginuid or audit session."""


@dataclass(frozen=True, slots=True)
class Argv:
    """A command line as far as it was kept.

    `cut` says that the process had more than was recorded; `inherited` that the process never
    exec'd, so this is the command line of the parent it was forked from; `redacted` that a value
    which looked like a secret was replaced.
    """

    words: tuple[str, ...]
    cut: bool = False
    inherited: bool = False
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """Identity within a boot: thread group id and start of its leader on the boot clock (ns).

    `start_ns` is None if a source knows only the PID; such a key matches nothing for sure.
    """

    tgid: int
    start_ns: int | None

    def same_life(self, other: "Key") -> bool:
        """Whether both are the same process.

        procfs rounds start times down to ticks of 10 ms: such a time matches any process that
        started within its tick. A tracepoint's time is slightly after the start, hence the slack.
        """
        if self.tgid != other.tgid or self.start_ns is None or other.start_ns is None:
            return False
        if self.start_ns == other.start_ns:
            return True
        early, late = sorted((self.start_ns, other.start_ns))
        return early % TICK_NS == 0 and late - early < TICK_NS + SLACK_NS


TICK_NS = 10_000_000
SLACK_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Creator:
    """Who had forked entry `index` of a lineage (0 = its head), where its parent does not say.

    Its creator exited before it, or (`sibling`) had made it its own sibling (clone(2),
    CLONE_PARENT).
    """

    index: int
    key: Key
    sibling: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """What a source knew of a process at one moment; None means "not recorded by this source"."""

    key: Key
    comm: str | None = None
    tid: int | None = None
    thread: str | None = None
    exe: str | None = None
    argv: Argv | None = None
    uid: int | None = None
    loginuid: int | None = None
    session: int | None = None
    cgroup: str | None = None
    pidns: int | None = None
    ns_pid: int | None = None
    ppid: int | None = None
    kthread: bool = False
    reaper: bool | None = None
    """Whether orphans are handed to it: an init or a child subreaper (prctl(2))."""
    exiting: bool = False
    alive: bool | None = None
    user: str | None = None
    login_user: str | None = None
    """Names of uid and loginuid on the process's own machine, from when the evidence was read; None
    = no account has that number, empty = they are another machine's and not known."""

    @property
    def pid(self) -> int:
        """The PID: the thread group id in the initial PID namespace."""
        return self.key.tgid

    def merged(self, other: "Process") -> "Process":
        """This process with gaps filled from another observation of the same process."""
        gaps = {
            field: getattr(other, field)
            for field in (
                "comm",
                "exe",
                "argv",
                "uid",
                "loginuid",
                "session",
                "cgroup",
                "ppid",
                "pidns",
                "ns_pid",
                "user",
                "login_user",
            )
            if getattr(self, field) is None and getattr(other, field) is not None
        }
        return replace(self, **gaps) if gaps else self


def is_init(process: Process) -> bool:
    """Whether it is the host's init, whose command line (`/init`, `/sbin/init`) says nothing."""
    return process.pid == 1 and process.comm in ("systemd", "init")


def without_pid(process: Process) -> str | None:
    """`the idle task (swapper/0)`, `the main process of x.service`; None if it has a PID or no name."""
    if process.pid or not process.comm:
        return None
    # init_idle() (kernel/sched/core.c) names them; all have PID 0.
    if process.comm.startswith("swapper"):
        return f"the idle task ({visible(process.comm)})"
    return f"the main process of {visible(process.comm)}"


MACHINE: Final = Process(Key(0, None), user="")
"""Stands where a verdict on a process has its process, in a verdict on a host."""
