"""Arming and draining the private instance.

Reading raw pages removes them from the ring, so the first reader moves them to a spool file below
/run; all later questions read the spool. One lock serves both.
"""

import contextlib
import errno
import fcntl
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from killtrail import __version__
from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError
from killtrail.host import boot, mounts, privilege, procfs
from killtrail.model import codec
from killtrail.model.process import Process
from killtrail.recorder import load_errors
from killtrail.recorder.symbols import Symbols, from_rows, read_kallsyms
from killtrail.recorder.tracefs import probe

TRACEFS: Final = Path("/sys/kernel/tracing")
INSTANCE: Final = TRACEFS / "instances/killtrail"
STATE: Final = Path("/run/killtrail")
META, SPOOL, OLD = STATE / "tracefs.json", STATE / "tracefs.spool", STATE / "tracefs.spool.old"
LAYOUT: Final = 1
SPOOL_MOST: Final = 16 << 20
_BUFFER_KB: Final = 4096
_ENTRY: Final = struct.Struct("<II")
_SIGNALS: Final = "sig!=17&&sig!=23&&sig!=28&&(result==0||result==4||sig==18)"
_EVENTS: Final = {
    "task/task_newtask": None,
    "sched/sched_process_exec": None,
    "sched/sched_process_exit": None,
    "signal/signal_deliver": "sig!=17&&sig!=23&&sig!=28",
    "oom/mark_victim": None,
    "printk/console": 'msg ~ "*sysrq: *"',
    "signal/signal_generate": _SIGNALS,
}


@dataclass(frozen=True, slots=True)
class Armed:
    """What arming did, and what this backend can't see here."""

    already: bool
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraceMeta:
    """What the armer wrote beside the instance."""

    armed_ns: int
    formats: dict[str, str]
    symbols: Symbols
    stacks: bool
    argv: str
    processes: tuple[tuple[Process, tuple[int, ...]], ...]
    """All processes that were running at arming, with the ids of their threads."""


