"""Modules by five views: the list, sysfs, the address tree, vmalloc's owners, and the memory itself."""

import struct
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from killtrail._slotted import dataclass, field
from killtrail.autopsy.kernel import MODULES_MOST, Kernel, Module, text_of
from killtrail.autopsy.notes import Notes
from killtrail.autopsy.pages import LOADERS, PAGE, Space, areas
from killtrail.model.autopsy import FindingKind

if TYPE_CHECKING:
    from drgn import Type

_ALIGNED: Final = 64
_POISON: Final = 0xDEAD


@dataclass(slots=True)
class Views:
    """What each view knows, by address of struct module."""

    carved: dict[int, Module] = field(default_factory=dict)
    in_sysfs: set[str] = field(default_factory=set)
    poisoned: set[int] = field(default_factory=set)
    """Modules with poisoned list pointers that are still mapped."""


def check(kernel: Kernel, notes: Notes, space: Space) -> list[Module]:
    """Modules that are in memory and missing from the list."""
    views = Views()
    kernel.guarded("modules in memory", lambda: _carve(kernel, space, views), None)
    views.in_sysfs = kernel.guarded("modules in sysfs", lambda: _sysfs(kernel), set())
    listed = {m.address for m in kernel.modules}
    hidden = [m for address, m in sorted(views.carved.items()) if address not in listed]
    for module in hidden:
        _hidden(notes, views, module)
    space.loose = _loose(kernel, hidden)
    for start, size in space.loose:
        _adrift(kernel, notes, start, size)
    return hidden


def _hidden(notes: Notes, views: Views, module: Module) -> None:
    seen = ["memory (its struct module)"]
    if module.name in views.in_sysfs:
        seen.append("sysfs")
    says = f"module {module.name} is in {' and '.join(seen)}, and missing from the kernel's list of modules"
    if module.address in views.poisoned:
        says += "; its list pointers are poisoned, as after list_del, while it is mapped"
    start = module.ranges[0][0] if module.ranges else module.address
    notes.add(FindingKind.HIDDEN_MODULE, module.name, start, says, owner="nobody")


# A struct module is found by the pointer that its kobject holds to it (struct module_kobject, mod).
def _carve(kernel: Kernel, space: Space, views: Views) -> None:
    kind = kernel.program.type("struct module")
    kobject = _place(kind, "mkobj")
    offset = kobject + _place(kernel.program.type("struct module_kobject"), "mod")
    for page in sorted(space.pages):
        raw = space.content(kernel, page)
        if raw is None:
            continue
        for number, word in enumerate(struct.unpack(f"<{PAGE // 8}Q", raw)):
            if word and word == page + 8 * number - offset and word % _ALIGNED == 0:
                read = partial(_carved, kernel, views, word)
                kernel.guarded(f"a module at {word:#x}", read, None)
            if len(views.carved) > MODULES_MOST:
                return


def _carved(kernel: Kernel, views: Views, address: int) -> None:
    from drgn import Object  # noqa: PLC0415

    module = Object(kernel.program, "struct module", address=address)
    found = kernel.module_at(module.address_of_())
    if not found.name.isprintable() or not found.name:
        return
    views.carved[address] = found
    if int(module.list.next) >> 48 == _POISON:
        views.poisoned.add(address)


def _place(kind: "Type", name: str) -> int:
    return int(next(m.bit_offset for m in kind.members or () if m.name == name)) // 8


def _sysfs(kernel: Kernel) -> set[str]:
    from drgn import Object  # noqa: PLC0415
    from drgn.helpers.linux.list import list_for_each_entry  # noqa: PLC0415

    place = kernel.symbol("module_kset")
    if place is None:
        return set()
    kset = Object(kernel.program, "struct kset *", address=place)
    entries = list_for_each_entry("struct kobject", kset.list.address_of_(), "entry")
    return {text_of(each.name) for each in islice(entries, MODULES_MOST)}


# Memory that the module loader allocated and that holds no module. Init code is freed after the
# loader has returned (do_free_init(), kernel/module/main.c), so that alone says nothing.
def _loose(kernel: Kernel, hidden: list[Module]) -> list[tuple[int, int]]:
    known = [*kernel.modules, *hidden]
    found = []
    for start, size, caller in areas(kernel):
        name = (kernel.near(caller) or "").partition("+")[0]
        loader = name.startswith(LOADERS)
        if loader and not any(m.holds(start) or _within(m, start, size) for m in known):
            found.append((start, size))
    return found


def _adrift(kernel: Kernel, notes: Notes, start: int, size: int) -> None:
    if not any(start <= address < start + size for address in notes.strange):
        kernel.miss(
            f"what {size} bytes at {start:#x} are, which the module loader allocated",
            "they hold no module: init code that is not freed yet, or a module without its "
            "struct module",
        )
        return
    notes.add(
        FindingKind.HIDDEN_MODULE, f"{start:#x}", start,
        f"{size} bytes that the module loader allocated belong to no module in any view, and kernel data points there", owner="nobody",
    )  # fmt: skip


def _within(module: Module, start: int, size: int) -> bool:
    return any(start <= first < start + size for first, _ in module.ranges)


def strings(kernel: Kernel, space: Space, addresses: list[int]) -> dict[int, list[str]]:
    """Readable text in the pages around addresses without a known owner."""
    import re  # noqa: PLC0415

    found: dict[int, list[str]] = {}
    for address in addresses:
        start = (address & ~(PAGE - 1)) - PAGE
        for page in range(start, start + 4 * PAGE, PAGE):
            if page in found or kernel.owner(page) != "nobody":
                continue
            raw = space.content(kernel, page)
            words = re.findall(rb"[\x20-\x7e]{6,120}", raw) if raw else []
            found[page] = [word.decode("ascii") for word in words[:16]]
    return {page: words for page, words in found.items() if words}
