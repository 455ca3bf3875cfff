"""Honest ends: what is missing, and what would have proved it."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause
from killtrail.model.certainty import Certainty


def not_established(a: RuleContext) -> Conclusion:
    """Claim: none. Says what is known, what is missing and what would have told."""
    a.cite_end()
    if a.signal is not None:
        return _unexplained_signal(a)
    end = a.facts.exit
    name = wording.name(a.victim)
    if end is not None and end.signal and a.case.kept:
        return _nothing_kept(a, end.signal)
    if end is not None and end.signal:
        why = Why.NOT_RECORDED if a.case.watched else Why.LOST
        a.draft.miss(f"the send of its {sg.name(end.signal)}", why, "sudo killtrail arm")
        reason = (
            "no such signal was sent by a call or by the kernel's usual ways"
            if a.case.watched
            else "the record of the send is lost or from before recording"
        )
        return _conclude(
            f"{name} died of {sg.name(end.signal)}, by whom is not established: {reason}"
        )
    if end is not None:
        a.draft.miss("its exit code", Why.NOT_RECORDED, "sudo killtrail arm")
        return _conclude(f"{name} ended; how is not established: this source tells no wait status")
    return _conclude(f"how {name} ended is not established")


# The kernel queues no siginfo for SIGKILL, so nothing on the victim's side ever names its sender.
def _nothing_kept(a: RuleContext, sig: int) -> Conclusion:
    name, what = wording.name(a.victim), sg.name(sig)
    a.draft.miss(f"who sent the {what}", Why.NOT_RECORDED, "sudo killtrail rules --install")
    a.draft.miss("a recorder that was armed then", Why.NOT_RECORDED, "sudo killtrail arm")
    silent = " (of a SIGKILL the victim's side never shows a sender)" if sig == sg.SIGKILL else ""
    return _conclude(
        f"{name} died of {what}, by whom is not established: nothing in these files shows the"
        f" send{silent}"
    )


def _unexplained_signal(a: RuleContext) -> Conclusion:
    signal = a.signal
    assert signal is not None  # noqa: S101 -- the caller looked
    a.cite_signal()
    a.draft.miss("what made the kernel send it", Why.NOT_RECORDED)
    if not signal.kernel.stack:
        a.draft.miss("the kernel stack of the send", Why.NOT_RECORDED, "sudo killtrail arm")
    a.draft.rule_out(
        Cause.KILLED_BY_PROCESS,
        f"nothing shows that {wording.name(signal.current)}, which ran at that moment, sent it",
    )
    code = sg.code_name(signal.sig, signal.code)
    return _conclude(
        f"{wording.name(a.victim)} got {sg.name(signal.sig)} ({code}); who or what sent it is not"
        " established"
    )


def _conclude(summary: str) -> Conclusion:
    return Conclusion(Cause.NOT_ESTABLISHED, Certainty.NOT_ESTABLISHED, summary)
