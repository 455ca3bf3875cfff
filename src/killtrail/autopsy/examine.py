"""The whole autopsy of one dump, in the order in which a person would ask."""

import re
from typing import TYPE_CHECKING, Any, Final

from killtrail.autopsy import (
    calls,
    hidden,
    hooks,
    kernel,
    opening,
    pages,
    panic,
    pointers,
    sites,
    stack,
    tasks,
    verdict,
)
from killtrail.autopsy.notes import Notes
from killtrail.model.autopsy import (
    Autopsy,
    Call,
    FindingKind,
    Frame,
    KernelSeen,
    Panic,
    Tier,
)
from killtrail.model.process import Process

if TYPE_CHECKING:
    from killtrail.autopsy.kernel import Kernel

_STAMP: Final = re.compile(r"\[ *(\d+\.\d+)\]")
_ADDRESS: Final = re.compile(r"0x[0-9a-f]+")


def examine(path: str) -> Autopsy:
    """Reads a dump. Raises `UnavailableError` for what is none, or can't be read at all."""
    dump = opening.open_dump(path)
    seen = kernel.wake(dump)
    words = panic.words(seen) if seen.tier is not Tier.SYMBOLS else panic.by_search(seen)
    task, process, parents, call, frames = _victim(seen)
    notes = Notes()
    dispatch = _integrity(seen, notes, words.panic)
    owners = {
        f.id: seen.owner(int(f.value, 16)) for f in notes.findings if _ADDRESS.fullmatch(f.value)
    }
    return Autopsy(
        tier=seen.tier,
        kernel=_kernel(seen, task, dispatch, words.log),
        panic=words.panic,
        task=process,
        ancestry=parents,
        call=call,
        stack=frames,
        findings=tuple(notes.findings),
        verdict=verdict.judge(words.panic, notes.findings, owners, _writer(process, call, frames)),
        unknown=tuple(seen.unknown),
        log=words.log,
    )


# The write has to have led to sysrq's own file: a key may be pressed while anybody writes anything.
def _writer(process: Process | None, call: Call | None, frames: tuple[Frame, ...]) -> str | None:
    led = any((f.symbol or "").startswith("write_sysrq_trigger") for f in frames)
    if process is None or call is None or call.name != "write" or not led:
        return None
    return f"{process.comm} (pid {process.pid})"


def _victim(
    seen: "Kernel",
) -> tuple[Any, Process | None, tuple[Process, ...], Call | None, tuple[Frame, ...]]:
    if seen.tier is Tier.SYMBOLS:
        seen.miss(
            "the task, its parents and its stack", "that takes types, and the dump has no BTF"
        )
        return None, None, (), None, ()
    task = tasks.panicked(seen)
    if not task:
        return None, None, (), None, ()
    process = seen.guarded("the task", lambda: tasks.process(task), None)
    return (
        task,
        process,
        tasks.ancestry(seen, task),
        tasks.call(seen, task),
        stack.frames(seen, task),
    )


def _integrity(seen: "Kernel", notes: Notes, told: Panic | None) -> str | None:
    typed = seen.tier is not Tier.SYMBOLS
    dispatch = calls.check(seen, notes)
    if not typed:
        # Without the list of modules nothing can be said of whose module space is.
        seen.miss("modules, and whose their memory is", "that takes types, and the dump has no BTF")
        return dispatch
    space = pages.walk(seen)
    pages.check(seen, notes, space)
    concealed = hidden.check(seen, notes, space)
    hooks.check(seen, notes)
    sites.check(seen, notes)
    if told is not None and told.address is not None and told.owner == "nobody":
        notes.add(
            FindingKind.POINTER_INTO_UNOWNED, "the panic's own text", told.address,
            f"the panic names {told.address:#x}, in memory that nobody owns", owner="nobody",
        )  # fmt: skip
    regions = [(page, pages.PAGE) for page in space.unowned]
    regions += [each for module in concealed for each in module.ranges]
    pointers.check(seen, notes, regions)
    _strings(seen, notes, space)
    return dispatch


def _strings(seen: "Kernel", notes: Notes, space: pages.Space) -> None:
    for page, words in hidden.strings(seen, space, list(notes.strange)).items():
        telling = [word for word in words if verdict.TELLING.search(word)]
        if telling:
            notes.add(
                FindingKind.STRINGS, f"{page:#x}", ", ".join(words[:8]),
                f"beside it stands text: {', '.join(telling[:8])}",
            )  # fmt: skip


def _kernel(seen: "Kernel", task: object, dispatch: str | None, log: tuple[str, ...]) -> KernelSeen:
    taint = seen.guarded("taint", lambda: _taint(seen), None) if task else None
    return KernelSeen(
        release=seen.dump.value("OSRELEASE"),
        build_id=kernel.build_id(seen),
        taint=taint,
        uptime_s=_uptime(log),
        modules=len(seen.modules) if seen.tier is not Tier.SYMBOLS else None,
        dispatch=dispatch,
    )


def _taint(seen: "Kernel") -> str:
    from drgn.helpers.linux.panic import tainted  # noqa: PLC0415

    return str(tainted(seen.program))


def _uptime(log: tuple[str, ...]) -> float | None:
    stamps = [match for line in log if (match := _STAMP.match(line))]
    return float(stamps[-1][1]) if stamps else None
