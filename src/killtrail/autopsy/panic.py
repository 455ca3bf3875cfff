"""The panic message: its text, its kind, and the address that it names."""

import os
import re
from typing import Final

from killtrail._slotted import dataclass
from killtrail.autopsy.kernel import Kernel
from killtrail.files.opened import Piece
from killtrail.model.autopsy import Panic
from killtrail.model.text import visible

_LINES_MOST: Final = 40
_TEXT_MOST: Final = 400
_CHUNK: Final = 1 << 20
_OVERLAP: Final = 1 << 10
_PANIC: Final = re.compile(rb"Kernel panic - not syncing: [\x20-\x7e]{3,300}")
_KINDS: Final = (
    ("stack-protector", r"stack-protector: "),
    ("sysrq", r"sysrq triggered crash"),
    ("init-killed", r"Attempted to kill (?:init|the idle task)"),
    ("soft-lockup", r"softlockup: "),
    ("hard-lockup", r"[Hh]ard LOCKUP|hard lockup"),
    ("hung-task", r"hung_task: "),
    ("oom", r"[Oo]ut of memory|System is deadlocked on memory"),
    ("machine-check", r"[Mm]achine check|MCE"),
    ("oops", r"[Ff]atal exception"),
    ("no-root", r"VFS: Unable to mount root"),
    ("nmi", r"NMI"),
)
_NAMED: Final = re.compile(r"corrupted in: (?:0x)?(?P<at>[0-9a-f]{16}|\S+)")
_OOPS: Final = re.compile(
    r"(?:BUG: |Oops: |general protection fault|kernel BUG at|divide error|invalid opcode|int3:|RIP: )"
)
_RIP: Final = re.compile(r"RIP: [0-9a-f]{4}:(?:0x)?(?P<at>[0-9a-f]{16}|\S+)")


@dataclass(frozen=True, slots=True)
class Words:
    """The log's tail, and the line of the panic."""

    log: tuple[str, ...]
    panic: Panic | None


def words(kernel: Kernel) -> Words:
    """Reads the log and finds the panic at its end."""
    log = kernel.guarded("the kernel's log", lambda: _log(kernel), [])
    text = kernel.guarded("the panic's text", lambda: _message(kernel), "")
    text = text or next((x for x in reversed(log) if "Kernel panic - not syncing" in x), "")
    if not text:
        kernel.miss(
            "a panic", "the dump holds no panic's text: it may have been taken of a running machine"
        )
        return Words(tuple(log[-_LINES_MOST:]), None)
    return Words(tuple(log[-_LINES_MOST:]), _decoded(kernel, text, log))


def by_search(kernel: Kernel) -> Words:
    """The same without types: the text as stored in the kernel's image, at the start of its log."""
    low, high = kernel.image
    found = ""
    for start in range(low, high, _CHUNK):
        raw = kernel.read(start, min(_CHUNK, high - start)) or b""
        for match in _PANIC.finditer(raw):
            # The image holds the format string itself as well.
            if b"%" not in match[0] and len(match[0]) > len(found):
                found = visible(match[0].decode("ascii", "replace"))
    if not found:
        kernel.miss("the panic's text", "it is not in the kernel's image, and types are missing")
        return Words((), None)
    return Words((), _decoded(kernel, found[:_TEXT_MOST], []))


def in_file(piece: Piece) -> Panic | None:
    """The panic's text from the dump's raw bytes, if not even symbols can be read."""
    best = ""
    for start in range(0, piece.size, _CHUNK):
        block = os.pread(piece.fd, _CHUNK + _OVERLAP, start)
        for match in _PANIC.finditer(block):
            if b"%" not in match[0] and len(match[0]) > len(best):
                best = visible(match[0].decode("ascii", "replace"))
    text = best[:_TEXT_MOST]
    kind = next((k for k, pattern in _KINDS if re.search(pattern, text)), "panic")
    return Panic(text, kind) if text else None


def _log(kernel: Kernel) -> list[str]:
    from drgn.helpers.linux.printk import get_dmesg  # noqa: PLC0415

    raw: bytes = get_dmesg(kernel.program)
    return [
        visible(line)[:_TEXT_MOST] for line in raw.decode("utf-8", "surrogateescape").splitlines()
    ]


def _message(kernel: Kernel) -> str:
    from drgn.helpers.linux.panic import panic_message  # noqa: PLC0415

    found = panic_message(kernel.program)
    return visible(found.decode("utf-8", "surrogateescape")).strip()[:_TEXT_MOST] if found else ""


def _decoded(kernel: Kernel, text: str, log: list[str]) -> Panic:
    kind = next((k for k, pattern in _KINDS if re.search(pattern, text)), None)
    match = _NAMED.search(text)
    if match is None and kind in (None, "oops"):
        match = next((m for line in reversed(log) if (m := _RIP.search(line))), None)
    if kind is None:
        kind = "oops" if any(_OOPS.search(line) for line in log[-_LINES_MOST:]) else "panic"
    address = _address(kernel, match["at"]) if match else None
    return Panic(text, kind, address, _owner(kernel, address) if address else None)


# The kernel prints a symbol if it knows one: `vfs_read+0x12/0x300`, followed by the module.
def _address(kernel: Kernel, text: str) -> int | None:
    if re.fullmatch(r"[0-9a-f]{16}", text):
        return int(text, 16)
    name, _, rest = text.partition("+")
    start = kernel.symbol(name)
    offset = rest.partition("/")[0]
    return start + int(offset, 16) if start and re.fullmatch(r"0x[0-9a-f]+", offset) else start


def _owner(kernel: Kernel, address: int) -> str:
    return kernel.near(address) or kernel.owner(address)
