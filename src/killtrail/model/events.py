"""Observations: typed, immutable, each with the record it came from. Times are boot-clock ns."""

from collections.abc import Iterator

from killtrail._slotted import dataclass, fields, is_dataclass
from killtrail.model.circumstances import (
    Filters,
    MemoryLimit,
    ResourceLimit,
    SystemCall,
    Terminal,
)
from killtrail.model.process import Argv, Key, Process


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an observation can be looked up again: source id and a place within it."""

    source: str
    where: str
    host: str | None = None
    """The machine, where a log of several names it."""


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A log's record of what a process was at one moment; `process.ppid` is its parent then.

    `how`: `exec` (it started its program), `fork` (its parent created it), `seen` (it did anything
    else).
    """

    time_ns: int
    origin: Provenance
    process: Process
    how: str


@dataclass(frozen=True, slots=True)
class LoginSeen:
    """A session that was opened, or a job that was started: who, by which program, from where."""

    time_ns: int
    origin: Provenance
    process: Process
    came_from: str | None = None
    terminal: str | None = None
    command: str | None = None
    """The command line that a job service started."""


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
class SignalSent:
    """The kernel put a signal on a process (tracepoint signal:signal_generate, result 0 or 4).

    `current` is the task that ran at that moment. It is *not* "the sender" until the kernel stack
    and the system call say so. `stack` holds names of kernel functions, innermost first, None for
    a frame without a known name. `doomed` says that the target's group was already bound to exit
    with this very signal when the send returned, None where the source can't see it.
    """

    time_ns: int
    origin: Provenance
    sig: int
    code: int
    result: int
    group: bool
    target: Process
    current: Process
    info: str = "unknown"
    """`none` (SEND_SIG_NOINFO), `kernel` (SEND_SIG_PRIV), `user` (a real siginfo), `unknown`."""
    si_pid: int | None = None
    si_uid: int | None = None
    disposition: str | None = None
    """`default`, `ignored` or `handled` at that moment; None = not recorded."""
    blocked: bool | None = None
    doomed: bool | None = None
    same_task: bool = False
    same_group: bool = False
    target_is_child: bool | None = None
    """Whether a thread of `current`'s group had created the target."""
    pdeath_match: bool | None = None
    """Whether the target's parent-death signal is this signal."""
    syscall: SystemCall | None = None
    stack: tuple[str | None, ...] | None = None
    """None = this source takes no stack."""
    lineage: tuple[Process, ...] = ()
    """The ancestors of `current`, or (`terminal.chained`) of who holds the terminal's other end."""
    creator: Creator | None = None
    memory: MemoryLimit | None = None
    limit: ResourceLimit | None = None
    filters: Filters | None = None
    terminal: Terminal | None = None
    pipe: int | None = None
    """Inode of the pipe it wrote to when SIGPIPE hit."""
    ip: int | None = None
    sp: int | None = None
    """Instruction and stack pointer of `current` in user space."""
    chain: tuple[ProcessSeen, ...] = ()
    """The launch chain of `current` as a log holds it, nearest first, `current` included."""
    login: LoginSeen | None = None
    """How the audit session of `current` was opened."""
    act: str | None = None
    """Place of the first record of the act this belongs to, where one act hit several."""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ProcessExited:
    """The last thread of a process went (tracepoint sched:sched_process_exit).

    `status` is a wait status (signal in the low seven bits, 0x80 = core dumped, exit code above),
    None where the source does not tell it.
    """

    time_ns: int
    origin: Provenance
    process: Process
    status: int | None
    parent: Process | None = None
    """The parent when it exited: its creator, or a reaper if `creator` is set."""
    creator: Creator | None = None
    tracer: Process | None = None
    fatal: bool | None = None
    """Where `status` is unknown: whether a signal's default action was under way at its end."""
    asked: int | None = None
    """The last signal of the asking kind that it handled or had blocked; 0 = none, None = unknown."""
    seccomp_mode: int | None = None
    filters: int | None = None
    """How many seccomp filters bound it."""
    called_exit: bool | None = None
    """Whether `process.tid` is known to have called exit_group(2) itself."""
    stack: tuple[str | None, ...] | None = None
    """Kernel stack of the end, taken only where no signal's default action led there."""
    memory_limit: int | None = None
    """RLIMIT_AS in bytes, None = unlimited or not known."""
    stdin_pipe: int | None = None
    """Inode of the pipe whose last reader it was, by its standard input."""
    exec_pipe: int | None = None
    """Inode of the pipe it was started to read from, and its parent was not."""
    returns_to_stack: bool | None = None
    """Traced, and its last call would have returned to the stack (a debugger made it) or to code;
    None = not traced, or not to be read."""
    told: bool = False
    """Said by another program (a shell, a tracer's text), not by the kernel."""

    @property
    def signal(self) -> int | None:
        """The signal that ended it; 0 for an exit, None where the status is unknown."""
        return None if self.status is None else self.status & 0x7F

    @property
    def exit_code(self) -> int | None:
        """The code it passed to exit, None for a death by signal."""
        if self.status is None or self.status & 0x7F:
            return None
        return (self.status >> 8) & 0xFF


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


