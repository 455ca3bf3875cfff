"""Deaths and signals one to a row, for `list` and `watch`."""

from collections.abc import Sequence
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Ended
from killtrail.model.certainty import Certainty
from killtrail.model.clock import Boot
from killtrail.model.events import SignalSent
from killtrail.model.process import Process
from killtrail.model.verdict import DeathKind, Verdict
from killtrail.report import when
from killtrail.report.page import Column, Page, Paragraph, Row, Section, Table, page, safe

_LAST_COLUMNS: Final = (
    Column("SIG", width=8),
    Column("CERTAINTY", rank=1, width=15),
    Column("CAUSE", rank=2, width=17),
    Column("WHAT"),
)
SIGNAL_COLUMNS: Final = (
    Column("TIME", width=15),
    Column("SPID", right=True, width=7),
    Column("SNAME", width=15),
    Column("RPID", right=True, width=7),
    Column("RNAME", width=15),
    Column("SIGNAL", width=10),
    Column("HOW"),
)
_TIME_WIDTH: Final = 19


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a list leaves out, so that it can be said."""

    ordinary: bool = False
    """Ordinary exits."""
    older: int | None = 0
    """How many older rows there are; None = some, not counted."""


def listing(verdicts: Sequence[Verdict], hidden: Hidden) -> tuple[Page, Page]:
    """The rows as a page, and what they leave out as another: scripts read the first alone."""
    offset = _offset(verdicts)
    rows = tuple(row(verdict, offset) for verdict in verdicts)
    table = Table(death_columns(offset), rows)
    notes = tuple(Paragraph(text) for text in _notes(verdicts, hidden))
    return (
        page("", None, (Section("", (table,) if rows else ()),)),
        page("", None, (Section("", notes),)),
    )


def death_columns(offset: str | None) -> tuple[Column, ...]:
    """The header of a list of deaths; its times have this offset, None = each row states its own."""
    return (Column(f"TIME ({offset})" if offset else "TIME", width=_TIME_WIDTH), *_LAST_COLUMNS)


def row(verdict: Verdict, offset: str | None) -> Row:
    """One death: when, of what, how sure, and the sentence."""
    sure = verdict.certainty
    made: Row = safe(
        Row(
            (
                _time(verdict, offset),
                ended_by(verdict),
                sure.label,
                verdict.cause.value,
                verdict.summary,
            ),
            tail=_others(verdict),
            lead=None if sure is Certainty.ESTABLISHED else sure.label,
        )
    )
    return made


def ended_by(v: Verdict) -> str:
    """`KILL`, `exit 3`, `panic`; `-` where there was no exit or its status was not recorded."""
    if v.death.kind is DeathKind.HOST:
        return v.death.ended.value if v.death.ended is not Ended.UNKNOWN else "-"
    if v.death.ended is Ended.RUNNING:
        return "-"
    status = v.death.status
    if status is None:
        sent = next((link.signal for link in v.links if link.signal), None)
        known = sent is not None and v.cause is not Cause.ASKED_TO_STOP
        return _short(sent) if known and sent else "-"
    return _short(status.signal) if status.signal else f"exit {status.exit_code}"


def _short(signal: int) -> str:
    return sg.name(signal).removeprefix("SIG")


def _others(v: Verdict) -> str | None:
    others = v.incident.victims - 1 if v.incident else 0
    if not others or v.incident is None:
        return None
    names = ", ".join(dict.fromkeys(p.comm or f"pid {p.pid}" for p in v.incident.sample[:2]))
    return f"(+{others:,} more{f': {names}' if names else ''})"


def offset_of(boot: Boot, boot_ns: int | None) -> str | None:
    """`+00:00`: how far a moment's local time is from UTC; None where it has no date."""
    text = when.full(boot_ns, boot)
    return (text[29:] or None) if text else None


def _offset(verdicts: Sequence[Verdict]) -> str | None:
    found = {offset_of(v.host.boot, v.death.time_ns) for v in verdicts} - {None}
    return found.pop() if len(found) == 1 else None


def _time(v: Verdict, offset: str | None) -> str:
    text = when.full(v.death.time_ns, v.host.boot)
    if text is None:
        return when.short(v.death.time_ns, v.host.boot)
    own = "" if offset else text[29:]
    return f"{text[:10]} {text[11:19]}{own}"


def _notes(verdicts: Sequence[Verdict], hidden: Hidden) -> list[str]:
    notes = [] if verdicts else ["no deaths found"]
    if hidden.older is None:
        notes.append(f"only the newest {len(verdicts)} are shown: -n N for more")
    elif hidden.older:
        total = len(verdicts) + hidden.older
        notes.append(f"newest {len(verdicts)} of {total:,} shown: -n {total} for all")
    if hidden.ordinary:
        notes.append("ordinary exits are not shown: --all")
    grouped = sum(v.incident.victims - 1 for v in verdicts if v.incident)
    if grouped:
        notes.append(
            f"victims of one act share a row: {grouped:,} more in (+...); --json has one a line"
        )
    return notes


def signal_row(
    signal: SignalSent, sender: Process | None, mechanism: str | None, boot: Boot
) -> Row:
    """One signal: sender (None = the kernel), receiver, signal, and how it was generated."""
    fate = "" if signal.result in (0, 4) or signal.sig == sg.SIGCONT else " (had no effect)"
    command = f": {' '.join(sender.argv.words)}" if sender and sender.argv else ""
    made: Row = safe(
        Row(
            (
                when.of_day(signal.time_ns, boot),
                str(sender.pid) if sender else "-",
                (sender.comm or "?") if sender else "kernel",
                str(signal.target.pid),
                signal.target.comm or "?",
                sg.name(signal.sig),
                f"{mechanism or '?'}{fate}{command}",
            )
        )
    )
    return made
