"""The page of a trust report. Never the word *clean*."""

from collections.abc import Iterable, Iterator
from typing import Final

from killtrail.model.trust import Check, Layer, Result, TrustReport
from killtrail.report.page import Block, Field, Page, Paragraph, Section, page

_NAMES_MOST: Final = 8


def trust_page(report: TrustReport) -> Page:
    """What can't be trusted, what that means, what shows it, what agreed, what could not be checked, layers."""
    against: dict[str, list[Check]] = {}
    for check in report.checks:
        if check.off:
            against.setdefault(check.subject, []).append(check)
    means = tuple(Paragraph(text) for text in _consequences(against))
    sections = [Section("that means", means)]
    sections += [
        Section(Result.CONTRADICTED.value, tuple(_contradicted(subject, found)))
        for subject, found in against.items()
    ]
    for result in (Result.CONSISTENT, Result.NOT_CHECKABLE):
        alike = [check for check in report.checks if check.result is result]
        sections.append(Section(result.value.replace("-", " "), tuple(_together(alike))))
    layers = tuple(_layer(report, layer) for layer in Layer)
    sections.append(Section("layers", layers, heading=True))
    return page(_title(report, against), None, tuple(sections))


def _title(report: TrustReport, against: dict[str, list[Check]]) -> str:
    whose = f"{report.root}" if report.root not in (None, "/") else "this host"
    if not against:
        return f"nothing that was checked contradicts {whose}; that is not a proof"
    layers = [layer for layer in Layer if report.layer(layer) is Result.CONTRADICTED]
    names = " and ".join(layer.value for layer in layers)
    what = ", ".join(list(against)[:_NAMES_MOST])
    return f"{names or 'files'} of {whose} can't be trusted: {what}"


def _consequences(against: dict[str, list[Check]]) -> list[str]:
    follows = (
        next((c.consequence for c in found if c.consequence), None) for found in against.values()
    )
    return list(dict.fromkeys(text for text in follows if text))


def _contradicted(subject: str, checks: list[Check]) -> Iterator[Block]:
    moved = next((c.moved_to for c in checks if c.moved_to), None)
    original = f"; the displaced program: {moved}" if moved else ""
    yield Paragraph(f"{subject}{original}")
    for check in checks:
        yield Paragraph(f"{check.id}: {check.says}", check.by or None, depth=1)


# Twenty tools that gave the known answers are one line, not twenty.
def _together(checks: Iterable[Check]) -> Iterator[Block]:
    same: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        same.setdefault((check.id, check.says), []).append(check)
    for (kind, says), found in same.items():
        if len(found) == 1:
            one = found[0]
            yield Paragraph(f"{kind}: {one.subject}: {says}", one.by or None)
            continue
        names = [check.subject.rsplit("/", 1)[-1] for check in found]
        more = f" and {len(names) - _NAMES_MOST} more" if len(names) > _NAMES_MOST else ""
        yield Paragraph(f"{kind}: {', '.join(names[:_NAMES_MOST])}{more}: {says}")


def _layer(report: TrustReport, layer: Layer) -> Field:
    own = [check for check in report.checks if check.layer is layer]
    result = report.layer(layer)
    if result is Result.CONTRADICTED:
        by = ", ".join(dict.fromkeys(f"{c.id}" for c in own if c.off))
        return Field(layer.value, f"contradicted by {by}")
    if result is Result.CONSISTENT:
        rest = sum(check.result is Result.NOT_CHECKABLE for check in own)
        more = f"; {rest} checks could not be made" if rest else ""
        return Field(layer.value, f"consistent (the views agree; not a proof){more}")
    why = next((check.says for check in own), None)
    return Field(layer.value, f"not checkable: {why}" if why else "not checked")
