"""The file itself: who may read it, and what is said where it can't be used."""

import grp
import os
import sqlite3
from pathlib import Path
from typing import Final

from killtrail.errors import UnavailableError

BROKEN: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises: its text may be no UTF-8, error messages about it neither."""
_DAMAGE: Final = ("malformed", "not a database", "corrupt", "utf-8")
_FULL: Final = ("full", "disk I/O error")
_BESIDE: Final = ("", "-wal", "-shm")


class DamagedError(UnavailableError):
    """What is there is no database any more."""


def prepare(path: Path) -> None:
    """Makes folder and file with the modes they are to have before SQLite puts anything into them.

    SQLite gives -wal and -shm the mode and the owner that the database has when it makes them
    (os_unix.c, findCreateFileMode): one that was made under the umask left them to everybody.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o750, parents=True)
        _give_to_readers(path.parent, 0o750)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for name in _BESIDE:
        each = Path(f"{path}{name}")
        if each.exists() and each.stat().st_uid == os.geteuid():
            _give_to_readers(each, 0o640)


def _give_to_readers(path: Path, mode: int) -> None:
    if os.geteuid() != 0:
        path.chmod(mode & 0o700)
        return
    try:
        os.chown(path, 0, grp.getgrnam("adm").gr_gid)
    except KeyError:
        mode &= 0o700
    path.chmod(mode)


def set_aside(path: Path) -> Path:
    """Renames a damaged file, in place of one that was set aside before, so that a new one may begin."""
    aside = path.with_name(f"{path.name}.damaged")
    for name in reversed(_BESIDE):
        damaged = Path(f"{path}{name}")
        if damaged.exists():
            damaged.replace(f"{aside}{name}")
        else:
            Path(f"{aside}{name}").unlink(missing_ok=True)
    return aside


def unreadable(path: Path, error: Exception) -> UnavailableError:
    """The error of a reader."""
    kind = DamagedError if _damaged(error) else UnavailableError
    return kind(
        f"{path} can't be read as history: {error}",
        f"move it away, or salvage what is left: sqlite3 {path} .recover",
    )


def unwritable(path: Path, error: Exception) -> UnavailableError:
    """The error of a writer."""
    if _damaged(error):
        return unreadable(path, error)
    full = any(word in str(error) for word in _FULL)
    return UnavailableError(
        f"{path} can't be written: {error}",
        f"free space below {path.parent}, or lower --max-size" if full else None,
    )


def _damaged(error: Exception) -> bool:
    return any(word in str(error).lower() for word in _DAMAGE)
