"""Deaths that a question is about, the newest first, found no further than they are taken."""

from collections.abc import Iterable, Iterator
from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import fatal_signal, threads
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.draft import VerdictDraft
from killtrail.attribution.engine import argue
from killtrail.host import procfs
from killtrail.inquiry import hosts, logged, recorded
from killtrail.inquiry.lives import ENDINGS, named_by
from killtrail.inquiry.logged import Logged
from killtrail.inquiry.merged import Merged
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    ImageReplaced,
    ProcessExited,
    SignalRefused,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key, Process
from killtrail.model.query import Query, Window
from killtrail.model.target import Target
from killtrail.model.trust import Distrust

_PER_DEATH: Final = 20
"""How many signals one death may have brought, where only so many deaths are wanted. A report of a
death by the kernel or a daemon needs no other, and counts for as many.
"""
_CHUNK_LEAST, _CHUNK_MOST = 100, 2000
"""How many events are judged together: with more of them, memory grows and the first is late."""
_LOOK_BACK_NS: Final = 10 * NS
"""How much older than the rest a signal may be that belongs to a listed death."""
_GROUP_MOST: Final = 1000


def on_recorder(
    merged: Merged, target: Target | None, query: Query, distrust: tuple[Distrust, ...]
) -> Iterator[VerdictDraft]:
    """Deaths that recorders saw; of a PID also processes without a recorded exit, and threads."""
    if target is not None and target.pid is not None:
        yield from _of_pid(merged, target.pid, query, distrust)
        return
    for event in merged.newest_recorded(replace(query, kinds=(ProcessExited,), target=target)):
        if isinstance(event, ProcessExited) and _meant(merged, target, event):
            yield argue(_case(merged, event.process.key, event, distrust, listed=target is None))


def _of_pid(
    merged: Merged, pid: int, query: Query, distrust: tuple[Distrust, ...]
) -> Iterator[VerdictDraft]:
    found = [
        argue(_case(merged, end.process.key, end, distrust))
        for end in recorded.exits(merged, replace(query, pid=pid, newest=None))
    ]
    here = merged.host.boot.boot_id == _running()
    found += [
        argue(_case(merged, key, None, distrust))
        for key in recorded.unended(merged, pid)
        if not (here and _runs(key))
    ]
    found += [
        threads.died(_case(merged, event.process.key, None, distrust), event)
        for event in recorded.threads(merged, pid)
        if isinstance(event, ThreadDied)
    ]
    meant = [d for d in found if d.death and query.window.covers(d.death.time_ns)]
    yield from sorted(meant, key=lambda d: -((d.death.time_ns if d.death else 0) or 0))


def _running() -> str:
    from killtrail.host import boot  # noqa: PLC0415 -- tests of files need no host

    return boot.boot_id()


def _runs(key: Key) -> bool:
    process = procfs.read_process(key.tgid)
    return process is not None and bool(process.alive) and process.key.same_life(key)


def _case(
    merged: Merged,
    key: Key,
    end: ProcessExited | None,
    distrust: tuple[Distrust, ...],
    *,
    listed: bool = False,
) -> Case:
    case = recorded.case_of(merged, key, end, listed=listed)
    return replace(case, distrust=distrust) if distrust else case


# An exit record has no exe: that may only be matched by what a signal's record holds.
def _meant(merged: Merged, target: Target | None, end: ProcessExited) -> bool:
    if target is None or target.matches(end.process):
        return True
    return target.matches(recorded.facts_of(merged, end.process.key, end).process)


def replaced(merged: Merged, pid: int) -> ImageReplaced | None:
    """The last exec by a thread of this PID, or with this thread id: earlier ones are its past."""
    found = [e for e in recorded.threads(merged, pid) if isinstance(e, ImageReplaced)]
    return found[-1] if found else None


def living(target: Target) -> list[Process]:
    """Processes that the target names and that run here, never killtrail itself."""
    numbers: Iterable[int] = [target.pid] if target.pid is not None else procfs.pids()
    found = (procfs.read_process(n) for n in numbers)
    own = procfs.own_family()
    return [
        p
        for p in found
        if p is not None
        and p.alive
        and target.matches(p)
        and (target.pid is not None or p.pid not in own)
    ]


def in_logs(
    merged: Merged, target: Target | None, query: Query, node: str | None
) -> Iterator[VerdictDraft]:
    """Deaths that only logs record."""
    for found in _logged(merged, target, query, node):
        yield argue(found.case)


def _logged(
    merged: Merged, target: Target | None, query: Query, node: str | None
) -> Iterator[Logged]:
    if target is None:
        yield from _listed(merged, query, node)
    elif target.pid is not None:
        own = logged.of_pid(merged, (target.pid, None), query.window, node, launchers=True)
        yield from own[::-1]
    else:
        yield from _by_name(merged, target, query, node)


