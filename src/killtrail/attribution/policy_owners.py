"""The owner of a limit, a filter or a terminal's master."""

from killtrail._slotted import dataclass
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model.certainty import Certainty
from killtrail.model.events import LimitSet, Note, SignalSent
from killtrail.model.process import Process


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that set it up, with certainty and wording."""

    process: Process
    certainty: Certainty
    says: str
    chained: bool = False
    """The signal's lineage is this one's, and it is sure enough to show who launched it."""


def of_filter(signal: SignalSent, victim: Process) -> Owner | None:
    """The process that installed the seccomp filter that killed.

    Only a task itself can install one, and children carry it on: the last ancestor in a row that
    has any is who did it, or the victim itself. With several filters, by several processes, it is
    not known which of them struck; and of one whose creator is not its parent it is not known
    whether that creator had it already.
    """
    filters = signal.kernel.filters
    if filters is None or not filters.count:
        return None
    if filters.carriers != filters.full_carriers:
        return None
    since_exec = filters.at_exec is not None and filters.at_exec < filters.count
    adopted = signal.kernel.creator is not None and filters.carriers == signal.kernel.creator.index
    if adopted and (filters.carriers or not since_exec):
        return None
    if not filters.carriers:
        before = filters.at_exec is not None and filters.at_exec >= filters.count
        says = "itself before it started this program" if before else "itself"
        return Owner(victim, Certainty.ESTABLISHED, says)
    return _ancestor(signal, filters.carriers, Certainty.ESTABLISHED)


def of_key(signal: SignalSent) -> Owner | None:
    """The process that wrote the key that a terminal turned into a signal.

    A process that holds the master of a pty can write to it; if it is the only one, no other
    process could. If others than ancestors hold it too, any of them may have written.
    """
    how = explain(signal)
    if how.actor is Actor.TRIGGER:
        says = "inserted the key into the terminal's input"
        return Owner(signal.current, how.certainty, says, chained=True)
    terminal = signal.kernel.terminal
    if terminal is None or terminal.holder is None:
        return None
    certainty = Certainty.LIKELY if terminal.known else Certainty.POSSIBLE
    if terminal.sole:
        certainty = Certainty.ESTABLISHED
    alone = "alone had" if terminal.sole else "had"
    # Who started one that may have had no part in it launched nothing.
    chained = terminal.chained and certainty > Certainty.POSSIBLE
    return Owner(
        terminal.holder, certainty, f"{alone} the terminal's other end open", chained=chained
    )


def of_limit(signal: SignalSent, victim: Process) -> Owner | None:
    """The process in which a resource limit was set.

    prlimit(2) lets others set it too, and not every kernel lets that be recorded: never more than
    possible.
    """
    limit = signal.kernel.limit
    if limit is None:
        return None
    if limit.carriers:
        return _ancestor(signal, limit.carriers, Certainty.POSSIBLE)
    says = "that its parent did not have"
    if limit.at_exec is not None:
        says = "before its program began" if limit.at_exec else "after its program began"
    return Owner(victim, Certainty.POSSIBLE, says)


def set_from_outside(
    signal: SignalSent, victim: Process, notes: tuple[Note, ...]
) -> LimitSet | None:
    """The prlimit(2) by another process that put the limit in force.

    It is the last one on the victim, or on the nearest ancestor that had the limit too and was so
    limited before the next one was created; and its values are those the limit had at the end, as
    a process may lower its own afterwards, which is not recorded.
    """
    limit = signal.kernel.limit
    if limit is None:
        return None
    nearest = (
        limit.carriers
        if signal.kernel.creator is None
        else min(limit.carriers, signal.kernel.creator.index)
    )
    before: int | None = signal.time_ns
    for carrier in (victim, *signal.kernel.lineage[:nearest]):
        found = [
            n
            for n in notes
            if isinstance(n, LimitSet)
            and n.target.same_life(carrier.key)
            and n.resource == limit.resource
            and before is not None
            and n.time_ns <= before
        ]
        if found:
            last = found[-1]
            return last if (last.soft, last.hard) == (limit.soft, limit.hard) else None
        before = carrier.key.start_ns
    return None


# Beyond an exited parent the kernel's chain continues with the reaper.
def _ancestor(signal: SignalSent, count: int, certainty: Certainty) -> Owner | None:
    if signal.kernel.creator is not None and count > signal.kernel.creator.index:
        return None
    if count > len(signal.kernel.lineage):
        return None
    return Owner(signal.kernel.lineage[count - 1], certainty, "and passed it on to its children")
