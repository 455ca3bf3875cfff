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
from killtrail.host import boot, users
from killtrail.model.events import Recorded
from killtrail.recorder.history import files
from killtrail.recorder.history.drain import Drain
from killtrail.recorder.history.files import DamagedError
from killtrail.recorder.history.paths import default_path
from killtrail.recorder.history.pruning import Limits
from killtrail.recorder.history.wakeup import Bell
from killtrail.recorder.history.writer import WritableHistory
from killtrail.recorder.pins import Pins
from killtrail.recorder.rings import RingBuffers

_POLL_S: Final = 1.0
_PRUNE_S: Final = 60.0
_FULL_DISK_S: Final = 10.0
_ONCE_MIGRATES_S: Final = 5.0
"""How long a save at shutdown may go on bringing an old file up to date."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the daemon did."""

    events: int
    lost: int
    problems: int


Listener = Callable[[list[Recorded]], None]
Complaint = Callable[[str], None]


def drain_once(limits: Limits, complain: Complaint) -> Report:
    """Drains what waits, prunes, and leaves: the save at shutdown."""
    return _undamaged(lambda: _drain_once(limits), complain)


def _drain_once(limits: Limits) -> Report:
    with _recording() as (drain, history):
        events = 0
        while taken := drain.turn():
            events += len(taken)
        until = time.monotonic() + _ONCE_MIGRATES_S
        while time.monotonic() < until and history.migrate():
            pass
        history.prune(limits, boot.now_ns())
        return Report(events, drain.lost, drain.problems)


def run(limits: Limits, listener: Listener | None, complain: Complaint) -> Report:
    """Drains until SIGTERM or SIGINT.

    A full disk does not stop recording: the ring buffers keep what they can, the attempt is
    repeated, and overwritten records are counted as lost. Raises `UnavailableError` if another
    daemon runs.
    """
    return _undamaged(lambda: _run(limits, listener, complain), complain)


def _undamaged(work: Callable[[], Report], complain: Complaint) -> Report:
    """Work on the file; one that is damaged is set aside, once, and a new one is begun."""
    try:
        return work()
    except DamagedError as error:
        path = default_path()
        with _alone():
            complain(f"{error}; kept as {files.set_aside(path)}, a new one is begun")
        return work()


def _run(limits: Limits, listener: Listener | None, complain: Complaint) -> Report:
    with _recording() as (drain, history), Bell(Pins()) as bell, _stop_signals() as stop:
        bell.also(stop.fd)
        loop = _Loop(drain, history, limits, listener)
        while True:
            ending = stop.asked
            try:
                busy = loop.turn()
            except DamagedError:
                raise
            except UnavailableError as error:
                busy = False
                complain(f"{error}; trying again in {_FULL_DISK_S:.0f} s")
                if not ending:
                    stop.wait(_FULL_DISK_S)
            if ending:
                return Report(loop.total, drain.lost, drain.problems)
            if not busy:
                bell.sleep(_POLL_S)


class _Loop:
    def __init__(
        self, drain: Drain, history: WritableHistory, limits: Limits, listener: Listener | None
    ) -> None:
        self._drain, self._history, self._limits = drain, history, limits
        self._listener = listener
        self._pruned = 0.0
        self.total = 0

    def turn(self) -> bool:
        """Drains, prunes where it is time to; whether there is more to do right now."""
        events = self._drain.turn()
        self.total += len(events)
        if self._listener and events:
            self._listener(events)
        # A storm fills in seconds what pruning looks at once a minute.
        if self._drain.more or time.monotonic() - self._pruned > _PRUNE_S:
            self._history.prune(self._limits, boot.now_ns())
            self._pruned = time.monotonic()
            users.refresh()
        # Records that wait in the rings may be overwritten, an old file can wait.
        return self._drain.more or self._history.migrate()


@contextlib.contextmanager
def _recording() -> Iterator[tuple[Drain, WritableHistory]]:
    with (
        contextlib.closing(RingBuffers(Pins())) as box,
        WritableHistory() as history,
        _alone(),
    ):
        yield Drain(box, history), history


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
def _alone() -> Iterator[None]:
    # One writer per file, or both would take the same records; a lock file beside it, because
    # SQLite holds its own locks on the database.
    fd = os.open(f"{default_path()}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UnavailableError("another killtrail record is running", "killtrail status") from error
    finally:
        os.close(fd)
