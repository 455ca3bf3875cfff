"""How a query is put to journalctl: match terms, which its indexes answer, and one pattern.

journalctl(1), systemd.journal-fields(7). Terms in a row are ANDed, of one field ORed; `+` parts
alternatives. A pattern is a Perl regular expression that MESSAGE has to match; each entry that the
terms leave costs about a microsecond.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.events import (
    Event,
    HostEvent,
    LoginSeen,
    OomKilled,
    ProcessExited,
    ProcessSeen,
    SignalRefused,
    SignalSent,
)
from killtrail.model.query import Query
from killtrail.model.target import Kind
from killtrail.sources.logs import kernel_reports
from killtrail.sources.logs.literals import Literal, needles

KERNEL: Final = "_TRANSPORT=kernel"
_MANAGER: Final = "_PID=1"
_USER_MANAGER: Final = "_COMM=systemd"
_OOMD: Final = "SYSLOG_IDENTIFIER=systemd-oomd"
_BY_MANAGERS: Final = (OomKilled, SignalSent, SignalRefused, ProcessExited, ProcessSeen)
_WRITERS: Final[tuple[tuple[str, tuple[type[Event], ...]], ...]] = (
    (KERNEL, (*_BY_MANAGERS, HostEvent)),
    (_MANAGER, (*_BY_MANAGERS, HostEvent)),
    (_USER_MANAGER, _BY_MANAGERS),
    (_OOMD, (OomKilled,)),
    *(
        (f"SYSLOG_IDENTIFIER={name}", (HostEvent,))
        for name in ("systemd-logind", "systemd-shutdown")
    ),
    ("SYSLOG_IDENTIFIER=sudo", (HostEvent, LoginSeen)),
    *(
        (f"SYSLOG_IDENTIFIER={name}", (LoginSeen,))
        for name in ("CRON", "cron", "crond", "atd", "sshd", "sshd-session")
    ),
)
# Before there is a journal, and when there is none left, systemd writes into the kernel's ring
# (journald-kmsg.c; its identifier would do as well, but two long lists are slow to intersect).
_BY_RING: Final = "SYSLOG_PID=1"
# mm/oom_kill.c: "Killed process" has been pr_err() (2.6: KERN_ERR) since there is an OOM killer.
_OF_KILLS: Final = "PRIORITY=3"
_KILL: Final = "Killed process "
_SUMMARY: Final = "oom-kill:constraint=.*task_memcg="
# Each first letter of an alternative costs: these words need not be sought before a name as well.
_FOLLOW: Final = (b"OOM killer", b"result 'oom-kill'", b": segfault at", b"Main process exited")
_PLAIN: Final = re.compile(r"[A-Za-z0-9:_.@-]+\.(?:service|scope)")
_DASHES_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """What journalctl is asked for."""

    matches: tuple[str, ...]
    """Empty: no entry can be of use."""
    pattern: str


def of(query: Query, *, leveled: bool) -> Terms:
    """A resolved query's terms. `leveled`: whether kernel entries have their PRIORITY."""
    groups = [
        group
        for writer, kinds in _WRITERS
        if any(query.wants(kind) for kind in kinds)
        for group in _narrowed(writer, query, leveled=leveled)
    ]
    pattern = _pattern(query)
    matches = [word for group in groups for word in ("+", *group)][1:] if pattern else []
    return Terms(tuple(matches), pattern)


def by_cgroup(query: Query) -> bool:
    """Whether only a cgroup shows that an event is wanted: of the kernel's lines, OOM kills alone."""
    kind = query.target.kind if query.target is not None else None
    return kind in (Kind.UNIT, Kind.CONTAINER) and not query.wants(HostEvent, LoginSeen)


def names(query: Query, text: str) -> bool:
    """Whether a kernel line may be wanted by what it says itself."""
    wanted = _needles(query)
    return not wanted or any(needle in text for needle in wanted)


# An OOM kill's own line names its victim, the line before it the victim's cgroup.
def _by_line_before(query: Query) -> bool:
    kind = query.target.kind if query.target is not None else None
    return kind in (Kind.NAME, Kind.UNIT, Kind.CONTAINER)


def of_cgroup(query: Query) -> str:
    """The pattern of the line before an OOM kill that names the victim's cgroup."""
    return f"{_SUMMARY}.*{_any(_needles(query))}"


def _narrowed(writer: str, query: Query, *, leveled: bool) -> Iterator[tuple[str, ...]]:
    if not by_cgroup(query):
        yield (writer,)
    elif writer == KERNEL:
        yield from _of_kernel(query, leveled=leveled)
    elif writer in (_MANAGER, _USER_MANAGER):
        field = "UNIT" if writer == _MANAGER else "USER_UNIT"
        yield (writer, *(f"{field}={name}" for name in _units(query)))
    else:
        yield (writer,)


def _of_kernel(query: Query, *, leveled: bool) -> Iterator[tuple[str, ...]]:
    # The kernel knows no process as PID 0, which stands for the main process of a unit.
    kills = query.pid != 0 and query.wants(OomKilled)
    if kills and not leveled:
        yield (KERNEL,)
        return
    yield (KERNEL, _BY_RING)
    if kills:
        yield (KERNEL, _OF_KILLS)


# In a unit's name systemd writes some dashes as \x2d (systemd.unit(5)); a target has none escaped.
def _units(query: Query) -> Iterator[str]:
    unit = query.target.text if query.target is not None else ""
    if query.target is None or query.target.kind is not Kind.UNIT or not _PLAIN.fullmatch(unit):
        return
    first, *rest = unit.split("-")
    if len(rest) <= _DASHES_MOST:
        for dashes in product(("-", r"\x2d"), repeat=len(rest)):
            yield first + "".join(map(str.__add__, dashes, rest))


def _pattern(query: Query) -> str:
    literals = [
        each for each in kernel_reports.LITERALS if any(query.wants(kind) for kind in each.kinds)
    ]
    wanted = _needles(query)
    if not wanted or not literals:
        return "|".join(map(re.escape, map(_text, literals)))
    near = [each for each in literals if each.narrowed(query)]
    alone = [re.escape(_text(each)) for each in literals if each not in near]
    if query.wants(OomKilled) and _by_line_before(query):
        alone.append(_KILL)
    name, leads = _bounded(wanted), [each for each in near if each.text not in _FOLLOW]
    after = [f"{name}.*{_any(map(_text, near))}"] if near else []
    before = [f"{_any(map(_text, leads))}.*{name}"] if leads else []
    return "(?s)" + "|".join((*after, *before, *alone))


def _text(literal: Literal) -> str:
    return literal.text.decode("ascii")


def _needles(query: Query) -> tuple[str, ...]:
    return tuple(each.decode("utf-8", "surrogateescape") for each in needles(query))


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, words))})"


def _bounded(words: tuple[str, ...]) -> str:
    return rf"\b{_any(words)}\b" if words[0].isdigit() else _any(words)
