"""A trust report as `killtrail.trust/1`, one JSON object a line. The contract is docs/schema."""

import json
from typing import Final

from killtrail.model.trust import Check, Layer, TrustReport

SCHEMA: Final = "killtrail.trust/1"


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
