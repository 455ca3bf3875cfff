"""Hidden sockets, three ways: /proc/net, sock_diag, and what the host's own tools show."""

import os
from collections.abc import Iterator
from typing import Final

from killtrail.host import socket_views
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.trust import sandbox
from killtrail.trust.root import Root

_TOOLS: Final[dict[str, tuple[str, ...]]] = {"ss": ("-Htuan",), "netstat": ("-tuan",)}
_ATTEMPTS: Final = 3


def checks(root: Root, *, may_run: bool) -> Iterator[Check]:
    """The kernel's two views, then the tools'."""
    yield from _kernel()
    if not may_run:
        return
    for name, words in _TOOLS.items():
        for folder in root.searched():
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK):
                yield from _tool(path, words)


# A socket that is in one view before and after, and not in the other in between, is hidden from it.
# Between two looks a socket can close and its place in a hash table shift: the rest is checked
# again.
def _kernel() -> Iterator[Check]:
    hidden: set[socket_views.Socket] = set()
    for attempt in range(_ATTEMPTS):
        before, proc, after = socket_views.in_diag(), socket_views.in_proc(), socket_views.in_diag()
        if before is None or proc is None or after is None:
            what = "sock_diag" if proc is not None else "/proc/net"
            yield _check(
                Result.NOT_CHECKABLE, Layer.KERNEL, "sockets", what, f"{what} is not available here"
            )
            return
        found = (before & after) - proc
        hidden = found if attempt == 0 else hidden & found
        if not hidden:
            count = f"{len(proc)} socket" + ("" if len(proc) == 1 else "s")
            says = f"{count}; /proc/net and sock_diag agree"
            yield _check(Result.CONSISTENT, Layer.KERNEL, "sockets", "/proc/net, sock_diag", says)
            return
    for each in sorted(hidden, key=lambda s: (s.kind, s.port)):
        yield _check(
            Result.CONTRADICTED, Layer.KERNEL, f"{each.kind} port {each.port}", "/proc/net, sock_diag",
            f"sock_diag has a socket on {each.kind} port {each.port} (inode {each.inode}),"
            " /proc/net does not list it",
            "netstat and every other reader of /proc/net does not see it",
        )  # fmt: skip


def _tool(path: str, words: tuple[str, ...]) -> Iterator[Check]:
    missing: dict[str, set[int]] = {}
    for attempt in range(_ATTEMPTS):
        before = socket_views.in_proc()
        ran = sandbox.run(path, words, network=True)
        after = socket_views.in_proc()
        if before is None or after is None or ran is None or ran.status != 0:
            return
        shown = _ports(ran)
        found: dict[str, set[int]] = {}
        for each in before & after:
            if each.waiting and each.port not in shown.get(each.kind[:3], set()):
                found.setdefault(each.kind[:3], set()).add(each.port)
        missing = (
            found
            if attempt == 0
            else {k: v & found.get(k, set()) for k, v in missing.items() if v & found.get(k, set())}
        )
        if not missing:
            break
    call = visible(" ".join((path, *words)))
    for kind, ports in sorted(missing.items()):
        for port in sorted(ports):
            yield _check(
                Result.CONTRADICTED, Layer.TOOLS, path, call,
                f"it does not show {kind} port {port}, which /proc/net had before and after",
                f"what {path} does not show may be listening all the same",
            )  # fmt: skip
    if not missing:
        says = "showed every port that /proc/net has"
        yield _check(Result.CONSISTENT, Layer.TOOLS, path, call, says)


def _ports(ran: sandbox.Ran) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for line in ran.output.decode("utf-8", "replace").splitlines():
        fields = line.split()
        if fields and fields[0][:3] in ("tcp", "udp"):
            ports = (f.rpartition(":")[2] for f in fields[1:] if ":" in f)
            found.setdefault(fields[0][:3], set()).update(int(p) for p in ports if p.isdecimal())
    return found


def _check(
    result: Result, layer: Layer, subject: str, by: str, says: str, follows: str | None = None
) -> Check:
    return Check(CheckId.HIDDEN_SOCKET, subject, result, by, says, follows, layer=layer)
