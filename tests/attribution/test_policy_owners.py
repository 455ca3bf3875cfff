"""Who set a limit or holds a terminal's other end; calls that a process had handed back to itself."""

import pytest

from killtrail.attribution.engine import judge
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.circumstances import ResourceLimit, SystemCall, Terminal
from killtrail.model.events import Creator, LimitSet, OrphanedBy, Provenance
from killtrail.model.process import Argv, Key
from killtrail.model.signal_context import Basis, Disposition
from tests.attribution.make import NOW, case, exited, process, signal

OWN = {"same_task": True, "same_group": True, "current": process(9)}
TIOCSIG = SystemCall(16, "x86_64", "ioctl", (5, 0x40045436, 2))
BORN = NOW - 1_000_000_000


def named(verdict, role: Role) -> list[int]:
    """Processes in a role, at likely or better."""
    return [
        link.process.pid
        for link in verdict.links
        if link.process and link.role is role and link.certainty >= Certainty.LIKELY
    ]


def over_the_limit(*notes, carriers=0, **more):
    """The verdict on process 9, which used up a CPU limit of 1 s (hard: 6 s)."""
    limit = ResourceLimit("RLIMIT_CPU", 1, 6, carriers)
    hit = signal(
        24, code=0x80, stack=("posix_cpu_timers_work",), limit=limit, doomed=True, **OWN, **more
    )
    return judge(case(exited(24), hit, notes=notes))


def set_limit(**more) -> LimitSet:
    """Process 70, started by 71, set that limit for process 9."""
    kw = {
        "time_ns": NOW - 1_000, "origin": Provenance("bpf", "limits:3"),
        "process": process(70, argv=Argv(("prlimit", "--cpu=1:6", "-p", "9"))),
        "target": process(9).key, "resource": "RLIMIT_CPU", "soft": 1, "hard": 6,
        "lineage": (process(71),), **more,
    }  # fmt: skip
    return LimitSet(**kw)


def test_who_set_the_limit_is_its_owner():
    """A prlimit(2) on the victim with these very values: its caller, with its launchers."""
    verdict = over_the_limit(set_limit())

    assert named(verdict, Role.POLICY_OWNER) == [70]
    assert named(verdict, Role.LAUNCHER) == [71]
    assert (verdict.cause, verdict.certainty) == (Cause.LIMIT_EXCEEDED, Certainty.ESTABLISHED)
    assert "p70 (pid 70) had set with prlimit(2)" in verdict.summary
    assert "limits:3" in [e.where for e in verdict.evidence]
    assert not [a for a in verdict.absent if a.what.startswith("who set")]


@pytest.mark.parametrize(
    "other",
    [
        {"soft": 2},
        {"hard": None},
        {"resource": "RLIMIT_FSIZE"},
        {"time_ns": NOW + 1},
        {"target": Key(9, BORN - 5)},
        {"target": process(6).key},
    ],
)
def test_another_prlimit_names_nobody(other):
    """Other values, another resource, afterwards, or for another process."""
    verdict = over_the_limit(set_limit(**other))

    assert named(verdict, Role.POLICY_OWNER) == []
    assert any(a.what.startswith("who set RLIMIT_CPU") for a in verdict.absent)


def test_the_last_prlimit_counts():
    """What was set and then set otherwise is not what struck, though the process may have put it back."""
    later = set_limit(time_ns=NOW - 10, soft=3)

    assert named(over_the_limit(set_limit(), later), Role.POLICY_OWNER) == []
    assert named(over_the_limit(later, set_limit(time_ns=NOW - 5)), Role.POLICY_OWNER) == [70]


@pytest.mark.parametrize(
    ("carriers", "ago", "creator", "owner"),
    [
        (1, BORN - 1, None, [70]),
        (1, BORN + 1, None, []),  # the child was there by then, and inherited nothing
        (0, BORN - 1, None, []),  # the parent had another limit
        (2, BORN - 1, Creator(0, Key(50, 1)), []),  # process 6 only adopted it
    ],
)
def test_a_limit_set_for_the_parent(carriers, ago, creator, owner):
    """Inherited from a parent that had been limited before the victim was created."""
    note = set_limit(target=process(6).key, time_ns=ago)
    verdict = over_the_limit(note, carriers=carriers, lineage=(process(6),), creator=creator)

    assert named(verdict, Role.POLICY_OWNER) == owner


def test_an_address_space_limit_is_possible_at_most():
    """That an allocation failed is not recorded: who set RLIMIT_AS is shown, not blamed."""
    note = set_limit(resource="RLIMIT_AS", soft=1 << 20, hard=1 << 20)
    verdict = judge(case(exited(256, memory_limit=1 << 20), notes=(note,)))

    assert [(x.process.pid, x.certainty) for x in verdict.links if x.role is Role.POLICY_OWNER] == [
        (70, Certainty.POSSIBLE)
    ]
    assert "set by p70 (pid 70) with prlimit(2)" in verdict.ruled_out[-1].because


# -- terminals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "call", "sure"),
    [
        (
            ("__kill_pgrp_info", "kill_pgrp", "pty_unix98_ioctl", "tty_ioctl"),
            TIOCSIG,
            Certainty.ESTABLISHED,
        ),
        (("kill_pgrp", "pty_unix98_ioctl"), None, Certainty.ESTABLISHED),
        (None, TIOCSIG, Certainty.LIKELY),
    ],
)
def test_signalled_by_ioctl(stack, call, sure):
    """TIOCSIG on a pty's master: the running task is the sender, as it is in the call."""
    hit = signal(2, code=0x80, stack=stack, syscall=call, doomed=True, lineage=(process(6),))
    verdict = judge(case(exited(2), hit))

    assert named(verdict, Role.SENDER) == [5]
    assert named(verdict, Role.LAUNCHER) == [6]
    assert (verdict.cause, verdict.mechanism) == (Cause.TERMINAL, Mechanism.TTY_SIGNAL)
    assert verdict.certainty is sure


