"""The page of an autopsy: the verdict on the kernel first, then what shows it, then the panic."""

from collections.abc import Iterator
from typing import Final

from killtrail.model.autopsy import Autopsy, Finding, Frame, Tier
from killtrail.model.certainty import Certainty
from killtrail.report.page import Block, Field, Page, Paragraph, Section, Step, page
from killtrail.report.pages.people import who

_LOG_SHOWN: Final = 6
_FRAMES_SHOWN: Final = 16
_NO_OWNER: Final = "nobody"
"""The contract's word for an address in no known module."""
_READ_BY: Final = {
    Tier.SYMBOLS: "symbols alone",
    Tier.BTF: "its own symbols and types (BTF)",
    Tier.DWARF: "debug symbols",
}


def autopsy_page(found: Autopsy) -> Page:
    """What it was, what shows it, who ran, what could not be read."""
    sections = (
        Section("panic", tuple(_panic(found))),
        Section("found", tuple(_findings(found))),
        Section("task", tuple(_task(found))),
        Section("kernel", (Paragraph(_kernel(found)),)),
        Section("stack", tuple(_stack(found))),
        Section("looked at", (Paragraph(", ".join(found.looked_at)),) if found.looked_at else ()),
        Section("compared", (Paragraph(found.compared),) if found.compared else ()),
        Section("not known", tuple(Field(u.what, u.why) for u in found.unknown)),
        Section("log tail", tuple(Paragraph(text) for text in found.log[-_LOG_SHOWN:])),
    )
    return page(_title(found), found.verdict.certainty, sections)


def _title(found: Autopsy) -> str:
    verdict = found.verdict
    release = f" of kernel {found.kernel.release}" if found.kernel.release else ""
    sure = verdict.certainty.label
    what = f"{verdict.kind.replace('-', ' ')} ({sure})"
    if verdict.certainty is Certainty.NOT_ESTABLISHED:
        what = "cause not established"
    return f"crash dump{release}: {what}: {verdict.says}"


def _panic(found: Autopsy) -> Iterator[Block]:
    if found.panic is None:
        yield Paragraph("no panic in this dump")
        return
    yield Paragraph(found.panic.text)
    if found.panic.address is not None:
        yield Paragraph(f"address {found.panic.address:#x}: {_owner(found.panic.owner)}")


def _owner(owner: str | None) -> str:
    if owner is None:
        return "owner unknown"
    return "in no known module" if owner == _NO_OWNER else f"belongs to {owner}"


def _findings(found: Autopsy) -> Iterator[Block]:
    for each in found.findings:
        yield Paragraph(_finding(each), None if each.id in found.verdict.facts else "context")
    if not found.findings:
        yield Paragraph("nothing changed, hidden or in no known module, as far as it could be read")


def _finding(each: Finding) -> str:
    expected = f"; expected {each.expected}" if each.expected else ""
    return f"{each.kind} {each.where}: {each.says}{expected}"


def _kernel(found: Autopsy) -> str:
    kernel = found.kernel
    parts = [kernel.release or "release unknown"]
    if kernel.uptime_s is not None:
        parts.append(f"up {kernel.uptime_s:.0f} s")
    if kernel.taint:
        parts.append(f"tainted {kernel.taint}")
    if kernel.modules is not None:
        parts.append(f"{kernel.modules} modules")
    if kernel.dispatch:
        parts.append(f"system calls dispatched by {kernel.dispatch}")
    return f"{', '.join(parts)}; read by {_READ_BY[found.tier]}"


def _task(found: Autopsy) -> Iterator[Block]:
    if found.task is None:
        return
    yield Paragraph(who(found.task))
    for each in found.ancestry:
        yield Step(who(each, command=False))
    if found.call is not None:
        arguments = ", ".join(f"{a:#x}" for a in found.call.args)
        yield Paragraph(f"in system call {found.call.nr}, {found.call.name or '?'}({arguments})")


def _stack(found: Autopsy) -> Iterator[Block]:
    for frame in found.stack[:_FRAMES_SHOWN]:
        yield _frame(frame)
    if len(found.stack) > _FRAMES_SHOWN:
        yield Paragraph(f"and {len(found.stack) - _FRAMES_SHOWN} more: --json lists all")


def _frame(frame: Frame) -> Paragraph:
    owner = "in no known module" if frame.owner == _NO_OWNER else frame.owner
    note = None if frame.how == "unwound" else frame.how
    return Paragraph(f"{frame.address:#x} {frame.symbol or owner}", note)
