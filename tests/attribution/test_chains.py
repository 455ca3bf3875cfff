"""Who stands behind a sender, whose limit or filter it was, and who is left alone."""

import pytest

from killtrail._slotted import replace
from killtrail.attribution import siginfo, threads
from killtrail.attribution.case import Facts
from killtrail.attribution.engine import judge
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.circumstances import Filters, ResourceLimit, SystemCall, Terminal
from killtrail.model.events import (
    ImageReplaced,
    KernelLine,
    ManagerAsked,
    Provenance,
    ThreadDied,
)
from killtrail.model.process import Argv, Creator, Key, Process
from killtrail.model.signal_context import Basis, Disposition, KernelContext
from killtrail.model.wait_status import WaitStatus
from tests.attribution.make import KILL_STACK, NOW, case, exited, process, signal

SYSTEMD = Process(Key(1, 0), comm="systemd", argv=Argv(("/sbin/init",)), ns_pid=1)
IN_UNIT = replace(process(9), cgroup="/system.slice/app.service")
SELF = {"same_task": True, "same_group": True, "current": process(9)}


def named(verdict, role: Role) -> list[int]:
    """Processes in a role, at likely or better."""
    return [
        link.process.pid
        for link in verdict.links
        if link.process and link.role is role and link.certainty >= Certainty.LIKELY
    ]


def client(*words: str, ago_ns: int = 100_000_000, **more) -> ManagerAsked:
    """systemctl, started so long before now."""
    who = Process(Key(70, NOW), comm="systemctl", argv=Argv(("systemctl", *words)))
    return ManagerAsked(NOW - ago_ns, Provenance("bpf", "requests:1"), who, **more)


def by_systemd(sig: int = 15, *notes, before=(), **more):
    """The verdict on a process of app.service that systemd signalled."""
    hit = signal(sig, current=SYSTEMD, target=IN_UNIT, doomed=True)
    return judge(case(exited(sig), *before, hit, notes=notes, **more))


def test_a_stop_names_its_requester():
    """Systemd sent it, systemctl asked for it, the unit is the policy's."""
    verdict = by_systemd(15, client("stop", "app.service"))

    assert verdict.mechanism is Mechanism.UNIT_STOP
    assert (named(verdict, Role.SENDER), named(verdict, Role.REQUESTER)) == ([1], [70])
    assert verdict.certainty is Certainty.ESTABLISHED
    assert [x.subject.name for x in verdict.links if x.subject] == ["app.service"]


@pytest.mark.parametrize(
    ("sig", "note"),
    [
        (15, client("stop", "other.service")),
        (15, client("status", "app", "kill", ago_ns=5_000_000_000)),
        (15, client("stop", "app", ago_ns=1_500_000_000)),  # from before the victim's birth
        (6, client("stop", "app")),  # a watchdog's signal
        (9, client("kill", "-s", "HUP", "app")),
        (15, client("kill", "app", ago_ns=-1)),  # after the send
    ],
)
def test_other_clients_are_left_alone(sig, note):
    """Another unit, an earlier life, another signal: nobody is named for it."""
    verdict = by_systemd(sig, note)

    assert named(verdict, Role.REQUESTER) == []
    missed = "when its watchdog expired" if sig == 6 else "why systemd stopped"
    assert any(missed in a.what for a in verdict.absent)


def test_a_second_systemctl_kill_is_no_timeout():
    """TERM by one client, which it ignored, then KILL by another: nothing was being stopped."""
    term = signal(15, current=SYSTEMD, target=IN_UNIT, time_ns=NOW - 900_000_000)
    clients = (client("kill", "app", ago_ns=950_000_000), client("kill", "-s", "KILL", "app"))
    verdict = by_systemd(9, *clients, before=(term,))
    timeout = by_systemd(9, client("stop", "app", ago_ns=950_000_000), before=(term,))

    assert (verdict.mechanism, named(verdict, Role.REQUESTER)) == (Mechanism.KILL, [70])
    assert "had not stopped" not in verdict.summary
    assert timeout.mechanism is Mechanism.UNIT_TIMEOUT


