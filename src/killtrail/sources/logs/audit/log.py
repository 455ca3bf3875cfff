"""The audit log of one host: answers by searching; nothing is loaded, indexed or kept."""

from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import chain as both
from typing import Final

from killtrail._slotted import replace
from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.model.clock import Boot
from killtrail.model.coverage import Coverage, Unread
from killtrail.model.events import (
    Event,
    ManagerAsked,
    ParseProblem,
    ProcessExited,
    ProcessSeen,
    SignalRefused,
    SignalSent,
)
from killtrail.model.query import Query
from killtrail.model.verdict import Host
from killtrail.sources.base import Descriptor, Match, Opened
from killtrail.sources.logs.audit import to_events
from killtrail.sources.logs.audit.anomalies import Mark, marks
from killtrail.sources.logs.audit.launch_chain import Span
from killtrail.sources.logs.audit.mixed import Form, Texts
from killtrail.sources.logs.audit.names import NameSearch, calls, literals
from killtrail.sources.logs.audit.newest_first import Found, begins_ns, newest_first
from killtrail.sources.logs.audit.one_pid import PidSearch
from killtrail.sources.logs.audit.record import head
from killtrail.sources.logs.audit.renamed import Renamed
from killtrail.sources.logs.audit.requests import RequestSearch
from killtrail.sources.logs.audit.syscall_record import ID, SIGNAL_CALLS, Call, parse
from killtrail.sources.logs.audit.targets import Finder, Hit
from killtrail.sources.logs.audit.time_ranges import in_order, spans
from killtrail.sources.logs.stream import about

_GIVES: Final = (SignalSent, SignalRefused, ProcessExited, ProcessSeen)
_SIGNALS: Final = (SignalSent, SignalRefused)
_UNREAD_MOST: Final = 10_000
_Look = Callable[[Window, Span], Iterable[Found]]
_Near = Callable[[Form], Texts]


def looks(sample: bytes) -> bool:
    """Whether the beginning of a file is an audit log's."""
    return any(head(line) is not None for line in sample.split(b"\n")[:200])


