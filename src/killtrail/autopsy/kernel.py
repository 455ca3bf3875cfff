"""The kernel in the dump: symbols, types, modules, and the owner of an address."""

import os
import re
import struct
from bisect import bisect_right
from dataclasses import dataclass, field  # noqa: TID251 -- cached properties need a __dict__
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from killtrail.autopsy import kallsyms_scan
from killtrail.autopsy.btf_types import Btf
from killtrail.autopsy.dump_file import Dump
from killtrail.errors import UnavailableError
from killtrail.model.autopsy import Tier, Unknown
from killtrail.model.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from drgn import Object, Program

MODULES_MOST: Final = 4096
_NAME_MOST: Final = 256
_DEBUG: Final = (
    "/usr/lib/debug/boot/vmlinux-{}",
    "/usr/lib/debug/lib/modules/{}/vmlinux",
    "/usr/lib/debug/usr/lib/modules/{}/vmlinux",
)
MODULE_SPACE: Final = (0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000)
"""Documentation/arch/x86/x86_64/mm.rst."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module that the kernel's list has."""

    name: str
    ranges: tuple[tuple[int, int], ...]
    address: int

    def holds(self, address: int) -> bool:
        """Whether an address is in its memory."""
        return any(start <= address < start + size for start, size in self.ranges)


@dataclass
class Kernel:
    """A dump with symbols, and with types where it has BTF."""

    program: "Program"
    dump: Dump
    tier: Tier
    unknown: list[Unknown] = field(default_factory=list)

    def symbol(self, name: str) -> int | None:
        """The address of a symbol."""
        try:
            address: int = self.program.symbol(name).address
        except LookupError:
            return None
        return address

    def bounds(self, first: str, last: str) -> tuple[int, int]:
        """From one symbol to another; an empty range where one is missing."""
        return self.symbol(first) or 0, self.symbol(last) or 0

    @cached_property
    def text(self) -> tuple[int, int]:
        """The kernel's code."""
        return self.bounds("_stext", "_etext")

    @cached_property
    def image(self) -> tuple[int, int]:
        """The kernel's image: code and data."""
        return self.bounds("_text", "_end")

    def read(self, address: int, size: int) -> bytes | None:
        """Memory; None where it is not in the dump."""
        from drgn import FaultError  # noqa: PLC0415

        try:
            raw: bytes = self.program.read(address, size)
        except (FaultError, ValueError, OverflowError):
            return None
        return raw

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """64-bit words, as far as they are in the dump."""
        raw = self.read(address, 8 * count) if count > 0 else None
        return struct.unpack(f"<{count}Q", raw) if raw else ()

    def names(self, address: int) -> list[str]:
        """Symbols that begin at an address."""
        try:
            found = self.program.symbols(address)
        except LookupError:
            return []
        return [symbol.name for symbol in found if symbol.address == address]

    def near(self, address: int) -> str | None:
        """`do_syscall_64+0x5d`, in the kernel's own image alone."""
        low, high = self.image
        if not low <= address < high:
            return None
        try:
            found = self.program.symbol(address)
        except LookupError:
            return None
        offset = address - found.address
        return f"{found.name}+{offset:#x}" if offset else found.name

    def caller(self, address: int) -> str | None:
        """The same for a return address: a call that never returns may end its function."""
        found = self.near(address - 1)
        if found is None:
            return None
        name = found.partition("+")[0]
        return f"{name}+{address - (self.symbol(name) or address):#x}"

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """Modules of the kernel's list, no more than a machine can have."""
        return tuple(self.guarded("the list of modules", self._modules, []))

    def _modules(self) -> list[Module]:
        from drgn.helpers.linux.module import for_each_module  # noqa: PLC0415

        found: list[Module] = []
        seen: set[int] = set()
        for module in islice(for_each_module(self.program), MODULES_MOST):
            address = module.value_()
            if address in seen:
                self.unknown.append(Unknown("the rest of the list of modules", "it is circular"))
                break
            seen.add(address)
            found.append(self.module_at(module))
        return found

    def module_at(self, module: "Object") -> Module:
        """A struct module as our own type."""
        from drgn.helpers.linux.module import module_address_regions  # noqa: PLC0415

        name = text_of(module.name)
        ranges = tuple((int(a), int(s)) for a, s in module_address_regions(module) if s)
        return Module(name, ranges, module.value_())

    def owner(self, address: int) -> str:
        """`kernel`, a module's name, `bpf`, or `nobody`."""
        low, high = self.image
        if low <= address < high:
            return "kernel"
        for module in self.modules:
            if module.holds(address):
                return module.name
        return "bpf" if self._is_bpf(address) else "nobody"

    # Images of BPF programs and trampolines have symbols of their own.
    def _is_bpf(self, address: int) -> bool:
        starts = [start for start, _ in self.bpf_images]
        at = bisect_right(starts, address) - 1
        return at >= 0 and address < self.bpf_images[at][1]

    @cached_property
    def bpf_images(self) -> list[tuple[int, int]]:
        """Address ranges of compiled BPF programs."""
        return sorted(self.guarded("BPF programs", self._bpf_images, []))

    def _bpf_images(self) -> list[tuple[int, int]]:
        from drgn.helpers.linux.bpf import bpf_prog_for_each  # noqa: PLC0415

        found = []
        for program in islice(bpf_prog_for_each(self.program), MODULES_MOST):
            start = program.bpf_func.value_()
            found.append((start, start + int(program.jited_len)))
        return found

    def guarded(self, what: str, ask: "Callable[[], Any]", otherwise: Any) -> Any:  # noqa: ANN401
        """What a question to the dump gives; where the dump does not have it, that is noted."""
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 -- a dump may hold anything
            why = (str(error).splitlines() or [type(error).__name__])[0]
            absent = type(error).__name__ == "FaultError"
            self.miss(what, "its pages are not in the dump" if absent else visible(why)[:200])
            return otherwise

    def miss(self, what: str, why: str) -> None:
        """Notes what could not be looked at, once."""
        unknown = Unknown(what, why)
        if unknown not in self.unknown:
            self.unknown.append(unknown)


