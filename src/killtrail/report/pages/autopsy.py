"""An autopsy as one screen, or as `killtrail.autopsy/1`."""

import json
from collections.abc import Iterator
from typing import Any, Final

from killtrail.model.autopsy import Autopsy, Frame
from killtrail.model.clock import Boot
from killtrail.model.text import visible
from killtrail.report.export.verdict_json import process as process_of
from killtrail.report.pages.verdict import who

_UNDATED: Final = Boot("", None)
"""A dump's clocks tell when a process started since boot, not the date of that."""
SCHEMA: Final = "killtrail.autopsy/1"
_LOG_SHOWN: Final = 6
_FRAMES_SHOWN: Final = 16


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


def title(found: Autopsy) -> str:
    """The panic's own words."""
    return visible(found.panic.text) if found.panic else "no panic in this dump"


def paragraphs(found: Autopsy) -> Iterator[tuple[str, str]]:
    """(label, text): what it was, how, by whom, why we say so, how sure, what is not known."""
    yield "verdict", f"{found.verdict.kind}, {found.verdict.certainty.label}: {found.verdict.says}"
    if found.panic and found.panic.address is not None:
        yield (
            "address",
            f"{_hex(found.panic.address)} belongs to {visible(found.panic.owner or '?')}",
        )
    yield from _kernel(found)
    yield from _task(found)
    for number, frame in enumerate(found.stack[:_FRAMES_SHOWN]):
        yield "stack" if not number else "", _frame(frame)
    if len(found.stack) > _FRAMES_SHOWN:
        yield "", f"and {len(found.stack) - _FRAMES_SHOWN} more"
    for number, each in enumerate(found.findings):
        wanted = f"; expected {each.expected}" if each.expected else ""
        fact = "*" if each.id in found.verdict.facts else " "
        yield "found" if not number else "", f"{fact} {each.kind} {visible(each.where)}: {visible(each.says)}{wanted}"  # fmt: skip
    if not found.findings:
        yield "found", "nothing changed, hidden or unowned, in what could be looked at"
    if found.looked_at:
        yield "looked at", ", ".join(found.looked_at)
    if found.compared:
        yield "compared", found.compared
    for number, unknown in enumerate(found.unknown):
        yield "not known" if not number else "", f"{visible(unknown.what)}: {visible(unknown.why)}"
    for number, text in enumerate(found.log[-_LOG_SHOWN:]):
        yield "last words" if not number else "", visible(text)


def _kernel(found: Autopsy) -> Iterator[tuple[str, str]]:
    kernel = found.kernel
    parts = [kernel.release or "an unknown kernel"]
    if kernel.uptime_s is not None:
        parts.append(f"up {kernel.uptime_s:.0f} s")
    if kernel.taint:
        parts.append(f"tainted {kernel.taint}")
    if kernel.modules is not None:
        parts.append(f"{kernel.modules} modules")
    if kernel.dispatch:
        parts.append(f"system calls by {kernel.dispatch}")
    how = {"A": "symbols alone", "B": "its own symbols and types (BTF)", "C": "debug symbols"}
    yield "kernel", f"{', '.join(parts)}; read by {how[found.tier.value]}"


def _task(found: Autopsy) -> Iterator[tuple[str, str]]:
    if found.task is None:
        return
    above = "".join(f" <- {who(each, command=False)}" for each in found.ancestry)
    yield "task", f"{who(found.task)}{above}"
    if found.call is not None:
        arguments = ", ".join(f"{a:#x}" for a in found.call.args)
        yield "in", f"system call {found.call.nr}, {found.call.name or '?'}({arguments})"


def _frame(frame: Frame) -> str:
    name = frame.symbol or ("owned by nobody" if frame.owner == "nobody" else frame.owner)
    note = "" if frame.how == "unwound" else f"  [{frame.how}]"
    return f"{frame.address:#x} {visible(name)}{note}"
