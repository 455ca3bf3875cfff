"""Arming and disarming: pinned programs record without a process of their own."""

import contextlib
import errno
import fcntl
import grp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from killtrail import __version__
from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError
from killtrail.host import boot, mounts
from killtrail.recorder import bpf, load_errors, loader
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.pins import BPFFS, FOLDER, Meta, Pins
from killtrail.recorder.proc_scan import sweep
from killtrail.recorder.symbols import Symbols, from_rows, read_kallsyms

PINNED_MAPS: Final = (*(ring.name for ring in L.RINGS), "meta", "stats", "bss", "bell")
# bpffs takes no dots in names.
_DRAFT: Final = "killtrail_new"


@dataclass(frozen=True, slots=True)
class Armed:
    """What arming did."""

    already: bool
    swept: int
    symbols: int
    mounted: bool


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    # The lock is on bpffs itself: no file is left over, and two commands at once queue up.
    fd = os.open(BPFFS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def arm(argv: str | None = None, *, replace: bool = False) -> Armed:
    """Loads, attaches and pins the recorder unless it is there already.

    `argv`: `redacted`, `full` (show command lines as they are), `off` (do not record any), or None
    to keep the armed mode, else `redacted`. Raises `UnavailableError` with the reason and a remedy.
    """
    mounted = _ensure_bpffs()
    try:
        with _lock():
            if Pins().exists():
                if not replace:
                    return _keep(argv, mounted=mounted)
                _remove(FOLDER)
            _remove(BPFFS / _DRAFT)
            return _arm(argv or "redacted", mounted=mounted)
    except PermissionError as error:
        raise load_errors.explain(error, "can't arm") from error


def disarm() -> bool:
    """Removes links, programs and ring buffers; False if nothing was armed."""
    try:
        with _lock():
            there = FOLDER.is_dir()
            _remove(FOLDER)
            _remove(BPFFS / _DRAFT)
            return there
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise UnavailableError("can't disarm: not permitted", "sudo killtrail disarm") from error


def _ensure_bpffs() -> bool:
    try:
        return mounts.ensure_mounted(BPFFS, "bpf")
    except UnavailableError as error:
        if os.geteuid() != 0:
            raise load_errors.explain(PermissionError(errno.EPERM, "mount"), "can't arm") from error
        raise


def _keep(argv: str | None, *, mounted: bool) -> Armed:
    meta = Pins().read_meta()
    if argv is not None and meta.argv != argv:
        raise UnavailableError(
            f"already armed with --argv {meta.argv}", f"sudo killtrail arm --replace --argv {argv}"
        )
    return Armed(already=True, swept=0, symbols=len(meta.symbols.names), mounted=mounted)


def _arm(argv: str, *, mounted: bool) -> Armed:
    try:
        blob, loaded = loader.load_best({"cfg_argv": int(argv != "off")})
    except OSError as error:
        raise load_errors.explain(error, "can't load the recorder") from error
    try:
        symbols = _symbols()
        meta = Meta(L.LAYOUT, __version__, boot.now_ns(), argv, len(blob.initial["bss"]), symbols)
        bpf.update(loaded.maps["meta"], b"\0\0\0\0", meta.to_bytes())
        bpf.freeze(loaded.maps["meta"])
        swept = sweep(loaded.maps["images"], boot.now_ns(), with_argv=argv != "off")
        _pin(loaded)
    finally:
        loaded.close()
    return Armed(already=False, swept=swept, symbols=len(symbols.names), mounted=mounted)


def _symbols() -> Symbols:
    try:
        return read_kallsyms()
    except OSError:
        return from_rows([])


# All names appear at once under their final folder: a reader never sees half an armed recorder.
def _pin(loaded: loader.Loaded) -> None:
    draft = BPFFS / _DRAFT
    try:
        draft.mkdir(mode=0o700)
        for name in PINNED_MAPS:
            bpf.pin(loaded.maps[name], str(draft / f"map_{name}"))
        for name, fd in loaded.programs.items():
            bpf.pin(fd, str(draft / f"prog_{name}"))
        for name, fd in loaded.links.items():
            bpf.pin(fd, str(draft / f"link_{name}"))
        _open_to_readers(draft)
        draft.rename(FOLDER)
    except BaseException:
        _remove(draft)
        raise


def _open_to_readers(folder: Path) -> None:
    # Group adm may read logs on Debian and its derivatives; without that group only root reads.
    try:
        group = grp.getgrnam("adm").gr_gid
    except KeyError:
        return
    for path in folder.glob("map_*"):
        os.chown(path, 0, group)
        path.chmod(0o640)
    os.chown(folder, 0, group)
    folder.chmod(0o750)


def _remove(folder: Path) -> None:
    # Links are removed first: after that nothing writes any more.
    for path in sorted(folder.glob("link_*")):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
