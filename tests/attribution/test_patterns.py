"""What repeats: a stale pid, a period, a restart loop; and what only looks so."""

from killtrail._slotted import replace
from killtrail.attribution import patterns
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import argue
from killtrail.model.causes import Cause
from killtrail.model.certainty import Certainty
from killtrail.model.circumstances import SystemCall
from killtrail.model.clock import NS
from killtrail.model.coverage import Coverage
from killtrail.model.events import ProcessExited, Provenance, SignalRefused, SignalSent
from killtrail.model.process import Key, Process
from killtrail.model.signal_context import Basis, KernelContext
from killtrail.model.wait_status import WaitStatus
from tests.attribution import make

KILLER = Process(Key(5, None), comm="httpd")


def sent(at: int, *, pid: int = 9, by: Process = KILLER) -> SignalSent:
    return SignalSent(
        time_ns=at, origin=Provenance("auditlog", f"a:{at}"), sig=9, code=0, result=0, group=True,
        target=Process(Key(pid, None), comm="job"), current=by, basis=Basis.TRACER,
    )  # fmt: skip


def missed(at: int) -> SignalRefused:
    return SignalRefused(at, Provenance("auditlog", f"a:{at}"), 9, "ESRCH", KILLER, 9)


def draft(*around):
    last = [e for e in around if isinstance(e, SignalSent)][-1]
    facts = Facts(last.target, None, (last,))
    return argue(Case(facts, make.HOST, Coverage(), kept=True, all_signals=around))


def verdict(*around):
    return draft(*around).finish()


def kinds(found) -> list[str]:
    return [p.kind for p in found.patterns]


def test_stale_pid():
    """Hits and misses on one number: a killer who goes by a remembered pid; every record is cited."""
    found = verdict(sent(0), missed(3 * NS), missed(6 * NS), sent(9 * NS))
    assert kinds(found) == ["stale-pid", "periodic"]
    assert "every 3 s" in found.patterns[0].says and "2 of 4" in found.patterns[0].says
    assert len(found.patterns[0].evidence) == 4


def test_one_miss_alone_is_no_pattern():
    """A kill and nothing else repeats nothing."""
    assert kinds(verdict(sent(0))) == []
    assert kinds(verdict(sent(0), sent(5 * NS))) == []


def test_period():
    """Three at even gaps are a period; uneven ones are not."""
    assert kinds(verdict(sent(0), sent(300 * NS), sent(601 * NS))) == ["periodic"]
    assert kinds(verdict(sent(0), sent(300 * NS), sent(900 * NS))) == []


def test_two_senders_are_two_stories():
    """Another process's tries do not make this one's."""
    other = Process(Key(6, None), comm="cron")
    assert kinds(verdict(sent(0), sent(10 * NS, by=other), sent(20 * NS))) == []


def test_restart_loop():
    """One program killed by one killer under new numbers: each verdict says so."""
    drafts = [draft(sent(n * 300 * NS, pid=100 + n)) for n in range(4)]
    assert [p.kind for p in patterns.share(drafts)] == ["restart-loop"]
    found = [each.finish() for each in drafts]
    assert [kinds(v) for v in found] == [["restart-loop"]] * 4
    assert "4 times" in found[-1].patterns[0].says and "every 300 s" in found[-1].patterns[0].says


def test_one_act_is_no_loop():
    """Many victims at one moment are one act."""
    drafts = [draft(sent(NS, pid=100 + n)) for n in range(5)]
    assert patterns.share(drafts) == ()
    assert all(kinds(each.finish()) == [] for each in drafts)


def hit(at: int, *, start: int, **more) -> SignalSent:
    """A recorded kill(9, SIGKILL) of a process that began at `start`."""
    by = more.pop("by", Process(Key(5, 1), comm="httpd"))
    target = Process(Key(9, start), comm="job")
    return SignalSent(
        time_ns=at, origin=Provenance("bpf", f"kills:{at}"), sig=9, code=0, result=0, group=True,
        target=target, current=by, syscall=SystemCall(62, "x86_64", "kill", (9, 9, 0, 0)), **more,
    )  # fmt: skip


def test_stale_pid_where_a_recorder_saw_it():
    """Every 3 s a signal for one PID, which three processes had: the sender never looked whose it is."""
    found = verdict(*(hit(n * 3 * NS, start=n * 3 * NS - 1) for n in range(1, 4)))
    assert "stale-pid" in kinds(found)
    assert "3 processes that had this PID" in found.patterns[0].says


def test_owners_of_a_pid_are_no_stale_killers():
    """Systemd and parents signal what is theirs, and PIDs come back; one process twice shows nothing."""
    systemd = Process(Key(1, 1), comm="systemd")
    owned = [hit(n * 3 * NS, start=n * 3 * NS - 1, by=systemd) for n in range(1, 4)]
    children = [
        hit(n * 3 * NS, start=n * 3 * NS - 1, kernel=KernelContext(target_is_child=True))
        for n in range(1, 4)
    ]
    same = [hit(n * 3 * NS, start=1) for n in range(1, 4)]
    uneven = [hit(n * n * n * NS, start=n) for n in range(1, 4)]
    for attempts in (owned, children, same, uneven):
        assert "stale-pid" not in kinds(verdict(*attempts))


def test_a_death_before_the_stale_killer_was_recorded():
    """A death whose sender no record shows: whoever keeps signalling that PID is possible, no more."""
    attempts = (missed(3 * NS), sent(6 * NS), missed(9 * NS), sent(12 * NS))
    end = ProcessExited(NS, Provenance("testimony", "mail:3"), Process(Key(9, None)), WaitStatus(9))
    case = Case(Facts(end.process, end), make.HOST, Coverage(), kept=True, watched=False, all_signals=attempts)  # fmt: skip
    found = argue(case).finish()
    assert (found.cause, found.certainty) == (Cause.KILLED_BY_PROCESS, Certainty.POSSIBLE)
    assert found.links[0].process == KILLER and "ESRCH" in found.summary
    watched = argue(replace(case, watched=True)).finish()
    assert watched.cause is Cause.NOT_ESTABLISHED
    for few in (attempts[:1], attempts[1:2], tuple(replace(t, sig=15) for t in attempts)):
        other = argue(replace(case, all_signals=few)).finish()
        assert other.cause is Cause.NOT_ESTABLISHED