class AuditLog:
    """One host's log in all its pieces, searched from the end."""

    id = ID
    exact = False

    def __init__(self, pieces: list[Piece], name: str | None = None) -> None:
        self._pieces = in_order(pieces)
        self.host: Host = Host(Boot("", 0), name)
        self._forms = {p.path: Form(p) for p in pieces}
        self._gaps: dict[str, None] = {}
        self._problems = {p.path: ParseProblem(ID, p.path, p.cut) for p in pieces if p.cut}
        self._unread: dict[tuple[str, int], int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The files, oldest first."""
        return tuple(piece.path for piece in self._pieces)

    def events(self, query: Query) -> Iterator[Event]:
        """Signals and refused ones, exits, the newest first; of a PID with launch chains and execs.

        Launch chains, logins and execs come with a PID alone; exit_group(2) with a PID or a name.
        Requests to service managers come where their class is among the kinds. Who was started under
        a target's name and hit under another is found by an exec within the window.
        """
        if not _may_hold(query):
            return iter(())
        return (e for e in self._found(query) if _meant(e, query))

    def _found(self, query: Query) -> Iterator[Event]:
        pid = _pid(query)
        if query.sender is not None:
            sender = query.sender.tgid
            found = self._walk(query, self._by_sender(sender), lambda f: f.of_sender(sender))
        elif pid is not None:
            search = PidSearch(self._spans(query), self._forms, self._note)
            events = search.events(replace(query, pid=pid))
            self._gaps.update(dict.fromkeys(search.gaps))
            self._problems.update(search.problems)
            yield from events
            return
        elif query.target is not None:
            found = self._named(query)
        else:
            texts = _none if _asks(query) else Form.of_everything
            found = self._walk(query, self._everything(query), texts)
        for each in found:
            yield from each.events()

    def _spans(self, query: Query) -> list[Span]:
        """All there is to walk through, newest first."""
        return list(spans(self._pieces, query.window.since_ns, query.window.until_ns))

    def _walk(self, query: Query, look: _Look, texts: _Near) -> Iterator[Found]:
        asked = [s for s in self._spans(query) if s.asked]
        if query.reach is not None:
            asked = [replace(s, low=max(s.low, s.high - query.reach)) for s in asked]
        return newest_first(self._batches(asked, look, texts))

    def _batches(
        self, asked: list[Span], look: _Look, texts: _Near
    ) -> Iterator[tuple[int | None, list[Found]]]:
        window = Window()
        for span in asked:
            near = texts(self._forms[span.piece.path])
            for each in window.backwards(span.piece, span.low, span.high, near):
                yield begins_ns(each), list(look(each, span))

    def _finder(self, query: Query, pids: frozenset[int] | None, piece: Piece) -> Finder:
        return Finder(
            pids,
            numeric=self._forms[piece.path].numeric,
            within=query.window.covers,
            note=self._note,
        )

    # Whoever lists deaths stops when there are enough.
    def _everything(self, query: Query) -> _Look:
        finders = {p.path: self._finder(query, None, p) for p in self._pieces}
        requests = RequestSearch() if _asks(query) else None

        def look(window: Window, span: Span) -> Iterator[Found]:
            finder = finders[span.piece.path]
            if query.wants(*_SIGNALS):
                hits = (finder.hit(window, at) for at in finder.spots(window))
                yield from (_hit(h) for h in hits if h is not None and h.call.signal)
            if query.wants(SignalSent, ProcessExited):
                yield from self._marks(window, span)
            if requests is not None:
                yield from requests.found(window, span.low)

        return look

    def _marks(self, window: Window, span: Span) -> Iterator[Found]:
        for mark in marks(window, numeric=self._forms[span.piece.path].numeric):
            gap = mark.gap
            if gap is not None:
                self._gaps[gap] = None
            yield _mark(mark)

    # The newest that had the name when they were hit come first. Where they are fewer than wanted, or
    # all are wanted, those count too that were started under it and hit under another.
    def _named(self, query: Query) -> Iterator[Found]:
        target = query.target
        assert target is not None  # noqa: S101 -- who asks by name has one

        def texts(form: Form) -> Texts:
            return form.of_name(target)

        search = self._name_search(query, exits=query.ordinary and query.wants(ProcessExited))
        direct = self._walk(query, self._by_name(query, search), texts)
        if not query.wants(SignalSent):
            yield from direct
            return
        first: list[Found] = []
        if query.newest is None:
            search = self._name_search(query, exits=False)
            for _ in self._walk(query, lambda window, _span: search.found(window, None), texts):
                pass
        else:
            pids: set[int] = set()
            for each in direct:
                first.append(each)
                pids.add(each.pid)
                if len(pids) >= query.newest:
                    yield from both(first, direct)
                    return
        yield from merge(both(first, direct), self._renamed(query, search.execs), key=_newness)

    def _name_search(self, query: Query, *, exits: bool) -> NameSearch:
        assert query.target is not None  # noqa: S101 -- who asks by name has one
        return NameSearch(query.target, self._note, exits=exits, execs=query.wants(SignalSent))

    def _by_name(self, query: Query, search: NameSearch) -> _Look:
        finders = {p.path: self._finder(query, None, p) for p in self._pieces}
        signals = query.wants(*_SIGNALS)

        def look(window: Window, span: Span) -> Iterator[Found]:
            return search.found(window, finders[span.piece.path] if signals else None)

        return look

    def _renamed(self, query: Query, execs: list[Call]) -> Iterator[Found]:
        if not execs or query.target is None:
            return iter(())
        asked = _since([s for s in self._spans(query) if s.asked], execs[-1])
        renamed = Renamed(query.target, execs, asked)
        finders = {p.path: self._finder(query, renamed.pids, p) for p in self._pieces}
        found = self._batches(
            asked, lambda w, span: renamed.found(w, finders[span.piece.path]), _none
        )
        return newest_first(found)

    def _by_sender(self, pid: int) -> _Look:
        signal_calls = calls(SIGNAL_CALLS)
        needle = b" pid=%d auid=" % pid

        def look(window: Window, span: Span) -> Iterator[Found]:
            finder = self._finder(Query(), None, span.piece)
            for at in window.hits(needle):
                begin = window.buffer.rfind(b"\n", 0, at) + 1
                if signal_calls is None or not signal_calls.search(window.buffer, begin, at):
                    continue
                call = self._parsed(span.piece, *window.line(at))
                if call is not None and call.pid == pid and call.signal:
                    hits = finder.of_call(call) if call.name in SIGNAL_CALLS else []
                    yield from (_hit(hit) for hit in hits)
                    if not hits and call.name in to_events.NUMBERED:
                        yield _numbered(call)

        return look

    def _parsed(self, piece: Piece, offset: int, line: bytes) -> Call | None:
        call = parse(piece, offset, line)
        if call is None and (of := head(line)) is not None and of.kind == b"SYSCALL":
            self._note(piece, offset, line)
        return call

    def _note(self, piece: Piece, offset: int, line: bytes) -> None:
        if len(self._unread) < _UNREAD_MOST:
            self._unread[piece.path, offset] = len(line) + 1

    def coverage(self) -> Coverage:
        """The log has no count of what is missing from it, but it says when its daemon was not running."""
        return Coverage(
            problems=tuple(self._problems.values()),
            gaps=tuple(self._gaps),
            unread=Unread(
                lines=len(self._unread),
                bytes=sum(self._unread.values()),
                files=tuple(p.path for p in self._pieces if p.cut),
            ),
        )

    def close(self) -> None:
        """Closes the files."""
        for piece in self._pieces:
            piece.close()


def _pid(query: Query) -> int | None:
    if query.pid is not None:
        return query.pid
    if query.key is not None:
        return query.key.tgid
    return query.target.pid if query.target is not None else None


# An audit log has no exits with a parent or a pipe, nothing about the host, and no cgroups.
def _may_hold(query: Query) -> bool:
    if query.parent is not None or query.pipe is not None or query.window.empty:
        return False
    if not query.wants(*_GIVES) and (_one(query) or not _asks(query)):
        return False
    if query.target is None or query.target.pid is not None:
        return True
    return bool(literals(query.target))


def _meant(event: Event, query: Query) -> bool:
    if not query.wants(type(event)) or not query.window.covers(event.time_ns):
        return False
    if query.key is not None and query.pid is None:
        query = replace(query, pid=query.key.tgid)
    if query.sender is None:
        return about(event, query)
    sent_by = event.process if isinstance(event, SignalRefused) else None
    if isinstance(event, SignalSent):
        sent_by = event.current
    own = replace(query, sender=None)
    return sent_by is not None and sent_by.pid == query.sender.tgid and about(event, own)


def _one(query: Query) -> bool:
    return _pid(query) is not None or query.sender is not None or query.target is not None


def _asks(query: Query) -> bool:
    return query.kinds is not None and ManagerAsked in query.kinds


def _none(_form: Form) -> Texts:
    return ()


def _hit(hit: Hit) -> Found:
    return Found(hit.call.head, hit.offset, hit.pid, lambda: [to_events.sent(hit)])


def _mark(mark: Mark) -> Found:
    return Found(mark.head, mark.offset, -1, lambda: to_events.ended(mark)[::-1])


# Nothing shows that it means this host's PIDs.
def _numbered(call: Call) -> Found:
    pid = call.args[0]
    return Found(
        call.head, call.offset, pid, lambda: [to_events.by_number(call, pid, proven=False)]
    )


def _newness(found: Found) -> tuple[int, int, int]:
    return found.newness


# What lies behind the oldest exec.
def _since(asked: list[Span], oldest: Call) -> list[Span]:
    piece = oldest.piece
    last = next(n for n, span in enumerate(asked) if span.piece is piece)
    cut = replace(asked[last], low=max(asked[last].low, oldest.offset))
    return [*asked[:last], cut]


def _looks(_piece: Piece, sample: bytes) -> Match:
    if not looks(sample):
        return Match.NO
    # A kernel's log holds audit records and other lines.
    return Match.WHOLE if sample.startswith((b"type=", b"node=")) else Match.PART


def _opened(pieces: list[Piece]) -> Opened:
    folders: dict[str, list[Piece]] = {}
    for piece in pieces:
        folders.setdefault(piece.path.rpartition("/")[0], []).append(piece)
    return Opened(tuple(AuditLog(together) for together in folders.values()))


DESCRIPTOR: Final = Descriptor(
    id=ID,
    what="the audit log: raw, enriched, of several nodes, behind syslog, as the kernel prints it",
    yields="who called which signal call on which process, refused and failed calls, launch chains by"
    " execs, the login of a session, crashes, sandbox kills; with the rules of `killtrail rules` also"
    " which process exited by itself",
    silent_about="whether a signal had its effect; cgroup.kill, timers, terminals, tracers, the OOM killer;"
    " x32 programs, whose calls no rule matches",
    needs="the file; rules that record signal calls: `killtrail rules`",
    clock="wall clock in milliseconds, with a tick of a few",
    completeness="what the rules in force recorded; the log has no count of what is missing",
    places=("/var/log/audit/audit.log*",),
    looks=_looks,
    open_files=_opened,
)
