"""What the kernel stack, the code and the call prove, and what they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model import signals as sg
from killtrail.model.causes import Mechanism as M
from killtrail.model.certainty import Certainty
from killtrail.model.circumstances import SystemCall
from killtrail.recorder.symbols import OF_INTEREST
from tests.attribution.make import process, signal

CALL = SystemCall(62, "x86_64", "kill", (1, 9, 0))


@pytest.mark.parametrize(
    ("stack", "mechanism", "actor"),
    [
        ("kill_pid_info kill_something_info __x64_sys_kill", M.KILL, Actor.SENDER),
        ("do_send_specific do_tkill __x64_sys_tgkill", M.TGKILL, Actor.SENDER),
        ("do_rt_sigqueueinfo __x64_sys_rt_sigqueueinfo", M.RT_SIGQUEUEINFO, Actor.SENDER),
        ("kill_pid_info __ia32_sys_kill", M.KILL, Actor.SENDER),
        ("__cgroup_kill cgroup_kill_write", M.CGROUP_KILL, Actor.SENDER),
        ("cgroup_post_fork", M.CGROUP_KILL, Actor.BYSTANDER),
        ("__oom_kill_process oom_kill_process out_of_memory", M.OOM_HOST, Actor.TRIGGER),
        ("__oom_kill_process mem_cgroup_out_of_memory", M.OOM_CGROUP, Actor.TRIGGER),
        (
            "__oom_kill_process oom_kill_memcg_member mem_cgroup_out_of_memory",
            M.OOM_GROUP,
            Actor.TRIGGER,
        ),
        ("__oom_kill_process out_of_memory moom_callback", M.OOM_SYSRQ, Actor.BYSTANDER),
        ("zap_pid_ns_processes do_exit", M.PID_NAMESPACE_EXIT, Actor.TRIGGER),
        ("it_real_fn", M.ITIMER, Actor.BYSTANDER),
        ("posix_timer_fn", M.POSIX_TIMER, Actor.BYSTANDER),
        ("isig n_tty_receive_buf_common", M.TTY_SIGNAL, Actor.BYSTANDER),
        ("disassociate_ctty do_exit", M.TTY_HANGUP, Actor.TRIGGER),
        ("kill_orphaned_pgrp do_exit", M.ORPHANED_GROUP, Actor.TRIGGER),
        ("exit_ptrace do_exit", M.EXITKILL, Actor.TRIGGER),
        ("ptrace_request __x64_sys_ptrace", M.PTRACE, Actor.SENDER),
        ("send_sigio_to_task send_sigio", M.SIGIO, Actor.TRIGGER),
        ("__do_notify do_mq_timedsend", M.MQ_NOTIFY, Actor.TRIGGER),
        ("bpf_send_signal_common", M.BPF_SEND_SIGNAL, Actor.BYSTANDER),
        ("send_sig_all sysrq_handle_kill __handle_sysrq", M.SYSRQ, Actor.SENDER),
        ("reboot_pid_ns", M.REBOOT, Actor.SELF),
    ],
)
def test_stack_decides(stack, mechanism, actor):
    """Each way is told by the functions on the stack, whatever the code says."""
    how = explain(signal(stack=tuple(stack.split())))

    assert (how.mechanism, how.actor, how.certainty) == (mechanism, actor, Certainty.ESTABLISHED)


def test_timer_interrupt_inside_a_kill_call_is_the_timer_s():
    """A timer that fires while somebody is inside kill(2) is not that somebody's doing."""
    how = explain(
        signal(stack=("it_real_fn", None, "kill_something_info", "__x64_sys_kill"), syscall=CALL)
    )

    assert how.actor is Actor.BYSTANDER


def test_cpu_limits_and_cpu_timers_differ():
    """SIGPROF and SIGVTALRM are timers the process armed, SIGXCPU and SIGKILL its limit."""
    stack = ("posix_cpu_timers_work",)

    assert explain(signal(sg.SIGXCPU, stack=stack)).mechanism is M.RLIMIT_CPU
    assert explain(signal(sg.SIGPROF, stack=stack)).mechanism is M.ITIMER


