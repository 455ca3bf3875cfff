"""Signal numbers and si_codes by name, for Linux on x86 and ARM (asm-generic numbering)."""

from typing import Final

NAMES: Final = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
]

SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL = range(1, 10)
SIGSEGV, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGCONT, SIGSTOP = 11, 13, 14, 15, 17, 18, 19
SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS = 24, 25, 26, 27, 31
SIGRTMIN, GLIBC_SIGRTMIN, LAST = 32, 34, 64
"""The kernel's SIGRTMIN; glibc keeps 32 and 33 to itself and calls 34 SIGRTMIN."""

FAULTS: Final = frozenset({SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV})
STOPS: Final = frozenset({19, 20, 21, 22})
CORE_DUMPING: Final = frozenset({3, 4, 5, 6, 7, 8, 11, 24, 25, 31})
ASKS: Final = frozenset({1, 2, 3, 6, 15})
"""Signals that request a process to exit: HUP INT QUIT ABRT TERM."""
NOISE: Final = frozenset({17, 23, 28})
"""CHLD URG WINCH: harmless by default, and many."""

SYS_SECCOMP, SYS_USER_DISPATCH = 1, 2
SI_USER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_MESGQ, SI_TKILL = 0, 0x80, -1, -2, -3, -6

_GENERIC_CODES: Final = {
    0: "SI_USER",
    0x80: "SI_KERNEL",
    -1: "SI_QUEUE",
    -2: "SI_TIMER",
    -3: "SI_MESGQ",
    -4: "SI_ASYNCIO",
    -5: "SI_SIGIO",
    -6: "SI_TKILL",
    -7: "SI_DETHREAD",
    -60: "SI_ASYNCNL",
}
_FAULT_CODES: Final = {
    SIGILL: "ILL_ILLOPC ILL_ILLOPN ILL_ILLADR ILL_ILLTRP ILL_PRVOPC ILL_PRVREG ILL_COPROC ILL_BADSTK",
    SIGFPE: "FPE_INTDIV FPE_INTOVF FPE_FLTDIV FPE_FLTOVF FPE_FLTUND FPE_FLTRES FPE_FLTINV FPE_FLTSUB",
    SIGSEGV: "SEGV_MAPERR SEGV_ACCERR SEGV_BNDERR SEGV_PKUERR",
    SIGBUS: "BUS_ADRALN BUS_ADRERR BUS_OBJERR BUS_MCEERR_AR BUS_MCEERR_AO",
    SIGTRAP: "TRAP_BRKPT TRAP_TRACE TRAP_BRANCH TRAP_HWBKPT TRAP_UNK TRAP_PERF",
    SIGSYS: "SYS_SECCOMP SYS_USER_DISPATCH",
}


def name(number: int) -> str:
    """`SIGTERM` for 15, `SIGRTMIN+6` for 40 (glibc's counting), `signal 0` for what is none."""
    if 1 <= number <= len(NAMES):
        return NAMES[number - 1]
    if SIGRTMIN <= number <= LAST:
        offset = number - GLIBC_SIGRTMIN
        return f"SIGRTMIN{offset:+d}" if offset else "SIGRTMIN"
    return f"signal {number}"


def number(text: str) -> int | None:
    """The signal for `9`, `KILL`, `sigkill` or `SIGRTMIN+3`; None if no such signal exists."""
    word = text.strip().upper()
    if word.isdecimal():
        value = int(word)
        return value if 1 <= value <= LAST else None
    word = word if word.startswith("SIG") else "SIG" + word
    for value in range(1, LAST + 1):
        if name(value) == word:
            return value
    return None


def code_name(sig: int, code: int) -> str:
    """`SI_USER`, `SEGV_MAPERR`, ...; the bare number if the kernel has no name for it."""
    if code in _GENERIC_CODES:
        return _GENERIC_CODES[code]
    names = _FAULT_CODES.get(sig, "").split()
    if 1 <= code <= len(names):
        return names[code - 1]
    return str(code)
