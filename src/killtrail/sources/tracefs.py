"""The tracefs instance as a source: drained and reconstructed once, then queried."""

import struct
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from killtrail.host import boot
from killtrail.model.coverage import Coverage
from killtrail.model.events import (
    Event,
    ImageReplaced,
    KernelLine,
    OomVictimMarked,
    ParseProblem,
    ProcessExited,
    SignalSent,
)
from killtrail.model.query import Query, key_of
from killtrail.sources.base import Descriptor, Usable

if TYPE_CHECKING:
    from killtrail.model.verdict import Host
    from killtrail.recorder.tracefs import pages as page_format
    from killtrail.recorder.tracefs.reconstruct import Record, Story


class TracefsSource:
    """Reads ring and spool at the first question."""

    id = "tracefs"
    exact = True
    names: tuple[str, ...] = ()

    def __init__(self) -> None:
        from killtrail.recorder.tracefs import instance  # noqa: PLC0415 -- where one is armed

        self._meta = instance.read_meta()
        self._problems: list[ParseProblem] = []
        self._missed: int | None = 0
        self._gap_ns = self._meta.armed_ns
        self.host: Host = boot.this_host()

    @cached_property
    def _story(self) -> "Story":
        from killtrail.recorder.tracefs import instance  # noqa: PLC0415
        from killtrail.recorder.tracefs.reconstruct import Story  # noqa: PLC0415

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

    def _records(self) -> "list[Record]":
        from killtrail.recorder.tracefs import formats, instance, pages  # noqa: PLC0415
        from killtrail.recorder.tracefs.reconstruct import Record  # noqa: PLC0415

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

    def _note(self, page: "page_format.Page", cpu: int, offset: int) -> None:
        if page.damaged:
            self._problems.append(ParseProblem(self.id, f"cpu{cpu}:{offset}", "damaged page"))
        if page.missed != 0:
            unknown = self._missed is None or page.missed is None
            self._missed = None if unknown else (self._missed or 0) + (page.missed or 0)
            if page.records:
                self._gap_ns = max(self._gap_ns, page.records[0][0])

    def events(self, query: Query) -> Iterator[Event]:
        """What the ring holds for this query, the newest first.

        Lineages here are those of creation, so there is no `OrphanedBy`.
        """
        story = self._story
        kinds: tuple[tuple[type[Event], Sequence[Event]], ...] = (
            (SignalSent, story.signals),
            (ProcessExited, story.exits),
            (OomVictimMarked, story.ooms),
            (ImageReplaced, story.replaced),
            (KernelLine, story.lines if query.pid is None else ()),
        )
        found = [
            e
            for kind, events in kinds
            if query.wants(kind)
            for e in events
            if query.window.covers(e.time_ns) and _meant(e, query)
        ]
        found.sort(key=lambda e: e.time_ns)
        return reversed(found)

    def coverage(self) -> Coverage:
        """From the last gap, else from arming; a gap shows only in the pages."""
        since = self._gap_ns if self._story else self._meta.armed_ns
        return Coverage(
            lost=self._missed,
            complete_from_ns=since,
            requests_from_ns=since,
            creators_from_ns=self._meta.armed_ns,
            problems=tuple(self._problems[:100]),
        )

    def close(self) -> None:
        """Nothing is held open."""


def _meant(event: Event, query: Query) -> bool:
    if query.sender is not None:
        return isinstance(event, SignalSent) and event.current.key.same_life(query.sender)
    if isinstance(event, ProcessExited) and not _exit_meant(event, query):
        return False
    key = key_of(event)
    if query.key is not None:
        return key is not None and key.same_life(query.key)
    if isinstance(event, ImageReplaced) and query.pid == event.old_tid:
        return True
    return query.pid is None or (key is not None and key.tgid == query.pid)


def _exit_meant(event: ProcessExited, query: Query) -> bool:
    return (query.ordinary or event.fatal is not False) and query.relates(event)


def probe() -> Usable:
    """Whether it can be asked here, by this user."""
    from killtrail.recorder.tracefs import instance  # noqa: PLC0415 -- only where it is asked

    try:
        if instance.armed():
            return Usable(usable=True, says="armed")
    except PermissionError:
        return Usable(
            usable=False,
            says="tracefs may be read by root only",
            remedy="the same command with sudo",
        )
    return Usable(
        usable=False,
        says="no tracefs instance is armed",
        remedy="sudo killtrail arm --backend tracefs",
    )


DESCRIPTOR: Final = Descriptor(
    id="tracefs",
    what="a private tracefs instance, where BPF can't be used",
    yields="signals with the running task and kernel stack, exits, forks, execs; argv only with event"
    " probes",
    silent_about="exit statuses, users, cgroups",
    needs="root; tracefs",
    clock="boot",
    completeness="complete since arming, up to its size per CPU; overruns are counted",
    probe=probe,
    open_here=lambda: [TracefsSource()],
)
