"""Kernel file systems: is it mounted, and mounting it."""

import ctypes
import os
from pathlib import Path

from killtrail.errors import UnavailableError

_libc = ctypes.CDLL(None, use_errno=True)


def mounted(path: Path, fstype: str) -> bool:
    """Whether `path` itself is a mount of that type, by /proc/self/mounts."""
    try:
        text = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    rows = (line.split(" ") for line in text.splitlines())
    return any(len(row) > 2 and row[1] == str(path) and row[2] == fstype for row in rows)  # noqa: PLR2004


def ensure_mounted(path: Path, fstype: str) -> bool:
    """Mounts a kernel file system where it belongs unless it is there; True if it did.

    Raises `UnavailableError` with the mount command where that fails.
    """
    if mounted(path, fstype):
        return False
    remedy = f"sudo mount -t {fstype} {fstype} {path}"
    if not path.is_dir():
        raise UnavailableError(f"{path} does not exist: this kernel has no {fstype}", None)
    if _libc.mount(fstype.encode(), os.fsencode(path), fstype.encode(), 0, None) < 0:
        reason = os.strerror(ctypes.get_errno())
        raise UnavailableError(f"{fstype} is not mounted at {path} and can't be: {reason}", remedy)
    return True
