"""One act, many victims: only the first ones' records hold all that is known of the sender."""

from collections.abc import Callable
from dataclasses import replace

from killtrail.model.events import SignalSent


def completed(victim: SignalSent, first_of: Callable[[str], SignalSent | None]) -> SignalSent:
    """One victim of very many, with what the first victim's record says of the sender.

    Where that record is overwritten the sender is still known by number, name and start.
    """
    first = first_of(victim.act) if victim.act else None
    if first is None or not first.current.key.same_life(victim.current.key):
        return victim
    return replace(
        victim,
        current=victim.current.merged(first.current),
        lineage=first.lineage,
        creator=first.creator,
    )
