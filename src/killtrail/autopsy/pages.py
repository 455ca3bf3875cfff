"""Every executable page in module space has an owner; a page table walk finds those that have none."""

import re
import struct
from typing import TYPE_CHECKING, Final

from killtrail._slotted import dataclass, field
from killtrail.autopsy.kernel import MODULE_SPACE, Kernel
from killtrail.autopsy.notes import Notes
from killtrail.model.autopsy import FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAME: Final = 0x000FFFFFFFFFF000
_PRESENT, _LARGE, _NX = 1, 0x80, 1 << 63
_START_MAP: Final = 0xFFFFFFFF80000000
PAGE: Final = 4096
_TRAP: Final = 0xCC
_PACK: Final = 2 << 20
LOADERS: Final = ("load_module", "module_alloc", "move_module", "layout_and", "module_memory_alloc")


@dataclass(slots=True)
class Space:
    """What is mapped in module space: virtual page -> (physical, executable)."""

    pages: dict[int, tuple[int, bool]] = field(default_factory=dict)
    unowned: list[int] = field(default_factory=list)
    """Executable pages without a known owner."""
    loose: list[tuple[int, int]] = field(default_factory=list)
    """Areas of the module loader's that hold no module: mostly init code that waits to be freed."""

    def content(self, kernel: Kernel, page: int) -> bytes | None:
        """A page as it is in memory."""
        found = self.pages.get(page)
        if found is None:
            return None
        from drgn import FaultError  # noqa: PLC0415

        try:
            raw: bytes = kernel.program.read(found[0], PAGE, physical=True)
        except (FaultError, ValueError):
            return None
        return raw


def walk(kernel: Kernel) -> Space:
    """Walks the kernel's own page tables over module space."""
    space = Space()
    kernel.guarded("the page tables of module space", lambda: _walk(kernel, space), None)
    return space


def _walk(kernel: Kernel, space: Space) -> None:
    top = kernel.symbol("init_top_pgt") or kernel.symbol("swapper_pg_dir")
    base = kernel.dump.value("NUMBER(phys_base)")
    if top is None or base is None or not re.fullmatch(r"-?\d+", base):
        kernel.miss("the page tables of module space", "their address is unknown")
        return
    table = top - _START_MAP + int(base)
    if kernel.dump.value("NUMBER(pgtable_l5_enabled)") == "1":
        table = _entries(kernel, table)[511] & _FRAME
    table = _entries(kernel, table)[511] & _FRAME
    low, high = kernel.image
    for page, found in _leaves(kernel, table):
        if not low & ~0xFFF <= page < high:
            space.pages[page] = found


def _entries(kernel: Kernel, physical: int) -> tuple[int, ...]:
    return struct.unpack("<512Q", kernel.program.read(physical, PAGE, physical=True))


# Kernel half, last gigabytes: levels 3, 2 and 1.
def _leaves(kernel: Kernel, table: int) -> "Iterator[tuple[int, tuple[int, bool]]]":
    for i, upper in enumerate(_entries(kernel, table)):
        if not upper & _PRESENT or i < 510:  # noqa: PLR2004 -- 0xffffffff80000000 and up
            continue
        for j, middle in enumerate(_entries(kernel, upper & _FRAME)):
            start = 0xFFFF << 48 | 511 << 39 | i << 30 | j << 21
            if not middle & _PRESENT or not MODULE_SPACE[0] <= start < MODULE_SPACE[1]:
                continue
            runs = not (upper | middle) & _NX
            if middle & _LARGE:
                for k in range(512):
                    physical = (middle & _FRAME & ~0x1FFFFF) + k * PAGE
                    yield start + k * PAGE, (physical, runs)
                continue
            for k, leaf in enumerate(_entries(kernel, middle & _FRAME)):
                if leaf & _PRESENT:
                    yield start + k * PAGE, (leaf & _FRAME, runs and not leaf & _NX)


def check(kernel: Kernel, notes: Notes, space: Space) -> None:
    """Executable pages that no module, no BPF program and no cache of the kernel's own accounts for."""
    owned = _areas(kernel)
    runs = [page for page, found in space.pages.items() if found[1]]
    free = [page for page in runs if not _accounted(kernel, page, owned or [])]
    packs = [] if owned is not None else [r for r in _runs(free) if r[1] >= _PACK]
    if packs:
        # Memory for many small BPF programs comes in packs of 2 MiB (kernel/bpf/core.c).
        what = "owners of large executable areas"
        kernel.miss(what, "vmalloc's areas are not in the dump; they may hold BPF programs")
    for page in free:
        waiting = _within(page, space.loose) and not _led_to(notes, page)
        raw = None if waiting or _within(page, packs) else space.content(kernel, page)
        # Caches of executable memory hold trap bytes until they are used.
        if raw is not None and not _empty(raw):
            space.unowned.append(page)
    for start, size in _runs(space.unowned):
        notes.add(
            FindingKind.UNOWNED_EXECUTABLE, f"{start:#x}", start,
            f"{size // PAGE} executable pages that belong to no listed module and to no BPF "
            "program",
            owner="nobody",
        )  # fmt: skip


def _led_to(notes: Notes, page: int) -> bool:
    return any(page <= address < page + PAGE for address in notes.strange)


def _within(page: int, ranges: list[tuple[int, int]]) -> bool:
    return any(start <= page < start + size for start, size in ranges)


def _accounted(kernel: Kernel, page: int, owned: list[tuple[int, int]]) -> bool:
    if any(
        start < page + PAGE and page < start + size
        for m in kernel.modules
        for start, size in m.ranges
    ):
        return True
    if any(start < page + PAGE and page < end for start, end in kernel.bpf_images):
        return True
    return any(start <= page < end for start, end in owned)


# vmalloc records the caller of each area: packs of BPF, pages of ftrace and kprobes are the
# kernel's.
def _areas(kernel: Kernel) -> list[tuple[int, int]] | None:
    known = areas(kernel)
    if not known:
        return None
    found = []
    for start, size, caller in known:
        name = (kernel.near(caller) or "").partition("+")[0]
        if name and not name.startswith(
            ("load_module", "module_alloc", "move_module", "layout_and")
        ):
            found.append((start, start + size))
    return found


def areas(kernel: Kernel) -> list[tuple[int, int, int]]:
    """(start, size, caller) of areas of vmalloc in module space."""
    found: list[tuple[int, int, int]] = kernel.guarded(
        "owners of vmalloc areas", lambda: _vmalloc(kernel), []
    )
    return found


def _vmalloc(kernel: Kernel) -> list[tuple[int, int, int]]:
    from drgn.helpers.linux.mm import for_each_vmap_area  # noqa: PLC0415

    found = []
    for area in for_each_vmap_area(kernel.program):
        start = int(area.va_start)
        if MODULE_SPACE[0] <= start < MODULE_SPACE[1] and area.vm:
            found.append((start, int(area.va_end) - start, int(area.vm.caller)))
    return found


def _empty(raw: bytes) -> bool:
    return not raw.strip(bytes((_TRAP,))) or not raw.strip(b"\0")


def _runs(pages: list[int]) -> "Iterator[tuple[int, int]]":
    start = size = 0
    for page in sorted(pages):
        if size and page == start + size:
            size += PAGE
            continue
        if size:
            yield start, size
        start, size = page, PAGE
    if size:
        yield start, size
