"""Clients of service managers that were started with a verb that ends something."""

import re
from collections.abc import Iterator
from typing import Final

from killtrail.files.search import Window
from killtrail.model import manager_clients
from killtrail.model.events import ManagerAsked
from killtrail.model.process import Argv, Key, Process
from killtrail.sources.logs.audit import commandline
from killtrail.sources.logs.audit.launch_chain import Node, Span, Walk, chain
from killtrail.sources.logs.audit.names import calls
from killtrail.sources.logs.audit.newest_first import Found
from killtrail.sources.logs.audit.syscall_record import EXEC_CALLS, Call, parse
from killtrail.sources.logs.audit.targets import Finder

_NEAR: Final = 8 << 20
"""How far before a client's exec its launchers are looked for."""


class RequestSearch:
    """Finds them by their names."""

    def __init__(self) -> None:
        names = sorted(manager_clients.ALONE | manager_clients.CLIENTS)
        # A name of eight bytes may go on.
        forms = [n + ('[^"]*' if len(n) == manager_clients.NAME_MOST else "") for n in names]
        self._client = re.compile(b' comm="(?:%s)" exe=' % "|".join(forms).encode("ascii"))
        self._exec = calls(EXEC_CALLS)

    def found(self, window: Window, low: int) -> Iterator[Found]:
        """Requests in a window; launchers are looked for as far back as `low`."""
        for match in self._client.finditer(window.buffer, window.first, window.end):
            if match.start() >= window.last:
                return
            call = self._call(window, match.start())
            if call is None:
                continue
            argv = commandline.of_exec(call)
            if manager_clients.asks(call.comm, argv.words if argv else ()):
                yield _found(call, argv, low)

    def _call(self, window: Window, at: int) -> Call | None:
        begin = window.buffer.rfind(b"\n", 0, at) + 1
        if window.piece is None or self._exec is None:
            return None
        if not self._exec.search(window.buffer, begin, at):
            return None
        call = parse(window.piece, *window.line(at))
        return call if call is not None and call.success and call.name in EXEC_CALLS else None


def _found(call: Call, argv: Argv | None, low: int) -> Found:
    def events() -> Iterator[ManagerAsked]:
        lineage = tuple(_process(node) for node in _launchers(call, low))
        yield ManagerAsked(call.head.time_ns, call.place, call.process(argv), lineage)

    return Found(call.head, call.offset, call.pid, events)


def _launchers(call: Call, low: int) -> list[Node]:
    walk = Walk(Finder(None, numeric=False))
    client = walk.above(call)
    walk.through([Span(call.piece, max(low, call.offset - _NEAR), call.offset, asked=False)])
    return chain(client)[1:]


def _process(node: Node) -> Process:
    if node.record is None:
        return Process(Key(node.pid, None))
    return node.record.process(commandline.of_exec(node.exec) if node.exec else None)
