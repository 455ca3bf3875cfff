"""Trace records in time order -> processes, signals, exits.

tracefs knows thread ids and names only. Threads, creators and programs come from task_newtask and
exec events, and from the scan of /proc when arming. There are no wait statuses; signal_deliver
shows whether a signal was fatal (default action under way).
"""

from collections.abc import Iterable
from typing import Final

from killtrail._slotted import dataclass, field, replace
from killtrail.model import signals as sg
from killtrail.model.events import (
    ImageReplaced,
    KernelLine,
    OomVictimMarked,
    ProcessExited,
    Provenance,
    SignalSent,
)
from killtrail.model.process import Argv, Key, Process
from killtrail.model.redact import redact
from killtrail.model.signal_context import Disposition, KernelContext
from killtrail.recorder.symbols import Symbols
from killtrail.recorder.tracefs import probe
from killtrail.recorder.tracefs.formats import Format

_CLONE_THREAD: Final = 0x10000
_MOST_ANCESTORS: Final = 32
_SOURCE: Final = "tracefs"
_EXIT_GROUP: Final = frozenset(
    {"__x64_sys_exit_group", "__ia32_sys_exit_group", "__arm64_sys_exit_group"}
)
_EXIT: Final = frozenset({"__x64_sys_exit", "__ia32_sys_exit", "__arm64_sys_exit"})


@dataclass(frozen=True, slots=True)
class Record:
    """One trace record, decoded as far as its header."""

    time_ns: int
    where: str
    format: Format
    raw: bytes

    @property
    def tid(self) -> int:
        """The task that ran."""
        return self.format.number_of(self.raw, "common_pid")


@dataclass(slots=True)
class Life:
    """One process while it is reconstructed."""

    process: Process
    parent: Key | None = None
    threads: set[int] = field(default_factory=set)
    left_freely: bool = False
    """A thread went without a fatal signal being acted on in it."""
    doomed_threads: set[int] = field(default_factory=set)
    called_exit: bool = False
    exit_index: int | None = None

    def fatal(self) -> bool | None:
        """Whether a signal killed it.

        Siblings of a thread that called exit_group get SIGKILL just like those of a group killed by
        a signal: without the caller's stack a mixture proves neither.
        """
        if self.called_exit:
            return False
        if not self.left_freely:
            return True
        return None


