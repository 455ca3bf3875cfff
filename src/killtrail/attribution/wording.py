"""Names of processes and signals in sentences, on one line and safe to print."""

from killtrail.attribution.generation.base import Actor, Generation
from killtrail.model import signals as sg
from killtrail.model.events import SignalSent
from killtrail.model.process import Process, is_init, without_pid
from killtrail.model.signal_context import Disposition
from killtrail.model.text import shell_words, shortened, visible
from killtrail.model.wait_status import WaitStatus

_MOST = 100


def name(process: Process) -> str:
    """`sleep (pid 42)`; `a process (pid 42)` if the name was not recorded."""
    unnumbered = without_pid(process)
    if unnumbered:
        return unnumbered
    return f"{visible(process.comm) if process.comm else 'a process'} (pid {process.pid})"


def thread(process: Process) -> str:
    """`worker (tid 43)`: a thread that is not the leader."""
    unnumbered = without_pid(process)
    if unnumbered:
        return unnumbered
    return f"{visible(process.thread or '?')} (tid {process.tid})"


def ran(process: Process) -> str:
    """`: kill -9 42`, the command line after a name; empty if only the name is known, and for init."""
    text = command(process)
    return "" if is_init(process) or text in ("?", process.comm) else f": {text}"


def command(process: Process) -> str:
    """The command line as one could type it, shortened; the exe or comm if argv was not recorded."""
    if process.argv is None:
        return visible(process.exe or process.comm or "?")
    cut = "…" if process.argv.cut else ""
    return shortened(shell_words(process.argv.words) + cut, _MOST)


def status(wait_status: WaitStatus) -> str:
    """A wait status as the kernel and as a shell show it."""
    sig = wait_status.signal
    if sig:
        core = ", core dumped" if wait_status.core_dumped else ""
        return f"{sg.name(sig)} (signal {sig}, shell status {wait_status.shell_status}{core})"
    return f"exit code {wait_status.exit_code}"


def sending(signal: SignalSent, how: Generation) -> str:
    """`sh (pid 7) sent SIGKILL to sleep (pid 42): it was inside kill(2) at that moment`.

    A task that was only running is named as such; what kept the signal from acting is added.
    """
    what, whom, current = sg.name(signal.sig), name(signal.target), name(signal.current)
    if how.actor is Actor.SENDER:
        text = f"{current} sent {what} to {whom}"
    elif how.actor is Actor.SELF:
        text = f"{whom} raised {what} itself"
    else:
        text = f"{what} to {whom} (running task: {current})"
    return f"{text}{_held_up(signal)}: {how.shown_by}"


def _held_up(signal: SignalSent) -> str:
    if signal.kernel.disposition is Disposition.HANDLED:
        return ", which handled it"
    return ", which had blocked it" if signal.kernel.blocked else ""
