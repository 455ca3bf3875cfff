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
        "It exited by itself: it called exit or returned from main. No signal killed it.",
        "An exit status over 128 looks like a signal, but may be a number that it passed on. 137 without"
        " a signal in the wait status was not a kill.",
        "The wait status at the exit of its last thread holds no signal.",
        "Read its own log; look up what its exit status means.",
    ),
    Cause.KILLED_BY_PROCESS: Page(
        "Another process sent the signal that killed it, with one of the six signal system calls.",
        "cgroup.kill, a parent that exits (PR_SET_PDEATHSIG), timers and the OOM killer leave the same"
        " wait status. siginfo can be forged.",
        "The wait status, the kernel's record of the signal, and the sender inside the system call at"
        " that moment.",
        "Ask the launchers and the origin for the reason: a stale PID file, a pattern that matches too"
        " much, a timeout.",
    ),
    Cause.KILLED_BY_SELF: Page(
        "It sent the signal that killed it to itself.",
        "A wrapper that repeats its child's signal on itself; a shell that handled SIGTERM and raised it"
        " again.",
        "Sender and target are one process, inside a signal system call. If its own child was killed by"
        " the same signal just before, it only repeated that: the child's killer is named.",
        "Look for kill, raise or abort in the program or script.",
    ),
    Cause.ASKED_TO_STOP: Page(
        "It received a request to stop (TERM, INT, HUP, QUIT), handled it, and exited as requested.",
        "An exit of its own shortly after an unrelated signal, such as HUP for a reload.",
        "The recorded signal, with a handler installed, and then the exit. An exit status of 128 + signal"
        " shows that it followed the request.",
        "The sender of the request stopped it: a unit stop, a deployment, an operator.",
    ),
    Cause.CRASHED: Page(
        "One of its own instructions faulted: bad memory access, illegal instruction, division by zero."
        " Or it did not handle a system call that it had the kernel hand back to it (user-dispatch).",
        "kill -SEGV leaves the same wait status and the same core; si_code distinguishes them. "
        "So does a"
        " seccomp filter's SIGSYS: its code is SYS_SECCOMP, that of user dispatch SYS_USER_DISPATCH.",
        "A fault code forced on its own thread. An address near the stack pointer means a stack that"
        " ran out; BUS_ADRERR means a mapped file that was cut short, or a full file system.",
        "The core file has the place: coredumpctl gdb, or ulimit -c unlimited for the next one.",
    ),
    Cause.ABORTED: Page(
        "It aborted itself: abort(), a failed assertion, memory corruption that the C library noticed.",
        "A watchdog that sends SIGABRT from outside.",
        "SIGABRT sent by one of its own threads to itself.",
        "Read its last lines on standard error, and its core dump.",
    ),
    Cause.OOM_KILLED: Page(
        "The kernel's OOM killer chose it because memory ran out, on the host or in a cgroup.",
        "Any SIGKILL shows 137. Container runtimes set OOMKilled for a child's OOM kill too.",
        "The OOM killer's functions on the kernel stack of the SIGKILL, and the kernel's mark on the"
        " victim.",
        "The limit's owner decided, not the task that allocated: raise the limit, or find what uses the"
        " memory.",
    ),
    Cause.CGROUP_KILLED: Page(
        "A process wrote 1 to cgroup.kill: every process of the cgroup was killed.",
        "A plain kill -9: its siginfo looks the same. Audit does not record writes to cgroup.kill.",
        "cgroup_kill_write on the kernel stack of the SIGKILL.",
        "The writer is usually a service manager or a container runtime: find out who asked it.",
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
        "It exceeded a resource limit: CPU time, file size, or time at a real-time priority.",
        "SIGKILL at the hard CPU limit looks like an unexplained 137.",
        "The limit's functions on the kernel stack, and the limit itself. Who set it with prlimit(2) from"
        " outside is named where the recorder saw that call, which needs a kernel with BPF trampolines,"
        " and where its values are those that struck. Else the process in which the limit came in is"
        " shown as possible.",
        "prlimit --pid, ulimit -a in its launcher, LimitCPU= in its unit.",
    ),
    Cause.TIMER_EXPIRED: Page(
        "A timer that it had set itself expired (alarm, setitimer, timer_create).",
        "A tool that prints the running task as sender names an innocent process.",
        "The timer's functions on the kernel stack.",
        "Look for alarm() or a timer without a handler in the program.",
    ),
    Cause.BROKEN_PIPE: Page(
        "It wrote to a pipe or socket that has no reader.",
        "kill -PIPE.",
        "SIGPIPE from the kernel in its own write. The reader is named if it exited with that pipe as its"
        " standard input. A reader that closed the pipe and still runs is not recorded.",
        "Usually normal (yes | head). Otherwise find out why the reader exited first.",
    ),
    Cause.TERMINAL: Page(
        "Its terminal signalled it: a key (^C, ^\\), a hang-up, an orphaned job.",
        "A signal tracer shows a kworker, or the process that closed the terminal.",
        "The terminal driver's functions on the kernel stack. For a key, the ancestor that has the"
        " terminal's other end open (a terminal, ssh, script, a multiplexer) wrote it: for sure, if no"
        " other process has it open. For ioctl(TIOCSIG) on that end, the caller is the sender.",
        "nohup, setsid, tmux or a unit of its own keep a job from its terminal's end.",
    ),
    Cause.PARENT_DIED: Page(
        "It had requested a signal for its parent's exit (PR_SET_PDEATHSIG), and the parent exited.",
        "Tracers show the parent as the killer.",
        "The sender was exiting, had created it, and made no signal system call; the signal is the"
        " requested one.",
        "Find out why the parent exited. The exit of the creating thread is enough to send it.",
    ),
    Cause.NAMESPACE_ENDED: Page(
        "The init of its PID namespace exited, so the kernel killed every process in the namespace.",
        "Tracers show that init as the killer.",
        "zap_pid_ns_processes on the kernel stack.",
        "Find out why the init (a container's PID 1) exited.",
    ),
    Cause.TRACED: Page(
        "Its tracer (debugger, strace) killed it, injected a signal, or exited with EXITKILL set.",
        "An injected signal leaves no record of a send.",
        "ptrace's functions on the kernel stack. For injection: a tracer attached at the exit (or"
        " before), and no send. For an exit call made by a debugger: a return address on the stack.",
        "See what the tracer is and who started it.",
    ),
    Cause.BPF_KILLED: Page(
        "A BPF program sent the signal (bpf_send_signal), as security agents do.",
        "It looks as if the process had killed itself.",
        "bpf_send_signal on the kernel stack.",
        "bpftool prog list shows the loaded programs.",
    ),
    Cause.REQUESTED_NOTIFICATION: Page(
        "It had requested a signal for a file descriptor or message queue that becomes ready, and chose"
        " one that kills by default.",
        "Tracers name the process that wrote.",
        "send_sigio or the queue's notify on the kernel stack.",
        "Look for fcntl(F_SETSIG), O_ASYNC or mq_notify without a handler.",
    ),
    Cause.HARDWARE_ERROR: Page(
        "It touched memory that the hardware reports as broken.",
        "SIGBUS for a truncated mapping.",
        "SIGBUS with BUS_MCEERR_AR or BUS_MCEERR_AO.",
        "Read the kernel log and rasdaemon's; replace the memory module.",
    ),
    Cause.KERNEL_BUG: Page(
        "The kernel hit a bug while it worked for this process (oops, BUG) and killed it.",
        "Status 139 looks like a segmentation fault.",
        "No signal was sent, and the oops is on the kernel stack of the exit.",
        "Report the oops; restart the host.",
    ),
    Cause.KERNEL_KILLED: Page(
        "The kernel killed it on purpose: sysrq, or a driver that kills its caller.",
        "A mass kill by a process.",
        "The sysrq functions on the kernel stack; the writer of sysrq-trigger is the requester. For a"
        " driver: SIGKILL from the kernel to the thread that called it, by none of the usual paths.",
        "Check who may write /proc/sysrq-trigger. For a driver, read the kernel log.",
    ),
    Cause.EXEC_FAILED: Page(
        "It never became the program that it should have run: exec failed.",
        "A crash: past the point of no return the kernel kills it with SIGSEGV. Also a program that"
        " chooses exit status 126 or 127 itself.",
        "A kernel SIGSEGV or SIGKILL in its own execve. Exit statuses 126 and 127 are a convention:"
        " likely for a process that never called exec and for env, nohup and similar tools, possible for"
        " a shell.",
        "Check path, permissions and the interpreter line.",
    ),
    Cause.REPLACED_BY_EXEC: Page(
        "Not a death: a thread called exec, and the process became another program.",
        "Its old threads exit with status 0.",
        "An exec by a thread that was not the leader, recorded under the same PID.",
        "Ask about the new program.",
    ),
    Cause.ALIVE: Page(
        "It is alive. If it is stopped, the sender of the stop signal is named.",
        "A zombie has exited and is not yet reaped.",
        "/proc shows this process under this PID.",
        "killtrail watch PID follows it.",
    ),
    Cause.PID_REUSED: Page(
        "The PID was reused: it belongs to another process than the one that exited.",
        "A kill by a stale PID file hits exactly such a process.",
        "The start times differ.",
        "Compare start times before any kill by PID.",
    ),
    Cause.HOST_PANICKED: Page(
        "The whole machine went down with a kernel panic.",
        "A power loss.",
        "A panic message.",
        "Set up kdump for the next one.",
    ),
    Cause.HOST_REBOOTED: Page(
        "The whole machine was shut down or restarted in order.",
        "A panic with panic=N, which reboots too.",
        "A log entry of the shutdown.",
        "See who requested it.",
    ),
    Cause.HOST_LOST_POWER: Page(
        "The whole machine went down, and nothing was logged about it.",
        "A hard reset or a hung machine.",
        "Logs stop without a shutdown or panic entry.",
        "Check the power supply, the BMC, the hypervisor.",
    ),
    Cause.NOT_ESTABLISHED: Page(
        "The records don't show the cause.",
        "Nothing: this is an answer, not a guess.",
        "'how sure' on the screen lists what was not recorded.",
        "sudo killtrail arm records the next one.",
    ),
}

