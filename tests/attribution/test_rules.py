"""Rules at their edges: what raises, lowers and refutes a claim."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from killtrail.attribution.alive import alive
from killtrail.attribution.case import Facts
from killtrail.attribution.engine import judge
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Ended, Role
from killtrail.model.certainty import Certainty
from killtrail.model.circumstances import MemoryLimit
from killtrail.model.events import (
    OomVictimMarked,
    OrphanedBy,
    Provenance,
)
from killtrail.model.process import Argv, Creator, Key
from killtrail.model.signal_context import Basis, Disposition
from killtrail.model.verdict import OriginKind
from killtrail.recorder.symbols import OF_INTEREST
from tests.attribution.make import NOW, case, exited, process, signal
from tests.fuzz import EXAMPLES

OOM = ("__oom_kill_process", "mem_cgroup_out_of_memory")


def senders(verdict) -> list[int]:
    """Who is named as having done something."""
    return [
        link.process.pid
        for link in verdict.links
        if link.process and link.role is not Role.LAUNCHER and link.certainty >= Certainty.LIKELY
    ]


def test_the_join_is_established():
    """Status, effective signal and call in flight together."""
    verdict = judge(case(exited(9), signal(9, doomed=True)))

    assert (verdict.cause, verdict.certainty) == (Cause.KILLED_BY_PROCESS, Certainty.ESTABLISHED)
    assert senders(verdict) == [5]
    assert [r.cause for r in verdict.ruled_out] == [Cause.OOM_KILLED]


def test_no_exit_on_record_is_at_most_likely():
    """A successful send without an end is not yet a death."""
    verdict = judge(case(None, signal(9)))

    assert verdict.certainty <= Certainty.LIKELY
    assert verdict.death.ended is Ended.UNKNOWN


def test_first_of_several():
    """The first fatal signal counts; the later one is an attempt."""
    first = signal(15, doomed=True)
    late = signal(9, time_ns=NOW + 10, current=process(6))
    verdict = judge(case(exited(15), first, late))

    assert senders(verdict) == [5]
    assert [a.process.pid for a in verdict.attempts] == [6]


def test_other_number_is_not_the_cause():
    """A delivered signal of another number than the status does not explain it."""
    verdict = judge(case(exited(15), signal(10, current=process(6))))

    assert verdict.cause is Cause.NOT_ESTABLISHED
    assert senders(verdict) == []


@pytest.mark.parametrize("result", [1, 2, 3])
def test_only_delivered_signals_kill(result):
    """Ignored, pending and overflown ones are no cause."""
    assert judge(case(exited(9), signal(9, result=result))).cause is Cause.NOT_ESTABLISHED


def test_lost_siginfo_still_kills():
    """Result 4: delivered, with the siginfo lost."""
    assert judge(case(exited(9), signal(9, result=4, doomed=True))).cause is Cause.KILLED_BY_PROCESS


def test_several_blocked_candidates_are_likely():
    """Two of one number waited while blocked: the first is taken, and it is said."""
    pair = [signal(15, blocked=True), signal(15, blocked=True, time_ns=NOW + 1, current=process(6))]
    verdict = judge(case(exited(15), *pair))

    assert verdict.certainty is Certainty.LIKELY
    assert any("blocked" in a.what for a in verdict.absent)


def test_nothing_sent_and_all_watched():
    """No send on record while recording was complete: nobody is named, and that is said."""
    verdict = judge(case(exited(9)))

    assert verdict.cause is Cause.NOT_ESTABLISHED
    assert "no known kernel mechanism" in verdict.summary


def test_nothing_sent_but_not_watched():
    """With a gap the absence of a send proves nothing; a tracer is not accused."""
    verdict = judge(case(exited(9, tracer=process(4)), watched=False))

    assert verdict.cause is Cause.NOT_ESTABLISHED
    assert "lost or is from before" in verdict.summary
    assert senders(verdict) == []


def test_tracer_at_the_end_is_likely():
    """Complete record, no send, a tracer: injected, likely."""
    verdict = judge(case(exited(15, tracer=process(4))))

    assert (verdict.cause, verdict.certainty) == (Cause.TRACED, Certainty.LIKELY)
    assert senders(verdict) == [4]


def test_oom_names_trigger_and_policy_but_no_sender():
    """The allocating task set it off; the full cgroup decided."""
    hit = signal(9, code=0x80, stack=OOM, memory=MemoryLimit("/app", 1 << 25, 1 << 25), doomed=True)
    verdict = judge(case(exited(9), hit))
    roles = [link.role for link in verdict.links]

    assert (verdict.cause, verdict.certainty) == (Cause.OOM_KILLED, Certainty.ESTABLISHED)
    assert Role.SENDER not in roles
    assert {Role.TRIGGER, Role.POLICY_OWNER} <= set(roles)
    assert "32 MiB" in verdict.summary


def test_oom_without_the_cgroup():
    """Which cgroup was full is named as missing."""
    verdict = judge(case(exited(9), signal(9, code=0x80, stack=OOM, doomed=True)))

    assert any("memory cgroup" in a.what for a in verdict.absent)


def test_oom_mark_without_a_stack_is_likely():
    """A mark and a kernel SIGKILL behind it, no stack."""
    mark = OomVictimMarked(NOW - 5, Provenance("bpf", "deaths:1"), Key(9, None), process(3))
    verdict = judge(case(exited(9), signal(9, code=0x80, stack=None), ooms=(mark,)))

    assert (verdict.cause, verdict.certainty) == (Cause.OOM_KILLED, Certainty.LIKELY)


def test_oom_mark_does_not_overrule_a_kill():
    """A marked victim that somebody killed was killed by somebody."""
    mark = OomVictimMarked(NOW - 5, Provenance("bpf", "deaths:1"), Key(9, None), process(3))
    verdict = judge(case(exited(9), signal(9, doomed=True), ooms=(mark,)))

    assert verdict.cause is Cause.KILLED_BY_PROCESS
    assert Cause.OOM_KILLED not in [r.cause for r in verdict.ruled_out]


def test_sysrq_f_has_no_trigger():
    """The worker that ran is not to blame; the writer is not known."""
    stack = ("__oom_kill_process", "out_of_memory", "moom_callback")
    verdict = judge(
        case(
            exited(9),
            signal(9, code=0x80, stack=stack, current=process(3, kthread=True), doomed=True),
        )
    )

    assert senders(verdict) == []
    assert any("sysrq-trigger" in a.what for a in verdict.absent)


def test_host_oom_owner_is_the_host():
    """Without a cgroup limit the host's memory decided."""
    stack = ("__oom_kill_process", "out_of_memory")
    verdict = judge(case(exited(9), signal(9, code=0x80, stack=stack, doomed=True)))

    assert "the host ran out of memory" in verdict.summary


