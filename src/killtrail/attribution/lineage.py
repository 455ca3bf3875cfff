"""The launch chain: through exited parents and double forks to its start.

`real_parent` names the parent that a process has now. After a parent's death that is init or a
subreaper, which launched nothing; with CLONE_PARENT it is the parent of the creator. The
recorder keeps, for every such process, who created it (`OrphanedBy`); the chain jumps there.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from killtrail.model.certainty import Certainty
from killtrail.model.events import OrphanedBy, ProcessSeen, Sighting
from killtrail.model.process import Creator, Key, Process
from killtrail.model.verdict import Ancestor, Edge

_MOST: Final = 64


def chain(
    head: Process,
    lineage: tuple[Process, ...],
    creator: Creator | None,
    wills: Mapping[Key, OrphanedBy],
    armed_ns: int | None,
) -> tuple[Ancestor, ...]:
    """Ancestors of `head`, nearest first, including exited ones."""
    result: list[Ancestor] = []
    seen: set[Key] = {head.key}
    while len(result) < _MOST:
        true_parents = lineage if creator is None else lineage[: creator.index]
        for process in true_parents:
            result.append(_parent(result, head, process, armed_ns))
            seen.add(process.key)
        if creator is None or creator.key in seen:
            break
        seen.add(creator.key)
        will = wills.get(creator.key)
        if will is None:
            result.append(Ancestor(Process(creator.key), Edge.CREATOR, Certainty.ESTABLISHED))
            # A sibling's parent has adopted nothing.
            reapers = () if creator.sibling else lineage[creator.index :][:1]
            result.extend(Ancestor(p, Edge.REAPER, Certainty.ESTABLISHED) for p in reapers)
            break
        result.append(Ancestor(will.process, Edge.CREATOR, Certainty.ESTABLISHED))
        lineage, creator = will.lineage, will.creator
    return tuple(result)


def kept(chain: tuple[ProcessSeen, ...]) -> tuple[tuple[Ancestor, ProcessSeen], ...]:
    """Ancestors as recorded in a log, each with its record; the head is left out.

    The parent of a process at its exec is its parent at that time; in later records it may have
    been adopted. With another session, or known by PID only, a link is possible at most, as the PID
    may have belonged to another process while nothing was recorded.
    """
    found = []
    for below, seen in pairwise(chain):
        started = below.how in (Sighting.EXEC, Sighting.FORK) and seen.process.pid > 1
        sure = (
            started and seen.how is Sighting.EXEC and below.process.session == seen.process.session
        )
        certainty = Certainty.LIKELY if sure else Certainty.POSSIBLE
        edge = Edge.PARENT if started else Edge.SEEN
        found.append((Ancestor(seen.process, edge, certainty), seen))
    return tuple(found)


# Orphans are handed to inits and child subreapers only: any other parent has forked its child
# itself, whenever that was. A reaper is certainly the creator only of a child that was observed
# from its start, as otherwise it may have been adopted before recording began.
def _parent(
    before: list[Ancestor], head: Process, process: Process, armed_ns: int | None
) -> Ancestor:
    child = before[-1].process if before else head
    start = child.key.start_ns
    watched = armed_ns is not None and start is not None and start >= armed_ns
    if watched or process.reaper is False:
        return Ancestor(process, Edge.PARENT, Certainty.ESTABLISHED)
    return Ancestor(process, Edge.SEEN, Certainty.POSSIBLE)
