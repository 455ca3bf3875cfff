"""How processes and signals are named in sentences, on one line and harmless to print."""

from killtrail.model import signals as sg
from killtrail.model.events import SignalSent
from killtrail.model.process import Process
from killtrail.model.text import visible

_MOST = 60


def name(process: Process) -> str:
    """`sleep (pid 42)`; `a process (pid 42)` where the name was not kept."""
    return f"{visible(process.comm) if process.comm else 'a process'} (pid {process.pid})"


def command(process: Process) -> str:
    """The command line on one line, shortened; the comm where no argv was kept."""
    if process.argv is None:
        return visible(process.comm or "?")
    text = visible(" ".join(" ".join(process.argv.words).split()))
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def delivery(signal: SignalSent) -> str:
    """`SIGTERM to sleep (pid 42)`, with whatever kept it from acting at once."""
    state = ""
    if signal.disposition == "handled":
        state = ", which had a handler for it"
    elif signal.blocked:
        state = ", which had it blocked"
    return f"{sg.name(signal.sig)} to {name(signal.target)}{state}"


def status(wait_status: int) -> str:
    """A wait status in both forms people meet."""
    sig = wait_status & 0x7F
    if sig:
        core = ", core dumped" if wait_status & 0x80 else ""
        return f"{sg.name(sig)} ({sig}), which a shell shows as {128 + sig}{core}"
    code = (wait_status >> 8) & 0xFF
    return f"exit code {code}"


def sending(signal: SignalSent, *, by_current: bool) -> str:
    """`sh (pid 7) sent SIGKILL to sleep (pid 42)`, or who merely ran when it was sent."""
    what, whom, current = sg.name(signal.sig), name(signal.target), name(signal.current)
    if by_current:
        return f"{current} sent {what} to {whom}"
    return f"{what} to {whom} while {current} ran"
