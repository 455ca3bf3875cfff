"""What repeats: a stale pid, a period, a restart loop; and what only looks so."""

from killtrail.attribution import patterns
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import judge
from killtrail.model.clock import NS
from killtrail.model.events import Loss, Provenance, SignalRefused, SignalSent
from killtrail.model.process import Key, Process
from killtrail.model.signal_context import Basis
from tests.attribution import make

KILLER = Process(Key(5, None), comm="httpd")


def sent(at: int, *, pid: int = 9, by: Process = KILLER) -> SignalSent:
    return SignalSent(
        time_ns=at, origin=Provenance("auditlog", f"a:{at}"), sig=9, code=0, result=0, group=True,
        target=Process(Key(pid, None), comm="job"), current=by, basis=Basis.TRACER,
    )  # fmt: skip


def missed(at: int) -> SignalRefused:
    return SignalRefused(at, Provenance("auditlog", f"a:{at}"), 9, "ESRCH", KILLER, 9)


def verdict(*around):
    last = [e for e in around if isinstance(e, SignalSent)][-1]
    facts = Facts(last.target, None, (last,))
    return judge(Case(facts, make.HOST, Loss(), kept=True, around=around))


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
    """One program killed by one killer under new numbers: the last verdict says so."""
    found = patterns.over([verdict(sent(n * 300 * NS, pid=100 + n)) for n in range(4)])
    assert [kinds(v) for v in found] == [[], [], [], ["restart-loop"]]
    assert "4 times" in found[-1].patterns[0].says and "every 300 s" in found[-1].patterns[0].says


def test_one_act_is_no_loop():
    """Many victims at one moment are one act."""
    found = patterns.over([verdict(sent(NS, pid=100 + n)) for n in range(5)])
    assert all(kinds(v) == [] for v in found)