@pytest.mark.parametrize("words", [("kill", "-s", "KILL"), ("kill", "--signal=9"), ("kill", "-s9")])
def test_kill_through_systemctl(words):
    """The verb to send a signal counts with that signal."""
    assert named(by_systemd(9, client(*words, "app")), Role.REQUESTER) == [70]


def test_an_old_request_is_only_possible():
    """Stop jobs may wait for others; after ten seconds it is a guess."""
    old = replace(IN_UNIT, key=Key(9, NOW - 60_000_000_000))
    hit = signal(15, current=SYSTEMD, target=old, doomed=True)
    made = case(exited(15), hit, notes=(client("stop", "app", ago_ns=30_000_000_000),))
    verdict = judge(replace(made, facts=replace(made.facts, process=old)))

    assert [x.certainty for x in verdict.links if x.role is Role.REQUESTER] == [Certainty.POSSIBLE]
    assert "possibly at the request of" in verdict.summary
    assert named(verdict, Role.LAUNCHER) == []


def test_timeout_and_watchdog():
    """KILL after TERM is the stop's timeout, ABRT the watchdog's."""
    asked = signal(
        15,
        current=SYSTEMD,
        target=IN_UNIT,
        disposition=Disposition.HANDLED,
        time_ns=NOW - 2 * 10**9,
    )
    assert by_systemd(9, before=(asked,)).mechanism is Mechanism.UNIT_TIMEOUT
    assert by_systemd(6).mechanism is Mechanism.UNIT_WATCHDOG


def test_without_a_unit_systemd_is_a_sender_like_others():
    """No unit, no policy."""
    verdict = judge(case(exited(15), signal(15, current=SYSTEMD, doomed=True)))

    assert verdict.mechanism is Mechanism.KILL


def relayed(**more):
    """5 got TERM from 7 and sent it to its child 9."""
    got = signal(
        15,
        target=process(5),
        current=process(7),
        disposition=Disposition.HANDLED,
        time_ns=NOW - 1000,
    )
    got = replace(got, **more)
    sent = signal(15, target_is_child=True, doomed=True)
    related = {process(5).key: Facts(process(5), None, (got,))}
    return judge(case(exited(15), sent, related=related))


def test_a_signal_passed_on():
    """The wrapper sent it, whoever told the wrapper asked for it."""
    verdict = relayed()

    assert (named(verdict, Role.SENDER), named(verdict, Role.REQUESTER)) == ([5], [7])
    assert "passed on SIGTERM" in verdict.summary


@pytest.mark.parametrize(
    "change",
    [
        {"sig": 2},
        {"time_ns": NOW - 3_000_000_000},
        {"time_ns": NOW + 1},
        {"kernel": KernelContext(Disposition.DEFAULT, stack=KILL_STACK)},
        {"result": 1},
        {"same_group": True},
        {"current": process(9)},
    ],
)
def test_not_passed_on(change):
    """Another number, long ago, later, not handled, by itself or by the victim: no requester."""
    assert named(relayed(**change), Role.REQUESTER) == []


def test_hang_up_through_a_shell():
    """The closer of the terminal set it off, the shell sent it."""
    stack = ("tty_release",)
    got = signal(
        1,
        target=process(5),
        current=process(7),
        disposition=Disposition.HANDLED,
        code=0x80,
        stack=stack,
    )
    sent = signal(1, target_is_child=True, doomed=True, time_ns=NOW + 10)
    verdict = judge(
        case(exited(1), sent, related={process(5).key: Facts(process(5), None, (got,))})
    )

    assert (named(verdict, Role.SENDER), named(verdict, Role.TRIGGER)) == ([5], [7])


def test_a_key_through_a_shell_blames_no_kworker():
    """Where a kworker carried it, the terminal is named."""
    worker = process(7, kthread=True)
    got = signal(
        2,
        target=process(5),
        current=worker,
        disposition=Disposition.HANDLED,
        code=0x80,
        stack=("isig",),
    )
    sent = signal(2, target_is_child=True, doomed=True, time_ns=NOW + 10)
    verdict = judge(
        case(exited(2), sent, related={process(5).key: Facts(process(5), None, (got,))})
    )

    assert 7 not in [x.process.pid for x in verdict.links if x.process]


