"""Every function's entry: where ftrace may patch it, it holds a no-op, or ftrace's own call.

ftrace keeps a record for each entry (struct dyn_ftrace: address, flags with a count). If an entry
was changed while its record counts no tracer, ftrace did not change it: an inline hook.
"""

import struct
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Final

from killtrail.autopsy.kernel import Kernel
from killtrail.autopsy.notes import Notes
from killtrail.model.autopsy import FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGES_MOST: Final = 1 << 16
_COUNTED: Final = 0x7FFFFF
"""The lower bits of the flags count tracers (FTRACE_REF_MAX, at least 23 bits)."""
_SITE: Final = 5
_CHUNK: Final = 1 << 16
_CALL: Final = 0xE8


def check(kernel: Kernel, notes: Notes) -> int:
    """How many entries were looked at."""
    found: int = kernel.guarded("function entries", lambda: _check(kernel, notes), 0)
    return found


def _check(kernel: Kernel, notes: Notes) -> int:
    sites = sorted(_sites(kernel))
    held = _held(kernel, [address for address, _ in sites])
    idle = Counter(held[a] for a, tracers in sites if not tracers and a in held)
    if not idle:
        kernel.miss("function entries", "their pages are not in the dump")
        return 0
    usual = idle.most_common(1)[0][0]
    for address, tracers in sites:
        code = held.get(address)
        if code is None or code == usual or tracers:
            continue
        name = kernel.near(address) or hex(address)
        target = _target(address, code)
        where = f"; it leads to {kernel.near(target) or hex(target)}" if target else ""
        owner = kernel.owner(target) if target else None
        notes.add(
            FindingKind.FTRACE_SITE, name, code.hex(),
            f"the entry of {name} was changed, and ftrace counts no tracer there{where}",
            expected=usual.hex(), effective=True, owner=owner,
        )  # fmt: skip
        if target and owner not in (None, "kernel"):
            notes.strange.setdefault(target, owner or "nobody")
    missing = len(sites) - len(held)
    if missing:
        kernel.miss(
            f"{missing} of {len(sites)} function entries", "their pages are not in the dump"
        )
    return len(held)


def _sites(kernel: Kernel) -> "Iterator[tuple[int, int]]":
    from drgn import sizeof  # noqa: PLC0415

    page = kernel.program["ftrace_pages_start"]
    size = sizeof(kernel.program.type("struct dyn_ftrace"))
    seen: set[int] = set()
    while page and page.value_() not in seen and len(seen) < _PAGES_MOST:
        seen.add(page.value_())
        count, start = int(page.index), int(page.records)
        raw = kernel.read(start, min(count, 1 << 20) * size)
        if raw is None:
            kernel.miss("some records of function entries", "their pages are not in the dump")
        else:
            for at in range(0, len(raw), size):
                address, flags = struct.unpack_from("<QQ", raw, at)
                # Records of freed init code stay, emptied.
                if address:
                    yield address, flags & _COUNTED
        page = page.next


# Entries are close together: read once per chunk, not once per entry.
def _held(kernel: Kernel, addresses: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(addresses):
        start = addresses[at]
        group = list(islice(addresses, at, None)) if at == 0 else addresses[at:]
        end = next((i for i, a in enumerate(group) if a + _SITE > start + _CHUNK), len(group))
        group = group[:end]
        raw = kernel.read(start, group[-1] + _SITE - start)
        for address in group:
            code = raw[address - start :][:_SITE] if raw else kernel.read(address, _SITE)
            if code:
                found[address] = code
        at += end
    return found


def _target(address: int, code: bytes) -> int | None:
    if code[0] not in (_CALL, 0xE9):
        return None
    (offset,) = struct.unpack_from("<i", code, 1)
    return int(address + _SITE + offset)
