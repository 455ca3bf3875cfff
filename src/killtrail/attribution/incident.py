"""One act with many victims."""

from typing import TYPE_CHECKING, Final

from killtrail.attribution.case import Case
from killtrail.model.events import SignalSent
from killtrail.model.verdict import Incident

if TYPE_CHECKING:
    from killtrail.model.process import Key, Process

_SAMPLE: Final = 5


def of(case: Case, signal: SignalSent | None) -> Incident | None:
    """The act that this death was part of, None if it had no other victim."""
    if signal is None or not case.same_call:
        return None
    victims: dict[Key, Process] = {s.target.key: s.target for s in case.same_call}
    if len(victims) < 2:  # noqa: PLR2004 -- one is no same_call
        return None
    first = case.same_call[0]
    others = [p for key, p in victims.items() if key != signal.target.key]
    number = f"{first.time_ns}-{first.current.pid}"
    return Incident(number, len(victims), tuple(others[:_SAMPLE]))