def test_a_wrapper_repeats_its_child():
    """It raised what its child had died of: the child's killer is at the root."""
    own = signal(15, stack=("do_send_specific", "do_tkill"), code=-6, doomed=True, **SELF)
    child_end = exited(15, 20, time_ns=NOW - 1000)
    hit = signal(15, target=process(20), time_ns=NOW - 2000, doomed=True)
    made = case(exited(15), own, related={process(20).key: Facts(process(20), child_end, (hit,))})
    verdict = judge(replace(made, facts=replace(made.facts, children=(child_end,))))

    assert verdict.cause is Cause.KILLED_BY_SELF
    assert named(verdict, Role.TRIGGER) == [20]
    assert 5 in named(verdict, Role.SENDER)


@pytest.mark.parametrize(
    ("argv", "arg", "says"),
    [
        (("kill", "-TERM", "-12345"), -1, "the call named all processes"),
        (("/bin/kill", "-9", "--", "-234"), -2, "the call named -2"),
        (("kill", "-TERM", "-12345"), -12345, None),
        (("kill", "-9", "77"), 77, None),
        (("kill", "-9", "77"), 78, None),
        (("killer", "-TERM", "-12345"), -1, None),
    ],
)
def test_kill_that_misreads_its_argument(argv, arg, says):
    """procps-ng's first-digit bug is told; other differences are a script's own affair."""
    call = SystemCall(62, "x86_64", "kill", (arg & 0xFFFFFFFFFFFFFFFF, 15, 0))
    found = siginfo.misdirected(signal(15, current=process(5, argv=Argv(argv)), syscall=call))

    assert (says in found) if says else found is None


@pytest.mark.parametrize(
    ("claimed", "namespaces", "lies"),
    [
        (1, (1, 1), True),
        (5, (1, 1), False),
        (55, (1, 1), False),
        (0, (1, 2), False),
        (1, (1, 2), False),
    ],
)
def test_forged_siginfo(claimed, namespaces, lies):
    """A pid that is not the sender's is a lie, within one pid namespace."""
    hit = signal(
        15, code=-1, si_pid=claimed, si_uid=0,
        current=process(5, pidns=namespaces[0], ns_pid=55), target=process(9, pidns=namespaces[1]),
    )  # fmt: skip

    assert bool(siginfo.forged(hit)) is lies


def sandboxed(filters, lineage=(), creator=None):
    """Killed by a seccomp filter."""
    hit = signal(
        31, code=1, group=False, stack=("force_sig_seccomp",), basis=Basis.USER, filters=filters,
        lineage=lineage, creator=creator, syscall=SystemCall(110, "x86_64", None, ()), **SELF,
    )  # fmt: skip
    return judge(case(exited(31), hit))


LINE = (process(6), process(7), process(8))


@pytest.mark.parametrize(
    ("filters", "creator", "owner"),
    [
        (Filters(1, 0, 0, 0), None, [9]),
        (Filters(1, 0, 0, 1), None, [9]),
        (Filters(1, 2, 2), None, [7]),
        (Filters(2, 2, 1), None, []),  # two filters, by two processes: which struck is not known
        (Filters(1, 3, 3), Creator(1, Key(50, 1)), []),  # the chain went through a dead parent
        (Filters(1, 1, 1), Creator(1, Key(50, 1)), []),  # its dead creator may have had it as well
        (Filters(1, 0, 0, 1), Creator(0, Key(50, 1)), []),
        (Filters(1, 0, 0), Creator(0, Key(50, 1)), []),
        (Filters(1, 0, 0, 0), Creator(0, Key(50, 1)), [9]),  # none yet when its program began
        (Filters(1, 9, 9), None, []),
        (None, None, []),
    ],
)
def test_who_brought_the_filter(filters, creator, owner):
    """The last ancestor in a row that carries it; nobody where that is not sure."""
    verdict = sandboxed(filters, LINE, creator)

    assert named(verdict, Role.POLICY_OWNER) == owner
    assert verdict.cause is Cause.SECCOMP_KILLED