def handled(sig: int, ago_ns: int = 0, **more):
    """A signal that it had a handler for."""
    return signal(sig, disposition=Disposition.HANDLED, time_ns=NOW - ago_ns, **more)


@pytest.mark.parametrize(
    ("request_", "status", "cause", "certainty"),
    [
        (handled(15), 143 << 8, Cause.ASKED_TO_STOP, Certainty.ESTABLISHED),
        (handled(15), 0, Cause.ASKED_TO_STOP, Certainty.LIKELY),
        (handled(2, 600 * 10**9), 1 << 8, Cause.ASKED_TO_STOP, Certainty.LIKELY),
        (handled(15, 2000 * 10**9), 0, Cause.EXITED, Certainty.ESTABLISHED),
        (handled(1), 0, Cause.ASKED_TO_STOP, Certainty.LIKELY),
        (handled(1, 60 * 10**9), 0, Cause.EXITED, Certainty.ESTABLISHED),
        (handled(1, 60 * 10**9), 129 << 8, Cause.ASKED_TO_STOP, Certainty.ESTABLISHED),
        (handled(10), 0, Cause.EXITED, Certainty.ESTABLISHED),
    ],
)
def test_asked_to_stop(request_, status, cause, certainty):
    """Compliance shows in the code, or in the time; a reload long ago is none."""
    verdict = judge(case(exited(status, asked=15), request_))

    assert (verdict.cause, verdict.certainty) == (cause, certainty)


def test_asked_but_the_record_is_gone():
    """An exit after a request whose record was overwritten says so."""
    verdict = judge(case(exited(0, asked=15)))

    assert verdict.cause is Cause.EXITED
    assert any("SIGTERM that it handled" in a.what for a in verdict.absent)


