"""How processes and signals are named in sentences, on one line and harmless to print."""

from killtrail.attribution.generation.base import Actor, Generation
from killtrail.model import signals as sg
from killtrail.model.events import SignalSent
from killtrail.model.process import Process
from killtrail.model.signal_context import Disposition
from killtrail.model.text import visible
from killtrail.model.wait_status import WaitStatus

_MOST = 60


def name(process: Process) -> str:
    """`sleep (pid 42)`; `a process (pid 42)` where the name was not kept."""
    if process.pid == 0 and process.comm:
        return f"the main process of {visible(process.comm)}"
    return f"{visible(process.comm) if process.comm else 'a process'} (pid {process.pid})"


def thread(process: Process) -> str:
    """`worker (tid 43)`: the thread, where it is not the leader."""
    if process.pid == 0 and process.comm:
        return f"the main process of {visible(process.comm)}"
    return f"{visible(process.thread or '?')} (tid {process.tid})"


def ran(process: Process) -> str:
    """`: kill -9 42`, the command line behind a name; empty where nothing is known beyond that."""
    text = command(process)
    return "" if text in ("?", process.comm) else f": {text}"


def command(process: Process) -> str:
    """The command line on one line, shortened; the exe or comm where no argv was kept."""
    if process.argv is None:
        return visible(process.exe or process.comm or "?")
    text = visible(" ".join(" ".join(process.argv.words).split()))
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def status(wait_status: WaitStatus) -> str:
    """A wait status in both forms people meet."""
    sig = wait_status.signal
    if sig:
        core = ", core dumped" if wait_status.core_dumped else ""
        return f"{sg.name(sig)} ({sig}), which a shell shows as {wait_status.shell_status}{core}"
    return f"exit code {wait_status.exit_code}"


def sending(signal: SignalSent, how: Generation) -> str:
    """`sh (pid 7) sent SIGKILL to sleep (pid 42): its kill() was in flight`.

    Who merely ran at that moment is said to have run; what kept the signal from acting is added.
    """
    what, whom, current = sg.name(signal.sig), name(signal.target), name(signal.current)
    if how.actor is Actor.SENDER:
        text = f"{current} sent {what} to {whom}"
    elif how.actor is Actor.SELF:
        text = f"{what} to {whom} by its own doing"
    else:
        text = f"{what} to {whom} while {current} ran"
    return f"{text}{_held_up(signal)}: {how.shown_by}"


def _held_up(signal: SignalSent) -> str:
    if signal.kernel.disposition is Disposition.HANDLED:
        return ", which had a handler for it"
    return ", which had it blocked" if signal.kernel.blocked else ""
