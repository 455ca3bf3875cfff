"""How sure a verdict is, and what limits it: absences with one reason are one line."""

from collections.abc import Iterable, Iterator
from typing import Final

from killtrail.model.absence import Absence, Why
from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Verdict
from killtrail.report.page import Block, Paragraph

_GROUPS_MOST: Final = 3
_CAVEATS_MOST: Final = 3
_ARM: Final = "sudo killtrail arm"
_CERTAINTY: Final = "certainty: "
"""How an absence begins that is about the certainty itself."""
_RECORDER: Final = "a recorder that was armed then"
_WITNESSES: Final = frozenset(
    {"bpf", "tracefs", "history", "procfs", "pidfd", "waitpid", "trust", "vmcore"}
)
"""Sources that saw it themselves; every other is a log, which others may have written to."""
_WHY: Final = {
    Why.NOT_RECORDED: "not recorded",
    Why.NOT_APPLICABLE: "does not apply",
    Why.LOST: "lost",
    Why.UNREADABLE: "not readable",
    Why.REDACTED: "masked",
}


def how_sure(v: Verdict) -> tuple[Block, ...]:
    """The certainty, what is missing, caveats, losses."""
    alone = from_logs_alone(v)
    judged = alone and v.certainty is not Certainty.NOT_ESTABLISHED
    note = "from logs alone: likely at most" if judged else None
    lines: list[Block] = [Paragraph(v.certainty.label.replace("-", " "), note)]
    lines.extend(_missing(v.absent, alone=alone))
    lines.extend(_caveats(v))
    if v.events_lost:
        lines.append(Paragraph(f"{v.events_lost:,} records were lost or overwritten"))
    if v.problems:
        records = "record" if v.problems == 1 else "records"
        lines.append(Paragraph(f"{v.problems:,} {records} could not be read"))
    return tuple(lines)


def from_logs_alone(v: Verdict) -> bool:
    """Whether nothing but logs speaks for it."""
    logs = bool(v.evidence) and not any(e.source in _WITNESSES for e in v.evidence)
    return logs and v.certainty is not Certainty.ESTABLISHED


# Remedies that all absences of a verdict from logs have in common are its reason, said above.
def _missing(absent: Iterable[Absence], *, alone: bool) -> Iterator[Block]:
    groups: dict[tuple[Why, str | None], list[str]] = {}
    for each in absent:
        if each.what.startswith(_CERTAINTY) or (alone and each.what == _RECORDER):
            continue
        remedy = None if alone and each.remedy == _ARM else each.remedy
        groups.setdefault((each.why, remedy), []).append(each.what)
    for (why, remedy), what in list(groups.items())[:_GROUPS_MOST]:
        yield Paragraph(f"{_WHY[why]}: {', '.join(dict.fromkeys(what))}", remedy)
    if len(groups) > _GROUPS_MOST:
        yield Paragraph(f"and {len(groups) - _GROUPS_MOST} more: --json lists all")


def _caveats(v: Verdict) -> Iterator[Block]:
    for each in v.absent:
        if each.what.startswith(_CERTAINTY):
            yield Paragraph(f"caveat: {each.what.removeprefix(_CERTAINTY)}")
    for text in v.lowered_by[:_CAVEATS_MOST]:
        yield Paragraph(f"caveat: {text}")
    if len(v.lowered_by) > _CAVEATS_MOST:
        yield Paragraph(f"and {len(v.lowered_by) - _CAVEATS_MOST} more", "sudo killtrail trust")
