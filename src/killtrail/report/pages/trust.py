"""A trust report as one screen, or as `killtrail.trust/1`. Never the word *clean*."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from killtrail.model.text import visible
from killtrail.model.trust import Check, Layer, Result, TrustReport

SCHEMA: Final = "killtrail.trust/1"
_WIDTH: Final = 15
_NAMES_MOST: Final = 8


def line(report: TrustReport) -> str:
    """The contract's object on one line."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "root": report.root,
            "checks": [_check(check) for check in report.checks],
            "layers": {layer.value: report.layer(layer).value for layer in Layer},
        }
    )


def _check(check: Check) -> dict[str, str | None]:
    return {
        "id": check.id.value,
        "subject": check.subject,
        "result": check.result.value,
        "by": check.by,
        "says": check.says,
        "consequence": check.consequence,
        "moved_to": check.moved_to,
        "layer": check.layer.value if check.layer else None,
    }


def paragraphs(report: TrustReport) -> Iterator[str]:
    """What follows first, then what shows it, what agreed, what could not be looked at, the layers."""
    off: dict[str, list[Check]] = {}
    for check in report.checks:
        if check.off:
            off.setdefault(check.subject, []).append(check)
    follows = [
        next((c.consequence for c in found if c.consequence), None) for found in off.values()
    ]
    yield from dict.fromkeys(visible(text) for text in follows if text)
    if any(follows):
        yield ""
    for subject, found in off.items():
        yield from _against(subject, found)
    for result in (Result.CONSISTENT, Result.NOT_CHECKABLE):
        yield from _together(result, [c for c in report.checks if c.result is result])
    yield ""
    yield from (_layer(report, layer) for layer in Layer)


def _against(subject: str, checks: list[Check]) -> Iterator[str]:
    moved = next((c.moved_to for c in checks if c.moved_to), None)
    behind = f", and the program behind it: {visible(moved)}" if moved else ""
    yield f"{Result.CONTRADICTED:<{_WIDTH}}{visible(subject)}{behind}"
    for check in checks:
        where = f"  [{visible(check.by)}]" if check.by else ""
        yield f"{'':<{_WIDTH}}{check.id}: {visible(check.says)}{where}"


def _line(check: Check) -> str:
    where = f"  [{visible(check.by)}]" if check.by else ""
    says = f"{check.id}: {visible(check.subject)}: {visible(check.says)}{where}"
    return f"{check.result:<{_WIDTH}}{says}"


# Twenty tools that gave the known answers are one line, not twenty.
def _together(result: Result, checks: Iterable[Check]) -> Iterator[str]:
    same: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        same.setdefault((check.id, check.says), []).append(check)
    for (kind, says), found in same.items():
        if len(found) == 1:
            yield _line(found[0])
            continue
        names = [visible(check.subject.rsplit("/", 1)[-1]) for check in found]
        more = f" and {len(names) - _NAMES_MOST} more" if len(names) > _NAMES_MOST else ""
        shown = ", ".join(names[:_NAMES_MOST])
        yield f"{result:<{_WIDTH}}{kind}: {shown}{more}: {visible(says)}"


def _layer(report: TrustReport, layer: Layer) -> str:
    own = [check for check in report.checks if check.layer is layer]
    result = report.layer(layer)
    if result is Result.CONTRADICTED:
        by = ", ".join(dict.fromkeys(f"{c.id}" for c in own if c.off))
        return f"{layer}: contradicted by {by}"
    if result is Result.CONSISTENT:
        rest = sum(check.result is Result.NOT_CHECKABLE for check in own)
        more = f"; {rest} checks could not be made" if rest else ""
        return f"{layer}: consistent, which proves no more than that these views agree{more}"
    why = next((check.says for check in own), "this was not looked at")
    return f"{layer}: not checkable because {visible(why)}"
