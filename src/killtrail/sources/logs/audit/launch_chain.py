"""One walk backwards through a log: signals to a process, and the launch chains of their senders.

Every byte is read once, at any depth. A process is *open* while its program is unknown: its last
successful exec before its child's exec closes it and opens its parent at that time, so a reparented
ppid of 1 in a later record does not stop the walk. A process that only forked has no exec; any
other record of it ("seen") gives its parent provisionally.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.sources.logs.audit.syscall_record import EXEC_CALLS, Call, parse
from killtrail.sources.logs.audit.targets import Finder, Hit

_OPEN_MOST: Final = 64
_SINGLY: Final = 4
"""Up to so many needles are sought one by one; more in one pattern."""
_DEEPEST: Final = 32


@dataclass(slots=True, eq=False)
class Node:
    """One process of a launch chain."""

    pid: int
    exec: Call | None = None
    seen: Call | None = None
    parent: "Node | None" = None
    depth: int = 0

    @property
    def record(self) -> Call | None:
        """Its exec, else any other record of it."""
        return self.exec or self.seen


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a piece; `asked`: signals in it count, else only launchers of later senders."""

    piece: Piece
    low: int
    high: int
    asked: bool = True


@dataclass(slots=True)
class Trail:
    """A hit and the sender's chain."""

    hit: Hit
    sender: Node


@dataclass(slots=True)
class Walk:
    """The state of the walk; feed it windows from the newest to the oldest."""

    finder: Finder
    launchers: bool = True
    trails: list[Trail] = field(default_factory=list)
    """What was found, newest first."""
    _open: dict[int, Node] = field(default_factory=dict)

    def through(
        self, spans: Iterable[Span], texts: Callable[[Span], tuple[bytes, ...]] = lambda _: ()
    ) -> None:
        """Walks through parts of pieces, given newest first; `texts`: of which one is near each hit."""
        window = Window()
        for span in spans:
            high = span.high
            while high > span.low and (span.asked or self._open):
                # Launchers may stand anywhere.
                high = self._down(window, span, high, () if self._open else texts(span))

    def _down(self, window: Window, span: Span, high: int, texts: tuple[bytes, ...]) -> int:
        for each in window.backwards(span.piece, span.low, high, texts):
            if not span.asked and not self._open:
                break
            self._step(each, hits=span.asked)
            if texts and self._open:
                return each.start + each.first
        return span.low

    def above(self, call: Call) -> Node:
        """The process that an exec started, its parent open: for walks without hits."""
        node = Node(call.pid, exec=call)
        self._open_parent(node, call.ppid, [])
        return node

    # Within a window, too, records are read from the end to the start: the record that opens a
    # process comes after the one that may close it.
    def _step(self, window: Window, *, hits: bool) -> None:
        queue = [(-at, 0) for at in self.finder.spots(window)] if hits else []
        heapq.heapify(queue)
        for at, pid in self._sightings(window, list(self._open)):
            heapq.heappush(queue, (-at, pid))
        while queue:
            back, pid = heapq.heappop(queue)
            opened = self._sighted(window, -back, pid) if pid else self._struck(window, -back)
            for at, other in self._sightings(window, opened):
                if at < -back:
                    heapq.heappush(queue, (-at, other))

    @staticmethod
    def _sightings(window: Window, pids: list[int]) -> Iterator[tuple[int, int]]:
        if len(pids) <= _SINGLY:
            for pid in pids:
                for at in window.hits(b" pid=%d auid=" % pid):
                    yield at, pid
            return
        pattern = re.compile(rb" pid=(%s) auid=" % b"|".join(b"%d" % pid for pid in pids))
        for match in pattern.finditer(window.buffer, window.first, window.end):
            if match.start() < window.last:
                yield match.start(), int(match[1])

    def _struck(self, window: Window, at: int) -> list[int]:
        hit = self.finder.hit(window, at)
        if hit is None or not hit.call.success or hit.call.signal == 0:
            return []
        opened: list[int] = []
        node = self._opened(hit.call.pid, opened, 0)
        if node.seen is None:
            node.seen = hit.call
            self._open_parent(node, hit.call.ppid, opened)
        self.trails.append(Trail(hit, node))
        return opened

    def _opened(self, pid: int, opened: list[int], depth: int) -> Node:
        node = self._open.get(pid)
        if node is None:
            node = Node(pid, depth=depth)
            if self.launchers and len(self._open) < _OPEN_MOST and depth < _DEEPEST:
                self._open[pid] = node
                opened.append(pid)
        return node

    def _open_parent(self, node: Node, ppid: int, opened: list[int]) -> None:
        node.parent = self._opened(ppid, opened, node.depth + 1) if ppid > 0 else None
        if ppid == 1 and ppid in opened:
            # Init is there from the beginning; its exec is in no log.
            opened.remove(ppid)
            del self._open[ppid]

    def _sighted(self, window: Window, at: int, pid: int) -> list[int]:
        node = self._open.get(pid)
        if node is None or window.piece is None:
            return []
        call = parse(window.piece, *window.line(at))
        if call is None or call.pid != pid:
            return []
        opened: list[int] = []
        if call.name in EXEC_CALLS:
            if call.success:
                self._close(node, call, opened)
        elif node.seen is None:
            node.seen = call
            self._open_parent(node, call.ppid, opened)
        return opened

    # A later record with another program means that this exec belongs to an earlier process with
    # this PID.
    def _close(self, node: Node, call: Call, opened: list[int]) -> None:
        del self._open[node.pid]
        if node.seen is not None and node.seen.exe != call.exe:
            return
        node.exec = call
        provisional = node.parent
        if provisional is not None and provisional.pid == call.ppid:
            return
        if provisional is not None and not self._wanted(provisional, node):
            self._open.pop(provisional.pid, None)
        self._open_parent(node, call.ppid, opened)

    def _wanted(self, parent: Node, but: Node) -> bool:
        nodes = {id(t.sender): t.sender for t in self.trails}
        for sender in nodes.values():
            node: Node | None = sender
            while node is not None:
                if node is not but and node.parent is parent:
                    return True
                node = node.parent if node is not node.parent else None
        return False


def chain(sender: Node) -> list[Node]:
    """The sender and its launchers, nearest first; cut where it would turn in a circle."""
    found: list[Node] = []
    node: Node | None = sender
    while node is not None and node not in found and len(found) < _DEEPEST:
        found.append(node)
        node = node.parent
    return found
