"""Which TCP and UDP sockets there are: as /proc/net lists them, and as sock_diag(7) does."""

import os
import socket
import struct
from typing import Final

from killtrail._slotted import dataclass

_NETLINK_SOCK_DIAG: Final = 4
_BY_FAMILY, _ERROR, _DONE = 20, 2, 3
_REQUEST_DUMP: Final = 0x301
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI48s")
_INODE_AT: Final = 68
"""Of struct inet_diag_msg (linux/inet_diag.h)."""
KINDS: Final = {
    "tcp": (socket.AF_INET, socket.IPPROTO_TCP),
    "tcp6": (socket.AF_INET6, socket.IPPROTO_TCP),
    "udp": (socket.AF_INET, socket.IPPROTO_UDP),
    "udp6": (socket.AF_INET6, socket.IPPROTO_UDP),
}
_LISTEN: Final = 10
_UDP_UNCONNECTED: Final = 7


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket; sockets that belong to no file any more have inode 0 and are left out."""

    kind: str
    inode: int
    port: int
    waiting: bool
    """Whether it listens, or is bound without a peer."""


def in_proc() -> set[Socket] | None:
    """By /proc/net; None where it can't be read."""
    found: set[Socket] = set()
    if not os.path.exists("/proc/net/tcp"):  # noqa: PTH110
        return None
    for kind in KINDS:
        try:
            with open(f"/proc/net/{kind}", "rb") as file:  # noqa: PTH123 -- long files, line by line
                next(file, None)
                found.update(s for line in file if (s := _of_line(kind, line.split())))
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return found


def _of_line(kind: str, fields: list[bytes]) -> Socket | None:
    try:
        state, inode = int(fields[3], 16), int(fields[9])
        port = int(fields[1].rpartition(b":")[2], 16)
    except (IndexError, ValueError):
        return None
    return Socket(kind, inode, port, state in (_LISTEN, _UDP_UNCONNECTED)) if inode else None


def in_diag() -> set[Socket] | None:
    """By sock_diag; None where the kernel has none for one of the kinds."""
    found: set[Socket] = set()
    for kind, (family, protocol) in KINDS.items():
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asked:
                body = _REQUEST.pack(family, protocol, 0, 0, 0xFFFFFFFF, b"")
                size = _HEADER.size + len(body)
                asked.sendto(_HEADER.pack(size, _BY_FAMILY, _REQUEST_DUMP, 1, 0) + body, (0, 0))
                found |= _answers(kind, asked)
        except OSError:
            return None
    return found


def _answers(kind: str, asked: socket.socket) -> set[Socket]:
    found: set[Socket] = set()
    while True:
        block = asked.recv(1 << 18)
        at = 0
        while at + _HEADER.size <= len(block):
            size, what, *_ = _HEADER.unpack_from(block, at)
            if what == _DONE:
                return found
            if what == _ERROR or size < _HEADER.size:
                raise OSError(os.strerror(95))
            message = block[at + _HEADER.size : at + size]
            if len(message) >= _INODE_AT + 4:
                (inode,) = struct.unpack_from("=I", message, _INODE_AT)
                (port,) = struct.unpack_from("!H", message, 4)
                if inode:
                    waiting = message[1] in (_LISTEN, _UDP_UNCONNECTED)
                    found.add(Socket(kind, inode, port, waiting))
            at += (size + 3) & ~3
