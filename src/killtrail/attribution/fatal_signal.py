"""Which of several signals killed the process, and with what certainty."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.attribution.case import Facts
from killtrail.model import signals as sg
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS
from killtrail.model.events import SignalSent

_MOMENT_NS: Final = NS
"""How long a zombie normally keeps its PID."""
_OUTLIVED: Final = "; an earlier {} apparently did not kill it, or the later signal hit a zombie"


@dataclass(frozen=True, slots=True)
class Effective:
    """The fatal signal, and what limits its certainty."""

    signal: SignalSent
    certainty: Certainty
    limit: str | None = None


def deliverable(signal: SignalSent) -> bool:
    """Result 0 = delivered, 4 = delivered with its siginfo lost: only these can kill."""
    return signal.result in (0, 4)


def find(facts: Facts) -> Effective | None:
    """The fatal signal; None if no recorded one can be it."""
    status = facts.exit.signal if facts.exit else None
    before = [
        s
        for s in facts.signals
        if deliverable(s) and (facts.exit is None or s.time_ns <= facts.exit.time_ns)
    ]
    if status is None:
        if facts.exit is not None and facts.exit.fatal is False:
            return None
        return _without_status(before, exited=facts.exit is not None)
    same = [s for s in before if s.sig == status]
    return _matching(same) if status else None


# The signal itself shows it: signal_struct had SIGNAL_GROUP_EXIT with this signal when it returned
# (complete_signal, kernel/signal.c). Core-dumping signals and traced targets take the longer way
# through get_signal, where the first unblocked instance of the signal is dequeued.
def _matching(same: list[SignalSent]) -> Effective | None:
    doomed = next((s for s in same if s.kernel.doomed), None)
    if doomed:
        return Effective(doomed, Certainty.ESTABLISHED)
    direct = [s for s in same if not s.kernel.blocked and s.kernel.may_act]
    pool = direct or [s for s in same if s.kernel.blocked and s.kernel.may_act]
    if not pool:
        return None
    if len(pool) == 1 or direct:
        known = pool[0].kernel.disposition is not None
        return Effective(pool[0], Certainty.ESTABLISHED if known else Certainty.LIKELY)
    return Effective(
        pool[0],
        Certainty.LIKELY,
        f"{len(pool)} instances of this signal were pending while it was blocked; the first one "
        "is assumed",
    )


# Without exit statuses: a fatal signal followed by an exit. A second candidate with another signal
# makes it a guess; a signal that did not kill is not a candidate.
def _without_status(before: list[SignalSent], *, exited: bool) -> Effective | None:
    fatal = [
        s
        for s in before
        if s.sig not in sg.STOPS
        and s.sig != sg.SIGCONT
        and not s.kernel.blocked
        and s.kernel.may_act
    ]
    if not fatal:
        return None
    sure = next((s for s in fatal if s.sig == sg.SIGKILL or s.kernel.doomed), None)
    if sure and (fatal[0] is sure or sure.kernel.doomed):
        return Effective(sure, Certainty.LIKELY)
    several = len({s.sig for s in fatal}) > 1
    taken = _last_taken(fatal if sure is None else _until(sure, fatal))
    outlived = "" if taken is fatal[0] else _OUTLIVED.format(sg.name(fatal[0].sig))
    return Effective(
        taken,
        Certainty.POSSIBLE if several or not exited else Certainty.LIKELY,
        f"this source does not record wait statuses{outlived}",
    )


# SIGKILL can't be survived: later signals to this PID are for another process.
def _until(sure: SignalSent, fatal: list[SignalSent]) -> list[SignalSent]:
    place = next(i for i, each in enumerate(fatal) if each is sure)
    return fatal[: place + 1]


# If a process takes another signal more than a moment later, the one before did not kill it (a
# zombie would take it as well, so this is a guess), and the same signal will hardly kill it the
# next time.
def _last_taken(fatal: list[SignalSent]) -> SignalSent:
    end = fatal[-1].time_ns
    late = [s for s in fatal if end - s.time_ns <= _MOMENT_NS]
    outlived = {s.sig for s in fatal if end - s.time_ns > _MOMENT_NS}
    return next((s for s in late if s.sig not in outlived), late[0])
