"""An autopsy as `killtrail.autopsy/1`, one JSON object a line. The contract is docs/schema."""

import json
from typing import Any, Final

from killtrail.model.autopsy import Autopsy
from killtrail.model.clock import Boot
from killtrail.model.document import process_object as process_of

_UNDATED: Final = Boot("", None)
"""A dump's clocks say when a process started since boot, not the date of that."""
SCHEMA: Final = "killtrail.autopsy/1"


def line(found: Autopsy) -> str:
    """The contract's object on one line."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "tier": found.tier.value,
            "kernel": _plain(found.kernel, "release", "build_id", "taint", "uptime_s", "modules", "dispatch"),
            "panic": None if found.panic is None else {
                "text": found.panic.text, "kind": found.panic.kind, "address": _hex(found.panic.address),
                "owner": found.panic.owner,
            },
            "task": process_of(found.task, _UNDATED) if found.task else None,
            "ancestry": [process_of(each, _UNDATED) for each in found.ancestry],
            "syscall": None if found.call is None else {
                "nr": found.call.nr, "name": found.call.name, "args": [_hex(a) for a in found.call.args],
            },
            "stack": [
                {"address": _hex(f.address), "symbol": f.symbol, "owner": f.owner, "how": f.how}
                for f in found.stack
            ],
            "findings": [
                {
                    "id": f.id, "kind": f.kind.value, "where": f.where, "value": f.value,
                    "expected": f.expected, "says": f.says, "effective": f.effective,
                }
                for f in found.findings
            ],
            "verdict": {
                "class": found.verdict.kind.value, "certainty": found.verdict.certainty.label,
                "says": found.verdict.says, "facts": list(found.verdict.facts),
            },
            "unknown": [{"what": u.what, "why": u.why} for u in found.unknown],
            "log": list(found.log),
            "compared": found.compared,
            "looked_at": list(found.looked_at),
        }
    )  # fmt: skip


def _plain(value: object, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _hex(address: int | None) -> str | None:
    return None if address is None else f"{address:#x}"
