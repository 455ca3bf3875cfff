"""Requested notifications whose signal kills."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role

_SAYS = {
    Mechanism.SIGIO: "made a descriptor ready that it watches (O_ASYNC, F_SETSIG)",
    Mechanism.MQ_NOTIFY: "posted to a message queue that it watches (mq_notify)",
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
    a.blame(Role.TRIGGER, "made it ready", certainty, process=poster, launched=poster)
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "it had requested this signal itself")
    summary = (
        f"{wording.name(a.victim)} got {sg.name(a.signal.sig)} that it had requested: "
        f"{wording.name(poster)} {_SAYS[mechanism]}"
    )
    return Conclusion(Cause.REQUESTED_NOTIFICATION, certainty, summary, mechanism)
