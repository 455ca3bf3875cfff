"""The whole autopsy of one dump, in the order of a reader's questions."""

import re
from typing import TYPE_CHECKING, Final

from killtrail.autopsy import (
    dump_file,
    ftrace_sites,
    hidden,
    hooks,
    image,
    kernel,
    pages,
    panic,
    pointers,
    stack,
    syscall_dispatch,
    tasks,
    verdict,
)
from killtrail.autopsy.notes import Notes
from killtrail.errors import UnavailableError
from killtrail.model.autopsy import (
    Autopsy,
    Call,
    FindingKind,
    Frame,
    KernelSeen,
    Panic,
    Tier,
    Unknown,
)
from killtrail.model.process import Process

if TYPE_CHECKING:
    from killtrail.autopsy.kernel import Kernel

_STAMP: Final = re.compile(r"\[ *(\d+\.\d+)\]")
_TAINTS: Final = "PFSRMBUDAWCIOELKXTNJ"
"""Letters by bit, Documentation/admin-guide/tainted-kernels.rst."""
_ADDRESS: Final = re.compile(r"0x[0-9a-f]+")


def examine(path: str, vmlinuz: str | None = None) -> Autopsy:
    """Reads a dump, and compares it with its kernel's image if one is given.

    Raises `UnavailableError` for a file that is not a dump or can't be read, `UsageError` for an
    image of another build.
    """
    dump = dump_file.open_dump(path)
    try:
        seen = kernel.wake(dump)
    except UnavailableError as error:
        return _without_symbols(dump, error)
    words = panic.words(seen) if seen.tier is not Tier.SYMBOLS else panic.by_search(seen)
    process, parents, call, frames = _victim(seen)
    notes = Notes()
    dispatch, looked_at = _integrity(seen, notes, words.panic)
    compared = image.check(seen, notes, vmlinuz) if vmlinuz else None
    owners = {
        f.id: seen.owner(int(f.value, 16)) for f in notes.findings if _ADDRESS.fullmatch(f.value)
    }
    return Autopsy(
        tier=seen.tier,
        kernel=_kernel(seen, dispatch, words.log),
        panic=words.panic,
        task=process,
        ancestry=parents,
        call=call,
        stack=frames,
        findings=tuple(notes.findings),
        verdict=verdict.judge(words.panic, notes.findings, owners, _writer(process, call, frames)),
        unknown=tuple(seen.unknown),
        log=words.log,
        compared=compared,
        looked_at=looked_at,
    )


# A cut-off or damaged dump still has its text; without any the error says more.
def _without_symbols(dump: dump_file.Dump, error: UnavailableError) -> Autopsy:
    told = panic.in_file(dump.piece)
    if told is None:
        raise error
    return Autopsy(
        tier=Tier.SYMBOLS,
        kernel=KernelSeen(dump.value("OSRELEASE"), None, None, None, None, None),
        panic=told,
        task=None,
        ancestry=(),
        call=None,
        stack=(),
        findings=(),
        verdict=verdict.judge(told, [], {}, None),
        unknown=(Unknown("everything but the panic's text", str(error)),),
    )


# The write must be to sysrq's own file: the key may be pressed while any task writes elsewhere.
def _writer(process: Process | None, call: Call | None, frames: tuple[Frame, ...]) -> str | None:
    led = any((f.symbol or "").startswith("write_sysrq_trigger") for f in frames)
    if process is None or call is None or call.name != "write" or not led:
        return None
    return f"{process.comm} (pid {process.pid})"


def _victim(
    seen: "Kernel",
) -> tuple[Process | None, tuple[Process, ...], Call | None, tuple[Frame, ...]]:
    if seen.tier is Tier.SYMBOLS:
        seen.miss(
            "the task, its parents and its stack", "this needs types, and the dump has no BTF"
        )
        return None, (), None, ()
    task = tasks.panicked(seen)
    if not task:
        return None, (), None, ()
    process = seen.guarded("the task", lambda: tasks.process(task), None)
    return (
        process,
        tasks.ancestry(seen, task),
        tasks.call(seen, task),
        stack.frames(seen, task),
    )


def _integrity(
    seen: "Kernel", notes: Notes, told: Panic | None
) -> tuple[str | None, tuple[str, ...]]:
    typed = seen.tier is not Tier.SYMBOLS
    dispatch = syscall_dispatch.check(seen, notes)
    if not typed:
        # Without the list of modules the owners of module space are unknown.
        seen.miss(
            "modules and the owners of their memory", "this needs types, and the dump has no BTF"
        )
        return dispatch, ()
    counts = {**hooks.check(seen, notes), "function entries": ftrace_sites.check(seen, notes)}
    space = pages.walk(seen)
    concealed = hidden.check(seen, notes, space)
    pages.check(seen, notes, space)
    if told is not None and told.address is not None and told.owner == "nobody":
        notes.add(
            FindingKind.POINTER_INTO_UNOWNED, "the panic's own text", told.address,
            f"the panic names {told.address:#x}, in memory without a known owner", owner="nobody",
        )  # fmt: skip
    regions = [(page, pages.PAGE) for page in space.unowned]
    regions += [each for module in concealed for each in module.ranges]
    pointers.check(seen, notes, regions)
    _strings(seen, notes, space)
    counts["pages of module space"] = len(space.pages)
    return dispatch, tuple(f"{count} {what}" for what, count in counts.items() if count)


def _strings(seen: "Kernel", notes: Notes, space: pages.Space) -> None:
    for page, words in hidden.strings(seen, space, list(notes.strange)).items():
        telling = [word for word in words if verdict.TELLING.search(word)]
        if telling:
            notes.add(
                FindingKind.STRINGS, f"{page:#x}", ", ".join(words[:8]),
                f"text next to it: {', '.join(telling[:8])}",
            )  # fmt: skip


def _kernel(seen: "Kernel", dispatch: str | None, log: tuple[str, ...]) -> KernelSeen:
    return KernelSeen(
        release=seen.dump.value("OSRELEASE"),
        build_id=kernel.build_id(seen),
        taint=_taint(seen),
        uptime_s=_uptime(log),
        modules=len(seen.modules) if seen.tier is not Tier.SYMBOLS else None,
        dispatch=dispatch,
    )


def _taint(seen: "Kernel") -> str | None:
    place = seen.symbol("tainted_mask")
    found = seen.words(place, 1) if place else ()
    if not found:
        return None
    return "".join(letter for bit, letter in enumerate(_TAINTS) if found[0] >> bit & 1)


def _uptime(log: tuple[str, ...]) -> float | None:
    stamps = [match for line in log if (match := _STAMP.match(line))]
    return float(stamps[-1][1]) if stamps else None
