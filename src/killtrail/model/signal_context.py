"""What only recorders inside the kernel know of a signal, and what a signal's record rests on."""

from enum import StrEnum

from killtrail._slotted import dataclass
from killtrail.model.circumstances import Filters, MemoryLimit, ResourceLimit, Terminal
from killtrail.model.process import Creator, Process


class Basis(StrEnum):
    """What a record of a signal rests on; for the kernel's tracepoint, which siginfo it carried."""

    NONE = "none"
    """The tracepoint, SEND_SIG_NOINFO: no siginfo, as for a write to a closed pipe."""
    KERNEL = "kernel"
    """The tracepoint, SEND_SIG_PRIV: the kernel itself sent it."""
    USER = "user"
    """The tracepoint, a real siginfo_t: `si_pid` and `si_uid` are its fields. Of a fault they are
    the two halves of `si_addr`."""
    UNKNOWN = "unknown"
    """The tracepoint, siginfo not recorded."""
    CALL = "call"
    """A record of the system call, with its target as this host counts PIDs."""
    CALLER_PID = "number"
    """A record of the system call, with its target as the caller counts PIDs: perhaps in another
    PID namespace."""
    SIGINFO = "siginfo"
    """The siginfo that the target received (sigaction(2)), as strace(1) shows it."""
    TRACER = "tracer"
    """A line of a tracing tool or a service manager: sender and target, nothing of how."""


class Disposition(StrEnum):
    """What the target had set for a signal when it was sent (signal(7))."""

    DEFAULT = "default"
    IGNORED = "ignored"
    HANDLED = "handled"


@dataclass(frozen=True, slots=True)
class KernelContext:
    """What the kernel knew of target and `current` as it sent a signal.

    None in any field is "not recorded". Recorders inside the kernel fill most of it, a line of the
    kernel's log a few fields, all other sources nothing.
    """

    disposition: Disposition | None = None
    blocked: bool | None = None
    doomed: bool | None = None
    """Whether the target's group was bound to exit with this very signal when the send returned
    (SIGNAL_GROUP_EXIT, complete_signal() in kernel/signal.c)."""
    target_is_child: bool | None = None
    """Whether a thread of `current`'s group had created the target."""
    pdeath_match: bool | None = None
    """Whether the target's parent-death signal is this signal (PR_SET_PDEATHSIG)."""
    stack: tuple[str | None, ...] | None = None
    """Names of kernel functions, innermost first, None for a frame without a known name. An empty
    stack is an interrupt's; None = this source takes no stacks."""
    lineage: tuple[Process, ...] = ()
    """The ancestors of `current`, parent first, or (`terminal.chained`) of who holds the terminal's other end."""
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

    @property
    def may_act(self) -> bool:
        """Whether the default action may have applied: it did, or the disposition is not recorded."""
        return self.disposition is None or self.disposition is Disposition.DEFAULT