def text_of(value: "Object") -> str:
    """A C string of the dump, cut and harmless."""
    raw: bytes = value.string_()
    return visible(raw[:_NAME_MOST].decode("utf-8", "surrogateescape"))


def wake(dump: Dump) -> Kernel:
    """Symbols, then types. Raises `UnavailableError` where the dump has no symbols."""
    program = dump.program
    if dump.value("SYMBOL(kallsyms_names)") is None:
        program = _with_scanned_symbols(dump)
    from drgn.helpers.linux.kallsyms import load_vmlinux_kallsyms  # noqa: PLC0415

    try:
        index = load_vmlinux_kallsyms(program)
    except Exception as error:
        raise UnavailableError(f"{dump.piece.name}: its symbols can't be read: {error}") from error
    program.register_symbol_finder("killtrail", index, enable_index=0)
    kernel = Kernel(program, dump, Tier.SYMBOLS)
    if _debug_symbols(kernel):
        kernel.tier = Tier.DWARF
    elif _types(kernel):
        kernel.tier = Tier.BTF
        _unwinding(kernel)
    return kernel


def _with_scanned_symbols(dump: Dump) -> "Program":
    stext = dump.value("SYMBOL(_stext)")
    more = kallsyms_scan.lines(dump.program, int(stext, 16)) if stext else ""
    if not more:
        raise UnavailableError(f"{dump.piece.name}: no kernel symbols in it")
    dump.text += more
    return dump.again(dump.text.encode("ascii", "replace"))


# Where distributions put them. Nothing is fetched, and those of another build are refused by drgn.
def _debug_symbols(kernel: Kernel) -> bool:
    release = kernel.dump.value("OSRELEASE") or ""
    if not re.fullmatch(r"[\w.+~-]{1,64}", release):
        return False
    path = next((p for place in _DEBUG if os.path.isfile(p := place.format(release))), None)  # noqa: PTH113
    if path is None:
        return False

    def load() -> bool:
        kernel.program.load_debug_info([path])
        return True

    return bool(kernel.guarded("debug symbols", load, otherwise=False))


def _types(kernel: Kernel) -> bool:
    start, stop = kernel.bounds("__start_BTF", "__stop_BTF")
    raw = kernel.read(start, stop - start) if 0 < stop - start < 1 << 26 else None
    if raw is None:
        kernel.miss("types", "the dump holds no BTF")
        return False
    try:
        btf = Btf(kernel.program, raw)
    except (ValueError, LookupError, struct.error) as error:
        kernel.miss("types", f"broken BTF: {error}")
        return False
    kernel.program.register_type_finder("killtrail", btf.find_type, enable_index=0)
    kernel.program.register_object_finder("killtrail", btf.find_object, enable_index=0)
    return True


# With the image's range known, drgn unwinds by the ORC tables in the dump.
def _unwinding(kernel: Kernel) -> None:
    def prepare() -> None:
        list(kernel.program.loaded_modules())
        kernel.program.main_module().address_ranges = [kernel.image]

    kernel.guarded("stack tables", prepare, None)


def build_id(kernel: Kernel) -> str | None:
    """The kernel's build id, by which its package can be found."""
    found = kernel.dump.value("BUILD-ID")
    return found if found and re.fullmatch(r"[0-9a-f]{8,64}", found) else None
