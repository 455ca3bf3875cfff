"""Sources that agree are named beside each other; those that do not are both shown."""

from killtrail._slotted import replace
from killtrail.attribution.corroboration import corroborated
from killtrail.attribution.engine import judge
from killtrail.model.causes import Cause
from killtrail.model.certainty import Certainty
from killtrail.model.circumstances import SystemCall
from killtrail.model.clock import Boot
from killtrail.model.events import OomKilled, ProcessExited, Provenance, SignalSent
from killtrail.model.process import Key, Process
from killtrail.model.signal_context import Basis
from killtrail.model.verdict import Host
from killtrail.model.wait_status import WaitStatus
from tests.attribution import make

WALL = Boot("", 0)
AUDIT = Provenance("auditlog", "audit.log:7 (1.000:1)")


def established():
    machine = Host(Boot("b", 1_795_000_000 * 1_000_000_000), "host")
    return judge(make.case(make.exited(9), make.signal(doomed=True), host=machine))


def recorded(verdict, sender: int, *, sig: int = 9, late_ns: int = 4_000_000) -> SignalSent:
    link = next(x for x in verdict.links if x.signal)
    return SignalSent(
        time_ns=verdict.host.boot.wall(link.time_ns) + late_ns,
        origin=AUDIT,
        sig=sig,
        code=0,
        result=0,
        group=True,
        target=Process(Key(verdict.death.process.pid, None)),
        current=Process(Key(sender, None), comm="sh"),
        basis=Basis.CALL,
        syscall=SystemCall(62, "x86_64", "kill", (0, 9, 0, 0)),
    )


def test_agreement_names_both_sources_once():
    """A death both recorded and audited has one verdict, with each source once."""
    verdict = established()
    sender = next(x for x in verdict.links if x.signal).process.pid
    found = corroborated(verdict, [recorded(verdict, sender)], WALL)
    assert found.certainty is Certainty.ESTABLISHED
    assert [e.source for e in found.evidence].count("auditlog") == 1
    assert found.contradictions == ()


def test_another_sender_is_shown():
    """Two sources that name two senders: both shown, and nothing is established any more."""
    verdict = established()
    found = corroborated(verdict, [recorded(verdict, 99)], WALL)
    assert found.certainty is Certainty.LIKELY
    assert "pid 99" in found.contradictions[0].says
    assert found.links == verdict.links


def test_other_moments_and_signals_are_other_matters():
    """A record of another time or signal says nothing about this one."""
    verdict = established()
    far = recorded(verdict, 99, late_ns=5_000_000_000)
    other = recorded(verdict, 99, sig=15)
    assert corroborated(verdict, [far, other], WALL) == verdict


def test_a_log_that_says_oom():
    """An OOM line about a process that a kill ended is a contradiction, not a second cause."""
    verdict = established()
    line = OomKilled(
        verdict.host.boot.wall(verdict.death.time_ns),
        Provenance("kernlog", "kmsg:1"),
        verdict.death.process,
    )
    found = corroborated(verdict, [line], WALL)
    assert (found.cause, found.certainty) == (Cause.KILLED_BY_PROCESS, Certainty.LIKELY)
    assert "OOM killer" in found.contradictions[0].says


def test_another_end():
    """A log that has it end by another signal is held against the recorder."""
    verdict = established()
    end = ProcessExited(
        verdict.host.boot.wall(verdict.death.time_ns), AUDIT, verdict.death.process, WaitStatus(11)
    )
    assert "SIGSEGV" in corroborated(verdict, [end], WALL).contradictions[0].says


def test_a_clock_without_a_date_says_nothing():
    """Evidence that can't be laid beside the verdict in time is left out."""
    verdict = established()
    undated = Boot("", None)
    assert corroborated(verdict, [recorded(verdict, 99)], undated) == verdict
    blind = replace(verdict, death=replace(verdict.death, time_ns=None))
    assert corroborated(blind, [recorded(verdict, 99)], WALL) == blind
