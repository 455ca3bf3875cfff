"""Deaths that can't be explained: what is missing, and what would have recorded it."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause
from killtrail.model.certainty import Certainty


def not_established(a: RuleContext) -> Conclusion:
    """Claim: none. States what is known, what is missing and what would have recorded it."""
    a.cite_end()
    if a.signal is not None:
        return _unexplained_signal(a)
    end = a.facts.exit
    name = wording.name(a.victim)
    if end is not None and end.signal and a.case.kept:
        return _nothing_kept(a, end.signal)
    if end is not None and end.signal:
        why = Why.NOT_RECORDED if a.case.watched else Why.LOST
        a.draft.miss(f"who sent {sg.name(end.signal)}", why, "sudo killtrail arm")
        reason = (
            "no recorded call and no known kernel mechanism fits it"
            if a.case.watched
            else "the record of the signal is lost or is from before recording"
        )
        return _conclude(f"{name} was killed by {sg.name(end.signal)}; sender unknown: {reason}")
    if end is not None:
        a.draft.miss("its exit code", Why.NOT_RECORDED, "sudo killtrail arm")
        return _conclude(f"{name} exited; cause unknown: this source does not record exit statuses")
    return _conclude(f"how {name} died is unknown")


# The kernel queues no siginfo for SIGKILL, so nothing on the receiving side names its sender.
def _nothing_kept(a: RuleContext, sig: int) -> Conclusion:
    name, what = wording.name(a.victim), sg.name(sig)
    a.draft.miss(f"who sent {what}", Why.NOT_RECORDED, "sudo killtrail rules --install")
    a.draft.miss("an armed recorder at that time", Why.NOT_RECORDED, "sudo killtrail arm")
    silent = (
        " (a SIGKILL's sender is never visible on the receiving side)" if sig == sg.SIGKILL else ""
    )
    return _conclude(
        f"{name} was killed by {what}; sender unknown: these files do not record it{silent}"
    )


def _unexplained_signal(a: RuleContext) -> Conclusion:
    signal = a.signal
    assert signal is not None  # noqa: S101 -- the caller looked
    a.cite_signal()
    a.draft.miss("why the kernel sent it", Why.NOT_RECORDED)
    if not signal.kernel.stack:
        a.draft.miss("the kernel stack of the signal", Why.NOT_RECORDED, "sudo killtrail arm")
    a.draft.rule_out(
        Cause.KILLED_BY_PROCESS,
        f"nothing proves that {wording.name(signal.current)}, which was running at that moment, "
        "sent it",
    )
    code = sg.code_name(signal.sig, signal.code)
    return _conclude(
        f"{wording.name(a.victim)} was killed by {sg.name(signal.sig)}; sender unknown ({code})"
    )


def _conclude(summary: str) -> Conclusion:
    return Conclusion(Cause.NOT_ESTABLISHED, Certainty.NOT_ESTABLISHED, summary)
