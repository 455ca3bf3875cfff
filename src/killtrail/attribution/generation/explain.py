"""How a signal was generated: what the kernel stack, si_code and system call prove.

`current` at signal time is not the sender until proven: timers run in the task that the interrupt
hit, ^C of a terminal in a kworker. Each recogniser below handles one way, or returns None. The
stack decides; without one (timer interrupts under tracefs, a recorder armed without kallsyms) code
and group decide, with lower certainty.

Function names hold for 6.1, 6.12 and 6.18; inlining differs, so each way lists several.
"""

from collections.abc import Callable
from typing import Final

from killtrail.attribution.generation import by_record
from killtrail.attribution.generation.base import SENDING_CALLS, Actor, Generation
from killtrail.model import signals as sg
from killtrail.model.causes import Mechanism
from killtrail.model.certainty import Certainty
from killtrail.model.events import SignalSent
from killtrail.model.signal_context import Basis

_Recogniser = Callable[[SignalSent, frozenset[str]], Generation | None]
_SURE: Final = Certainty.ESTABLISHED
_TIOCSIG: Final = 0x40045436
"""_IOW('T', 0x36, int), include/uapi/asm-generic/ioctls.h."""

OOPS_STACK: Final = frozenset({"make_task_dead", "oops_end", "rewind_stack_and_make_dead"})
"""Functions on the stack of an exit by a kernel bug."""
_CALL_SUFFIX: Final = {
    f"{prefix}{call}": mechanism
    for call, mechanism in SENDING_CALLS.items()
    for prefix in (
        "__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_", "__arm64_sys_", "__se_sys_",
        "__do_sys_", "do_",
    )
}  # fmt: skip
_SEND_PATH: Final = frozenset(
    {
        "kill_something_info", "kill_pid_info", "kill_pid_info_type", "__kill_pgrp_info",
        "do_tkill", "do_send_specific", "do_rt_sigqueueinfo", "do_rt_tgsigqueueinfo",
        "do_pidfd_send_signal", "__do_sys_pidfd_send_signal", *_CALL_SUFFIX,
    }
)  # fmt: skip


def explain(signal: SignalSent) -> Generation:
    """How this signal was generated; an unrecognised way names no actor."""
    names = frozenset(name for name in signal.kernel.stack or () if name)
    for recogniser in _RECOGNISERS if names else _WITHOUT_STACK:
        found = recogniser(signal, names)
        if found is not None:
            return found
    return Generation(
        None, Actor.BYSTANDER, Certainty.NOT_ESTABLISHED, "how it was generated is unknown"
    )


def _stack(functions: str, mechanism: Mechanism, actor: Actor, phrase: str) -> _Recogniser:
    wanted = frozenset(functions.split())

    def recognise(_: SignalSent, names: frozenset[str]) -> Generation | None:
        hit = next((name for name in sorted(wanted) if name in names), None)
        if hit is None:
            return None
        return Generation(mechanism, actor, _SURE, f"{phrase} (kernel stack: {hit})")

    return recognise


