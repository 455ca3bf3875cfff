"""What syslog has of a launch chain: the job, session or sudo command that it began with."""

from collections.abc import Iterable
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.inquiry.merged import Merged
from killtrail.model.clock import NS
from killtrail.model.events import LoginSeen
from killtrail.model.process import Process
from killtrail.model.query import Query, Window

_BEGUN_NS: Final = 10 * NS
"""How soon after the line what it started must have begun."""
_ITSELF_NS: Final = 2 * NS
"""How near to its own start a process logs what it is about to become; syslog has whole seconds."""


@dataclass(frozen=True, slots=True)
class Start:
    """A process, what it started, and when that began (ns)."""

    above: Process
    child: Process
    time_ns: int


def login_of(merged: Merged, starts: Iterable[Start]) -> LoginSeen | None:
    """The line of a process that started its child right after it.

    A PID alone may be another process's by now, so the child must have begun at once. A job or a
    session goes before a sudo command: it says more about where the chain began.
    """
    ran: LoginSeen | None = None
    for start in starts:
        window = Window(start.time_ns - _BEGUN_NS, start.time_ns + _ITSELF_NS)
        lines = [
            event
            for event in merged.newest_logged(Query(kinds=(LoginSeen,), window=window))
            if isinstance(event, LoginSeen) and _of_its_user(event, start)
        ]
        for event in lines:
            if _began(event, start):
                if event.process.comm != "sudo":
                    return event
                ran = ran or event
        ran = ran or _by_command(lines, start)
    return ran


# Everybody may write such a line with logger(1): one that names another user than the kernel's record
# of the process proves nothing. A process's own user is compared, where both are known.
def _of_its_user(event: LoginSeen, start: Start) -> bool:
    named = event.process
    if named.comm == "sudo":
        pairs = [(named.login_user, start.above.login_user)]
    elif event.command:
        pairs = [(named.user, start.child.user)]
    else:
        pairs = [(named.login_user, start.child.login_user or start.child.user)]
    return all(not said or not known or said == known for said, known in pairs)


# Debian's cron logs with the PID of the child that becomes the job's shell, cronie with its parent's.
def _began(event: LoginSeen, start: Start) -> bool:
    if not event.process.pid:
        return False
    if event.process.pid == start.above.pid:
        return event.time_ns <= start.time_ns
    itself = abs(event.time_ns - start.time_ns) <= _ITSELF_NS
    return event.process.pid == start.child.pid and bool(event.command) and itself


# Debian's sudo does not log its PID: only one line may fit, by every word of its command.
def _by_command(lines: list[LoginSeen], start: Start) -> LoginSeen | None:
    if start.above.comm != "sudo" or start.child.argv is None:
        return None
    words = start.child.argv.words
    found = [line for line in lines if not line.process.pid and _same(line.command or "", words)]
    if len(found) != 1:
        return None
    return replace(found[0], process=replace(found[0].process, key=start.above.key))


def _same(command: str, words: tuple[str, ...]) -> bool:
    logged = command.split()
    return (
        bool(logged and words)
        and logged[0].rpartition("/")[2] == words[0].rpartition("/")[2]
        and logged[1:] == list(words[1:])
    )
