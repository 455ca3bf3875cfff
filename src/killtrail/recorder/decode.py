"""Bytes of one box record -> one event. Bytes from the box are trusted as little as a log's.

Any bytes in: an event or a `ValueError`, bounded work. Raised by `decode` for unknown types and
records that end before their fixed part; a record cut behind it gives what is there.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from killtrail.model.events import (
    Creator,
    Event,
    MemoryLimit,
    OomVictimMarked,
    ParentDied,
    ProcessExited,
    Provenance,
    SignalSent,
    SystemCall,
)
from killtrail.model.process import Argv, Key, Process
from killtrail.model.redact import redact
from killtrail.recorder import layout as L  # noqa: N812 -- a table of offsets, read beside each use
from killtrail.recorder import syscalls
from killtrail.recorder.symbols import Symbols

_PAGE: Final = 4096
_INFO: Final = ("none", "kernel", "user")
_DISPOSITION: Final = ("default", "ignored", "handled")


class Decoder:
    """Turns records into events; knows the box's symbols and whether to redact."""

    def __init__(self, symbols: Symbols, *, redact_argv: bool = True, source: str = "bpf") -> None:
        self._symbols = symbols
        self._redact = redact_argv
        self._source = source

    def decode(self, record: bytes, where: str, *, truncated: bool = False) -> Event:
        """The event in `record`; `where` is the place a person can find it at."""
        origin = Provenance(self._source, where)
        try:
            kind = L.RECORD_HEAD.unpack_from(record)[0]
            handler = self._handlers().get(kind)
            if handler is None:
                raise ValueError(f"unknown record type {kind}")
            event = handler(record, origin)
        except (struct.error, IndexError) as error:
            raise ValueError(f"record ends early: {error}") from error
        if truncated and isinstance(event, SignalSent):
            return replace(event, truncated=True)
        return event

    def _handlers(self) -> dict[int, Callable[[bytes, Provenance], Event]]:
        return {
            L.REC_SIGNAL: self._signal,
            L.REC_DEATH: self._exit,
            L.REC_OOM: self._oom,
            L.REC_WILL: self._will,
        }

    def _signal(self, b: bytes, origin: Provenance) -> SignalSent:
        _, path_flags, _, time_ns = L.RECORD_HEAD.unpack_from(b)
        (
            sig, code, si_pid, si_uid, result, group, disposition, blocked, info, rel,
            n_ancestors, n_stack, number, abi, a0, a1, a2, after_flags, after_code,
        ) = L.SIGNAL_HEAD.unpack_from(b, 16)  # fmt: skip
        texts = _SignalTexts(b, n_ancestors)
        user_info = info == 2  # noqa: PLR2004 -- a real siginfo_t
        return SignalSent(
            time_ns=time_ns,
            origin=origin,
            sig=sig,
            code=code,
            result=result,
            group=bool(group),
            target=replace(
                _who(b, L.SIGNAL_TARGET),
                thread=_text(b[L.SIGNAL_THREADS : L.SIGNAL_THREADS + 16]),
                exe=_path(texts.target_exe, path_flags),
                argv=self._argv(
                    texts.target_argv, texts.target_argv_total, inherited=texts.target_inherited
                ),
                cgroup=_cgroup(texts.target_cgroup, path_flags),
            ),
            current=replace(
                _who(b, L.SIGNAL_SENDER),
                thread=_text(b[L.SIGNAL_THREADS + 16 : L.SIGNAL_THREADS + 32]),
                exe=_path(texts.exe, path_flags),
                argv=self._argv(texts.argv, texts.argv_total),
                cgroup=_cgroup(texts.cgroup, path_flags),
            ),
            info=_INFO[info] if info < len(_INFO) else "unknown",
            si_pid=si_pid if user_info else None,
            si_uid=si_uid & 0xFFFFFFFF if user_info else None,
            disposition=_DISPOSITION[disposition] if disposition < len(_DISPOSITION) else None,
            blocked=bool(blocked),
            doomed=bool(after_flags & L.SIGNAL_GROUP_EXIT) and (after_code & 0x7F) == sig,
            same_task=bool(rel & L.REL_SAME_TASK),
            same_group=bool(rel & L.REL_SAME_GROUP),
            target_is_child=bool(rel & (L.REL_CHILD_OF_CURRENT | L.REL_CHILD_OF_GROUP)),
            pdeath_match=bool(rel & L.REL_PDEATH),
            syscall=_syscall(number, abi, (a0, a1, a2)),
            stack=self._stack(b, n_stack),
            lineage=self._lineage(texts.ancestors, texts.ancestor_argv),
            creator=_creator(b, L.SIGNAL_ORPHAN),
            memory=_memory(b, texts.mem_cgroup, path_flags),
        )

    def _exit(self, b: bytes, origin: Provenance) -> ProcessExited:
        _, path_flags, _, time_ns = L.RECORD_HEAD.unpack_from(b)
        (
            code, group_code, leader_code, flags, seccomp, ptraced, asked, inherited,
            argv_len, argv_total, cgroup_len,
        ) = L.EXIT_HEAD.unpack_from(b, 16)  # fmt: skip
        after = L.EXIT_BUF + argv_len
        process = replace(
            _who(b, L.EXIT_WHO),
            thread=_text(b[L.EXIT_THREAD : L.EXIT_THREAD + 16]),
            argv=self._argv(b[L.EXIT_BUF : after], argv_total, inherited=bool(inherited)),
            cgroup=_cgroup(b[after : after + cgroup_len], path_flags),
        )
        parent = _ancestor(b, L.EXIT_PARENT)
        return ProcessExited(
            time_ns=time_ns,
            origin=origin,
            process=replace(process, ppid=parent.pid if parent else None),
            status=_wait_status(code, group_code, leader_code, flags),
            parent=parent,
            creator=_creator(b, L.EXIT_CREATOR),
            tracer=_ancestor(b, L.EXIT_TRACER) if ptraced else None,
            asked=asked,
            seccomp_mode=seccomp,
        )

    def _oom(self, b: bytes, origin: Provenance) -> OomVictimMarked:
        victim, _, start = L.OOM_HEAD.unpack_from(b, 16)
        trigger = _ancestor(b, L.OOM_TRIGGER)
        return OomVictimMarked(
            time_ns=L.RECORD_HEAD.unpack_from(b)[3],
            origin=origin,
            victim=Key(victim, start or None),
            trigger=trigger or Process(Key(0, None)),
        )

    def _will(self, b: bytes, origin: Provenance) -> ParentDied:
        _, flags, _, time_ns = L.RECORD_HEAD.unpack_from(b)
        n, argv_len, total, _ = L.WILL_LENS.unpack_from(b, L.WILL_LENGTHS)
        n = min(n, 16)
        after = L.WILL_BUF + n * L.ANCESTOR.size
        inherited = bool(flags & L.WILL_ARGV_INHERITED)
        argv = self._argv(b[after : after + argv_len] or None, total, inherited=inherited)
        ancestors = [_ancestor(b, L.WILL_BUF + i * L.ANCESTOR.size) for i in range(n)]
        lineage = self._lineage(ancestors, b[after + argv_len :])
        if argv is None and lineage and lineage[0].argv:
            argv = replace(lineage[0].argv, inherited=True)
        return ParentDied(
            time_ns=time_ns,
            origin=origin,
            process=replace(_who(b, L.WILL_WHO), argv=argv),
            lineage=lineage,
            creator=_creator(b, L.WILL_ORPHAN),
        )

    def _stack(self, b: bytes, frames: int) -> tuple[str | None, ...]:
        frames = min(frames, 12)
        addresses = struct.unpack_from(f"<{frames}Q", b, L.SIGNAL_STACK)
        return tuple(self._symbols.find(address) for address in addresses if address)

    def _argv(self, raw: bytes | None, total: int, *, inherited: bool = False) -> Argv | None:
        if not raw:
            return None
        cut = total > len(raw)
        body = raw if cut else raw.rstrip(b"\0")
        words = tuple(word.decode("utf-8", "backslashreplace") for word in body.split(b"\0"))
        if not self._redact:
            return Argv(words, cut=cut, inherited=inherited)
        clean, redacted = redact(words)
        return Argv(clean, cut=cut, inherited=inherited, redacted=redacted)

    # Oldest last. One that never exec'd while armed runs its parent's program, so its argv is the
    # nearest older one's.
    def _lineage(self, ancestors: list[Process | None], argvs: bytes) -> tuple[Process, ...]:
        own = list(_length_prefixed(argvs, len(ancestors)))
        lineage: list[Process] = []
        older: Argv | None = None
        for i in range(len(ancestors) - 1, -1, -1):
            process = ancestors[i]
            if process is None:
                continue
            raw = own[i] if i < len(own) else None
            if raw is not None:
                argv = self._argv(raw, len(raw) + (len(raw) >= 120))  # noqa: PLR2004
                older = replace(argv, inherited=True) if argv else None
            else:
                argv = older if i < len(own) else None
            lineage.append(replace(process, argv=argv))
        return tuple(reversed(lineage))