def test_asked_by_an_exiting_parent():
    """A request that a dying parent set off names the parent as trigger, not as sender."""
    parent = process(5, exiting=True)
    ask = handled(15, stack=("do_exit",), current=parent, target_is_child=True, pdeath_match=True)
    verdict = judge(case(exited(143 << 8, asked=15), ask))

    assert [link.role for link in verdict.links if link.process == parent] == [Role.TRIGGER]


def test_137_is_not_a_kill():
    """exit(137) is an exit, and what it looks like is ruled out."""
    verdict = judge(case(exited(137 << 8)))

    assert (verdict.cause, verdict.certainty) == (Cause.EXITED, Certainty.ESTABLISHED)
    assert {Cause.KILLED_BY_PROCESS, Cause.OOM_KILLED} == {r.cause for r in verdict.ruled_out}


def test_chain_through_wills():
    """A double-forked sender's launchers are its dead creators, with their argv; its reaper is not."""
    creator, origin_shell = (
        process(20, argv=Argv(("nightly.sh",))),
        process(21, argv=Argv(("cron-job",))),
    )
    wills = {
        creator.key: OrphanedBy(
            NOW - 9,
            Provenance("bpf", "orphaned:1"),
            creator,
            (process(1),),
            Creator(0, origin_shell.key),
        ),
        origin_shell.key: OrphanedBy(
            NOW - 8, Provenance("bpf", "orphaned:2"), origin_shell, (process(22, comm="cron"),)
        ),
    }
    sent = signal(9, doomed=True, lineage=(process(1),), creator=Creator(0, creator.key))
    verdict = judge(case(exited(9), sent, orphaned_by=wills))

    assert [(a.process.pid, a.edge) for a in verdict.ancestry] == [
        (20, "creator"),
        (21, "creator"),
        (22, "parent"),
    ]
    assert [link.process.pid for link in verdict.links if link.role is Role.LAUNCHER] == [
        22,
        21,
        20,
    ]
    assert all(link.evidence for link in verdict.links)
    assert verdict.origin.kind is OriginKind.CRON
    assert verdict.origin.name == "cron-job"


def test_chain_with_a_lost_will():
    """A creator without a will is a number; its reaper is told apart and launched nothing."""
    sent = signal(9, doomed=True, lineage=(process(3),), creator=Creator(0, Key(20, 5)))
    verdict = judge(case(exited(9), sent))

    assert [(a.process.pid, a.edge) for a in verdict.ancestry] == [(20, "creator"), (3, "reaper")]
    assert [link.process.pid for link in verdict.links if link.role is Role.LAUNCHER] == [20]
    assert any("PID 20" in a.what for a in verdict.absent)


def test_older_than_the_recorder():
    """Of what is older than the recorder only a parent that adopts nobody is a launcher."""
    chain = (process(3, reaper=False), process(4, reaper=True), process(6), process(1, reaper=True))
    verdict = judge(case(exited(9), signal(9, doomed=True, lineage=chain), armed_ns=NOW))

    assert [(a.process.pid, a.edge, a.certainty) for a in verdict.ancestry] == [
        (3, "parent", Certainty.ESTABLISHED),
        (4, "seen", Certainty.POSSIBLE),
        (6, "seen", Certainty.POSSIBLE),
        (1, "seen", Certainty.POSSIBLE),
    ]
    assert [link.process.pid for link in verdict.links if link.role is Role.LAUNCHER] == [3]


def test_wills_in_a_circle_end():
    """Damaged wills that name each other don't loop."""
    a, b = process(20), process(21)
    wills = {
        a.key: OrphanedBy(1, Provenance("x", "1"), a, (), Creator(0, b.key)),
        b.key: OrphanedBy(1, Provenance("x", "2"), b, (), Creator(0, a.key)),
    }
    sent = signal(9, doomed=True, creator=Creator(0, a.key))

    assert len(judge(case(exited(9), sent, orphaned_by=wills)).ancestry) <= 4


