"""Terminals: keys, hang-ups, orphaned jobs."""

from killtrail.attribution import wording
from killtrail.attribution.argument import Argument
from killtrail.attribution.brief import Conclusion
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Subject

_SAYS = {
    Mechanism.TTY_HANGUP: "its terminal hung up",
    Mechanism.ORPHANED_GROUP: "its stopped job was orphaned",
}


def terminal(a: Argument) -> Conclusion | None:
    """Claim: the terminal driver sent it, for a key, a hang-up or an orphaned job.

    Needs: the driver's functions on the kernel stack. For a key the running task is a kworker, and
    who wrote to the terminal's other end is not seen: the terminal is named, nobody else. For a
    hang-up it is whoever closed the other end or left the session. Refuted by: any other stack.
    """
    if a.signal is None or a.sending is None:
        return None
    mechanism, certainty = a.sending.mechanism, a.certainty()
    name = sg.name(a.signal.sig)
    if mechanism is Mechanism.TTY_SIGNAL:
        a.brief.miss("who typed or wrote the key", Why.NOT_RECORDED)
        certainty = min(certainty, Certainty.LIKELY)
        a.brief.link(
            Role.TRIGGER,
            "signalled the foreground job",
            certainty,
            subject=Subject("terminal", "its controlling terminal"),
            signal=a.signal.sig,
            target=a.victim,
            time_ns=a.signal.time_ns,
            evidence=a.cite_signal() + a.cite_end(),
        )
        a.brief.rule_out(
            Cause.KILLED_BY_PROCESS,
            f"{wording.name(a.signal.current)} only carried the terminal's input",
        )
        return Conclusion(
            Cause.TERMINAL,
            certainty,
            f"{wording.name(a.victim)} got {name} from a key on its terminal",
            mechanism,
        )
    if mechanism not in _SAYS:
        return None
    actor = a.signal.current
    exiting = actor.exiting
    above = a.why_it_ended(actor) if exiting else None
    a.brief.link(
        Role.TRIGGER,
        "exited" if exiting else "closed the terminal",
        certainty,
        process=actor,
        signal=a.signal.sig,
        target=a.victim,
        time_ns=a.signal.time_ns,
        caused_by=above,
        evidence=a.cite_signal() + a.cite_end(),
    )
    a.launch(actor, a.signal)
    how = "exited" if exiting else "closed its other end"
    summary = (
        f"{wording.name(a.victim)} got {name}: {_SAYS[mechanism]} when {wording.name(actor)} {how}"
    )
    return Conclusion(Cause.TERMINAL, certainty, summary, mechanism)
