"""The owner of a limit, a filter or a terminal's master."""

from killtrail._slotted import dataclass
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model.certainty import Certainty
from killtrail.model.events import SignalSent
from killtrail.model.process import Process


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that set it up, with certainty and wording."""

    process: Process
    certainty: Certainty
    says: str


def of_filter(signal: SignalSent, victim: Process) -> Owner | None:
    """The process that installed the seccomp filter that killed.

    Only a task itself can install one, and children inherit it: the last ancestor in a row that has
    one installed it, or the victim itself. With several filters, by several processes, it is not
    known which of them killed.
    """
    filters = signal.filters
    if filters is None or not filters.count:
        return None
    if filters.carriers != filters.full_carriers:
        return None
    if not filters.carriers:
        before = filters.at_exec is not None and filters.at_exec >= filters.count
        says = "itself, before it started this program" if before else "itself"
        return Owner(victim, Certainty.ESTABLISHED, says)
    return _ancestor(signal, filters.carriers, Certainty.ESTABLISHED)


def of_key(signal: SignalSent) -> Owner | None:
    """The process that wrote the key that a terminal turned into a signal.

    A process that holds the master of a pty can write to it; if it is the only one, no other
    process could. If others than ancestors hold it too, any of them may have written.
    """
    how = explain(signal)
    if how.actor is Actor.TRIGGER:
        return Owner(signal.current, how.certainty, "inserted the key into the terminal's input")
    terminal = signal.terminal
    if terminal is None or terminal.holder is None:
        return None
    certainty = Certainty.LIKELY if terminal.known else Certainty.POSSIBLE
    if terminal.sole:
        certainty = Certainty.ESTABLISHED
    says = "was the only holder of its master" if terminal.sole else "held its master"
    return Owner(terminal.holder, certainty, says)


def of_limit(signal: SignalSent, victim: Process) -> Owner | None:
    """The process in which a resource limit was set.

    prlimit(2) lets others set it too, and leaves no trace: never more than possible.
    """
    limit = signal.limit
    if limit is None:
        return None
    if limit.carriers:
        return _ancestor(signal, limit.carriers, Certainty.POSSIBLE)
    says = "it was not its parent's"
    if limit.at_exec is not None:
        says = "from before its program began" if limit.at_exec else "since its program began"
    return Owner(victim, Certainty.POSSIBLE, says)


# Beyond an exited parent the kernel's chain continues with the reaper.
def _ancestor(signal: SignalSent, count: int, certainty: Certainty) -> Owner | None:
    if signal.creator is not None and count > signal.creator.index:
        return None
    if count > len(signal.lineage):
        return None
    return Owner(signal.lineage[count - 1], certainty, "and handed it down")