def test_killers_that_exit_in_a_circle_end():
    """Related deaths that hang on each other don't loop."""
    five, nine = process(5, exiting=True), process(9, exiting=True)
    zap = ("zap_pid_ns_processes",)
    to_nine = signal(9, stack=zap, current=five, doomed=True, code=0x80)
    to_five = signal(9, stack=zap, target=five, current=nine, doomed=True, code=0x80)
    related = {
        five.key: Facts(five, exited(9, 5), (to_five,)),
        nine.key: Facts(nine, exited(9, 9), (to_nine,)),
    }

    assert judge(case(exited(9), to_nine, related=related)).cause is Cause.NAMESPACE_ENDED


def test_frozen_and_reused():
    """The living: frozen by whom, and whether the number had an earlier life."""
    stop = signal(19)
    frozen = alive(case(None, stop), stop, None).finish()
    earlier = judge(case(exited(9), signal(9, doomed=True)))
    again = alive(case(None), None, earlier).finish()
    by_key = alive(case(None), signal(20, stack=("isig",)), None).finish()

    assert senders(frozen) == [5]
    assert (again.cause, again.certainty) == (Cause.PID_REUSED, Certainty.ESTABLISHED)
    assert earlier.summary in again.summary
    assert {e.where for e in earlier.evidence} < {e.where for e in again.evidence}
    assert by_key.links == ()


def test_loss_is_carried():
    """What the source lost stands in the verdict."""
    assert judge(case(exited(9), lost=7)).events_lost == 7


ME = process(9)
OWN = {"target": ME, "current": ME, "same_task": True, "same_group": True}


@pytest.mark.parametrize(
    ("sent", "status", "cause", "certainty", "named"),
    [
        (signal(9, stack=("cgroup_kill_write",)), 9, Cause.CGROUP_KILLED, "established", [5]),
        (signal(9, stack=("cgroup_post_fork",)), 9, Cause.CGROUP_KILLED, "likely", []),
        (
            signal(2, stack=("isig",), current=process(3, kthread=True)),
            2,
            Cause.TERMINAL,
            "likely",
            [],
        ),
        (
            signal(1, stack=("disassociate_ctty",), current=process(5, exiting=True)),
            1,
            Cause.TERMINAL,
            "established",
            [5],
        ),
        (signal(1, stack=("tty_release",)), 1, Cause.TERMINAL, "established", [5]),
        (
            signal(9, stack=("exit_ptrace",), current=process(5, exiting=True)),
            9,
            Cause.TRACED,
            "established",
            [5],
        ),
        (signal(9, stack=("ptrace_request",)), 9, Cause.TRACED, "established", [5]),
        (signal(9, stack=("bpf_send_signal_common",), **OWN), 9, Cause.BPF_KILLED, "likely", []),
        (
            signal(31, code=1, group=False, stack=("force_sig_seccomp",), **OWN),
            0x9F,
            Cause.SECCOMP_KILLED,
            "established",
            [],
        ),
        (
            signal(24, stack=("posix_cpu_timers_work",), **OWN),
            24,
            Cause.LIMIT_EXCEEDED,
            "established",
            [],
        ),
        (signal(14, stack=("it_real_fn",)), 14, Cause.TIMER_EXPIRED, "established", [9]),
        (
            signal(13, group=False, stack=("anon_pipe_write",), basis=Basis.NONE, **OWN),
            13,
            Cause.BROKEN_PIPE,
            "likely",
            [],
        ),
        (signal(29, stack=("send_sigio",)), 29, Cause.REQUESTED_NOTIFICATION, "established", [5]),
        (
            signal(9, stack=("send_sig_all", "write_sysrq_trigger")),
            9,
            Cause.KERNEL_KILLED,
            "established",
            [5],
        ),
        (
            signal(7, code=4, group=False, stack=("force_sig_mceerr",), **OWN),
            7,
            Cause.HARDWARE_ERROR,
            "established",
            [],
        ),
        (
            signal(
                11,
                code=1,
                group=False,
                stack=("force_sig_fault",),
                basis=Basis.USER,
                si_pid=8,
                si_uid=0,
                **OWN,
            ),
            11,
            Cause.CRASHED,
            "established",
            [9],
        ),
        (
            signal(6, code=-6, group=False, stack=("do_tkill", "__x64_sys_tgkill"), **OWN),
            6,
            Cause.ABORTED,
            "established",
            [9],
        ),
        (signal(9, **OWN), 9, Cause.KILLED_BY_SELF, "established", [9]),
        (signal(9, stack=("reboot_pid_ns",), **OWN), 9, Cause.KILLED_BY_SELF, "established", [9]),
        (
            signal(
                15,
                stack=("do_exit",),
                current=process(5, exiting=True),
                target_is_child=True,
                pdeath_match=True,
            ),
            15,
            Cause.PARENT_DIED,
            "established",
            [5],
        ),
        (signal(9, code=0x80, stack=("do_exit",)), 9, Cause.NOT_ESTABLISHED, "not-established", []),
        (signal(9, code=0x80, stack=None), 9, Cause.NOT_ESTABLISHED, "not-established", []),
    ],
)
def test_each_way(sent, status, cause, certainty, named):
    """One way to die, one cause; named is who had a part in it, and nobody else."""
    verdict = judge(case(exited(status), sent))

    assert (verdict.cause, verdict.certainty.label) == (cause, certainty)
    assert senders(verdict) == named
    assert all(link.evidence for link in verdict.links)