@pytest.mark.parametrize(
    ("sig", "code", "mechanism"),
    [
        (sg.SIGSEGV, 1, M.PAGE_FAULT),
        (sg.SIGBUS, 2, M.PAGE_FAULT),
        (sg.SIGBUS, 4, M.HWPOISON),
        (sg.SIGILL, 2, M.TRAP),
        (sg.SIGFPE, 1, M.TRAP),
        (sg.SIGSYS, 1, M.SECCOMP),
        (sg.SIGSYS, 2, M.USER_DISPATCH),
    ],
)
def test_faults(sig, code, mechanism):
    """A fault code forced on the own thread is the process's own doing."""
    me = process(7)
    how = explain(
        signal(
            sig,
            code=code,
            group=False,
            target=me,
            current=me,
            same_task=True,
            same_group=True,
            stack=("force_sig_fault",),
        )
    )

    assert (how.mechanism, how.actor) == (mechanism, Actor.SELF)


def test_sent_segv_is_no_fault():
    """SIGSEGV with SI_USER out of kill(2) is a kill."""
    how = explain(
        signal(sg.SIGSEGV, code=0, stack=("kill_pid_info", "__x64_sys_kill"), syscall=CALL)
    )

    assert (how.mechanism, how.actor) == (M.KILL, Actor.SENDER)


@pytest.mark.parametrize("match", [True, None, False])
def test_parent_death_signal(match):
    """An exiting creator with the right number is a trigger; without the number it is nobody."""
    parent = process(5, exiting=True)
    how = explain(
        signal(15, stack=("do_exit",), current=parent, target_is_child=True, pdeath_match=match)
    )

    if match is False:
        assert how.mechanism is None
    else:
        assert (how.mechanism, how.actor) == (M.PDEATHSIG, Actor.TRIGGER)
        assert how.certainty is (Certainty.ESTABLISHED if match else Certainty.LIKELY)


def test_without_a_stack_a_code_is_at_most_likely():
    """No stack: SI_USER and SI_TKILL name the running task as likely; the exiting, the kernel and idle never."""
    assert explain(signal(9, stack=None)).certainty is Certainty.LIKELY
    assert explain(signal(6, code=sg.SI_TKILL, group=False, stack=None)).mechanism is M.TGKILL
    for current in (process(5, exiting=True), process(5, kthread=True), process(0)):
        assert explain(signal(9, stack=None, current=current)).actor is Actor.BYSTANDER


def test_without_symbols_the_call_in_flight_decides():
    """A write or a fork in flight shows SI_USER too: only a signal call makes a sender."""
    assert explain(signal(9, stack=(None, None), syscall=CALL)).actor is Actor.SENDER
    for number, name in ((1, "write"), (56, "clone"), (0, None)):
        call = SystemCall(number, "x86_64", name, ())
        assert explain(signal(9, stack=(None, None), syscall=call)).actor is Actor.BYSTANDER


def test_an_empty_stack_is_an_interrupt_s():
    """Where stacks are taken, a call always has one."""
    assert explain(signal(9, stack=())).actor is Actor.BYSTANDER
    assert explain(signal(9, code=sg.SI_TIMER, stack=())).mechanism is M.POSIX_TIMER
    assert explain(signal(9, code=sg.SI_TIMER, stack=None)).certainty is Certainty.POSSIBLE


def test_unknown_ways_blame_nobody():
    """A stack that no recogniser knows names no actor."""
    how = explain(signal(9, code=sg.SI_KERNEL, stack=("do_exit", None)))

    assert (how.mechanism, how.actor) == (None, Actor.BYSTANDER)
    assert how.certainty is Certainty.NOT_ESTABLISHED


@given(
    st.integers(1, 64),
    st.sampled_from([0, 1, 2, 0x80, -1, -2, -3, -6]),
    st.booleans(),
    st.lists(st.one_of(st.none(), st.sampled_from(sorted(OF_INTEREST))), max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_a_sender_needs_a_call(sig, code, group, stack, exiting, same):
    """Whatever the stack: a sender is named only with a function on it that sends for a caller."""
    me = process(7, exiting=exiting)
    target = me if same else process(8)
    how = explain(
        signal(
            sig,
            code=code,
            group=group,
            stack=tuple(stack),
            current=me,
            target=target,
            same_group=same,
        )
    )

    if how.actor is Actor.SENDER and any(stack):
        names = {n for n in stack if n}
        calls = {n for n in names if "sys_" in n or n.startswith(("kill_", "do_", "__kill_pgrp"))}
        acts = {"cgroup_kill_write", "__cgroup_kill", "ptrace_request", "send_sig_all", "write_sysrq_trigger",
                "sysrq_handle_term", "sysrq_handle_kill", "__handle_sysrq"}  # fmt: skip
        assert calls or names & acts
