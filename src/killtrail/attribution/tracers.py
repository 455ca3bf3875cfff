"""The tracer of a process, if recorded."""

from killtrail.attribution.context import RuleContext
from killtrail.attribution.generation.explain import explain
from killtrail.model import signals as sg
from killtrail.model.causes import Mechanism
from killtrail.model.events import SignalSent
from killtrail.model.process import Process


def attached(a: RuleContext) -> SignalSent | None:
    """The last recorded attach: PTRACE_ATTACH stops its target with a SIGSTOP.

    PTRACE_SEIZE is not recorded.
    """
    stops = [s for s in a.facts.signals if s.sig == sg.SIGSTOP]
    found = [s for s in stops if explain(s).mechanism is Mechanism.PTRACE]
    return found[-1] if found else None


def at_end(a: RuleContext) -> Process | None:
    """The tracer at its exit, or if that is not recorded, the last one that attached."""
    end = a.facts.exit
    if end is None:
        return None
    if end.tracer is not None or end.status is not None:
        return end.tracer
    seen = attached(a)
    return seen.current if seen else None