@pytest.mark.parametrize("carriers", [0, 2])
def test_a_limit_s_owner_is_only_possible(carriers):
    """prlimit(2) leaves no trace: whoever has the limit may not have set it."""
    hit = signal(
        24, code=0x80, stack=("posix_cpu_timers_work",), lineage=LINE,
        limit=ResourceLimit("RLIMIT_CPU", 1, 5, carriers, at_exec=False), **SELF,
    )  # fmt: skip
    verdict = judge(case(exited(24), hit))

    assert named(verdict, Role.POLICY_OWNER) == []
    assert "RLIMIT_CPU = 1 s" in verdict.summary
    assert verdict.certainty is Certainty.ESTABLISHED


@pytest.mark.parametrize(
    ("sole", "known", "sure"),
    [
        (True, True, Certainty.ESTABLISHED),
        (False, True, Certainty.LIKELY),
        (False, False, Certainty.POSSIBLE),
    ],
)
def test_who_typed(sole, known, sure):
    """Whoever alone holds the other end wrote the key; one of several only likely."""
    hit = signal(
        2, code=0x80, stack=("isig",), current=process(7, kthread=True), doomed=True,
        terminal=Terminal("pts/3", pty=True, holder=process(4), sole=sole, known=known),
    )  # fmt: skip
    verdict = judge(case(exited(2), hit))

    assert named(verdict, Role.TRIGGER) == ([4] if sure >= Certainty.LIKELY else [])
    assert verdict.certainty is sure


@pytest.mark.parametrize(
    ("ends", "reader", "sure"),
    [
        ({"stdin_pipe": 77}, [20], Certainty.ESTABLISHED),
        ({"exec_pipe": 77}, [20], Certainty.LIKELY),
        (None, [], Certainty.LIKELY),
    ],
)
def test_who_stopped_reading(ends, reader, sure):
    """The last reader by its end, the only one by its start, or nobody."""
    hit = signal(13, stack=("pipe_write",), group=False, pipe=77, doomed=True, **SELF)
    end = exited(0, 20, **ends) if ends else None
    verdict = judge(case(exited(13), hit, reader=end))

    assert (named(verdict, Role.TRIGGER), verdict.certainty) == (reader, sure)


@pytest.mark.parametrize(
    ("code", "victim", "cause", "sure"),
    [
        (127, process(9, argv=Argv(("x",), inherited=True)), Cause.EXEC_FAILED, Certainty.LIKELY),
        (126, process(9, comm="nohup"), Cause.EXEC_FAILED, Certainty.LIKELY),
        (
            127,
            process(9, comm="sh", argv=Argv(("sh", "-c", "nosuch"))),
            Cause.EXEC_FAILED,
            Certainty.POSSIBLE,
        ),
        (
            127,
            process(9, comm="sh", argv=Argv(("sh", "-c", "exit 127"))),
            Cause.EXITED,
            Certainty.ESTABLISHED,
        ),
        (127, process(9), Cause.EXITED, Certainty.ESTABLISHED),
        (1, process(9, comm="env"), Cause.EXITED, Certainty.ESTABLISHED),
    ],
)
def test_exit_codes_of_failed_exec(code, victim, cause, sure):
    """A convention is worth what the program that follows it is known for."""
    end = replace(exited(code << 8), process=victim)
    verdict = judge(case(end))

    assert (verdict.cause, verdict.certainty) == (cause, sure)


def test_a_traced_exit_may_be_the_tracer_s():
    """Where the return address could not be read, nobody is sure who called exit."""
    verdict = judge(case(exited(0x300, tracer=process(4))))
    assert (verdict.cause, verdict.certainty) == (Cause.EXITED, Certainty.POSSIBLE)

    verdict = judge(case(exited(0x300, tracer=process(4), returns_to_stack=False)))
    assert verdict.certainty is Certainty.ESTABLISHED

    verdict = judge(case(exited(0x300, tracer=process(4), returns_to_stack=True)))
    assert (verdict.cause, named(verdict, Role.SENDER)) == (Cause.TRACED, [4])


