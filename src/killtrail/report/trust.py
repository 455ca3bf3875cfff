"""A trust report as one screen, or as `killtrail.trust/1`. Never the word *clean*."""

import json
from collections.abc import Iterator
from typing import Final

from killtrail.model.text import visible
from killtrail.model.trust import Result, TrustReport

SCHEMA: Final = "killtrail.trust/1"


def line(report: TrustReport) -> str:
    """The contract's object on one line. Layers that were not looked at say so."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "root": report.root,
            "checks": [
                {
                    "id": c.id.value,
                    "subject": c.subject,
                    "result": c.result.value,
                    "by": c.by,
                    "says": c.says,
                    "consequence": c.consequence,
                    "moved_to": c.moved_to,
                }
                for c in report.checks
            ],
            "layers": {
                "tools": report.tools.value,
                "libc": Result.NOT_CHECKABLE.value,
                "kernel": Result.NOT_CHECKABLE.value,
            },
        }
    )


def paragraphs(report: TrustReport) -> Iterator[str]:
    """What follows first, then what shows it, then what was not looked at."""
    follows = [c.consequence for c in report.checks if c.consequence]
    yield from (visible(text) for text in follows)
    if follows:
        yield ""
    for check in report.checks:
        where = f"  [{visible(check.by)}]" if check.by else ""
        yield f"{check.result.value:<13} {check.id}: {check.subject}: {check.says}{where}"
        if check.moved_to:
            yield f"{'':<13} the program behind it: {check.moved_to}"
    yield ""
    yield f"tools: {report.tools}; libc and kernel: not checkable from a trace of one tool"
