"""bpf(2) through libc's syscall(2): the dozen commands that the recorder needs.

Layouts are those of `union bpf_attr` in include/uapi/linux/bpf.h. Every function raises OSError
with the kernel's errno; what that means to a person is said in `refusal`.
"""

import ctypes
import os
import platform
import struct
from typing import Final

from killtrail.errors import UnavailableError

_SYSCALL: Final = {
    "x86_64": 321,
    "aarch64": 280,
    "riscv64": 280,
    "ppc64le": 361,
    "s390x": 351,
}
MAP_CREATE, LOOKUP, UPDATE, PROG_LOAD, OBJ_PIN, OBJ_GET = 0, 1, 2, 5, 6, 7
PROG_GET_NEXT_ID = 11
PROG_RUN, GET_INFO_BY_FD, RAW_TRACEPOINT_OPEN, MAP_FREEZE, LOOKUP_BATCH = 10, 15, 17, 22, 24
NOEXIST: Final = 1
RDONLY: Final = 1 << 3
_libc = ctypes.CDLL(None, use_errno=True)


def syscall(command: int, attr: bytes | bytearray, size: int = 0) -> tuple[int, bytes]:
    """Issues one bpf(2) command; gives its return value and the attributes as the kernel left them."""
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise UnavailableError(
            f"the system call number of bpf(2) is unknown for {platform.machine()}"
        )
    buffer = ctypes.create_string_buffer(bytes(attr), max(len(attr), size))
    result: int = _libc.syscall(number, command, buffer, len(buffer))
    if result < 0:
        err = ctypes.get_errno()
        raise OSError(err, f"bpf({command}): {os.strerror(err)}")
    return result, buffer.raw


def address(buffer: ctypes.Array[ctypes.c_char]) -> int:
    """The address of a ctypes buffer, for a pointer field."""
    return ctypes.addressof(buffer)


def pin(fd: int, path: str) -> None:
    """Pins an object under a name in bpffs, so that it remains after this process exits."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    syscall(OBJ_PIN, struct.pack("<QII", address(name), fd, 0))


def open_pin(path: str, *, read_only: bool = True) -> int:
    """A descriptor of a pinned map, link or program."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    flags = RDONLY if read_only else 0
    return syscall(OBJ_GET, struct.pack("<QII", address(name), 0, flags))[0]


def lookup(fd: int, key: int, size: int) -> bytes:
    """One element of an array map."""
    index = ctypes.create_string_buffer(struct.pack("<I", key))
    value = ctypes.create_string_buffer(size)
    syscall(LOOKUP, struct.pack("<IIQQQ", fd, 0, address(index), address(value), 0))
    return value.raw


def lookup_many(fd: int, first: int, count: int, size: int) -> bytes:
    """`count` elements of an array map from `first` on, in one call (BPF_MAP_LOOKUP_BATCH, 5.6)."""
    # in_batch is the *last* key of an earlier batch: the kernel continues after it.
    start = ctypes.create_string_buffer(struct.pack("<I", (first - 1) & 0xFFFFFFFF))
    end = ctypes.create_string_buffer(4)
    keys = ctypes.create_string_buffer(4 * count)
    values = ctypes.create_string_buffer(size * count)
    attr = struct.pack(
        "<QQQQIIQQ",
        address(start) if first else 0,
        address(end),
        address(keys),
        address(values),
        count,
        fd,
        0,
        0,
    )
    try:
        _, out = syscall(LOOKUP_BATCH, attr)
    except FileNotFoundError:
        # ENOENT means that the map ended before `count` elements; those read are valid.
        return values.raw
    got = struct.unpack_from("<I", out, 32)[0]
    return values.raw[: got * size]


def update(fd: int, key: bytes, value: bytes, flags: int = 0) -> None:
    """Sets one element; a task storage takes a pidfd as its key."""
    k = ctypes.create_string_buffer(key, len(key))
    v = ctypes.create_string_buffer(value, len(value))
    syscall(UPDATE, struct.pack("<IIQQQ", fd, 0, address(k), address(v), flags))


def freeze(fd: int) -> None:
    """No more writes to this map from user space."""
    syscall(MAP_FREEZE, struct.pack("<I", fd))


def attach_tracepoint(prog: int, name: str | None) -> int:
    """A link that runs the program; BTF programs know their tracepoint, raw ones need its name."""
    text = ctypes.create_string_buffer(name.encode()) if name else None
    return syscall(RAW_TRACEPOINT_OPEN, struct.pack("<QI", address(text) if text else 0, prog), 16)[
        0
    ]


def program_info(fd: int) -> tuple[int, int, int]:
    """(verified instructions, runs missed by re-entry, runs counted) of a program.

    Offsets in `struct bpf_prog_info`; a kernel that knows less gives 0.
    """
    info = ctypes.create_string_buffer(240)
    syscall(GET_INFO_BY_FD, struct.pack("<IIQ", fd, len(info), address(info)))
    run_count, misses = struct.unpack_from("<QQ", info.raw, 200)
    verified = struct.unpack_from("<I", info.raw, 216)[0]
    return verified, misses, run_count


def program_ids() -> list[int] | None:
    """Ids of all programs that the kernel has loaded; None if we may not list them."""
    found: list[int] = []
    last = 0
    while True:
        try:
            _, raw = syscall(PROG_GET_NEXT_ID, struct.pack("<III", last, 0, 0))
        except FileNotFoundError:
            return found
        except (OSError, UnavailableError):
            return None
        last = struct.unpack_from("<I", raw, 4)[0]
        found.append(last)
