"""Pieces that several kinds of records share: names, paths, people, calls."""

import struct
from typing import Final

from killtrail.host.users import user_name
from killtrail.model import syscalls
from killtrail.model.circumstances import MemoryLimit, SystemCall
from killtrail.model.process import Creator, Key, Process
from killtrail.model.wait_status import WaitStatus
from killtrail.recorder import layout as L  # noqa: N812

_PAGE: Final = 4096


def wait_status(code: int, group_code: int, leader_code: int, flags: int) -> WaitStatus:
    """The wait status of a whole process from what its last thread and its group carried."""
    # A group exit (exit_group, a fatal signal) has one code for all; else each thread its own, and
    # the leader's counts (kernel/exit.c, wait_task_zombie). Before 6.x the core-dump bit stood
    # only in the thread's code.
    if flags & L.SIGNAL_GROUP_EXIT:
        thread, group = WaitStatus(code), WaitStatus(group_code)
        dumped = thread.core_dumped and group.signal and thread.signal == group.signal
        return group.with_core_dump() if dumped else group
    return WaitStatus(leader_code)


def text(raw: bytes) -> str:
    """A NUL-ended name."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def path(raw: bytes, flags: int) -> str | None:
    """A path from its components, leaf first; an ellipsis where the root end was cut."""
    parts = [part for part in raw.split(b"\0") if part]
    if not parts:
        return None
    # The writer goes from the leaf up and stops when a further component might not fit.
    long = len(raw) > L.PATH_FULL or any(len(part) >= L.COMPONENT_MOST for part in parts)
    return ("…/" if flags & L.REC_PATH_CUT and long else "/") + b"/".join(reversed(parts)).decode(
        "utf-8", "backslashreplace"
    )


def cgroup(raw: bytes, flags: int) -> str:
    """A cgroup's path; the root has no components."""
    return path(raw, flags) or "/"


def who(b: bytes, offset: int) -> Process:
    """A process from a `struct who`."""
    (start, _, tgid, tid, uid, loginuid, session, pidns, ns_pid, flags, comm) = L.WHO.unpack_from(
        b, offset
    )
    return Process(
        key=Key(tgid, start),
        comm=text(comm),
        tid=tid,
        uid=uid,
        loginuid=loginuid,
        user=user_name(uid),
        login_user=user_name(loginuid),
        session=session,
        pidns=pidns or None,
        ns_pid=ns_pid or None,
        kthread=bool(flags & L.PF_KTHREAD),
        exiting=bool(flags & L.PF_EXITING),
    )


def ancestor(b: bytes, offset: int) -> Process | None:
    """A process from a `struct ancestor`, None where it is empty."""
    start, tgid, uid, loginuid, session, comm = L.ANCESTOR.unpack_from(b, offset)
    if not tgid:
        return None
    return Process(
        key=Key(tgid & ~L.ANCESTOR_REAPER, start),
        comm=text(comm),
        uid=uid,
        loginuid=loginuid,
        user=user_name(uid),
        login_user=user_name(loginuid),
        session=session,
        reaper=bool(tgid & L.ANCESTOR_REAPER),
    )


def creator(b: bytes, offset: int) -> Creator | None:
    """The creator of an orphan, from a `struct orphan`."""
    start, tgid, index = L.ORPHAN.unpack_from(b, offset)
    if not tgid:
        return None
    sibling = bool(index & L.ORPHAN_SIBLING)
    return Creator(index & ~L.ORPHAN_SIBLING, Key(tgid, start), sibling=sibling)


def system_call(number: int, abi: int, args: tuple[int, ...]) -> SystemCall | None:
    """The call in flight, None outside of any."""
    if number < 0 or not 0 < abi < len(L.ABIS):
        return None
    word = L.ABIS[abi]
    return SystemCall(number, word, syscalls.name(number, word), args)


def memory(b: bytes, group: bytes, flags: int) -> MemoryLimit | None:
    """The full memory cgroup of a signal record."""
    most, used = struct.unpack_from("<QQ", b, L.SIGNAL_MEMORY)
    if not most:
        return None
    return MemoryLimit(cgroup(group, flags), most * _PAGE, used * _PAGE)


def length_prefixed(raw: bytes, most: int) -> list[bytes | None]:
    """Strings, each after a length byte; None for NO_IMAGE."""
    items: list[bytes | None] = []
    at = 0
    while at < len(raw) and len(items) < most:
        length = raw[at]
        at += 1
        if length == L.NO_IMAGE:
            items.append(None)
            continue
        items.append(raw[at : at + length])
        at += length
    return items
