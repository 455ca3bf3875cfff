"""Which sends belong to one act: one sender, one signal, never more than a second apart.

A broadcast, a group kill, a write to cgroup.kill, a loop over a list of pids: to who looks for the
cause they are one thing.
"""

from bisect import bisect_left
from itertools import islice, takewhile
from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import fatal_signal
from killtrail.inquiry.merged import Merged
from killtrail.model.clock import NS
from killtrail.model.events import NO_KERNEL_CONTEXT, SignalSent
from killtrail.model.query import Query, Window

_FURTHEST_NS: Final = 60 * NS
_GAP_NS: Final = NS
_ACTS_KEPT: Final = 64
"""Lists go back in time: an act is asked about soon or not any more."""


def same_call(merged: Merged, signal: SignalSent | None) -> tuple[SignalSent, ...]:
    """The deadly sends of the act that `signal` is part of, itself included, in time order."""
    if signal is None or signal.same_group or not signal.current.pid:
        return ()
    for act in reversed(merged.acts):
        if _first(act, signal) and _holds(act, signal):
            return act
    window = Window(signal.time_ns - _FURTHEST_NS, signal.time_ns + _FURTHEST_NS)
    query = Query(kinds=(SignalSent,), sender=signal.current.key, window=window)
    sends = [s for s in merged.recorded(query) if isinstance(s, SignalSent)]
    act = _bare(_around(signal, [s for s in sends if _alike(s, signal)]))
    if len(act) > 1:
        # The other victims will be asked about next, as `list` does: one look serves them all.
        merged.acts.append(act)
        del merged.acts[:-_ACTS_KEPT]
    return act


def _first(act: tuple[SignalSent, ...], signal: SignalSent) -> bool:
    first = act[0]
    return first.current.key == signal.current.key and first.sig == signal.sig


def _holds(act: tuple[SignalSent, ...], signal: SignalSent) -> bool:
    at = signal.time_ns
    rest = islice(act, bisect_left(act, at, key=_time), None)
    return any(
        s.target.key == signal.target.key for s in takewhile(lambda s: s.time_ns == at, rest)
    )


def _time(signal: SignalSent) -> int:
    return signal.time_ns


# Acts of thousands of victims are kept: of each, who it hit and when.
def _bare(act: tuple[SignalSent, ...]) -> tuple[SignalSent, ...]:
    return tuple(replace(s, current=act[0].current, kernel=NO_KERNEL_CONTEXT) for s in act)


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