# A name is looked up in events; whose PID that is gives the whole story, and that PID's other deaths.
def _by_name(merged: Merged, target: Target, query: Query, node: str | None) -> Iterator[Logged]:
    known: dict[tuple[int, str | None], list[Logged]] = {}
    waiting: list[Logged] = []
    for event in logged.candidates(merged, replace(query, target=target)):
        who = named_by(event)
        if not any(logged.covers(each, event.time_ns) for each in known.get(who, ())):
            at = event.time_ns
            near = logged.of_pid(
                merged, who, logged.around(at), node, launchers=True, near=logged.closely_around(at)
            )
            known.setdefault(who, []).extend(near)
            waiting += [w for w in near if _in_question(w, target, query.window)]
        # A question for one death must not wait until the one before it is found.
        ready = [w for w in waiting if w.last_ns >= event.time_ns]
        yield from _newest_first(ready)
        waiting = [w for w in waiting if w.last_ns < event.time_ns]
    yield from _newest_first(waiting)


def _in_question(found: Logged, target: Target, window: Window) -> bool:
    return target.matches(found.case.facts.process) and window.covers(found.last_ns)


# Lists take events as they come, and judge those of a PID once no older one can belong to them.
def _listed(merged: Merged, query: Query, node: str | None) -> Iterator[Logged]:
    size = min(_CHUNK_MOST, max(_CHUNK_LEAST, (query.newest or 0) * _PER_DEATH))
    wanted = replace(query, kinds=(*ENDINGS, SignalRefused), launchers=False)
    chunk: list[Event] = []
    waiting: list[Logged] = []
    room = size
    for event in merged.newest_logged(wanted):
        chunk.append(event)
        room -= 1 if isinstance(event, SignalSent | SignalRefused) else _PER_DEATH
        if room <= 0:
            done, chunk = _complete(chunk, event.time_ns + _LOOK_BACK_NS)
            waiting += _of_chunk(merged, done, node)
            ready, waiting = _in_order(waiting, chunk)
            yield from ready
            # Those that are left are looked through again: the more they are, the more come with them.
            size = min(_CHUNK_MOST, size * 2)
            room = max(size, len(chunk))
    yield from _newest_first([*waiting, *_of_chunk(merged, chunk, node)])


# A death waits while one that is not yet told in full may be newer. A refused signal is none, and a
# daemon may be refused all day.
def _in_order(found: list[Logged], untold: list[Event]) -> tuple[list[Logged], list[Logged]]:
    newest = max((event.time_ns for event in untold if isinstance(event, ENDINGS)), default=0)
    ready = _newest_first([each for each in found if each.last_ns >= newest])
    return ready, [each for each in found if each.last_ns < newest]


def _newest_first(found: list[Logged]) -> list[Logged]:
    return sorted(found, key=lambda each: -each.last_ns)


def _complete(chunk: list[Event], border_ns: int) -> tuple[list[Event], list[Event]]:
    oldest: dict[object, int] = {}
    count: dict[object, int] = {}
    for event in chunk:
        who = _who(event)
        oldest[who] = event.time_ns
        count[who] = count.get(who, 0) + 1
    done = {who for who, at in oldest.items() if at > border_ns or count[who] > _GROUP_MOST}
    if not done:
        return [], chunk
    return [e for e in chunk if _who(e) in done], [e for e in chunk if _who(e) not in done]


def _who(event: Event) -> object:
    if isinstance(event, ENDINGS):
        return (event.origin.host, *named_by(event))
    return (event.origin.host, event.pid if isinstance(event, SignalRefused) else None)


def _of_chunk(merged: Merged, chunk: list[Event], node: str | None) -> list[Logged]:
    found: list[Logged] = []
    quiet = Merged(merged.host)
    for name, own in hosts.by_host(chunk[::-1]).items():
        if node not in (None, name):
            continue
        groups: dict[object, list[Event]] = {}
        acts: dict[object, list[SignalSent]] = {}
        for event in own:
            groups.setdefault(_who(event), []).append(event)
            if isinstance(event, SignalSent):
                acts.setdefault(event.call_id, []).append(event)
        for events in groups.values():
            pid = next((named_by(e)[0] for e in events if isinstance(e, ENDINGS)), None)
            if pid is not None:
                found += [
                    _with_act(each, acts) for each in logged.of_events(quiet, events, pid, name)
                ]
    return found


def _with_act(found: Logged, acts: dict[object, list[SignalSent]]) -> Logged:
    fatal = fatal_signal.find(found.case.facts)
    act = fatal.signal.call_id if fatal else None
    if act is None or len(acts.get(act, ())) < 2:  # noqa: PLR2004 -- one victim is no act of many
        return found
    return replace(found, case=replace(found.case, same_call=tuple(acts[act])))


def nothing(process: Process, merged: Merged) -> Case:
    """The case of a process of which nothing is recorded."""
    return Case(Facts(process), merged.host, merged.coverage)