class _SignalTexts:
    """The variable part of a signal record, cut into its pieces."""

    def __init__(self, b: bytes, n_ancestors: int) -> None:
        lens = L.SIGNAL_LENS.unpack_from(b, L.SIGNAL_LENGTHS)
        n_ancestors = min(n_ancestors, 16)
        at = L.SIGNAL_BUF
        size = L.ANCESTOR.size
        self.ancestors = [
            _ancestor(b, at + i * size) for i in range(n_ancestors) if at + (i + 1) * size <= len(b)
        ]
        at += n_ancestors * size
        (argv, self.argv_total, target_argv, self.target_argv_total) = lens[:4]
        exe, target_exe, cgroup, target_cgroup, mem, anc = lens[4:10]
        self.target_inherited = bool(lens[10])
        pieces: list[bytes] = []
        for length in (argv, target_argv, exe, target_exe, cgroup, target_cgroup, mem, anc):
            pieces.append(b[at : at + length])
            at += length
        (self.argv, self.target_argv, self.exe, self.target_exe) = pieces[:4]
        (self.cgroup, self.target_cgroup, self.mem_cgroup, self.ancestor_argv) = pieces[4:]


def _wait_status(code: int, group_code: int, leader_code: int, flags: int) -> int:
    # A group exit (exit_group, a fatal signal) has one code for all; else each thread its own, and
    # the leader's counts (kernel/exit.c, wait_task_zombie). Before 6.x the core-dump bit stood
    # only in the thread's code.
    if flags & L.SIGNAL_GROUP_EXIT:
        same_signal = (code & 0x7F) == (group_code & 0x7F) and group_code & 0x7F
        return group_code | (code & 0x80 if same_signal else 0)
    return leader_code


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _path(raw: bytes, flags: int) -> str | None:
    parts = [part for part in raw.split(b"\0") if part]
    if not parts:
        return None
    # The writer goes from the leaf up and stops where a further component might not fit.
    long = len(raw) > L.PATH_FULL or any(len(part) >= L.COMPONENT_MOST for part in parts)
    return ("…/" if flags & L.REC_PATH_CUT and long else "/") + b"/".join(reversed(parts)).decode(
        "utf-8", "backslashreplace"
    )


