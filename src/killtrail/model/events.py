"""Observations: typed, immutable, each with the record it came from. Times are boot-clock ns."""

from enum import StrEnum
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.circumstances import SystemCall
from killtrail.model.process import Argv, Creator, Key, Process
from killtrail.model.signal_context import Basis, KernelContext
from killtrail.model.wait_status import WaitStatus


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an observation can be looked up again: source id and a place within it."""

    source: str
    where: str
    host: str | None = None
    """The machine, where a log of several names it."""


class Sighting(StrEnum):
    """What a log's record shows of a process."""

    EXEC = "exec"
    """It started its program."""
    FORK = "fork"
    """Its parent created it."""
    SEEN = "seen"
    """It did anything else."""
    NAMED = "named"
    """Only its PID is known, as the parent in its child's record."""


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A log's record of what a process was at one moment; `process.ppid` is its parent then."""

    time_ns: int
    origin: Provenance
    process: Process
    how: Sighting


@dataclass(frozen=True, slots=True)
class LoginSeen:
    """A session that was opened, or a job that was started: by which program, for which user."""

    time_ns: int
    origin: Provenance
    process: Process
    came_from: str | None = None
    terminal: str | None = None
    command: str | None = None
    """The command line that a job service started."""


@dataclass(frozen=True, slots=True)
class LogContext:
    """What only logs hold of a signal: the launch chain and the session of `current`."""

    chain: tuple[ProcessSeen, ...] = ()
    """The launch chain of `current`, nearest first, `current` included."""
    login: LoginSeen | None = None
    """How the audit session of `current` was opened."""


@dataclass(frozen=True, slots=True)
class SignalRefused:
    """A signal call that reached no process: refused (`EPERM`) or without a target (`ESRCH`)."""

    time_ns: int
    origin: Provenance
    sig: int
    error: str
    process: Process
    pid: int | None = None
    """The PID it was for, in the sender's PID namespace where no other is recorded."""


NO_KERNEL_CONTEXT: Final = KernelContext()
NO_LOG_CONTEXT: Final = LogContext()


@dataclass(frozen=True, slots=True)
class SignalSent:
    """The kernel put a signal on a process (tracepoint signal:signal_generate, result 0 or 4).

    `current` is the task that ran at that moment. It is *not* the sender until the kernel stack, the
    system call or a record of the call says so.
    """

    time_ns: int
    origin: Provenance
    sig: int
    code: int
    result: int
    group: bool
    target: Process
    current: Process
    basis: Basis = Basis.UNKNOWN
    si_pid: int | None = None
    si_uid: int | None = None
    same_task: bool = False
    same_group: bool = False
    syscall: SystemCall | None = None
    kernel: KernelContext = NO_KERNEL_CONTEXT
    log: LogContext = NO_LOG_CONTEXT
    call_id: str | None = None
    """Which call it belongs to, where one call hit several processes: the place of the call's first
    record, or its serial in the audit log."""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ProcessExited:
    """The last thread of a process exited (tracepoint sched:sched_process_exit).

    `status` is None where the source does not record it.
    """

    time_ns: int
    origin: Provenance
    process: Process
    status: WaitStatus | None
    parent: Process | None = None
    """The parent when it exited: its creator, or a reaper if `creator` is set."""
    creator: Creator | None = None
    tracer: Process | None = None
    fatal: bool | None = None
    """Where `status` is unknown: whether a signal's default action was under way."""
    asked: int | None = None
    """The last signal of the asking kind that it handled or had blocked; 0 = none, None = unknown."""
    seccomp_mode: int | None = None
    filters: int | None = None
    """How many seccomp filters bound it."""
    called_exit: bool | None = None
    """Whether `process.tid` is known to have called exit_group(2) itself."""
    stack: tuple[str | None, ...] | None = None
    """Kernel stack of the exit, taken only where no signal's default action led there."""
    memory_limit: int | None = None
    """RLIMIT_AS in bytes, None = unlimited or not known."""
    stdin_pipe: int | None = None
    """Inode of the pipe whose last reader it was, by its standard input."""
    exec_pipe: int | None = None
    """Inode of the pipe it was started to read from, and its parent was not."""
    returns_to_stack: bool | None = None
    """Traced, and its last call would have returned to the stack (a debugger made it) or to code;
    None = not traced, or not to be read."""
    second_hand: bool = False
    """Reported by another program (a shell, a tracer), not by the kernel."""

    @property
    def signal(self) -> int | None:
        """The signal that ended it; 0 for an exit, None where the status is unknown."""
        return None if self.status is None else self.status.signal

    @property
    def exit_code(self) -> int | None:
        """The code it passed to exit; None for a death by signal, or an unknown status."""
        return None if self.status is None else self.status.exit_code


