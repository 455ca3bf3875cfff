"""The page of several deaths: what they share, the newest in full, a row for each other."""

from collections.abc import Iterator, Sequence

from killtrail.model import signals as sg
from killtrail.model.causes import Ended
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS
from killtrail.model.shared import Shared
from killtrail.model.verdict import Verdict
from killtrail.report.page import Page, Paragraph, Section, Table, page
from killtrail.report.pages import rows
from killtrail.report.pages.verdict import headline, verdict_page


def page_of(
    verdicts: Sequence[Verdict], shared: Shared | None, *, more: bool, files: tuple[str, ...] = ()
) -> Page:
    """`verdicts` oldest first. `more`: there may be older deaths, which were not looked at."""
    newest = _newest(verdicts)
    full = verdict_page(newest, files=files)
    others = [v for v in verdicts if v is not newest]
    offset = rows.offset_of(newest.host.boot, newest.death.time_ns)
    table = Table(rows.death_columns(offset), tuple(rows.row(v, offset) for v in others))
    sections = (
        Section("newest", (Paragraph(headline(newest)),)),
        *full.sections,
        Section("others", (table,), heading=True),
    )
    return page(_headline(verdicts, shared, more=more), newest.certainty, sections)


# The dead before the running: a PID that was reused is asked about for the process that had it.
def _newest(verdicts: Sequence[Verdict]) -> Verdict:
    dead = [v for v in verdicts if v.death.ended is not Ended.RUNNING]
    return (dead or list(verdicts))[-1]


def _headline(verdicts: Sequence[Verdict], shared: Shared | None, *, more: bool) -> str:
    running = sum(v.death.ended is Ended.RUNNING for v in verdicts)
    dead = len(verdicts) - running
    parts = list(_deaths(dead, shared, more=more))
    if running:
        parts.append("1 process runs now" if running == 1 else f"{running} processes run now")
    patterns = [pattern.says for pattern in shared.patterns] if shared else []
    patterns += [p.says for p in _newest(verdicts).patterns if p.says not in patterns]
    return "; ".join((*parts, *patterns))


def _deaths(dead: int, shared: Shared | None, *, more: bool) -> Iterator[str]:
    if not dead:
        return
    count = f"the newest {dead} deaths" if more else ("1 death" if dead == 1 else f"{dead} deaths")
    if shared is None:
        yield count
        return
    how = f" by {sg.name(shared.signal)}" if shared.signal else ""
    sure = "" if shared.certainty is Certainty.ESTABLISHED else f" ({shared.certainty.label})"
    who = f", each sent by {shared.sender}{sure}" if shared.sender else ""
    yield f"{count}{how}{_within(shared)}{who}"


def _within(shared: Shared) -> str:
    if shared.first_ns is None or shared.last_ns is None or shared.first_ns == shared.last_ns:
        return ""
    seconds = (shared.last_ns - shared.first_ns) / NS
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f" in {seconds / size:.0f} {unit}"
    return f" in {seconds:.3g} s"
