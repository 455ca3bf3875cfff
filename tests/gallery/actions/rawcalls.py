"""io_uring and BPF by hand: no library for either is sure to be there."""

import ctypes
import mmap
import os
import struct

from base import LIBC, syscall


def uring_write(fd, data):
    """One write through io_uring(7): the submission ring's worker thread does it."""
    params = ctypes.create_string_buffer(120)
    ring = syscall(425, 4, ctypes.addressof(params))
    sq_off = struct.unpack_from("<IIIIIIII", params, 40)
    entries = mmap.mmap(ring, 4 * 64, offset=0x10000000)
    size = sq_off[6] + 4 * 4
    queue = mmap.mmap(ring, max(size, 4096), offset=0)
    buffer = ctypes.create_string_buffer(data, len(data))
    # struct io_uring_sqe: IORING_OP_WRITE with IOSQE_ASYNC, so that a worker has to do it.
    sqe = struct.pack("<BBHiQQII", 23, 1 << 4, 0, fd, 0, ctypes.addressof(buffer), len(data), 0)
    entries[0 : len(sqe)] = sqe
    struct.pack_into("<I", queue, sq_off[6], 0)
    tail = struct.unpack_from("<I", queue, sq_off[1])[0]
    struct.pack_into("<I", queue, sq_off[1], tail + 1)
    syscall(426, ring, 1, 1, 1, 0, 0)


def insn(code, dst=0, src=0, off=0, imm=0):
    """One BPF instruction, Documentation/bpf/standardization."""
    return struct.pack("<BBhi", code, src << 4 | dst, off, imm)


def bpf(command, attr):
    """The system call; raises on failure."""
    buffer = ctypes.create_string_buffer(bytes(attr), len(attr))
    result = LIBC.syscall(321, command, buffer, len(attr))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def load_and_attach(instructions):
    """A raw tracepoint program on sys_enter; lives as long as its descriptors."""
    code = ctypes.create_string_buffer(b"".join(instructions))
    licence = ctypes.create_string_buffer(b"GPL")
    attr = bytearray(72)
    struct.pack_into(
        "<IIQQ", attr, 0, 17, len(instructions), ctypes.addressof(code), ctypes.addressof(licence)
    )
    program = bpf(5, attr)
    name = ctypes.create_string_buffer(b"sys_enter")
    return bpf(17, struct.pack("<QII", ctypes.addressof(name), program, 0))