@dataclass(slots=True)
class Story:
    """What happened, built record by record."""

    symbols: Symbols
    lives: dict[Key, Life] = field(default_factory=dict)
    by_tid: dict[int, Key] = field(default_factory=dict)
    signals: list[SignalSent] = field(default_factory=list)
    exits: list[ProcessExited] = field(default_factory=list)
    ooms: list[OomVictimMarked] = field(default_factory=list)
    lines: list[KernelLine] = field(default_factory=list)
    replaced: list[ImageReplaced] = field(default_factory=list)
    takes_stacks: bool = True
    redact_argv: bool = True
    _command_lines: dict[int, Argv] = field(default_factory=dict)
    _awaiting_stack: dict[int, int] = field(default_factory=dict)
    _awaiting_exit: dict[int, Life] = field(default_factory=dict)

    def before(self, living: Iterable[tuple[Process, tuple[int, ...]]]) -> None:
        """Adds the processes that ran when recording began."""
        for process, tids in living:
            self._born(replace(process, alive=None), None, {process.pid, *tids})
        for life in self.lives.values():
            parent = self.by_tid.get(life.process.ppid or 0)
            if parent != life.process.key:
                life.parent = parent

    def tell(self, record: Record) -> None:
        """Takes in the next record."""
        handler = {
            "task_newtask": self._new_task,
            "sched_process_exec": self._exec,
            "sched_process_exit": self._exit,
            "signal_generate": self._signal,
            "signal_deliver": self._deliver,
            "mark_victim": self._oom,
            "kernel_stack": self._stack,
            "console": self._line,
            probe.NAME: self._command_line,
        }.get(record.format.name)
        if handler:
            handler(record)

    def _born(self, process: Process, parent: Key | None, tids: set[int]) -> None:
        self.lives[process.key] = Life(process, parent, set(tids))
        for tid in tids:
            self.by_tid[tid] = process.key

    def _life(self, tid: int) -> Life | None:
        key = self.by_tid.get(tid)
        return self.lives.get(key) if key else None

    def _new_task(self, r: Record) -> None:
        tid = r.format.number_of(r.raw, "pid")
        creator = self._life(r.tid)
        if r.format.number_of(r.raw, "clone_flags") & _CLONE_THREAD:
            if creator:
                creator.threads.add(tid)
                self.by_tid[tid] = creator.process.key
            return
        made = creator.process if creator else None
        argv = replace(made.argv, inherited=True) if made and made.argv else None
        process = Process(
            Key(tid, r.time_ns),
            comm=r.format.text_of(r.raw, "comm"),
            exe=made.exe if made else None,
            argv=argv,
            tid=tid,
        )
        self._born(process, made.key if made else None, {tid})

    def _exec(self, r: Record) -> None:
        life = self._life(r.tid)
        path = r.format.text_of(r.raw, "filename")
        if life is None or path is None:
            return
        argv = self._command_lines.pop(r.tid, None)
        comm = path.rsplit("/", 1)[-1][:15]
        life.process = replace(life.process, comm=comm, exe=path, argv=argv)
        life.threads = {life.process.pid}
        old = r.format.number_of(r.raw, "old_pid")
        if old != life.process.pid:
            origin = Provenance(_SOURCE, r.where)
            self.replaced.append(ImageReplaced(r.time_ns, origin, life.process, old, argv))

    def _line(self, r: Record) -> None:
        text = (r.format.text_of(r.raw, "msg") or "").rstrip("\n")
        life = self._life(r.tid)
        if life is None or not text.startswith("sysrq: "):
            return
        origin = Provenance(_SOURCE, r.where)
        self.lines.append(KernelLine(r.time_ns, origin, life.process, text, self._lineage(life)))

    # At the call's entry; sched_process_exec after it shows whether it succeeded.
    def _command_line(self, r: Record) -> None:
        words, cut = probe.words(r.format, r.raw)
        if words:
            clean, redacted = redact(words) if self.redact_argv else (words, False)
            self._command_lines[r.tid] = Argv(clean, cut=cut, redacted=redacted)

    def _exit(self, r: Record) -> None:
        tid = r.format.number_of(r.raw, "pid")
        life = self._life(tid)
        if life is None:
            return
        life.threads.discard(tid)
        if tid not in life.doomed_threads:
            life.left_freely = True
        last = r.format.value(r.raw, "group_dead")
        dead = bool(last) if isinstance(last, int) else not life.threads
        # by_tid keeps the entry: the kernel signals orphans on behalf of a task that has passed
        # here; a reused PID comes with its own task_newtask.
        self._awaiting_stack.pop(r.tid, None)
        self._awaiting_exit[tid] = life
        if dead:
            self._ended(life, r, tid)

    def _ended(self, life: Life, r: Record, tid: int) -> None:
        parent = self.lives.get(life.parent) if life.parent else None
        thread = r.format.text_of(r.raw, "comm")
        self.exits.append(
            ProcessExited(
                r.time_ns,
                Provenance(_SOURCE, r.where),
                replace(life.process, tid=tid, thread=thread, exiting=True),
                None,
                parent=parent.process if parent else None,
                fatal=life.fatal(),
            )
        )
        life.exit_index = len(self.exits) - 1

    def _signal(self, r: Record) -> None:
        target = self._life(r.format.number_of(r.raw, "pid"))
        if target is None:
            return
        current = self._life(r.tid)
        by = (
            current.process
            if current
            else Process(Key(r.tid, None), comm="<idle>" if not r.tid else None)
        )
        code, sig = r.format.number_of(r.raw, "code"), r.format.number_of(r.raw, "sig")
        self._awaiting_stack[r.tid] = len(self.signals)
        self.signals.append(
            SignalSent(
                time_ns=r.time_ns,
                origin=Provenance(_SOURCE, r.where),
                sig=sig,
                code=code,
                result=r.format.number_of(r.raw, "result"),
                group=bool(r.format.number_of(r.raw, "group")),
                target=target.process,
                current=replace(by, tid=r.tid),
                same_task=target is current and r.format.number_of(r.raw, "pid") == r.tid,
                same_group=target is current,
                kernel=KernelContext(
                    disposition=Disposition.DEFAULT if sig == sg.SIGKILL else None,
                    target_is_child=bool(current and target.parent == by.key),
                    stack=() if self.takes_stacks else None,
                    lineage=self._lineage(current),
                ),
            )
        )

    def _lineage(self, life: Life | None) -> tuple[Process, ...]:
        found: list[Process] = []
        key = life.parent if life else None
        while key and len(found) < _MOST_ANCESTORS:
            ancestor = self.lives.get(key)
            if ancestor is None:
                break
            found.append(ancestor.process)
            key = ancestor.parent
        return tuple(found)

    # The stack of a record follows it on the same task, before anything else of that task.
    def _stack(self, r: Record) -> None:
        leaving = self._awaiting_exit.pop(r.tid, None)
        if leaving:
            self._left(leaving, frozenset(n for n in self._frames(r) if n))
            return
        index = self._awaiting_stack.pop(r.tid, None)
        if index is None:
            return
        names = self._frames(r)
        signal = self.signals[index]
        self.signals[index] = replace(
            signal,
            current=replace(signal.current, exiting="do_exit" in names),
            kernel=replace(signal.kernel, stack=names),
        )

    def _left(self, life: Life, names: frozenset[str]) -> None:
        last = life.exit_index is not None
        if names & _EXIT_GROUP or (last and names & _EXIT):
            life.called_exit = True
        if life.exit_index is not None:
            self.exits[life.exit_index] = replace(self.exits[life.exit_index], fatal=life.fatal())

    def _frames(self, r: Record) -> tuple[str | None, ...]:
        size = r.format.number_of(r.raw, "size")
        start = next((f.offset for f in r.format.fields if f.name == "caller"), 16)
        raw = r.raw[start : start + 8 * min(size, 64)]
        frames = [int.from_bytes(raw[i : i + 8], "little") for i in range(0, len(raw) - 7, 8)]
        return tuple(self.symbols.find(a) for a in frames)

    def _deliver(self, r: Record) -> None:
        life = self._life(r.tid)
        if life is None:
            return
        sig, handler = r.format.number_of(r.raw, "sig"), r.format.number_of(r.raw, "sa_handler")
        if handler > 1:
            self._handled(life.process.key, sig)
        elif handler == 0 and sig not in sg.STOPS and sig != sg.SIGCONT:
            life.doomed_threads.add(r.tid)

    def _handled(self, key: Key, sig: int) -> None:
        for i in range(len(self.signals) - 1, max(-1, len(self.signals) - 4096), -1):
            signal = self.signals[i]
            if signal.sig == sig and signal.target.key == key and signal.kernel.disposition is None:
                self.signals[i] = replace(
                    signal, kernel=replace(signal.kernel, disposition=Disposition.HANDLED)
                )
                return

    def _oom(self, r: Record) -> None:
        victim = self._life(r.format.number_of(r.raw, "pid"))
        current = self._life(r.tid)
        if victim is None:
            return
        self.ooms.append(
            OomVictimMarked(
                r.time_ns,
                Provenance(_SOURCE, r.where),
                victim.process.key,
                current.process if current else Process(Key(r.tid, None)),
            )
        )