@dataclass(frozen=True, slots=True)
class OrphanedBy:
    """Who created a process whose parent is another one, and where it came from.

    It exited before its children, or (`sibling`) created one that is its sibling (CLONE_PARENT).
    """

    time_ns: int
    origin: Provenance
    process: Process
    lineage: tuple[Process, ...] = ()
    creator: Creator | None = None
    sibling: bool = False


@dataclass(frozen=True, slots=True)
class OomVictimMarked:
    """The OOM killer chose a process (tracepoint oom:mark_victim)."""

    time_ns: int
    origin: Provenance
    victim: Key
    trigger: Process


class OomScope(StrEnum):
    """Which memory had run out (enum oom_constraint, include/linux/oom.h), or who acted instead."""

    HOST = "host"
    CGROUP = "cgroup"
    CPUSET = "cpuset"
    POLICY = "policy"
    """A NUMA binding."""
    OOMD = "oomd"
    """systemd-oomd killed it, not the kernel."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OomKilled:
    """The log of an OOM kill: the victim, the allocating task, the limit.

    mm/oom_kill.c, mm/memcontrol.c. The header that names the allocating task is rate-limited and may
    be missing.
    """

    time_ns: int
    origin: Provenance
    victim: Process
    invoker: Process | None = None
    scope: OomScope = OomScope.UNKNOWN
    cgroup: str | None = None
    """The memory cgroup whose limit was hit."""
    limit_bytes: int | None = None
    group: bool = False
    """Killed along by memory.oom.group."""
    sysrq: bool = False
    candidates: int = 0
    """How many processes the victim was chosen from."""
    details: str = ""
    """The line's words on the victim's memory."""


class HostEventKind(StrEnum):
    """What happened to the whole machine."""

    PANIC = "panic"
    OOPS = "oops"
    LOCKUP = "lockup"
    HUNG_TASK = "hung-task"
    MACHINE_CHECK = "machine-check"
    SYSRQ = "sysrq"
    SHUTDOWN = "shutdown"
    REBOOT = "reboot"
    POWER_OFF = "power-off"
    BOOT = "boot"
    WATCHDOG = "watchdog"
    RAN = "ran"
    """It was up at that moment."""
    ASKED = "asked"
    """A shutdown or reboot was requested."""


@dataclass(frozen=True, slots=True)
class HostEvent:
    """Something that concerns the whole machine."""

    time_ns: int
    origin: Provenance
    kind: HostEventKind
    text: str
    process: Process | None = None
    address: int | None = None
    code: WaitStatus | None = None
    """Wait status of init, where its exit caused the panic."""


@dataclass(frozen=True, slots=True)
class ThreadDied:
    """A signal or a kernel bug ended one thread, and its process went on."""

    time_ns: int
    origin: Provenance
    process: Process
    status: WaitStatus
    stack: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageReplaced:
    """A thread that was not the leader called execve(2): all other threads are gone.

    It goes on under the leader's thread ID, the PID; `old_tid` is the one it had before.
    """

    time_ns: int
    origin: Provenance
    process: Process
    old_tid: int
    argv: Argv | None = None


@dataclass(frozen=True, slots=True)
class KernelLine:
    """A line of the kernel's log (tracepoint printk:console) with the process that caused it."""

    time_ns: int
    origin: Provenance
    process: Process
    text: str
    lineage: tuple[Process, ...] = ()
    creator: Creator | None = None


@dataclass(frozen=True, slots=True)
class ManagerAsked:
    """A service manager's client was started with a verb such as `stop` (`systemctl stop UNIT`)."""

    time_ns: int
    origin: Provenance
    process: Process
    lineage: tuple[Process, ...] = ()
    creator: Creator | None = None


@dataclass(frozen=True, slots=True)
class LimitSet:
    """A process set a resource limit of another one (prlimit(2)): `soft`, `hard`, None = unlimited.

    In seconds for RLIMIT_CPU, microseconds for RLIMIT_RTTIME, bytes for RLIMIT_FSIZE and RLIMIT_AS.
    """

    time_ns: int
    origin: Provenance
    process: Process
    target: Key
    resource: str
    soft: int | None
    hard: int | None
    lineage: tuple[Process, ...] = ()
    creator: Creator | None = None


@dataclass(frozen=True, slots=True)
class ParseProblem:
    """Something in a source that could not be read; counted, shown, never fatal."""

    source: str
    where: str
    what: str


Note = KernelLine | ManagerAsked | LimitSet
"""What people did that reaches a victim only through the kernel or a manager."""
Recorded = (
    SignalSent | ProcessExited | OrphanedBy | OomVictimMarked | ThreadDied | ImageReplaced | Note
)
"""What our recorders write."""
Event = Recorded | ProcessSeen | LoginSeen | SignalRefused | OomKilled | HostEvent
