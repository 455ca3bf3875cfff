"""The tracefs instance as a source: drained and reconstructed once, then queried."""

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from killtrail.host import boot
from killtrail.model.events import (
    ImageReplaced,
    Loss,
    Note,
    OomVictimMarked,
    OrphanedBy,
    ParseProblem,
    ProcessExited,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key
from killtrail.recorder.tracefs import formats, instance, pages
from killtrail.recorder.tracefs.reconstruct import Record, Story
from killtrail.sources.base import Wanted

if TYPE_CHECKING:
    from killtrail.model.verdict import Host


class TracefsSource:
    """Reads ring and spool at the first question."""

    id = "tracefs"

    def __init__(self) -> None:
        self._meta = instance.read_meta()
        self._problems: list[ParseProblem] = []
        self._missed: int | None = 0
        self._gap_ns = self._meta.armed_ns
        self.host: Host = boot.this_host()

    @property
    def armed_ns(self) -> int | None:
        """When the instance was made."""
        return self._meta.armed_ns

    @cached_property
    def _story(self) -> Story:
        instance.drain()
        story = Story(
            self._meta.symbols,
            takes_stacks=self._meta.stacks,
            redact_argv=self._meta.argv != "full",
        )
        story.before(self._meta.processes)
        for record in self._records():
            story.tell(record)
        return story

    def _records(self) -> list[Record]:
        known = {}
        for text in self._meta.formats.values():
            form = formats.parse(text)
            known[form.number] = form
        found: list[Record] = []
        for cpu, offset, raw in instance.spooled():
            page = pages.parse(raw)
            self._note(page, cpu, offset)
            for number, (time_ns, record) in enumerate(page.records):
                kind = struct.unpack_from("<H", record)[0] if len(record) > 1 else 0
                if kind in known:
                    found.append(
                        Record(time_ns, f"cpu{cpu}:{offset}+{number}", known[kind], record)
                    )
        # Stable: records of one moment keep their CPU's order, a stack after its signal.
        found.sort(key=lambda r: r.time_ns)
        return found

    def _note(self, page: pages.Page, cpu: int, offset: int) -> None:
        if page.damaged:
            self._problems.append(ParseProblem(self.id, f"cpu{cpu}:{offset}", "damaged page"))
        if page.missed != 0:
            unknown = self._missed is None or page.missed is None
            self._missed = None if unknown else (self._missed or 0) + (page.missed or 0)
            if page.records:
                self._gap_ns = max(self._gap_ns, page.records[0][0])

    def exits(self, wanted: Wanted) -> Iterator[ProcessExited]:
        """Exits of processes, oldest first."""
        found = [
            e
            for e in self._story.exits
            if (wanted.pid is None or e.process.pid == wanted.pid)
            and (wanted.ordinary or e.fatal is not False)
            and wanted.within(e.time_ns)
            and wanted.relates(e)
        ]
        yield from found[-wanted.most :] if wanted.most else found

    def signals(self, pid: int | None) -> Iterator[SignalSent]:
        """Signals sent to a PID, oldest first."""
        return (s for s in self._story.signals if pid is None or s.target.pid == pid)

    def ooms(self, pid: int) -> Iterator[OomVictimMarked]:
        """OOM marks on a PID."""
        return (o for o in self._story.ooms if o.victim.tgid == pid)

    def will(self, key: Key) -> OrphanedBy | None:  # noqa: ARG002
        """None: lineages here are those of creation, so records of orphans are not needed."""
        return None

    def sent_by(self, sender: Key, since_ns: int, until_ns: int) -> Iterator[SignalSent]:
        """Signals for which this process was `current`, in that time."""
        return (
            s
            for s in self._story.signals
            if since_ns <= s.time_ns <= until_ns and s.current.key.same_life(sender)
        )

    def notes(self, since_ns: int, until_ns: int) -> Iterator[Note]:
        """Kernel lines of that time."""
        return (n for n in self._story.lines if since_ns <= n.time_ns <= until_ns)

    def threads(self, pid: int) -> Iterator[ThreadDied | ImageReplaced]:
        """Threads whose exec replaced their process."""
        return (r for r in self._story.replaced if pid in (r.process.pid, r.old_tid))

    def loss(self) -> Loss:
        """What the ring has overwritten."""
        since = self.complete_since()
        return Loss(self._missed, since, tuple(self._problems[:100]))

    def complete_since(self, sig: int | None = None) -> int:  # noqa: ARG002
        """From the last gap, else from arming; a gap shows only in the pages."""
        return self._gap_ns if self._story else self._meta.armed_ns

    def close(self) -> None:
        """Nothing is held open."""
