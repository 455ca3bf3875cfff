"""One walk over /proc when arming: processes older than the recorder get their argv kept too.

The key of a task storage is a pidfd, so the entry belongs to the process itself and is freed with
it. Races: the programs already run, so a process that execs meanwhile has a fresher entry; NOEXIST
keeps that. A PID that is reused between readdir and pidfd_open is still a running process, and its
cmdline is read after the pidfd is open.
"""

import os
import struct

from killtrail.host import procfs
from killtrail.recorder import bpf
from killtrail.recorder import layout as L  # noqa: N812

_ARGV = 256
_IMAGE = struct.Struct("<QIIIIQQQQII16s256s")
"""struct image in bpf/maps.h."""


def sweep(images: int, now_ns: int, *, with_argv: bool) -> int:
    """Stores the argv of every process without an entry; gives how many it stored."""
    stored = 0
    for pid in procfs.pids():
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            stored += _store(images, pidfd, pid, now_ns, with_argv=with_argv)
        finally:
            os.close(pidfd)
    return stored


def _store(images: int, pidfd: int, pid: int, now_ns: int, *, with_argv: bool) -> bool:
    raw = procfs.read_bytes(procfs.PROC / str(pid) / "cmdline", 65535) if with_argv else b""
    if raw is None or (with_argv and not raw):
        return False
    kept = raw[: _ARGV - 1]
    limits = (L.UNKNOWN_LIMIT,) * 3
    value = _IMAGE.pack(now_ns, len(kept), len(raw), 0, 0, *limits, 0, L.NO_COUNT, 0, b"", kept)
    try:
        bpf.update(images, struct.pack("<i", pidfd), value, bpf.NOEXIST)
    except OSError:
        return False
    return True