def _oom(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    if not names & {"__oom_kill_process", "oom_kill_process", "oom_kill_memcg_member"}:
        return None
    if "moom_callback" in names:
        return Generation(
            Mechanism.OOM_SYSRQ, Actor.BYSTANDER, _SURE,
            "sysrq-f forced the OOM killer (kernel stack: moom_callback)",
        )  # fmt: skip
    if "oom_kill_memcg_member" in names:
        mechanism = Mechanism.OOM_GROUP
    elif names & {"mem_cgroup_out_of_memory", "mem_cgroup_oom_synchronize"}:
        mechanism = Mechanism.OOM_CGROUP
    else:
        mechanism = Mechanism.OOM_HOST
    actor = Actor.BYSTANDER if signal.current.kthread else Actor.TRIGGER
    return Generation(
        mechanism, actor, _SURE, "the OOM killer sent it (kernel stack: oom_kill_process)"
    )


def _pdeathsig(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    # do_exit is on the stack of every exiting task; the relation and the target's own setting
    # decide. A thread's exit is enough: the parent process may continue.
    relation = signal.kernel.target_is_child and signal.kernel.pdeath_match is not False
    if not relation or not signal.current.exiting or names & _SEND_PATH:
        return None
    if signal.code != sg.SI_USER or not signal.group:
        return None
    return Generation(
        Mechanism.PDEATHSIG, Actor.TRIGGER, _SURE if signal.kernel.pdeath_match else Certainty.LIKELY,
        "its parent exited, and it had requested this signal (PR_SET_PDEATHSIG)",
    )  # fmt: skip


def _terminal_key(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    if not names & {"isig", "__isig", "n_tty_receive_signal_char"}:
        return None
    # Input comes through a kworker; only TIOCSTI brings it in its writer's own call.
    by_call = "tiocsti" in names or (signal.syscall and signal.syscall.name == "ioctl")
    if signal.current.kthread or not by_call:
        return Generation(
            Mechanism.TTY_SIGNAL, Actor.BYSTANDER, _SURE,
            "a key on its terminal (kernel stack: isig)",
        )  # fmt: skip
    return Generation(
        Mechanism.TTY_SIGNAL, Actor.TRIGGER, _SURE,
        "a key put into its terminal's input (kernel stack: isig)",
    )  # fmt: skip


def _terminal_ioctl(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    # drivers/tty/pty.c, pty_signal(): the one call by which a pty's master signals a job directly.
    hit = names & {"pty_unix98_ioctl", "pty_bsd_ioctl", "pty_signal"}
    call = signal.syscall
    asked = bool(call and call.name == "ioctl" and call.args[1] & 0xFFFFFFFF == _TIOCSIG)
    if signal.code != sg.SI_KERNEL or not signal.group or not (hit or (asked and not names)):
        return None
    shown = f"kernel stack: {min(hit)}" if hit else "the call in flight"
    return Generation(
        Mechanism.TTY_SIGNAL, Actor.SENDER, _SURE if hit else Certainty.LIKELY,
        f"its ioctl(TIOCSIG) on the other end of a terminal ({shown})",
    )  # fmt: skip


def _sysrq(_: SignalSent, names: frozenset[str]) -> Generation | None:
    if names & {"__do_SAK", "do_SAK_work"}:
        return Generation(
            Mechanism.SYSRQ, Actor.BYSTANDER, _SURE,
            "the secure attention key: all on that terminal (kernel stack: __do_SAK)",
        )  # fmt: skip
    hit = names & {
        "send_sig_all", "sysrq_handle_term", "sysrq_handle_kill", "__handle_sysrq",
        "write_sysrq_trigger",
    }  # fmt: skip
    if not hit:
        return None
    return Generation(
        Mechanism.SYSRQ, Actor.SENDER, _SURE,
        f"a write to sysrq-trigger (kernel stack: {min(hit)})",
    )  # fmt: skip


def _exec_failed(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    # bprm_execve() past the point of no return: the old image is already freed, the new one is not
    # complete.
    call = signal.syscall.name if signal.syscall else None
    inside = call in ("execve", "execveat") or names & {
        "bprm_execve", "load_elf_binary", "begin_new_exec",
    }  # fmt: skip
    if not inside or not signal.same_task or signal.code != sg.SI_KERNEL or signal.group:
        return None
    if signal.sig not in (sg.SIGSEGV, sg.SIGKILL):
        return None
    return Generation(
        Mechanism.EXECVE, Actor.SELF, _SURE, "execve(2) failed when the old program was gone"
    )


def _driver(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    # Nothing the kernel itself does to its caller is left here: a driver's send_sig().
    if not signal.same_task or signal.group or signal.code != sg.SI_KERNEL:
        return None
    if signal.sig != sg.SIGKILL or not signal.kernel.stack:
        return None
    module = next((n for n in signal.kernel.stack if n and n.startswith("[")), None)
    if module:
        return Generation(
            Mechanism.DRIVER, Actor.SELF, _SURE, f"module {module} is on the kernel stack"
        )
    certainty = (
        Certainty.LIKELY if None in signal.kernel.stack[:3] and names else Certainty.POSSIBLE
    )
    return Generation(
        Mechanism.DRIVER, Actor.SELF, certainty, "kernel code that it had called sent it"
    )


def _rlimit_cpu(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    if not names & {
        "posix_cpu_timers_work", "run_posix_cpu_timers", "handle_posix_cpu_timers",
        "check_process_timers", "check_thread_timers",
    }:  # fmt: skip
        return None
    if signal.sig in (sg.SIGVTALRM, sg.SIGPROF):
        return Generation(
            Mechanism.ITIMER, Actor.SELF, _SURE,
            "its CPU timer expired (kernel stack: posix_cpu_timers_work)",
        )  # fmt: skip
    if signal.kernel.limit and signal.kernel.limit.resource == "RLIMIT_RTTIME":
        return Generation(
            Mechanism.RLIMIT_RTTIME, Actor.SELF, _SURE,
            "it ran too long at a real-time priority (kernel stack: posix_cpu_timers_work)",
        )  # fmt: skip
    return Generation(
        Mechanism.RLIMIT_CPU, Actor.SELF, _SURE,
        "it used up a CPU time limit (kernel stack: posix_cpu_timers_work)",
    )  # fmt: skip


def _system_call_refused(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    # SIGSYS with neither code, and no stack to show it, stays open: x86's vsyscall page forces one too.
    if not signal.same_group or signal.group or signal.code in (sg.SI_USER, sg.SI_TKILL):
        return None
    code = sg.code_name(signal.sig, signal.code)
    dispatched = signal.sig == sg.SIGSYS and signal.code == sg.SYS_USER_DISPATCH
    # With a bad selector it is a forced SIGSYS or SIGSEGV (kernel/entry/syscall_user_dispatch.c).
    if dispatched or "syscall_user_dispatch" in names:
        return Generation(
            Mechanism.USER_DISPATCH, Actor.SELF, _SURE,
            f"its system call was handed back to it, as it had asked with prctl(2) ({code})",
        )  # fmt: skip
    if signal.sig == sg.SIGSYS and signal.code == sg.SYS_SECCOMP:
        call = signal.syscall
        which = f" {call.number}{f' {call.name}' if call.name else ''} ({call.abi})" if call else ""
        return Generation(
            Mechanism.SECCOMP, Actor.SELF, _SURE, f"its own system call{which} was refused ({code})"
        )
    return None


def _fault(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    if not signal.same_group or signal.group or signal.code in (sg.SI_USER, sg.SI_TKILL):
        return None
    code = sg.code_name(signal.sig, signal.code)
    if signal.sig not in sg.FAULTS:
        return None
    if signal.sig == sg.SIGBUS and signal.code in (4, 5):
        return Generation(
            Mechanism.HWPOISON, Actor.SELF, _SURE, f"it accessed broken memory ({code})"
        )
    if names & {"__x64_sys_rt_sigreturn", "signal_fault", "force_sigsegv"}:
        return Generation(
            Mechanism.SIGRETURN, Actor.SELF, _SURE, f"its signal frame was bad ({code})"
        )
    # SIGSEGV with SI_KERNEL is not a page fault: general protection, a bad stack segment.
    paged = signal.sig in (sg.SIGSEGV, sg.SIGBUS) and signal.code != sg.SI_KERNEL
    mechanism = Mechanism.PAGE_FAULT if paged else Mechanism.TRAP
    return Generation(mechanism, Actor.SELF, _SURE, f"its own instruction faulted ({code})")


def _own_write(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    if not signal.same_task or signal.group or (signal.basis is Basis.USER and signal.code != 0):
        return None
    if signal.code not in (0, sg.SI_KERNEL):
        return None
    if signal.sig == sg.SIGPIPE:
        return Generation(
            Mechanism.SIGPIPE, Actor.SELF, _SURE, "it wrote to a pipe or socket that has no reader"
        )
    if signal.sig == sg.SIGXFSZ:
        return Generation(
            Mechanism.RLIMIT_FSIZE, Actor.SELF, _SURE, "it wrote beyond its file size limit"
        )
    return None


def _ptrace(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    if "exit_ptrace" in names:
        return Generation(
            Mechanism.EXITKILL, Actor.TRIGGER, _SURE,
            "its tracer exited with PTRACE_O_EXITKILL set (kernel stack: exit_ptrace)",
        )  # fmt: skip
    call = signal.syscall.name if signal.syscall else None
    if names & {"ptrace_request", "__x64_sys_ptrace", "__arm64_sys_ptrace"} or call == "ptrace":
        return Generation(
            Mechanism.PTRACE,
            Actor.SENDER,
            _SURE,
            "its tracer sent it (kernel stack: ptrace_request)",
        )
    return None


def _system_call(signal: SignalSent, names: frozenset[str]) -> Generation | None:
    if not names & _SEND_PATH:
        return None
    by_stack = next((_CALL_SUFFIX[name] for name in sorted(names) if name in _CALL_SUFFIX), None)
    call = signal.syscall
    by_call = SENDING_CALLS.get(call.name or "") if call else None
    mechanism = by_call or by_stack
    if mechanism is None:
        return None
    actor = Actor.SELF if signal.same_group else Actor.SENDER
    abi = f" ({call.abi})" if call and call.foreign else ""
    return Generation(
        mechanism, actor, _SURE, f"it was inside {mechanism.value}(2){abi} at that moment"
    )


def _code_of_a_call(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    # Without a stack: only codes that the kernel sets for calls alone, from a task that continues
    # and is neither the kernel nor idle. SI_USER is also what cgroup.kill, PTRACE_KILL and
    # PDEATHSIG show, hence likely at most; a negative code can be chosen freely.
    current = signal.current
    # A call always has a stack: an empty one, where stacks are taken, is an interrupt's.
    if signal.kernel.stack == () or current.kthread or current.exiting or current.pid == 0:
        return None
    mechanism: Mechanism | None
    if signal.syscall is not None:
        # The system call is known: another one (a write to cgroup.kill, a fork into a cgroup
        # being killed, PTRACE_KILL) shows the same code.
        mechanism = SENDING_CALLS.get(signal.syscall.name or "")
        if mechanism is None:
            return None
    elif signal.code == sg.SI_TKILL:
        mechanism = Mechanism.TGKILL
    elif signal.code == sg.SI_USER and signal.group:
        mechanism = Mechanism.KILL
    elif signal.code == sg.SI_QUEUE:
        mechanism = Mechanism.RT_SIGQUEUEINFO if signal.group else Mechanism.RT_TGSIGQUEUEINFO
    else:
        return None
    actor = Actor.SELF if signal.same_group else Actor.SENDER
    code = sg.code_name(signal.sig, signal.code)
    return Generation(
        mechanism, actor, Certainty.LIKELY, f"si_code {code} is that of a signal call"
    )


def _timer_code(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    # An interrupt has no task's stack. A sender with rt_sigqueueinfo can forge SI_TIMER, but not
    # without a stack; if no stacks are recorded it is possible at most.
    if not signal.group:
        return None
    posix = signal.code == sg.SI_TIMER
    alarm = signal.code == sg.SI_KERNEL and signal.sig == sg.SIGALRM
    if not posix and not alarm:
        return None
    certainty = Certainty.LIKELY if alarm or signal.kernel.stack == () else Certainty.POSSIBLE
    mechanism = Mechanism.POSIX_TIMER if posix else Mechanism.ITIMER
    code = sg.code_name(signal.sig, signal.code)
    return Generation(mechanism, Actor.BYSTANDER, certainty, f"si_code {code} is that of a timer")


_RECOGNISERS: Final[tuple[_Recogniser, ...]] = (
    _stack(
        "bpf_send_signal bpf_send_signal_common bpf_send_signal_thread do_bpf_send_signal",
        Mechanism.BPF_SEND_SIGNAL, Actor.BYSTANDER, "a BPF program sent it",
    ),
    _stack("cgroup_kill_write __cgroup_kill", Mechanism.CGROUP_KILL, Actor.SENDER, "a write to cgroup.kill"),
    _stack("cgroup_post_fork", Mechanism.CGROUP_KILL, Actor.BYSTANDER, "it was forked into a cgroup being killed"),
    _oom,
    _stack("reboot_pid_ns", Mechanism.REBOOT, Actor.SELF, "it called reboot(2) inside its PID namespace"),
    _stack("zap_pid_ns_processes", Mechanism.PID_NAMESPACE_EXIT, Actor.TRIGGER, "the init of its PID namespace exited"),
    _stack("it_real_fn", Mechanism.ITIMER, Actor.BYSTANDER, "its interval timer expired"),
    _stack(
        "posix_timer_fn posix_timer_event posix_timer_queue_signal posixtimer_send_sigqueue send_sigqueue",
        Mechanism.POSIX_TIMER, Actor.BYSTANDER, "its POSIX timer expired",
    ),
    _rlimit_cpu,
    _sysrq,
    _terminal_key,
    _terminal_ioctl,
    _stack("kill_orphaned_pgrp", Mechanism.ORPHANED_GROUP, Actor.TRIGGER, "its stopped process group was orphaned"),
    _stack(
        "disassociate_ctty __tty_hangup tty_vhangup tty_release pty_close tty_signal_session_leader"
        " do_tty_hangup",
        Mechanism.TTY_HANGUP, Actor.TRIGGER, "its terminal was closed",
    ),
    _stack("send_sigio send_sigio_to_task kill_fasync", Mechanism.SIGIO, Actor.TRIGGER, "a descriptor it watches became ready"),
    _stack("__do_notify do_mq_timedsend", Mechanism.MQ_NOTIFY, Actor.TRIGGER, "a message queue it watches got a message"),
    _ptrace,
    _pdeathsig,
    _system_call,
    _exec_failed,
    _system_call_refused,
    _fault,
    _own_write,
    _driver,
)  # fmt: skip
_WITHOUT_STACK: Final[tuple[_Recogniser, ...]] = (
    by_record.call_on_record,
    by_record.siginfo,
    by_record.traced_send,
    _terminal_ioctl,
    _pdeathsig,
    _exec_failed,
    _system_call_refused,
    _fault,
    _own_write,
    _timer_code,
    _code_of_a_call,
)