def armed() -> bool:
    """Whether the instance is there. Raises PermissionError where tracefs may not be searched."""
    try:
        os.stat(INSTANCE / "trace")  # noqa: PTH116 -- Path.exists hides EACCES
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """One at a time: arming, draining, disarming."""
    STATE.mkdir(mode=0o755, exist_ok=True)
    fd = os.open(STATE, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def arm(argv: str | None = None, *, replace: bool = False) -> Armed:
    """Makes and starts the instance unless it is there. Raises `UnavailableError`."""
    if not privilege.is_root():
        raise UnavailableError(
            "can't arm tracefs: not permitted; it needs root",
            "sudo killtrail arm --backend tracefs",
        )
    mounts.ensure_mounted(TRACEFS, "tracefs")
    with lock():
        if armed():
            if not replace:
                return Armed(already=True, limits=_limits())
            _remove()
        try:
            _make(argv or "redacted")
        except OSError as error:
            with contextlib.suppress(OSError):
                _remove()
            if privilege.lockdown() == "confidentiality":
                raise load_errors.locked_down("can't arm tracefs") from error
            raise UnavailableError(
                f"can't arm tracefs: {error.strerror} ({error.filename or 'tracefs'})",
                "killtrail doctor",
            ) from error
    return Armed(already=False, limits=_limits())


def disarm() -> bool:
    """Removes instance and spool; False where nothing was armed."""
    try:
        if not armed():
            return False
        with lock():
            _remove()
    except PermissionError as error:
        raise UnavailableError("can't disarm: not permitted", "sudo killtrail disarm") from error
    return True


def _limits() -> tuple[str, ...]:
    remedy = "(sudo killtrail disarm && sudo killtrail arm)"
    lines = [f"no wait statuses, users or cgroups: only BPF records those {remedy}"]
    if not (INSTANCE / "events" / probe.GROUP / probe.NAME).is_dir():
        lines.append(
            "no command lines of exited processes: this kernel has no event probes, or argv is off"
        )
    return tuple(lines)


def _write(name: str, text: str) -> None:
    (INSTANCE / name).write_text(text, encoding="ascii")


def _make(argv: str) -> None:
    INSTANCE.mkdir(mode=0o700)
    _write("trace_clock", "boot")
    _write("options/overwrite", "1")
    _write("buffer_size_kb", str(_BUFFER_KB))
    formats = {"ftrace/kernel_stack": _format("ftrace/kernel_stack")}
    for name, narrow in _EVENTS.items():
        if not (INSTANCE / "events" / name).is_dir():
            continue
        formats[name] = _format(name)
        if narrow:
            _write(f"events/{name}/filter", narrow)
        _write(f"events/{name}/enable", "1")
    if argv != "off" and probe.make(TRACEFS):
        name = f"{probe.GROUP}/{probe.NAME}"
        formats[name] = _format(name)
        _write(f"events/{name}/enable", "1")
    _write_meta(formats, argv, stacks=_take_stacks())


def _take_stacks() -> bool:
    try:
        _write("events/signal/signal_generate/trigger", f"stacktrace if {_SIGNALS}")
        _write("events/sched/sched_process_exit/trigger", "stacktrace")
    except OSError:
        return False
    return True


def _format(name: str) -> str:
    # Instances list only events that can be switched; kernel_stack is described at the top.
    return (TRACEFS / "events" / name / "format").read_text(encoding="ascii")


def _write_meta(formats: dict[str, str], argv: str, *, stacks: bool) -> None:
    armed_ns = boot.now_ns()
    living = []
    for pid in procfs.pids():
        process = procfs.read_process(pid)
        if process is None:
            continue
        plain = codec.process_to_plain(process)
        if argv == "off":
            plain.pop("argv", None)
        living.append([plain, _threads(pid)])
    try:
        rows = read_kallsyms().rows()
    except OSError:
        rows = []
    text = json.dumps(
        {
            "layout": LAYOUT,
            "version": __version__,
            "armed_ns": armed_ns,
            "stacks": stacks,
            "argv": argv,
            "formats": formats,
            "symbols": rows,
            "processes": living,
        }
    )
    draft = META.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.rename(META)


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208
    except OSError:
        return []


def _remove() -> None:
    if INSTANCE.is_dir():
        # Triggers keep an instance busy.
        with contextlib.suppress(OSError):
            _write("events/enable", "0")
            _write("events/signal/signal_generate/trigger", "!stacktrace")
        with contextlib.suppress(OSError):
            _write("events/sched/sched_process_exit/trigger", "!stacktrace")
        INSTANCE.rmdir()
    probe.remove(TRACEFS)
    for path in (META, SPOOL, OLD):
        path.unlink(missing_ok=True)


def read_meta() -> TraceMeta:
    """What the armer wrote. Raises `UnavailableError` where it is missing or another version's."""
    remedy = "sudo killtrail disarm && sudo killtrail arm --backend tracefs"
    try:
        data: dict[str, Any] = json.loads(META.read_bytes())
        if data["layout"] != LAYOUT:
            raise UnavailableError("the tracefs instance was armed by another version", remedy)
        return TraceMeta(
            armed_ns=int(data["armed_ns"]),
            formats={str(k): str(v) for k, v in data["formats"].items()},
            symbols=from_rows(data["symbols"]),
            stacks=bool(data["stacks"]),
            argv=str(data["argv"]),
            processes=tuple(
                (codec.process_from_plain(p), tuple(int(t) for t in tids))
                for p, tids in data["processes"]
            ),
        )
    except PermissionError as error:
        raise UnavailableError(
            "only root may read tracefs", "the same command with sudo"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnavailableError(
            f"the tracefs instance's metadata is damaged: {error}", remedy
        ) from error


def drain() -> None:
    """Moves the ring's content into the spool; drops the spool's older half when it is too big."""
    with lock():
        if SPOOL.exists() and SPOOL.stat().st_size > SPOOL_MOST // 2:
            SPOOL.rename(OLD)
        with open(SPOOL, "ab", opener=_private) as spool:
            for folder in sorted((INSTANCE / "per_cpu").glob("cpu*")):
                cpu = int(folder.name.removeprefix("cpu"))
                spool.writelines(
                    _ENTRY.pack(cpu, len(page)) + page for page in _pages(folder / "trace_pipe_raw")
                )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _pages(path: Path) -> Iterator[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            try:
                page = os.read(fd, 65536)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    return
                raise
            if not page:
                return
            yield page
    finally:
        os.close(fd)


def spooled() -> Iterator[tuple[int, int, bytes]]:
    """(cpu, offset in the spool, page) of everything drained; stops at a cut-off end."""
    base = 0
    for path in (OLD, SPOOL):
        raw = procfs.read_bytes(path, SPOOL_MOST * 2) or b""
        at = 0
        while at + _ENTRY.size <= len(raw):
            cpu, length = _ENTRY.unpack_from(raw, at)
            at += _ENTRY.size
            if length > 1 << 20 or at + length > len(raw):
                break
            yield cpu, base + at, raw[at : at + length]
            at += length
        base += len(raw)


def describe() -> Iterator[str]:
    """For `status`."""
    lost = kept = 0
    for path in INSTANCE.glob("per_cpu/cpu*/stats"):
        rows = dict(
            line.split(": ", 1)
            for line in path.read_text(encoding="ascii").splitlines()
            if ": " in line
        )
        kept += int(rows.get("entries", 0))
        lost += int(rows.get("overrun", 0)) + int(rows.get("dropped events", 0))
    yield f"in {INSTANCE}: {kept} events in the ring, {lost} overwritten or dropped"
    if SPOOL.exists():
        yield f"spool {SPOOL}: {SPOOL.stat().st_size >> 10} KiB"