def test_reraised_request_names_who_asked():
    """A handled TERM and then the same on itself: asked to stop, by the first sender."""
    verdict = judge(case(exited(15, asked=15), handled(15, 10), signal(15, **OWN, doomed=True)))

    assert verdict.cause is Cause.ASKED_TO_STOP
    assert senders(verdict) == [5, 9]
    assert Cause.KILLED_BY_SELF in [r.cause for r in verdict.ruled_out]


def test_reraised_after_a_key():
    """A handled ^C: the terminal is named, likely; the worker that carried it is not."""
    ask = handled(2, 10, stack=("isig",), current=process(3, kthread=True))
    verdict = judge(case(exited(2, asked=2), ask, signal(2, **OWN, doomed=True)))

    assert (verdict.cause, verdict.certainty) == (Cause.ASKED_TO_STOP, Certainty.LIKELY)
    assert senders(verdict) == [9]


def test_chain_of_killed_parent():
    """The killer of the parent stands behind the parent's exit."""
    parent = process(5, exiting=True)
    wish = signal(15, stack=("do_exit",), current=parent, target_is_child=True, pdeath_match=True)
    related = {
        parent.key: Facts(
            parent, exited(9, 5), (signal(9, target=parent, current=process(6), doomed=True),)
        )
    }
    verdict = judge(case(exited(15), wish, related=related))

    assert senders(verdict) == [6, 5]
    assert verdict.links[-1].caused_by == next(x.id for x in verdict.links if x.role is Role.SENDER)
    assert "p6 (pid 6) had killed the parent with SIGKILL" in verdict.summary


@settings(max_examples=EXAMPLES)
@given(
    st.one_of(st.none(), st.integers(0, 0xFFFF)),
    st.lists(
        st.builds(
            signal,
            st.integers(1, 64),
            code=st.sampled_from([0, 1, 0x80, -1, -2, -6]),
            result=st.integers(0, 4),
            group=st.booleans(),
            stack=st.one_of(
                st.none(),
                st.lists(
                    st.one_of(st.none(), st.sampled_from(sorted(OF_INTEREST))), max_size=6
                ).map(tuple),
            ),
            disposition=st.sampled_from([*Disposition, None]),
            blocked=st.booleans(),
            doomed=st.booleans(),
            current=st.builds(
                process, st.integers(0, 12), exiting=st.booleans(), kthread=st.booleans()
            ),
            time_ns=st.integers(NOW - 10**12, NOW + 10**7),
            target_is_child=st.booleans(),
            pdeath_match=st.one_of(st.none(), st.booleans()),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_any_events_give_a_consistent_verdict(status, signals, watched):
    """Whatever is on record: a verdict comes, and it keeps the contract."""
    end = exited(status, fatal=None if status is not None else False)
    verdict = judge(case(end, *signals, watched=watched))

    assert (verdict.cause is Cause.NOT_ESTABLISHED) == (
        verdict.certainty is Certainty.NOT_ESTABLISHED
    )
    known = {e.id for e in verdict.evidence}
    for link in verdict.links:
        assert set(link.evidence) <= known
        assert link.caused_by is None or link.caused_by < link.id
    if status is not None and not status & 0x7F:
        assert verdict.cause in (Cause.EXITED, Cause.ASKED_TO_STOP)
    assert verdict.summary
    assert sg.name(9) == "SIGKILL"
