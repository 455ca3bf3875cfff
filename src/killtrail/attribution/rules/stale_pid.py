"""A sender that no record shows, but that signals this PID again and again."""

from typing import Final

from killtrail.attribution import patterns, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS

_FEW: Final = 2
_NEAR_NS: Final = 48 * 3600 * NS
"""A process keeps a stale PID until it is restarted."""


def keeps_signalling(a: RuleContext) -> Conclusion | None:
    """Claim: the process that keeps signalling this PID, whichever process has it, sent this one, too.

    Needs: an exit by a signal whose send is not recorded, and one sender whose other attempts show a
    stale PID (some got ESRCH and some hit, or they hit two owners of the PID), with that very
    signal, within two days. Never more than possible. Refuted by: a recorder that was complete and
    saw no such send; a recorded sender.
    """
    end = a.facts.exit
    if a.signal is not None or end is None or not end.signal or a.case.watched:
        return None
    for attempts in patterns.by_sender(a.case.all_signals):
        found = patterns.stale(attempts)
        same = [
            t for t in attempts if t.sig == end.signal and abs(t.time_ns - end.time_ns) <= _NEAR_NS
        ]
        if found is not None and len(same) >= _FEW:
            return _conclude(a, found, end.signal)
    return None


def _conclude(a: RuleContext, found: patterns.StalePid, sig: int) -> Conclusion:
    cited = patterns.cite(found.attempts, a.draft)
    a.draft.link(
        Role.SENDER, "kill", Certainty.POSSIBLE, process=found.sender, signal=sig, target=a.victim,
        time_ns=a.facts.exit.time_ns if a.facts.exit else None, evidence=(*cited, *a.cite_end()),
    )  # fmt: skip
    a.draft.miss(f"who sent this {sg.name(sig)}", Why.NOT_RECORDED, "sudo killtrail arm")
    summary = (
        f"{wording.name(a.victim)} was killed by {sg.name(sig)}, possibly sent by"
        f" {wording.name(found.sender)}{wording.ran(found.sender)}, which keeps sending that signal to"
        f" this PID ({found.shown_by})"
    )
    return Conclusion(Cause.KILLED_BY_PROCESS, Certainty.POSSIBLE, summary, Mechanism.KILL)
