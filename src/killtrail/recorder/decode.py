"""Bytes of one record of a ring buffer -> one event. They are trusted as little as a log's.

Any bytes in: an event or a `ValueError`, bounded work. Raised by `decode` for unknown types and
records that end before their fixed part; a record cut behind it gives what is there.
"""

import struct
from collections.abc import Callable
from typing import Final, Literal

from killtrail._slotted import dataclass, replace
from killtrail.model.circumstances import Terminal
from killtrail.model.events import (
    ImageReplaced,
    KernelLine,
    LimitSet,
    ManagerAsked,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    Provenance,
    Recorded,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Argv, Key, Process
from killtrail.model.redact import redact
from killtrail.model.signal_context import Basis, Disposition, KernelContext
from killtrail.model.wait_status import WaitStatus
from killtrail.recorder import fields, signal_extras
from killtrail.recorder import layout as L  # noqa: N812 -- a table of offsets, read beside each use
from killtrail.recorder.symbols import Symbols

_BASIS: Final = (Basis.NONE, Basis.KERNEL, Basis.USER)
_RETURNS: Final = {1: False, 2: True}
_DISPOSITION: Final = (Disposition.DEFAULT, Disposition.IGNORED, Disposition.HANDLED)


class Decoder:
    """Turns records into events; knows the recorder's symbols and whether to redact."""

    def __init__(self, symbols: Symbols, *, redact_argv: bool = True, source: str = "bpf") -> None:
        self._symbols = symbols
        self._redact = redact_argv
        self._source = source

    def decode(self, record: bytes, where: str, *, truncated: bool = False) -> Recorded:
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

    def outline(self, record: bytes, where: str) -> SignalSent:
        """A signal record's fixed part: who, whom, what, when; cheap enough for thousands.

        Raises ValueError for a record that ends before it.
        """
        try:
            (sig, code, si_pid, _, result, group, disposition, blocked, _, rel) = (
                L.SIGNAL_HEAD.unpack_from(record, 16)[:10]
            )
            return SignalSent(
                time_ns=L.RECORD_HEAD.unpack_from(record)[3],
                origin=Provenance(self._source, where),
                sig=sig,
                code=code,
                result=result,
                group=bool(group),
                target=fields.who(record, L.SIGNAL_TARGET),
                current=fields.who(record, L.SIGNAL_SENDER),
                si_pid=si_pid,
                same_group=bool(rel & L.REL_SAME_GROUP),
                kernel=KernelContext(_disposition(disposition), bool(blocked)),
            )
        except struct.error as error:
            raise ValueError(f"record ends early: {error}") from error

    def _handlers(self) -> dict[int, Callable[[bytes, Provenance], Recorded]]:
        return {
            L.REC_SIGNAL: self._signal,
            L.REC_DEATH: self._exit,
            L.REC_OOM: self._oom,
            L.REC_ORPHANED: self._orphaned,
            L.REC_SIBLING: self._orphaned,
            L.REC_LIMIT_SET: self._limit_set,
            L.REC_LINE: self._line,
            L.REC_CLIENT: self._client,
            L.REC_REPLACED: self._replaced,
            L.REC_THREAD: self._thread,
        }

    def _signal(self, b: bytes, origin: Provenance) -> SignalSent:
        _, path_flags, _, time_ns = L.RECORD_HEAD.unpack_from(b)
        (
            sig, code, si_pid, si_uid, result, group, disposition, blocked, info, rel,
            n_ancestors, n_stack, number, abi, a0, a1, a2, after_flags, after_code,
        ) = L.SIGNAL_HEAD.unpack_from(b, 16)  # fmt: skip
        texts = _SignalTexts(b, n_ancestors)
        extra = signal_extras.decode(texts.extra_kind, texts.extra)
        user_info = info == 2  # noqa: PLR2004 -- a real siginfo_t
        return SignalSent(
            time_ns=time_ns,
            origin=origin,
            sig=sig,
            code=code,
            result=result,
            group=bool(group),
            target=self._target(b, texts, path_flags),
            current=self._current(b, texts, path_flags),
            basis=_BASIS[info] if info < len(_BASIS) else Basis.UNKNOWN,
            si_pid=si_pid if user_info else None,
            si_uid=si_uid & 0xFFFFFFFF if user_info else None,
            same_task=bool(rel & L.REL_SAME_TASK),
            same_group=bool(rel & L.REL_SAME_GROUP),
            syscall=fields.system_call(number, abi, (a0, a1, a2)),
            kernel=KernelContext(
                disposition=_disposition(disposition),
                blocked=bool(blocked),
                doomed=bool(after_flags & L.SIGNAL_GROUP_EXIT)
                and WaitStatus(after_code).signal == sig,
                target_is_child=bool(rel & (L.REL_CHILD_OF_CURRENT | L.REL_CHILD_OF_GROUP)),
                pdeath_match=bool(rel & L.REL_PDEATH),
                stack=self._stack(b, L.SIGNAL_STACK, n_stack),
                lineage=self._lineage(texts.ancestors, texts.ancestor_argv),
                creator=fields.creator(b, L.SIGNAL_ORPHAN),
                memory=fields.memory(b, texts.mem_cgroup, path_flags),
                limit=extra.limit,
                filters=extra.filters,
                terminal=self._terminal(extra.terminal, texts, path_flags),
                pipe=extra.pipe,
                ip=texts.ip or None,
                sp=texts.sp or None,
            ),
            call_id=_call_id(texts.act),
        )

    def _target(self, b: bytes, texts: "_SignalTexts", flags: int) -> Process:
        argv = self._argv(
            texts.target_argv, texts.target_argv_total, inherited=texts.target_inherited
        )
        return replace(
            fields.who(b, L.SIGNAL_TARGET),
            thread=fields.text(b[L.SIGNAL_THREADS : L.SIGNAL_THREADS + 16]),
            exe=fields.path(texts.target_exe, flags),
            argv=argv,
            cgroup=texts.whole and fields.cgroup(texts.target_cgroup, flags),
        )

    def _current(self, b: bytes, texts: "_SignalTexts", flags: int) -> Process:
        current = replace(
            fields.who(b, L.SIGNAL_SENDER),
            thread=fields.text(b[L.SIGNAL_THREADS + 16 : L.SIGNAL_THREADS + 32]),
        )
        return current if flags & L.REC_OF_HOLDER else self._described(current, texts, flags)

    # Where a kernel thread carried the key, the record describes the holder instead.
    def _terminal(
        self, terminal: Terminal | None, texts: "_SignalTexts", flags: int
    ) -> Terminal | None:
        if terminal is None or terminal.holder is None or not flags & L.REC_OF_HOLDER:
            return terminal
        holder = self._described(terminal.holder, texts, flags)
        return replace(terminal, holder=holder, chained=True)

    def _described(self, process: Process, texts: "_SignalTexts", flags: int) -> Process:
        return replace(
            process,
            exe=fields.path(texts.exe, flags),
            argv=self._argv(texts.argv, texts.argv_total),
            cgroup=texts.whole and fields.cgroup(texts.cgroup, flags),
        )

    def _exit(self, b: bytes, origin: Provenance) -> ProcessExited:
        _, path_flags, _, time_ns = L.RECORD_HEAD.unpack_from(b)
        (
            code, group_code, leader_code, flags, seccomp, ptraced, asked, inherited,
            n_stack, returns_to, filters, _, argv_len, argv_total, cgroup_len, exiter,
            memory_limit, stdin_pipe, exec_pipe,
        ) = L.EXIT_HEAD.unpack_from(b, 16)  # fmt: skip
        begin = L.EXIT_BUF + 8 * n_stack
        after = begin + argv_len
        last = fields.who(b, L.EXIT_WHO)
        process = replace(
            last,
            tid=exiter or last.tid,
            thread=fields.text(b[L.EXIT_THREAD : L.EXIT_THREAD + 16]),
            argv=self._argv(b[begin:after], argv_total, inherited=bool(inherited)),
            cgroup=fields.cgroup(b[after : after + cgroup_len], path_flags),
        )
        parent = fields.ancestor(b, L.EXIT_PARENT)
        return ProcessExited(
            time_ns=time_ns,
            origin=origin,
            process=replace(process, ppid=parent.pid if parent else None),
            status=fields.wait_status(code, group_code, leader_code, flags),
            parent=parent,
            creator=fields.creator(b, L.EXIT_CREATOR),
            tracer=fields.ancestor(b, L.EXIT_TRACER) if ptraced else None,
            asked=asked,
            seccomp_mode=seccomp,
            filters=None if filters == L.NO_COUNT & 0xFF else filters,
            called_exit=bool(exiter),
            stack=self._stack(b, L.EXIT_BUF, n_stack) if n_stack else None,
            memory_limit=None if memory_limit == L.UNLIMITED else memory_limit,
            stdin_pipe=stdin_pipe or None,
            exec_pipe=exec_pipe or None,
            returns_to_stack=_RETURNS.get(returns_to),
        )

    def _oom(self, b: bytes, origin: Provenance) -> OomVictimMarked:
        victim, _, start = L.OOM_HEAD.unpack_from(b, 16)
        trigger = fields.ancestor(b, L.OOM_TRIGGER)
        return OomVictimMarked(
            time_ns=L.RECORD_HEAD.unpack_from(b)[3],
            origin=origin,
            victim=Key(victim, start or None),
            trigger=trigger or Process(Key(0, None)),
        )

    def _orphaned(self, b: bytes, origin: Provenance) -> OrphanedBy:
        person = self._person(b)
        return OrphanedBy(
            person.time_ns, origin, person.process, person.lineage,
            fields.creator(b, L.PROCESS_ORPHAN),
            sibling=L.RECORD_HEAD.unpack_from(b)[0] == L.REC_SIBLING,
        )  # fmt: skip

    def _limit_set(self, b: bytes, origin: Provenance) -> LimitSet:
        start, soft, hard, target, resource = L.LIMIT_SET.unpack_from(b, L.PROCESS_LIMIT)
        if resource not in signal_extras.RESOURCES:
            raise ValueError(f"unknown resource {resource}")
        person = self._person(b)
        return LimitSet(
            person.time_ns, origin, person.process, Key(target, start),
            signal_extras.RESOURCES[resource], signal_extras.limited(soft),
            signal_extras.limited(hard), person.lineage, fields.creator(b, L.PROCESS_ORPHAN),
        )  # fmt: skip

    def _line(self, b: bytes, origin: Provenance) -> KernelLine:
        person = self._person(b)
        line = fields.text(b[person.end :]).rstrip("\n")
        return KernelLine(
            person.time_ns, origin, person.process, line, person.lineage,
            fields.creator(b, L.PROCESS_ORPHAN),
        )  # fmt: skip

    def _client(self, b: bytes, origin: Provenance) -> ManagerAsked:
        person = self._person(b)
        return ManagerAsked(
            person.time_ns,
            origin,
            person.process,
            person.lineage,
            fields.creator(b, L.PROCESS_ORPHAN),
        )

    def _person(self, b: bytes) -> "_Person":
        _, flags, _, time_ns = L.RECORD_HEAD.unpack_from(b)
        n, argv_len, total, ancestor_len = L.PROCESS_LENS.unpack_from(b, L.PROCESS_LENGTHS)
        n = min(n, 16)
        after = L.PROCESS_BUF + n * L.ANCESTOR.size
        end = after + argv_len + ancestor_len
        inherited = bool(flags & L.REC_ARGV_INHERITED)
        argv = self._argv(b[after : after + argv_len] or None, total, inherited=inherited)
        ancestors = [fields.ancestor(b, L.PROCESS_BUF + i * L.ANCESTOR.size) for i in range(n)]
        lineage = self._lineage(ancestors, b[after + argv_len : end])
        if argv is None and lineage and lineage[0].argv:
            argv = replace(lineage[0].argv, inherited=True)
        return _Person(time_ns, replace(fields.who(b, L.PROCESS_WHO), argv=argv), lineage, end)

    def _replaced(self, b: bytes, origin: Provenance) -> ImageReplaced:
        old_tid, argv_len = L.REPLACED_HEAD.unpack_from(b, 16)
        raw = b[L.REPLACED_ARGV : L.REPLACED_ARGV + min(argv_len, 128)]
        argv = self._argv(raw or None, argv_len + (argv_len >= 128))  # noqa: PLR2004
        process = replace(fields.who(b, L.REPLACED_WHO), argv=argv)
        return ImageReplaced(L.RECORD_HEAD.unpack_from(b)[3], origin, process, old_tid, argv)

    def _thread(self, b: bytes, origin: Provenance) -> ThreadDied:
        code, n_stack = L.THREAD_HEAD.unpack_from(b, 16)
        process = replace(
            fields.who(b, L.THREAD_WHO), thread=fields.text(b[L.THREAD_NAME : L.THREAD_NAME + 16])
        )
        stack = self._stack(b, L.THREAD_STACK, n_stack)
        return ThreadDied(L.RECORD_HEAD.unpack_from(b)[3], origin, process, WaitStatus(code), stack)

    def _stack(self, b: bytes, at: int, frames: int) -> tuple[str | None, ...]:
        frames = min(frames, 12)
        addresses = struct.unpack_from(f"<{frames}Q", b, at)
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
        own = list(fields.length_prefixed(argvs, len(ancestors)))
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


def _disposition(number: int) -> Disposition | None:
    return _DISPOSITION[number] if number < len(_DISPOSITION) else None


def _call_id(number: int) -> str | None:
    if not number:
        return None
    return (
        f"requests:{number - 1 - L.IN_REQUESTS}"
        if number > L.IN_REQUESTS
        else f"kills:{number - 1}"
    )


@dataclass(frozen=True, slots=True)
class _Person:
    """A process with its lineage, and where its record's own text begins."""

    time_ns: int
    process: Process
    lineage: tuple[Process, ...]
    end: int


class _SignalTexts:
    """The variable part of a signal record, cut into its pieces."""

    def __init__(self, b: bytes, n_ancestors: int) -> None:
        lens = L.SIGNAL_LENS.unpack_from(b, L.SIGNAL_LENGTHS)
        n_ancestors = min(n_ancestors, 16)
        at = L.SIGNAL_BUF
        size = L.ANCESTOR.size
        self.whole: Literal[True] | None = len(b) > at or None
        """A victim among many has the fixed part only: an empty path is none, not the root."""
        self.extra_kind, extra_len, self.act, self.ip, self.sp = lens[11:]
        self.extra = b[at : at + extra_len]
        at += extra_len
        self.ancestors = [
            fields.ancestor(b, at + i * size)
            for i in range(n_ancestors)
            if at + (i + 1) * size <= len(b)
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
