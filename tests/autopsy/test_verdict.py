"""What facts amount to, and what a panic's words mean."""

import pytest

from killtrail.autopsy import dump_file, kernel, panic, verdict
from killtrail.model.autopsy import Class, Finding, FindingKind, Panic
from killtrail.model.certainty import Certainty
from tests.autopsy.patching import DUMPS


def finding(number: int, kind: FindingKind) -> Finding:
    return Finding(number, kind, "x", "0xffffffffc0777000", "it leads there")


TABLE, HIDDEN, STRINGS = FindingKind.SYSCALL_TABLE, FindingKind.HIDDEN_MODULE, FindingKind.STRINGS
ASKED = Panic("Kernel panic - not syncing: sysrq triggered crash", "sysrq")


@pytest.mark.parametrize(
    ("kinds", "certainty"),
    [
        ([TABLE], Certainty.POSSIBLE),
        ([TABLE, TABLE, TABLE], Certainty.POSSIBLE),
        ([TABLE, HIDDEN], Certainty.LIKELY),
        ([TABLE, HIDDEN, STRINGS], Certainty.ESTABLISHED),
        ([TABLE, FindingKind.POINTER_INTO_UNOWNED], Certainty.LIKELY),
    ],
)
def test_kinds_count_not_findings(kinds, certainty):
    """Twenty entries of one table are one kind of fact."""
    found = [finding(n, kind) for n, kind in enumerate(kinds, 1)]
    told = verdict.judge(ASKED, found, {f.id: "nobody" for f in found}, None)
    assert (told.kind, told.certainty) == (Class.ROOTKIT, certainty)
    assert (
        told.facts == tuple(f.id for f in found) and "the panic itself was requested" in told.says
    )


def test_a_wild_jump_is_no_rootkit():
    """An address that nobody owns, and nothing else: said to be unknown."""
    told = Panic(
        "Kernel panic - not syncing: Fatal exception", "oops", 0xFFFFFFFFC0777000, "nobody"
    )
    beside = [finding(1, FindingKind.POINTER_INTO_UNOWNED), finding(2, STRINGS)]
    found = verdict.judge(told, beside, {}, None)
    assert (found.kind, found.certainty) == (Class.UNKNOWN, Certainty.NOT_ESTABLISHED)
    assert "a wild jump" in found.says


def test_one_bit_is_memory():
    """Entries that differ by one bit each are a fault of memory, and no more than possible."""
    found = verdict.judge(None, [finding(1, FindingKind.HARDWARE)], {}, None)
    assert (found.kind, found.certainty) == (Class.HARDWARE, Certainty.POSSIBLE)


@pytest.mark.parametrize(
    ("name", "certainty"), [("tmhook", Certainty.LIKELY), ("somebody_s", Certainty.POSSIBLE)]
)
def test_into_a_listed_module(name, certainty):
    """A redirection into a module that is in all views is security software or a driver, and no rootkit."""
    told = verdict.judge(None, [finding(1, TABLE)], {1: name}, None)
    assert (told.kind, told.certainty) == (Class.SECURITY_SOFTWARE, certainty)
    assert name in told.says


@pytest.fixture(scope="module")
def dead():
    return kernel.wake(dump_file.open_dump(str(DUMPS / "clean-6.1.192.elf.xz")))


@pytest.mark.parametrize(
    ("text", "kind", "of"),
    [
        ("softlockup: hung tasks", "soft-lockup", Class.UNKNOWN),
        ("Hard LOCKUP", "hard-lockup", Class.UNKNOWN),
        ("hung_task: blocked tasks", "hung-task", Class.UNKNOWN),
        ("Fatal machine check", "machine-check", Class.HARDWARE),
        ("Out of memory: compulsory panic_on_oom is enabled", "oom", Class.MEMORY_POLICY),
        ("VFS: Unable to mount root fs on unknown-block(0,0)", "no-root", Class.UNKNOWN),
        ("Attempted to kill init! exitcode=0x00000009", "init-killed", Class.UNKNOWN),
        ("Fatal exception in interrupt", "oops", Class.UNKNOWN),
    ],
)
def test_words(dead, text, kind, of):
    """Each kind by the kernel's own wording (kernel/panic.c, watchdog.c, hung_task.c, mce/core.c, oom_kill.c)."""
    told = panic._decoded(dead, f"Kernel panic - not syncing: {text}", [])
    assert told.kind == kind
    assert verdict.judge(told, [], {}, None).kind is of


def test_address_of_an_oops(dead):
    """The place where an oops happened is resolved, in the kernel, in a module, or in nobody's memory."""
    module = next(m for m in dead.modules if m.name == "dummy")
    place = module.ranges[0][0] + 0x10
    for rip, owner in (
        ("vfs_read+0x12/0x300", "vfs_read+0x12"),
        (f"{place:016x}", "dummy"),
        ("ffffffffc0777000", "nobody"),
    ):
        log = [f"[    5.1] RIP: 0010:{rip}"]
        told = panic._decoded(dead, "Kernel panic - not syncing: Fatal exception", log)
        assert (told.kind, told.owner) == ("oops", owner)
    driver = Panic("Kernel panic - not syncing: Fatal exception", "oops", place, "dummy")
    assert verdict.judge(driver, [], {}, None).kind is Class.BUGGY_DRIVER