def test_kernel_bug_and_driver():
    """What no signal explains, and what the kernel sent to its own caller."""
    verdict = judge(case(exited(11, stack=("make_task_dead",))))
    assert verdict.cause is Cause.KERNEL_BUG

    hit = signal(9, code=0x80, group=False, stack=("[foo]", None), doomed=True, **SELF)
    verdict = judge(case(exited(9), hit))
    assert (verdict.cause, verdict.mechanism) == (Cause.KERNEL_KILLED, Mechanism.DRIVER)
    assert [x.subject.name for x in verdict.links if x.subject] == ["module foo"]
    assert verdict.certainty is Certainty.ESTABLISHED


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_writer_of_sysrq(lines):
    """Whoever made the kernel say so asked for it; one of several is only likely."""
    notes = tuple(
        KernelLine(
            NOW - i, Provenance("bpf", f"requests:{i}"), process(30), "sysrq: Manual OOM execution"
        )
        for i in range(lines)
    )
    stack = ("__oom_kill_process", "out_of_memory", "moom_callback")
    hit = signal(9, code=0x80, stack=stack, current=process(7, kthread=True), doomed=True)
    verdict = judge(case(exited(9), hit, notes=notes))

    sure = [x.certainty for x in verdict.links if x.role is Role.REQUESTER]
    assert sure == [[], [Certainty.ESTABLISHED], [Certainty.LIKELY]][lines]
    assert 7 not in [x.process.pid for x in verdict.links if x.process]


def test_one_act_is_one_incident():
    """Victims are counted once each, and the same for all of them."""
    hits = tuple(signal(9, target=process(n), time_ns=NOW + n, doomed=True) for n in range(9, 20))
    incident = judge(case(exited(9), hits[0], same_call=hits)).incident

    assert incident.victims == 11
    assert 9 not in [p.pid for p in incident.sample]
    assert judge(case(exited(9), hits[0], same_call=hits[:1])).incident is None


def test_threads():
    """An exec by a sibling is no death; a thread's end is told as one thread's."""
    where = Provenance("bpf", "exits:1")
    verdict = threads.replaced(case(None), ImageReplaced(NOW, where, process(9), 12), None).finish()
    assert verdict.cause is Cause.REPLACED_BY_EXEC

    thread = replace(process(9), tid=12, thread="worker")
    for status, stack, cause in (
        (31, (), Cause.SECCOMP_KILLED),
        (11, ("make_task_dead",), Cause.KERNEL_BUG),
        (11, (), Cause.NOT_ESTABLISHED),
    ):
        verdict = threads.died(
            case(None), ThreadDied(NOW, where, thread, WaitStatus(status), stack)
        ).finish()
        assert verdict.cause is cause
        assert verdict.death.thread == (12, "worker")


def test_oomd_by_its_own_program_only():
    """The name alone is no proof."""
    oomd = process(5, comm="systemd-oomd", exe="/usr/lib/systemd/systemd-oomd")
    assert judge(case(exited(9), signal(9, current=oomd, doomed=True))).cause is Cause.OOM_KILLED

    fake = process(5, comm="systemd-oomd", exe="/tmp/systemd-oomd")
    verdict = judge(case(exited(9), signal(9, current=fake, doomed=True)))
    assert verdict.cause is Cause.KILLED_BY_PROCESS


def test_forked_into_a_killed_cgroup():
    """The parent that was forking was hit by the same write: its writer is named, likely."""
    write = signal(9, target=process(5), current=process(40), stack=("cgroup_kill_write",), code=0)
    hit = signal(9, stack=("cgroup_post_fork",), doomed=True)
    related = {process(5).key: Facts(process(5), None, (write,))}
    verdict = judge(case(exited(9), hit, related=related))

    assert (verdict.cause, named(verdict, Role.SENDER)) == (Cause.CGROUP_KILLED, [40])
    assert verdict.certainty is Certainty.LIKELY
    assert named(judge(case(exited(9), hit)), Role.SENDER) == []
