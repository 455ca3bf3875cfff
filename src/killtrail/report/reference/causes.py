"""Plain words for causes, mechanisms and signals; the docs pages are made from the same text."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism


@dataclass(frozen=True, slots=True)
class Page:
    """What a cause means."""

    means: str
    similar: str
    proof: str
    do: str


CAUSES: Final[dict[Cause, Page]] = {
    Cause.EXITED: Page(
        "It ended by itself: it called exit (or returned from main). No signal ended it.",
        "An exit code over 128 looks like a signal, but is only a number it passed on; 137 without a"
        " signal in the wait status was no kill.",
        "The wait status at its last thread's end holds no signal.",
        "Look at its own log and at what its exit code means to it.",
    ),
    Cause.KILLED_BY_PROCESS: Page(
        "Another process sent it a signal that ended it, with one of the six signal calls.",
        "cgroup.kill, a dying parent (PR_SET_PDEATHSIG), timers and the OOM killer leave the same"
        " wait status; siginfo may be forged.",
        "Wait status, the kernel's record of the send, and the sender inside the call at that moment.",
        "Ask the launchers and the origin why: a stale pid file, a pattern that matches too much, a timeout.",
    ),
    Cause.KILLED_BY_SELF: Page(
        "It sent itself the signal that ended it.",
        "A wrapper that repeats its child's signal on itself; a shell that handled TERM and re-raised it.",
        "Sender and target are one thread group, inside a signal call. Where a child of its own had"
        " died of the same signal right before, it only repeated that: the child's killer is named.",
        "Look for kill, raise or abort in the program or script.",
    ),
    Cause.ASKED_TO_STOP: Page(
        "It got a request to stop (TERM, INT, HUP, QUIT), handled it, and ended as asked.",
        "An exit of its own shortly after an unrelated signal, such as HUP for a reload.",
        "The signal on record with a handler set, then the exit; 128 + signal as code shows compliance.",
        "The sender of the request is who stopped it: a unit stop, a deployment, an operator.",
    ),
    Cause.CRASHED: Page(
        "One of its own instructions faulted: bad memory access, illegal instruction, division by zero."
        " Or it did not handle a system call that it had the kernel hand back to it (user-dispatch).",
        "kill -SEGV leaves the same wait status and the same core; si_code tells them apart. So does a"
        " seccomp filter's SIGSYS: its code is SYS_SECCOMP, that of user dispatch SYS_USER_DISPATCH.",
        "A fault code forced on its own thread. The address beside the stack pointer tells a stack that"
        " ran out, BUS_ADRERR a mapped file cut short or a full file system.",
        "The core file has the place: coredumpctl gdb, or ulimit -c unlimited for the next one.",
    ),
    Cause.ABORTED: Page(
        "It gave up: abort(), a failed assertion, memory corruption noticed by the C library.",
        "A watchdog that sends ABRT from outside.",
        "SIGABRT sent by its own thread to itself.",
        "Its last words on standard error; the core file.",
    ),
    Cause.OOM_KILLED: Page(
        "The kernel's OOM killer chose it because memory ran out, on the host or in a cgroup.",
        "Any SIGKILL shows 137; runtimes set OOMKilled for a child's OOM too.",
        "The OOM killer's functions on the kernel stack of the SIGKILL, and the victim mark.",
        "The owner of the limit decided, not the task that allocated: raise the limit, or find who uses it up.",
    ),
    Cause.CGROUP_KILLED: Page(
        "Somebody wrote 1 to cgroup.kill: every process of the cgroup was killed.",
        "A plain kill -9: the siginfo looks the same, audit sees nothing.",
        "cgroup_kill_write on the kernel stack of the SIGKILL.",
        "The writer is mostly a service manager or container runtime: see who asked it.",
    ),
    Cause.SECCOMP_KILLED: Page(
        "A seccomp filter refused one of its system calls with death.",
        "A crash: core file and audit's ANOM_ABEND look alike. Syscall user dispatch gives SIGSYS, too,"
        " but with SYS_USER_DISPATCH: that is a crash.",
        "SIGSYS with SYS_SECCOMP; in strict mode SIGKILL without any send, with seccomp on the kernel"
        " stack of the end. Only a task itself can install a filter, so the ancestors that carry it show"
        " who brought it along.",
        "Allow the call in the sandbox's profile, or find what made the program use it.",
    ),
    Cause.LIMIT_EXCEEDED: Page(
        "It went over a resource limit (CPU time, file size, time at a real-time priority).",
        "SIGKILL at the hard CPU limit looks like an unexplained 137.",
        "The limit's functions on the kernel stack, and the limit itself. Who set it with prlimit(2) from"
        " outside is named where the recorder saw that call, which needs a kernel with BPF trampolines,"
        " and where its values are those that struck. Else the process in which the limit came in is"
        " shown as possible.",
        "prlimit --pid, ulimit -a in its launcher, LimitCPU= in its unit.",
    ),
    Cause.TIMER_EXPIRED: Page(
        "A timer that it had armed itself ran out (alarm, setitimer, timer_create).",
        "A tool that prints the running task blames whoever was on the CPU.",
        "The timer's functions on the kernel stack.",
        "Look for alarm() or a timer without a handler in the program.",
    ),
    Cause.BROKEN_PIPE: Page(
        "It wrote to a pipe or socket that nobody reads any more.",
        "kill -PIPE.",
        "SIGPIPE by the kernel in its own write. The reader is named where it ended with that very pipe"
        " as its standard input; one that closed it and lives on is not on record.",
        "Mostly normal (yes | head); else find why the reader went first.",
    ),
    Cause.TERMINAL: Page(
        "Its terminal signalled it: a key (^C, ^\\), a hang-up, an orphaned job.",
        "A signal tracer shows a kworker, or whoever closed the terminal.",
        "The terminal driver's functions on the kernel stack. For a key, the ancestor that has the"
        " terminal's other end open (a terminal, ssh, script, a multiplexer) wrote it: for sure, if nobody"
        " else has it open. For ioctl(TIOCSIG) on that end, the caller is the sender.",
        "nohup, setsid, tmux or a unit of its own keep a job from its terminal's end.",
    ),
    Cause.PARENT_DIED: Page(
        "It had asked for a signal when its parent ends (PR_SET_PDEATHSIG), and the parent ended.",
        "Tracers say that the parent killed it.",
        "The sender was exiting, had created it, made no signal call, and the signal is the one asked for.",
        "Ask why the parent ended; note that the end of the creating thread is enough.",
    ),
    Cause.NAMESPACE_ENDED: Page(
        "The init of its pid namespace ended, so the kernel killed everybody in it.",
        "Tracers say that the init killed it.",
        "zap_pid_ns_processes on the kernel stack.",
        "Ask why the init (a container's pid 1) ended.",
    ),
    Cause.TRACED: Page(
        "Its tracer (debugger, strace) killed it, injected a signal, or left with EXITKILL set.",
        "An injected signal has no send on record at all.",
        "ptrace's functions on the kernel stack; for injection, a tracer at its end (or one that had"
        " attached) and no send; for a call of exit made by a debugger, a return address on the stack.",
        "See what the tracer is and who started it.",
    ),
    Cause.BPF_KILLED: Page(
        "A BPF program sent the signal (bpf_send_signal), as enforcement agents do.",
        "It looks as if the process had killed itself.",
        "bpf_send_signal on the kernel stack.",
        "bpftool prog list shows the loaded programs.",
    ),
    Cause.REQUESTED_NOTIFICATION: Page(
        "It had asked for a signal when a descriptor or message queue becomes ready, with a deadly number.",
        "Tracers blame whoever wrote.",
        "send_sigio or the queue's notify on the kernel stack.",
        "Look for fcntl(F_SETSIG), O_ASYNC or mq_notify without a handler.",
    ),
    Cause.HARDWARE_ERROR: Page(
        "It touched memory that the hardware reports as broken.",
        "SIGBUS of a truncated mapping.",
        "SIGBUS with BUS_MCEERR_AR or _AO.",
        "Look at the kernel log and rasdaemon; replace the module.",
    ),
    Cause.KERNEL_BUG: Page(
        "The kernel hit a bug on its behalf (oops, BUG) and ended it.",
        "Status 139 looks like a segmentation fault.",
        "No send on record, and the oops on the kernel stack of its end.",
        "Report the oops; the host should be restarted.",
    ),
    Cause.KERNEL_KILLED: Page(
        "The kernel killed it on an operator's or driver's behalf (sysrq e, i or k, a driver).",
        "A mass kill by a process.",
        "The sysrq functions on the kernel stack; the writer of sysrq-trigger is the requester. For a"
        " driver: SIGKILL from the kernel to the very thread that called it, by none of its usual ways.",
        "See who may write /proc/sysrq-trigger; for a driver, the kernel log.",
    ),
    Cause.EXEC_FAILED: Page(
        "It never became the program it was meant to be: exec failed.",
        "A crash: past the point of no return the kernel ends it with SIGSEGV. And a program of its own"
        " that chose the exit code 126 or 127.",
        "A kernel SIGSEGV or SIGKILL in its own execve. Exit codes 126 and 127 are a convention: likely"
        " from a process that never exec'd or from env, nohup and their kin, possible from a shell.",
        "Check path, permissions and interpreter line.",
    ),
    Cause.REPLACED_BY_EXEC: Page(
        "No death: a thread called exec and the process became another program.",
        "Its old threads vanish with exit code 0.",
        "An exec by a thread that was not the leader, on record under the same pid.",
        "Ask about the new program.",
    ),
    Cause.ALIVE: Page(
        "It is alive; if it is frozen, the sender of the stop is named.",
        "A zombie is dead but not yet reaped.",
        "/proc shows that life under that number.",
        "killtrail watch PID follows it.",
    ),
    Cause.PID_REUSED: Page(
        "The number now belongs to another life than the one that died.",
        "A kill by a stale pid file hits exactly such a life.",
        "Start times differ.",
        "Compare start times before any kill by number.",
    ),
    Cause.HOST_PANICKED: Page(
        "The whole machine died of a kernel panic.",
        "A power loss.",
        "A panic text.",
        "Keep kdump armed.",
    ),
    Cause.HOST_REBOOTED: Page(
        "The whole machine was restarted in order.",
        "A panic with panic=N.",
        "A shutdown record.",
        "See who asked.",
    ),
    Cause.HOST_LOST_POWER: Page(
        "The whole machine stopped without any record.",
        "A hard reset or a hung machine.",
        "Records stop, nothing says goodbye.",
        "Ask the power supply, the BMC, the hypervisor.",
    ),
    Cause.NOT_ESTABLISHED: Page(
        "What ended it can't be said from what is on record.",
        "Nothing: this is an answer, not a guess.",
        "See 'missing' on the screen: what would have told.",
        "sudo killtrail arm, and the next one is on record.",
    ),
}

MECHANISMS: Final[dict[Mechanism, str]] = {
    Mechanism.KILL: "kill(2): to a process, a process group (negative pid) or everybody (-1)",
    Mechanism.TKILL: "tkill(2): to one thread, by thread id alone",
    Mechanism.TGKILL: "tgkill(2): to one thread; raise and abort use it",
    Mechanism.RT_SIGQUEUEINFO: "rt_sigqueueinfo(2), sigqueue(3): the sender writes the siginfo itself",
    Mechanism.RT_TGSIGQUEUEINFO: "rt_tgsigqueueinfo(2): the same to one thread",
    Mechanism.PIDFD_SEND_SIGNAL: "pidfd_send_signal(2): to a process by descriptor, safe from pid reuse",
    Mechanism.EXIT_GROUP: "exit_group(2): the process ends all its threads",
    Mechanism.EXECVE: "execve(2)",
    Mechanism.PTRACE: "ptrace(2), PTRACE_KILL",
    Mechanism.REBOOT: "reboot(2) inside a pid namespace ends the namespace",
    Mechanism.CGROUP_KILL: "a write to cgroup.kill",
    Mechanism.OOM_HOST: "the OOM killer, memory of the whole host",
    Mechanism.OOM_CGROUP: "the OOM killer, a memory cgroup's limit",
    Mechanism.OOM_GROUP: "the OOM killer, all of a cgroup (memory.oom.group)",
    Mechanism.OOM_SYSRQ: "the OOM killer, forced by sysrq f",
    Mechanism.SYSTEMD_OOMD: "systemd-oomd(8), by memory pressure or swap use of a cgroup",
    Mechanism.SYSRQ: "sysrq e (TERM) or i (KILL) to every process",
    Mechanism.PDEATHSIG: "PR_SET_PDEATHSIG, prctl(2): a signal at the parent's end",
    Mechanism.PID_NAMESPACE_EXIT: "the end of a pid namespace's init kills the rest, pid_namespaces(7)",
    Mechanism.TTY_HANGUP: "a terminal's hang-up",
    Mechanism.TTY_SIGNAL: "a terminal's signal key",
    Mechanism.ORPHANED_GROUP: "HUP and CONT to a stopped process group that became orphaned",
    Mechanism.EXITKILL: "PTRACE_O_EXITKILL: the tracee dies with its tracer",
    Mechanism.PTRACE_INJECT: "a signal that a tracer put in at a stop",
    Mechanism.ITIMER: "setitimer(2) or alarm(2)",
    Mechanism.POSIX_TIMER: "timer_create(2)",
    Mechanism.RLIMIT_CPU: "RLIMIT_CPU, getrlimit(2)",
    Mechanism.RLIMIT_FSIZE: "RLIMIT_FSIZE, getrlimit(2)",
    Mechanism.RLIMIT_RTTIME: "RLIMIT_RTTIME, getrlimit(2)",
    Mechanism.RLIMIT_AS: "RLIMIT_AS, getrlimit(2): allocations beyond it fail",
    Mechanism.SIGPIPE: "a write without a reader",
    Mechanism.SIGIO: "O_ASYNC or F_SETSIG, fcntl(2)",
    Mechanism.MQ_NOTIFY: "mq_notify(3)",
    Mechanism.SECCOMP: "seccomp(2)",
    Mechanism.USER_DISPATCH: "syscall user dispatch, prctl(2)",
    Mechanism.PAGE_FAULT: "a memory access that the page tables forbid",
    Mechanism.TRAP: "a processor trap",
    Mechanism.HWPOISON: "memory the hardware gave up",
    Mechanism.SIGRETURN: "a bad signal frame",
    Mechanism.OOPS: "an oops or BUG: the kernel ends the task that ran",
    Mechanism.DRIVER: "kernel code, mostly a driver's, signals the process it works for",
    Mechanism.BPF_SEND_SIGNAL: "bpf_send_signal, bpf-helpers(7)",
    Mechanism.UNIT_STOP: "systemd stops a unit, systemd.kill(5)",
    Mechanism.UNIT_TIMEOUT: "systemd's SIGKILL after TimeoutStopSec=, systemd.service(5)",
    Mechanism.UNIT_WATCHDOG: "systemd's SIGABRT after WatchdogSec=, systemd.service(5)",
    Mechanism.PANIC: "the kernel stops the machine: it can't go on, or policy says so",
    Mechanism.POWER: "power, reset or a hang: nothing was written",
}


def signal_text(number: int) -> str:
    """What a signal does by default, signal(7)."""
    name = sg.name(number)
    if number in sg.STOPS:
        does = "stops the process"
    elif number in (17, 23, 28):
        does = "does nothing by default"
    elif number == sg.SIGCONT:
        does = "lets a stopped process go on"
    elif number in sg.CORE_DUMPING:
        does = "ends the process with a core dump"
    else:
        does = "ends the process"
    firm = "; it can't be caught, blocked or ignored" if number in (9, 19) else ""
    return f"{name} ({number}) {does}{firm}."
