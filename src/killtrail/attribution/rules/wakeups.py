"""Requested notifications whose signal kills."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role

_SAYS = {
    Mechanism.SIGIO: ("for a descriptor that becomes ready (O_ASYNC, F_SETSIG)", "made it ready"),
    Mechanism.MQ_NOTIFY: ("for a message in a queue (mq_notify)", "sent the message"),
}


def requested_notification(a: RuleContext) -> Conclusion | None:
    """Claim: it had requested a signal for a ready descriptor or queue, which became ready.

    Needs: send_sigio or the message queue's notify on the kernel stack. The process that made it
    ready is the trigger, not a sender. Refuted by: the same signal sent by a call.
    """
    mechanism = a.sending.mechanism if a.sending else None
    if a.signal is None or mechanism is None or mechanism not in _SAYS:
        return None
    certainty, poster = a.certainty(), a.signal.current
    request, act = _SAYS[mechanism]
    a.blame(Role.TRIGGER, act, certainty, process=poster, launched=poster)
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "it had requested this signal itself")
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)}, which it had requested"
        f" {request}: {wording.name(poster)} {act}"
    )
    return Conclusion(Cause.REQUESTED_NOTIFICATION, certainty, summary, mechanism)
