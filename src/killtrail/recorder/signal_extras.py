"""Fields that only some signals carry: the limit, the filters, the terminal or the pipe."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.circumstances import Filters, ResourceLimit, Terminal
from killtrail.recorder import fields
from killtrail.recorder import layout as L  # noqa: N812

RESOURCES: Final = {0: "RLIMIT_CPU", 1: "RLIMIT_FSIZE", 9: "RLIMIT_AS", 15: "RLIMIT_RTTIME"}
"""include/uapi/asm-generic/resource.h, as far as a death can come of it."""


@dataclass(frozen=True, slots=True)
class Extras:
    """At most one of them is there."""

    limit: ResourceLimit | None = None
    filters: Filters | None = None
    terminal: Terminal | None = None
    pipe: int | None = None


def decode(kind: int, raw: bytes) -> Extras:
    """The extra of a signal record; an unknown kind or too few bytes give none."""
    if kind == L.EXTRA_LIMIT and len(raw) >= L.LIMIT_EXTRA.size:
        return Extras(limit=_limit(raw))
    if kind == L.EXTRA_FILTER and len(raw) >= L.FILTER_EXTRA.size:
        return Extras(filters=_filters(raw))
    if kind == L.EXTRA_TERMINAL and len(raw) >= L.TERMINAL_EXTRA.size:
        return Extras(terminal=_terminal(raw))
    if kind == L.EXTRA_PIPE and len(raw) >= L.PIPE_EXTRA.size:
        return Extras(pipe=L.PIPE_EXTRA.unpack_from(raw)[0])
    return Extras()


def limited(value: int) -> int | None:
    """A limit's value, None where it is RLIM_INFINITY."""
    return None if value == L.UNLIMITED else value


def _limit(raw: bytes) -> ResourceLimit | None:
    soft, hard, exec_soft, exec_hard, resource, carriers = L.LIMIT_EXTRA.unpack_from(raw)
    if resource not in RESOURCES:
        return None
    known = exec_soft != L.UNKNOWN_LIMIT
    same = exec_soft == soft and exec_hard in (hard, L.UNKNOWN_LIMIT)
    return ResourceLimit(
        RESOURCES[resource],
        limited(soft),
        limited(hard),
        carriers,
        same if known else None,
    )


def _filters(raw: bytes) -> Filters | None:
    count, at_exec, carriers, full = L.FILTER_EXTRA.unpack_from(raw)
    if count == L.NO_COUNT:
        return None
    return Filters(count, carriers, full, None if at_exec == L.NO_COUNT else at_exec)


def _terminal(raw: bytes) -> Terminal:
    pty, known, _, _, name = L.TERMINAL_EXTRA.unpack_from(raw)
    label = fields.text(name)
    # devpts names its slaves 0, 1, ...; the driver calls them pts0, pts1.
    if label.startswith("pts") and label[3:].isdecimal():
        label = f"pts/{label[3:]}"
    return Terminal(label, bool(pty), fields.ancestor(raw, 0), known == 1, bool(known))
