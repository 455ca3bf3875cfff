"""One death on one line, for lists and following."""

from typing import Final

from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model import signals as sg
from killtrail.model.clock import Boot
from killtrail.model.events import SignalSent
from killtrail.model.text import visible
from killtrail.model.verdict import Verdict
from killtrail.report import when


def line(verdict: Verdict) -> str:
    """Time, certainty, cause, sentence."""
    boot = verdict.host.boot
    short = when.short(verdict.death.time_ns, boot)
    others = verdict.incident.victims - 1 if verdict.incident else 0
    more = f" (and {others:,} more by the same act)" if others else ""
    return f"{short}  {verdict.certainty.label:<15}  {verdict.cause:<17}  {visible(verdict.summary)}{more}"


SIGNAL_HEAD: Final = (
    f"{'TIME':<15} {'SPID':>7} {'SNAME':<15} {'RPID':>7} {'RNAME':<15} {'SIGNAL':<10} HOW"
)


def signal_line(signal: SignalSent, boot: Boot) -> str:
    """One signal: sender (or who merely ran), receiver, what, and how it came about."""
    how = explain(signal)
    by = signal.current
    sender = (str(by.pid), by.comm or "?")
    if how.actor not in (Actor.SENDER, Actor.SELF, Actor.TRIGGER):
        sender = ("-", "kernel")
    cells = (
        f"{when.of_day(signal.time_ns, boot):<15} {sender[0]:>7} {visible(sender[1]):<15} {signal.target.pid:>7}"
        f" {visible(signal.target.comm or '?'):<15} {sg.name(signal.sig):<10}"
    )
    mechanism = how.mechanism.value if how.mechanism else "?"
    fate = "" if signal.result in (0, 4) or signal.sig == sg.SIGCONT else " (had no effect)"
    command = f": {visible(' '.join(by.argv.words))}" if by.argv and sender[0] != "-" else ""
    return f"{cells} {mechanism}{fate}{command}"