@pytest.mark.parametrize(
    ("stack", "args"),
    [
        (("kill_pgrp", "tty_jobctrl_ioctl", "tty_ioctl"), (0, 0x5410, 0)),
        (("isig", "n_tty_receive_signal_char", "tiocsti", "tty_ioctl"), (0, 0x5412, 0)),
        (None, (0, 0x5412, 0)),
    ],
)
def test_other_ioctls_send_nothing_of_their_own(stack, args):
    """Job control and TIOCSTI go other ways."""
    call = SystemCall(16, "x86_64", "ioctl", args)

    assert explain(signal(2, code=0x80, stack=stack, syscall=call)).actor is not Actor.SENDER


def test_a_handled_ioctl_names_who_asked():
    """Handled, then an exit of its own: the caller of the ioctl asked for it."""
    hit = signal(
        2, code=0x80, stack=("pty_unix98_ioctl",), syscall=TIOCSIG, disposition=Disposition.HANDLED
    )
    verdict = judge(case(exited(130 << 8), hit))

    assert (verdict.cause, named(verdict, Role.SENDER)) == (Cause.ASKED_TO_STOP, [5])


@pytest.mark.parametrize(
    ("known", "chained", "launchers"), [(True, True, [6]), (True, False, []), (False, True, [])]
)
def test_the_holder_s_launchers(known, chained, launchers):
    """The lineage is the holder's only where the record says so, and shown only if it wrote the key."""
    terminal = Terminal(
        "pts/3", pty=True, holder=process(4, comm="script"), known=known, chained=chained
    )
    hit = signal(
        2, code=0x80, stack=("isig",), current=process(7, kthread=True), doomed=True,
        terminal=terminal, lineage=(process(6),),
    )  # fmt: skip
    verdict = judge(case(exited(2), hit))

    assert named(verdict, Role.LAUNCHER) == launchers
    assert named(verdict, Role.TRIGGER) == ([4] if known else [])


# -- creators ------------------------------------------------------------------------------------


def test_a_sibling_created_it():
    """CLONE_PARENT: the chain goes through who created it, not straight to the parent of both."""
    creator = process(20, argv=Argv(("runc", "init")))
    made = OrphanedBy(
        NOW - 9, Provenance("bpf", "orphaned:1"), creator, (process(21),), sibling=True
    )
    sent = signal(
        9, doomed=True, lineage=(process(21),), creator=Creator(0, creator.key, sibling=True)
    )
    verdict = judge(case(exited(9), sent, orphaned_by={creator.key: made}))

    assert [(a.process.pid, a.edge) for a in verdict.ancestry] == [(20, "creator"), (21, "parent")]
    assert "p20 (pid 20) created a sibling of its own" in [e.says for e in verdict.evidence]


def test_a_sibling_without_its_record_has_no_reaper():
    """Its parent adopted nothing."""
    creator = Creator(0, Key(20, 5), sibling=True)
    verdict = judge(case(exited(9), signal(9, doomed=True, lineage=(process(3),), creator=creator)))

    assert [(a.process.pid, a.edge) for a in verdict.ancestry] == [(20, "creator")]


# -- syscall user dispatch -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sig", "code", "stack", "mechanism"),
    [
        (sg.SIGSYS, 2, ("syscall_user_dispatch",), Mechanism.USER_DISPATCH),
        (sg.SIGSYS, 2, None, Mechanism.USER_DISPATCH),
        (sg.SIGSYS, 0x80, ("force_exit_sig", "syscall_user_dispatch"), Mechanism.USER_DISPATCH),
        (sg.SIGSEGV, 0x80, ("force_exit_sig", "syscall_user_dispatch"), Mechanism.USER_DISPATCH),
        (sg.SIGSYS, 1, ("__seccomp_filter",), Mechanism.SECCOMP),
        (sg.SIGSYS, 1, None, Mechanism.SECCOMP),
        (sg.SIGSYS, 0x80, None, None),
        (sg.SIGSYS, 0x80, ("force_exit_sig",), None),
    ],
)
def test_who_refused_the_call(sig, code, stack, mechanism):
    """The code says it, or the stack; where neither does it stays open."""
    how = explain(signal(sig, code=code, group=False, basis=Basis.USER, stack=stack, **OWN))

    assert how.mechanism is mechanism


def test_user_dispatch_is_a_crash():
    """The process had its calls handed back to it: no sandbox, nobody else."""
    hit = signal(
        sg.SIGSYS, code=2, group=False, basis=Basis.USER, stack=("syscall_user_dispatch",), doomed=True,
        **OWN,
    )  # fmt: skip
    verdict = judge(case(exited(31), hit))

    assert (verdict.cause, verdict.mechanism) == (Cause.CRASHED, Mechanism.USER_DISPATCH)
    assert named(verdict, Role.SENDER) == [9]
    assert {Cause.SECCOMP_KILLED, Cause.KILLED_BY_PROCESS} == {r.cause for r in verdict.ruled_out}


def test_sigsys_of_neither_code_is_no_sandbox_s():
    """Without a code of either and without a stack nothing is claimed."""
    hit = signal(
        sg.SIGSYS, code=0x80, group=False, stack=None, basis=Basis.KERNEL, doomed=True, **OWN
    )
    verdict = judge(case(exited(31), hit))

    assert verdict.cause is Cause.NOT_ESTABLISHED