def _cgroup(raw: bytes, flags: int) -> str:
    return _path(raw, flags) or "/"


def _who(b: bytes, offset: int) -> Process:
    (start, _, tgid, tid, uid, loginuid, session, pidns, ns_pid, flags, comm) = L.WHO.unpack_from(
        b, offset
    )
    return Process(
        key=Key(tgid, start),
        comm=_text(comm),
        tid=tid,
        uid=uid,
        loginuid=loginuid,
        session=session,
        pidns=pidns or None,
        ns_pid=ns_pid or None,
        kthread=bool(flags & L.PF_KTHREAD),
        exiting=bool(flags & L.PF_EXITING),
    )


def _ancestor(b: bytes, offset: int) -> Process | None:
    start, tgid, uid, loginuid, session, comm = L.ANCESTOR.unpack_from(b, offset)
    if not tgid:
        return None
    return Process(
        key=Key(tgid & ~L.ANCESTOR_REAPER, start),
        comm=_text(comm),
        uid=uid,
        loginuid=loginuid,
        session=session,
        reaper=bool(tgid & L.ANCESTOR_REAPER),
    )


def _creator(b: bytes, offset: int) -> Creator | None:
    start, tgid, index = L.ORPHAN.unpack_from(b, offset)
    return Creator(index, Key(tgid, start)) if tgid else None


def _syscall(number: int, abi: int, args: tuple[int, ...]) -> SystemCall | None:
    if number < 0 or not 0 < abi < len(L.ABIS):
        return None
    word = L.ABIS[abi]
    return SystemCall(number, word, syscalls.name(number, word), args)


def _memory(b: bytes, cgroup: bytes, flags: int) -> MemoryLimit | None:
    most, used = struct.unpack_from("<QQ", b, L.SIGNAL_MEMORY)
    if not most:
        return None
    return MemoryLimit(_cgroup(cgroup, flags), most * _PAGE, used * _PAGE)


def _length_prefixed(raw: bytes, most: int) -> list[bytes | None]:
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
