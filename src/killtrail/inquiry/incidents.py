"""Which sends belong to one act: one sender, one signal, never more than a second apart.

A broadcast, a group kill, a write to cgroup.kill, a loop over a list of pids: to who looks for the
cause they are one thing.
"""

from typing import Final

from killtrail.attribution import fatal_signal
from killtrail.inquiry.merged import Fusion
from killtrail.model.clock import NS
from killtrail.model.events import SignalSent

_FURTHEST_NS: Final = 60 * NS
_GAP_NS: Final = NS


def same_call(fusion: Fusion, signal: SignalSent | None) -> tuple[SignalSent, ...]:
    """The deadly sends of the act that `signal` is part of, itself included, in time order."""
    if signal is None or signal.same_group or not signal.current.pid:
        return ()
    for act in fusion.acts:
        if _first(act, signal) and any(_same(s, signal) for s in act):
            return act
    begin, end = signal.time_ns - _FURTHEST_NS, signal.time_ns + _FURTHEST_NS
    sends = fusion.sent_by(signal.current.key, begin, end)
    act = _around(signal, [s for s in sends if _alike(s, signal)])
    if len(act) > 1:
        # The other victims will be asked about next, as `list` does: one look serves them all.
        fusion.acts.append(act)
    return act


def _first(act: tuple[SignalSent, ...], signal: SignalSent) -> bool:
    first = act[0]
    return first.current.key == signal.current.key and first.sig == signal.sig


def _same(one: SignalSent, other: SignalSent) -> bool:
    return one.time_ns == other.time_ns and one.target.key == other.target.key


def _alike(one: SignalSent, other: SignalSent) -> bool:
    return (
        one.sig == other.sig
        and one.code == other.code
        and fatal_signal.deliverable(one)
        and one.kernel.may_act
        and not one.same_group
    )


def _around(signal: SignalSent, sends: list[SignalSent]) -> tuple[SignalSent, ...]:
    act: list[SignalSent] = []
    for each in sends:
        if act and each.time_ns - act[-1].time_ns > _GAP_NS:
            if act[-1].time_ns >= signal.time_ns:
                break
            act = []
        act.append(each)
    return tuple(act)
