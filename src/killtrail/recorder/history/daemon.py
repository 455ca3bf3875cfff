"""The optional daemon: drains the ring buffers to history until it is stopped."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError
from killtrail.host import users
from killtrail.model.events import Recorded
from killtrail.recorder.history.drain import Drain
from killtrail.recorder.history.store import History, Limits
from killtrail.recorder.history.wakeup import Bell
from killtrail.recorder.pins import Pins
from killtrail.recorder.rings import RingBuffers

_POLL_S: Final = 1.0
_PRUNE_S: Final = 60.0
_FULL_DISK_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the daemon did."""

    events: int
    lost: int
    problems: int


Listener = Callable[[list[Recorded]], None]


def drain_once(limits: Limits) -> Report:
    """Drains what waits, prunes, and leaves: the save at shutdown."""
    with (
        contextlib.closing(RingBuffers(Pins())) as box,
        History(writable=True) as history,
        _alone(history),
    ):
        drain = Drain(box, history)
        events = drain.turn()
        history.prune(limits, int(time.time()))
        return Report(len(events), drain.lost, drain.problems)


def run(limits: Limits, listener: Listener | None, complain: Callable[[str], None]) -> Report:
    """Drains until SIGTERM or SIGINT.

    A full disk does not stop recording: the ring buffers keep what they can, the attempt is
    repeated, and overwritten records are counted as lost. Raises `UnavailableError` if another
    daemon runs.
    """
    total = 0
    with (
        contextlib.closing(RingBuffers(Pins())) as box,
        History(writable=True) as history,
        _alone(history),
    ):
        drain = Drain(box, history)
        with Bell(Pins()) as bell, _stop_signals() as stop:
            bell.also(stop.fd)
            pruned = 0.0
            while True:
                ending = stop.asked
                try:
                    events = drain.turn()
                    total += len(events)
                    if listener and events:
                        listener(events)
                    if time.monotonic() - pruned > _PRUNE_S:
                        history.prune(limits, int(time.time()))
                        pruned = time.monotonic()
                        users.refresh()
                except UnavailableError as error:
                    complain(f"{error}; trying again in {_FULL_DISK_S:.0f} s")
                    if not ending:
                        stop.wait(_FULL_DISK_S)
                if ending:
                    return Report(total, drain.lost, drain.problems)
                bell.sleep(_POLL_S)


class _Stop:
    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.asked = False

    def ask(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.asked and time.monotonic() < until:
            time.sleep(0.2)


@contextlib.contextmanager
def _stop_signals() -> Iterator[_Stop]:
    # The wake-up descriptor ends a poll that Python would otherwise restart (PEP 475).
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    stop = _Stop(reader)
    before = {s: signal.signal(s, stop.ask) for s in (signal.SIGTERM, signal.SIGINT)}
    old = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def _alone(history: History) -> Iterator[None]:
    # One writer per file, or both would take the same records; a lock file beside it, because
    # SQLite holds its own locks on the database.
    fd = os.open(f"{history.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UnavailableError("another killtrail record is running", "killtrail status") from error
    finally:
        os.close(fd)
