"""One act with many victims."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from killtrail.attribution.case import Case
from killtrail.model.events import SignalSent
from killtrail.model.process import Process
from killtrail.model.verdict import Incident

_SAMPLE: Final = 5


def of(case: Case, signal: SignalSent | None) -> Incident | None:
    """The act that this death was part of, None if it had no other victim."""
    if signal is None or not case.same_call:
        return None
    # Counted anew for each victim: of thousands, tuples take a quarter of the time that keys take.
    victims = len({(key.tgid, key.start_ns) for s in case.same_call for key in (s.target.key,)})
    if victims < 2:  # noqa: PLR2004 -- one is no same_call
        return None
    first = case.same_call[0]
    number = f"{first.time_ns}-{first.current.pid}"
    return Incident(number, victims, tuple(islice(_others(case, signal), _SAMPLE)))


def _others(case: Case, signal: SignalSent) -> Iterator[Process]:
    seen = {signal.target.key}
    for each in case.same_call:
        if each.target.key not in seen:
            seen.add(each.target.key)
            yield each.target
