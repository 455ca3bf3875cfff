"""Names of the system calls that can kill or start a process, by ABI.

Numbers from arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl, arch/arm/tools/syscall.tbl and
include/uapi/asm-generic/unistd.h.
"""

from typing import Final

_X86_64: Final = {
    59: "execve", 60: "exit", 62: "kill", 101: "ptrace", 129: "rt_sigqueueinfo", 169: "reboot",
    200: "tkill", 231: "exit_group", 234: "tgkill", 297: "rt_tgsigqueueinfo", 322: "execveat",
    424: "pidfd_send_signal", 1: "write", 20: "writev", 3: "close", 242: "mq_timedsend",
    426: "io_uring_enter", 435: "clone3", 56: "clone", 16: "ioctl",
}  # fmt: skip
_I386: Final = {
    1: "exit", 4: "write", 6: "close", 11: "execve", 26: "ptrace", 37: "kill", 88: "reboot",
    178: "rt_sigqueueinfo", 238: "tkill", 252: "exit_group", 270: "tgkill",
    335: "rt_tgsigqueueinfo", 358: "execveat", 424: "pidfd_send_signal",
}  # fmt: skip
_X32: Final = {
    **_X86_64, 520: "execve", 521: "ptrace", 524: "rt_sigqueueinfo", 536: "rt_tgsigqueueinfo",
    545: "execveat",
}  # fmt: skip
_ARM64: Final = {
    57: "close", 64: "write", 66: "writev", 93: "exit", 94: "exit_group", 117: "ptrace",
    129: "kill", 130: "tkill", 131: "tgkill", 138: "rt_sigqueueinfo", 142: "reboot",
    182: "mq_timedsend", 220: "clone", 221: "execve", 240: "rt_tgsigqueueinfo", 281: "execveat",
    424: "pidfd_send_signal", 426: "io_uring_enter", 435: "clone3",
}  # fmt: skip
_ARM: Final = {
    1: "exit", 4: "write", 6: "close", 11: "execve", 26: "ptrace", 37: "kill", 88: "reboot",
    178: "rt_sigqueueinfo", 238: "tkill", 248: "exit_group", 268: "tgkill",
    363: "rt_tgsigqueueinfo", 387: "execveat", 424: "pidfd_send_signal",
}  # fmt: skip
_TABLES: Final = {
    "x86_64": _X86_64, "i386": _I386, "x32": _X32, "aarch64": _ARM64, "arm": _ARM,
}  # fmt: skip
X32_BIT: Final = 0x40000000
"""Set in call numbers of x32, which are otherwise those of x86-64 (__X32_SYSCALL_BIT)."""


def name(number: int, abi: str) -> str | None:
    """The call's name, the same on every ABI; None for calls that no rule needs."""
    return _TABLES.get(abi, {}).get(number)


def numbers(names: frozenset[str]) -> frozenset[int]:
    """Their call numbers on all ABIs, as in the kernel's records."""
    return frozenset(
        number | (X32_BIT if abi == "x32" else 0)
        for abi, table in _TABLES.items()
        for number, each in table.items()
        if each in names
    )
