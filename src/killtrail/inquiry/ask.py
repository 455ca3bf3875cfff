"""The questions the command line asks."""

from collections.abc import Iterator

from killtrail._slotted import replace
from killtrail.attribution import threads
from killtrail.attribution.alive import alive
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import judge
from killtrail.host import boot, procfs
from killtrail.inquiry import cases
from killtrail.inquiry.merged import Fusion
from killtrail.inquiry.target import Target
from killtrail.model.events import ImageReplaced, Loss, ProcessExited, ThreadDied
from killtrail.model.process import Key, Process
from killtrail.model.query import Filter
from killtrail.model.verdict import Verdict
from killtrail.sources.base import Wanted


def why(fusion: Fusion, target: Target, narrow: Filter, *, this_host: bool) -> list[Verdict]:
    """Verdicts on every death that TARGET names, oldest first, and on the living of that name."""
    verdicts = _dead(fusion, target, narrow, this_host=this_host)
    replaced = _replaced(fusion, target.pid) if target.pid is not None else []
    there = _living(target) if this_host else []
    reused = bool(verdicts) and target.pid is not None
    became = [e.process.key for e in replaced]
    verdicts.extend(
        _alive(fusion, p, reused=reused)
        for p in there
        if not any(p.key.same_life(key) for key in became)
    )
    for event in replaced:
        case = cases.case_of(fusion, event.process.key, None)
        living = next((p for p in there if p.key.same_life(event.process.key)), None)
        if living or event.old_tid == target.pid:
            verdicts.append(threads.replaced(case, event, living))
    return verdicts[-narrow.most :] if narrow.most else verdicts


def _dead(fusion: Fusion, target: Target, narrow: Filter, *, this_host: bool) -> list[Verdict]:
    ends = _ends(fusion, target, narrow)
    verdicts = [judge(cases.case_of(fusion, e.process.key, e)) for e in ends]
    if target.pid is None:
        return verdicts
    unended = [
        judge(cases.case_of(fusion, key, None))
        for key in cases.unended(fusion, target.pid)
        if not (this_host and _lives(key))
    ]
    others = unended + _threads_died(fusion, target.pid)
    verdicts.extend(v for v in others if narrow.covers(v.death.time_ns))
    return sorted(verdicts, key=lambda v: v.death.time_ns or 0)


def _threads_died(fusion: Fusion, pid: int) -> list[Verdict]:
    return [
        threads.died(cases.case_of(fusion, e.process.key, None), e)
        for e in fusion.threads(pid)
        if isinstance(e, ThreadDied)
    ]


# The last exec counts: those before it are this one's past.
def _replaced(fusion: Fusion, pid: int) -> list[ImageReplaced]:
    return [e for e in fusion.threads(pid) if isinstance(e, ImageReplaced)][-1:]


def deaths(fusion: Fusion, narrow: Filter, *, ordinary: bool) -> Iterator[Verdict]:
    """Verdicts on recent deaths, oldest first."""
    wanted = Wanted(
        since_ns=narrow.since_ns, until_ns=narrow.until_ns, ordinary=ordinary, most=narrow.most
    )
    for end in fusion.exits(wanted):
        yield judge(cases.case_of(fusion, end.process.key, end))


def acts(fusion: Fusion, narrow: Filter, *, ordinary: bool) -> list[Verdict]:
    """One verdict per act: of many victims of one sender only the last is shown, oldest first."""
    wanted = Wanted(since_ns=narrow.since_ns, until_ns=narrow.until_ns, ordinary=ordinary)
    found: list[Verdict] = []
    told: set[Key] = set()
    for end in reversed(list(fusion.exits(wanted))):
        if end.process.key in told:
            continue
        found.append(judge(cases.case_of(fusion, end.process.key, end)))
        told.update(s.target.key for act in fusion.acts for s in act)
        if narrow.most and len(found) >= narrow.most:
            break
    return found[::-1]


def _ends(fusion: Fusion, target: Target, narrow: Filter) -> list[ProcessExited]:
    wanted = Wanted(pid=target.pid, since_ns=narrow.since_ns, until_ns=narrow.until_ns)
    found = [
        end
        for end in fusion.exits(wanted)
        if target.pid is not None or target.matches(_known(fusion, end))
    ]
    return found[-narrow.most :] if narrow.most else found


# An exit record has no exe: that may only be matched by what a signal recorded.
def _known(fusion: Fusion, end: ProcessExited) -> Process:
    if not end.signal and not end.asked:
        return end.process
    return cases.facts_of(fusion, end.process.key, end).process


def _lives(key: Key) -> bool:
    process = procfs.read_process(key.tgid)
    return process is not None and bool(process.alive) and process.key.same_life(key)


def living(target: Target, *, reused: bool) -> list[Verdict]:
    """Verdicts on the living of that name where no recorder can be asked."""
    nothing = Loss(events=None)
    return [
        alive(Case(Facts(p), boot.this_host(), nothing), None, reused=reused)
        for p in _living(target)
    ]


def _living(target: Target) -> list[Process]:
    numbers = [target.pid] if target.pid is not None else procfs.pids()
    found = (procfs.read_process(n) for n in numbers)
    return [p for p in found if p is not None and p.alive and target.matches(p)]


def _alive(fusion: Fusion, process: Process, *, reused: bool) -> Verdict:
    case = cases.case_of(fusion, process.key, None)
    stat = procfs.read_stat(process.pid)
    stopped = cases.frozen_by(case.facts.signals) if stat and stat.state in "Tt" else None
    case = replace(case, facts=replace(case.facts, process=process))
    return alive(case, stopped, reused=reused)