@dataclass(frozen=True, slots=True)
class OomKilled:
    """The kernel's log of an OOM kill: whom it chose, on whose allocation, against which limit.

    mm/oom_kill.c, mm/memcontrol.c. `scope`: `host`, `cgroup`, `cpuset`, `policy` (a NUMA binding), or
    `unknown`. The header that names the allocating task is rate-limited and may be missing.
    """

    time_ns: int
    origin: Provenance
    victim: Process
    invoker: Process | None = None
    scope: str = "unknown"
    cgroup: str | None = None
    """The memory cgroup whose limit was hit."""
    limit_bytes: int | None = None
    group: bool = False
    """Killed along by memory.oom.group."""
    sysrq: bool = False
    candidates: int = 0
    """Processes in the table that it chose from."""
    details: str = ""
    """What the line says of the victim's memory."""


@dataclass(frozen=True, slots=True)
class HostEvent:
    """Something that concerns the whole machine.

    `kind`: `panic`, `oops`, `lockup`, `hung-task`, `machine-check`, `sysrq`, `shutdown`, `reboot`,
    `power-off`, `boot`, `watchdog`, `ran` (it was up then), `asked` (somebody requested its end).
    """

    time_ns: int
    origin: Provenance
    kind: str
    text: str
    process: Process | None = None
    address: int | None = None
    code: int | None = None
    """Exit code of init, where it was killed."""


@dataclass(frozen=True, slots=True)
class ThreadDied:
    """One thread was ended by a signal or a kernel bug while its process went on."""

    time_ns: int
    origin: Provenance
    process: Process
    status: int
    stack: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageReplaced:
    """A thread that was not the leader called execve(2): its siblings, the leader too, are gone.

    It goes on under the process's number; `old_tid` is the thread id it had before.
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
    """A service manager's client was started with a verb that ends something (`systemctl stop`)."""

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


def described(event: Event) -> tuple[tuple[str, str], ...]:
    """An observation as (field, text) rows; nested records flattened, empty fields left out."""
    return tuple(_rows("", event))


def _rows(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    for each in fields(value):
        item = getattr(value, each.name)
        name = f"{prefix}{each.name}"
        if item is None or item == () or each.name == "origin":
            continue
        if is_dataclass(item):
            yield from _rows(f"{name}.", item)
        elif isinstance(item, tuple) and is_dataclass(item[0]):
            for number, part in enumerate(item):
                yield from _rows(f"{name}[{number}].", part)
        elif isinstance(item, tuple):
            yield name, " ".join("?" if part is None else str(part) for part in item)
        else:
            yield name, str(item)
