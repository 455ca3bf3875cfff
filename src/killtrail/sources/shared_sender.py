"""One act, many victims: only the first ones' records hold all that is known of the sender."""

from collections.abc import Callable

from killtrail._slotted import replace
from killtrail.model.events import SignalSent


def completed(victim: SignalSent, first_of: Callable[[str], SignalSent | None]) -> SignalSent:
    """One of many victims of an act, with the sender from the first victim's record.

    If that record is overwritten the sender is still known by PID, name and start.
    """
    first = first_of(victim.call_id) if victim.call_id else None
    same = first is not None and first.current.key.same_life(victim.current.key)
    # An exec in between changes the command line, and the name with it.
    if first is None or not same or first.current.comm != victim.current.comm:
        return victim
    return replace(
        victim,
        current=victim.current.merged(first.current),
        kernel=replace(victim.kernel, lineage=first.kernel.lineage, creator=first.kernel.creator),
    )
