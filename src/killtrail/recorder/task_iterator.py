"""All tasks by the kernel's own BPF iterator: a listing that does not go through /proc.

Fifteen instructions, loaded for this call only (5.8 and later, CAP_BPF with CAP_PERFMON). It can
only show tasks, not refute them: a security module may leave tasks out of it.
"""

import ctypes
import os
import struct
from typing import Final

from killtrail.errors import UnavailableError
from killtrail.host import btf
from killtrail.recorder import bpf

_TRACING, _TRACE_ITER = 26, 28
_LINK_CREATE, _ITER_CREATE = 28, 33
_SEQ_WRITE: Final = 127
_LICENSE: Final = b"GPL\0"
_ROW: Final = struct.Struct("=II")
_CHUNK: Final = 1 << 16


def leaders() -> set[int] | None:
    """PIDs of all processes (tgids), in the initial namespace; None if it is not available."""
    found = btf.find("bpf_iter_task", "task_struct", ("pid", "tgid"))
    if found is None:
        return None
    fds: list[int] = []
    try:
        fds.append(_load(found))
        create = struct.pack("<IIII", fds[0], 0, _TRACE_ITER, 0)
        fds.append(bpf.syscall(_LINK_CREATE, create, 64)[0])
        fds.append(bpf.syscall(_ITER_CREATE, struct.pack("<II", fds[1], 0))[0])
        raw = b""
        while block := os.read(fds[2], _CHUNK):
            raw += block
        return {tgid for _, tgid in _ROW.iter_unpack(raw[: len(raw) - len(raw) % _ROW.size])}
    except (OSError, UnavailableError):
        return None
    finally:
        for fd in fds:
            os.close(fd)


def _load(found: btf.Found) -> int:
    code = ctypes.create_string_buffer(_program(found.members["pid"], found.members["tgid"]))
    license_ = ctypes.create_string_buffer(_LICENSE)
    # union bpf_attr, BPF_PROG_LOAD: type, insn_cnt, insns, license, log_level, log_size, log_buf,
    # kern_version, prog_flags, prog_name, prog_ifindex, expected_attach_type, prog_btf_fd, func_info
    # (size, pointer, count), line_info (size, pointer, count), attach_btf_id.
    attr = struct.pack(
        "<IIQQIIQII16sIIIIQIIQII",
        _TRACING, (len(code) - 1) // 8, bpf.address(code), bpf.address(license_), 0, 0, 0, 0, 0,
        b"kt_tasks", 0, _TRACE_ITER, 0, 0, 0, 0, 0, 0, 0, found.function,
    )  # fmt: skip
    return bpf.syscall(bpf.PROG_LOAD, attr, 144)[0]


# struct bpf_iter__task: meta at 0, task at 8 (null at the end); struct bpf_iter_meta: seq at 0.
def _program(pid: int, tgid: int) -> bytes:
    rows = (
        (0xBF, 6, 1, 0, 0),  # r6 = ctx
        (0x79, 2, 6, 8, 0),  # r2 = ctx->task
        (0x15, 2, 0, 10, 0),  # if it is null: out
        (0x61, 3, 2, pid, 0),
        (0x63, 10, 3, -8, 0),
        (0x61, 3, 2, tgid, 0),
        (0x63, 10, 3, -4, 0),
        (0x79, 1, 6, 0, 0),  # r1 = ctx->meta->seq
        (0x79, 1, 1, 0, 0),
        (0xBF, 2, 10, 0, 0),  # r2 = the row on the stack
        (0x07, 2, 0, 0, -8),
        (0xB7, 3, 0, 0, 8),
        (0x85, 0, 0, 0, _SEQ_WRITE),
        (0xB7, 0, 0, 0, 0),  # out:
        (0x95, 0, 0, 0, 0),
    )
    return b"".join(struct.pack("<BBhi", op, src << 4 | dst, off, imm) for op, dst, src, off, imm in rows)  # fmt: skip
