"""Claims of senders (siginfo, command line), compared with the kernel's record."""

from typing import Final

from killtrail.model import signals as sg
from killtrail.model.events import SignalSent

_EVERYBODY: Final = -1
_CALLS_WITH_PID: Final = ("kill", "tkill", "rt_sigqueueinfo")


def forged(signal: SignalSent) -> str | None:
    """A false siginfo: a sender of rt_sigqueueinfo(2) fills in si_pid and si_uid itself.

    The PID can be compared only within one PID namespace, and 0 means a sender that the target
    can't see.
    """
    if signal.code >= 0 or signal.code in (sg.SI_TKILL, sg.SI_TIMER) or signal.si_pid is None:
        return None
    sender, target = signal.current, signal.target
    if sender.pidns != target.pidns or sender.kthread:
        return None
    if signal.si_pid in (sender.ns_pid, sender.pid):
        return None
    return f"its siginfo claims PID {signal.si_pid}, uid {signal.si_uid}, which is not the sender"


def misdirected(signal: SignalSent) -> str | None:
    """How the call differs from the command line of kill(1).

    procps-ng 4.0.0 to 4.0.2 use only the first digit of a negative PID: `kill -TERM -12345` signals
    all processes.
    """
    call, argv = signal.syscall, signal.current.argv
    if call is None or call.name not in _CALLS_WITH_PID or argv is None or not call.args:
        return None
    words = argv.words
    if argv.cut or argv.inherited or not words or words[0].rsplit("/", 1)[-1] != "kill":
        return None
    meant = _operands(words[1:])
    groups = sorted(n for n in meant if n < _EVERYBODY)
    said = _signed(call.args[0])
    if not groups or said in meant:
        return None
    whom = "all processes that it may signal (-1)" if said == _EVERYBODY else f"{said}"
    named = ", ".join(map(str, groups))
    return f"its command line names group {named}, but the call named {whom}"


# kill [-s SIGNAL | -SIGNAL] [--] PID...
def _operands(words: tuple[str, ...]) -> set[int]:
    if words[:1] in (("-s",), ("-n",), ("--signal",)):
        words = words[2:]
    elif words and words[0].startswith("-") and words[0] != "--":
        words = words[1:]
    return {int(w) for w in words if w.lstrip("-").isdecimal() and w.count("-") <= 1}


def _signed(word: int) -> int:
    low = word & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low