MECHANISMS: Final[dict[Mechanism, str]] = {
    Mechanism.KILL: "kill(2): to a process, a process group (negative PID) or every process (-1)",
    Mechanism.TKILL: "tkill(2): to one thread, by thread ID alone",
    Mechanism.TGKILL: "tgkill(2): to one thread; raise and abort use it",
    Mechanism.RT_SIGQUEUEINFO: "rt_sigqueueinfo(2), sigqueue(3): the sender writes the siginfo itself",
    Mechanism.RT_TGSIGQUEUEINFO: "rt_tgsigqueueinfo(2): the same to one thread",
    Mechanism.PIDFD_SEND_SIGNAL: "pidfd_send_signal(2): to a process by descriptor, safe against PID reuse",
    Mechanism.EXIT_GROUP: "exit_group(2): the process exits with all its threads",
    Mechanism.EXECVE: "execve(2)",
    Mechanism.PTRACE: "ptrace(2), PTRACE_KILL",
    Mechanism.REBOOT: "reboot(2) inside a PID namespace: its processes are killed",
    Mechanism.CGROUP_KILL: "a write to cgroup.kill",
    Mechanism.OOM_HOST: "the OOM killer, memory of the whole host",
    Mechanism.OOM_CGROUP: "the OOM killer, a memory cgroup's limit",
    Mechanism.OOM_GROUP: "the OOM killer, all of a cgroup (memory.oom.group)",
    Mechanism.OOM_SYSRQ: "the OOM killer, forced by sysrq f",
    Mechanism.SYSTEMD_OOMD: "systemd-oomd(8), by memory pressure or swap use of a cgroup",
    Mechanism.SYSRQ: "sysrq e (TERM) or i (KILL) to every process",
    Mechanism.PDEATHSIG: "PR_SET_PDEATHSIG, prctl(2): a signal when the parent exits",
    Mechanism.PID_NAMESPACE_EXIT: "the init of a PID namespace exits, the rest is killed, pid_namespaces(7)",
    Mechanism.TTY_HANGUP: "a terminal's hang-up",
    Mechanism.TTY_SIGNAL: "a terminal's signal key",
    Mechanism.ORPHANED_GROUP: "HUP and CONT to a stopped process group that became orphaned",
    Mechanism.EXITKILL: "PTRACE_O_EXITKILL: the tracee is killed when its tracer exits",
    Mechanism.PTRACE_INJECT: "a signal that a tracer injected at a stop",
    Mechanism.ITIMER: "setitimer(2) or alarm(2)",
    Mechanism.POSIX_TIMER: "timer_create(2)",
    Mechanism.RLIMIT_CPU: "RLIMIT_CPU, getrlimit(2)",
    Mechanism.RLIMIT_FSIZE: "RLIMIT_FSIZE, getrlimit(2)",
    Mechanism.RLIMIT_RTTIME: "RLIMIT_RTTIME, getrlimit(2)",
    Mechanism.RLIMIT_AS: "RLIMIT_AS, getrlimit(2): allocations beyond it fail",
    Mechanism.SIGPIPE: "a write to a pipe or socket without a reader",
    Mechanism.SIGIO: "O_ASYNC or F_SETSIG, fcntl(2)",
    Mechanism.MQ_NOTIFY: "mq_notify(3)",
    Mechanism.SECCOMP: "seccomp(2)",
    Mechanism.USER_DISPATCH: "syscall user dispatch, prctl(2)",
    Mechanism.PAGE_FAULT: "a memory access that the page tables forbid",
    Mechanism.TRAP: "a processor trap",
    Mechanism.HWPOISON: "memory that the hardware reports as broken",
    Mechanism.SIGRETURN: "a bad signal frame",
    Mechanism.OOPS: "an oops or BUG: the kernel kills the running task",
    Mechanism.DRIVER: "kernel code, usually a driver's, signals the process it works for",
    Mechanism.BPF_SEND_SIGNAL: "bpf_send_signal, bpf-helpers(7)",
    Mechanism.UNIT_STOP: "systemd stops a unit, systemd.kill(5)",
    Mechanism.UNIT_TIMEOUT: "systemd's SIGKILL after TimeoutStopSec=, systemd.service(5)",
    Mechanism.UNIT_WATCHDOG: "systemd's SIGABRT after WatchdogSec=, systemd.service(5)",
    Mechanism.PANIC: "the kernel stops the machine: it can't continue, or is set to stop",
    Mechanism.POWER: "power loss, reset or a hang: nothing was logged",
}


def signal_text(number: int) -> str:
    """What a signal does by default, signal(7)."""
    name = sg.name(number)
    if number in sg.STOPS:
        does = "stops the process"
    elif number in (17, 23, 28):
        does = "is ignored"
    elif number == sg.SIGCONT:
        does = "continues a stopped process"
    elif number in sg.CORE_DUMPING:
        does = "kills the process with a core dump"
    else:
        does = "kills the process"
    if number in (sg.SIGKILL, sg.SIGSTOP):
        return f"{name} (signal {number}) {does}; it can't be caught, blocked or ignored."
    return f"{name} (signal {number}) {does} by default."
