"""Sources that agree are named beside each other; those that do not are both shown."""

from killtrail.attribution.engine import judge
from killtrail.model.causes import Cause
from killtrail.model.certainty import Certainty
from killtrail.model.circumstances import SystemCall
from killtrail.model.events import OomKilled, ProcessExited, Provenance, SignalSent
from killtrail.model.process import Key, Process
from killtrail.model.signal_context import Basis
from killtrail.model.wait_status import WaitStatus
from tests.attribution import make

AUDIT = Provenance("auditlog", "audit.log:7 (1.000:1)")


def judged(*second_hand):
    """The verdict on a recorded kill, beside which logs say something, too."""
    return judge(make.case(make.exited(9), make.signal(doomed=True), second_hand=second_hand))


def logged(sender: int, *, sig: int = 9, late_ns: int = 4_000_000) -> SignalSent:
    """The record of a call that sent a signal to the victim, on the verdict's clock."""
    return SignalSent(
        time_ns=make.NOW + late_ns,
        origin=AUDIT,
        sig=sig,
        code=0,
        result=0,
        group=True,
        target=Process(Key(9, None)),
        current=Process(Key(sender, None), comm="sh"),
        basis=Basis.CALL,
        syscall=SystemCall(62, "x86_64", "kill", (0, 9, 0, 0)),
    )


def test_agreement_names_both_sources_once():
    """A death both recorded and audited has one verdict, with each source once."""
    found = judged(logged(5), logged(5))
    assert found.certainty is Certainty.ESTABLISHED
    assert [e.source for e in found.evidence].count("auditlog") == 1
    assert found.contradictions == ()


def test_another_sender_is_shown():
    """Two sources that name two senders: both shown, and nothing is established any more."""
    found = judged(logged(99))
    assert found.certainty is Certainty.LIKELY
    assert "pid 99" in found.contradictions[0].says
    assert found.links == judged().links


def test_other_moments_and_signals_are_other_matters():
    """A record of another time or signal says nothing about this one."""
    assert judged(logged(99, late_ns=5_000_000_000), logged(99, sig=15)) == judged()


def test_a_log_that_says_oom():
    """An OOM line about a process that a kill ended is a contradiction, not a second cause."""
    found = judged(OomKilled(make.NOW, Provenance("kernlog", "kmsg:1"), make.process(9)))
    assert (found.cause, found.certainty) == (Cause.KILLED_BY_PROCESS, Certainty.LIKELY)
    assert "OOM killer" in found.contradictions[0].says


def test_another_exit():
    """A log that has it exit by another signal is held against the recorder."""
    end = ProcessExited(make.NOW, AUDIT, make.process(9), WaitStatus(11))
    assert "SIGSEGV" in judged(end).contradictions[0].says
