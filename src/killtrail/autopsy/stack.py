"""The stack: what the kernel's own tables unwind, up to the first gap, then the raw words.

At an address without a table an unwinder guesses, and skips the decisive frame. So its result
counts up to there; above it, words count that follow a call instruction or that are outside the
kernel. Words of earlier calls are there as well: what comes after the entry from user mode is
stale.
"""

from typing import TYPE_CHECKING, Final

from killtrail.autopsy import tasks
from killtrail.autopsy.kernel import MODULE_SPACE, Kernel
from killtrail.model.autopsy import Frame

if TYPE_CHECKING:
    from drgn import Object

_FRAMES_MOST: Final = 64
_WORDS_MOST: Final = 16384
_RECOVERED_MOST: Final = 40
_ENTRIES: Final = ("do_syscall_64", "do_int80_syscall_32", "do_fast_syscall_32", "entry_SYSCALL_64")


def frames(kernel: Kernel, task: "Object") -> tuple[Frame, ...]:
    """The frames, innermost first."""
    unwound, sp, covered = kernel.guarded("the stack", lambda: _unwound(kernel), ([], 0, False))
    if covered:
        return tuple(unwound)
    raw = kernel.guarded("the raw stack", lambda: _raw(kernel, task, sp, unwound), [])
    return tuple(unwound) + tuple(raw)


# (frames, the stack pointer at the last one, whether tables covered all of it).
def _unwound(kernel: Kernel) -> tuple[list[Frame], int, bool]:
    trace = kernel.program.crashed_thread().stack_trace()
    found: list[Frame] = []
    sp = 0
    for each in list(trace)[:_FRAMES_MOST]:
        address = int(each.pc)
        if found and found[-1].address == address:
            # With debug symbols, inlined functions repeat the same address.
            continue
        symbol = kernel.caller(address) if found else kernel.near(address)
        owner = kernel.owner(address)
        if symbol is None and owner in ("nobody", "bpf") and address >> 47:
            found.append(Frame(address, None, owner, "unwound"))
            return found, sp, False
        if not address >> 47:
            break
        found.append(Frame(address, symbol or f"{owner}", owner, "unwound"))
        try:
            sp = int(each.sp)
        except LookupError:
            continue
    return found, sp, True


def _raw(kernel: Kernel, task: "Object", sp: int, unwound: list[Frame]) -> list[Frame]:
    low, high = tasks.stack_bounds(kernel, task)
    start = sp if low <= sp < high else low
    count = min((high - start) // 8, _WORDS_MOST)
    found: list[Frame] = []
    known = {frame.address for frame in unwound}
    last = unwound[-1].address if unwound else None
    behind, stale = last is None, False
    for word in kernel.words(start, count):
        # Below the last accepted frame are the words that are already listed.
        if not behind:
            behind = word == last
            continue
        frame = _frame(kernel, word, "stale" if stale else "recovered")
        if frame is None or (word in known and not stale):
            continue
        found.append(frame)
        stale = stale or (frame.symbol or "").startswith(_ENTRIES)
        if len(found) >= _RECOVERED_MOST:
            break
    return found


def _frame(kernel: Kernel, word: int, how: str) -> Frame | None:
    low, high = kernel.text
    if low <= word < high:
        return (
            Frame(word, kernel.caller(word), "kernel", how) if _after_call(kernel, word) else None
        )
    first, last = MODULE_SPACE
    if not first <= word < last or kernel.image[0] <= word < kernel.image[1]:
        return None
    owner = kernel.owner(word)
    if owner == "nobody" and kernel.read(word, 1) is None:
        return None
    if owner != "nobody" and not _after_call(kernel, word):
        return None
    return Frame(word, None, owner, how)


# e8 rel32, and the forms of ff /2: call through a register or memory (Intel SDM, CALL).
def _after_call(kernel: Kernel, address: int) -> bool:
    raw = kernel.read(address - 7, 7)
    if raw is None:
        return False
    if raw[2] == 0xE8:  # noqa: PLR2004
        return True
    return any(raw[7 - n] == 0xFF and raw[8 - n] & 0x38 == 0x10 for n in (2, 3, 4, 6, 7))  # noqa: PLR2004
