"""One question in, one answer out: sources chosen, deaths found, judged together."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import alive, patterns, threads
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.draft import VerdictDraft
from killtrail.attribution.engine import judge
from killtrail.errors import NoSuchDeathError
from killtrail.host import boot, procfs
from killtrail.inquiry import find, kept_files, open_sources, recorded, trust_caveats
from killtrail.inquiry.merged import Merged
from killtrail.inquiry.open_sources import Opened
from killtrail.inquiry.question import Answer, Question
from killtrail.model.causes import Ended, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import Boot
from killtrail.model.coverage import Coverage, Unread, together
from killtrail.model.events import ProcessExited, Provenance
from killtrail.model.process import Key, Process
from killtrail.model.query import ALWAYS, Query, Window
from killtrail.model.shared import Shared
from killtrail.model.target import Target
from killtrail.model.trust import Distrust
from killtrail.model.verdict import Verdict
from killtrail.model.wait_status import WaitStatus

_ENOUGH: Final = 2
"""So many deaths can have something in common."""


def ask(question: Question) -> Answer:
    """The verdicts on the deaths that a question is about, and what they have in common.

    Raises `UsageError` and `UnavailableError` where the evidence that it names can't be asked.
    """
    if question.evidence:
        return _of_files(question)
    return _of_host(question)


def _of_files(question: Question) -> Answer:
    opened = kept_files.opened(question)
    try:
        drafts: list[VerdictDraft] = []
        verdicts: list[Verdict] = []
        for merged in opened.merged:
            for target in question.targets or (None,):
                if target is not None and target.host:
                    verdicts += kept_files.host(merged, question)
                else:
                    drafts += _newest(
                        find.in_logs(merged, target, _query(merged, question), question.node),
                        question,
                    )
        return _answer(question, opened, drafts, verdicts)
    finally:
        opened.close()


def _of_host(question: Question) -> Answer:
    opened = open_sources.of_host(question.boot)
    distrust = trust_caveats.of_this_host()
    try:
        drafts: list[VerdictDraft] = []
        verdicts: list[Verdict] = []
        for target in question.targets or (None,):
            if target is not None and target.host:
                verdicts += _host_down(opened, question)
                continue
            dead = _dead(opened, target, question, distrust)
            drafts += dead
            if target is not None and question.boot in (None, "0"):
                drafts += _there(opened, target, dead, distrust)
        return _answer(question, opened, drafts, verdicts)
    finally:
        opened.close()


def _dead(
    opened: Opened, target: Target | None, question: Question, distrust: tuple[Distrust, ...]
) -> list[VerdictDraft]:
    found = _newest(_on_recorders(opened, target, question, distrust), question)
    if found:
        return found
    # What no recorder saw may stand in the host's own logs.
    told = (
        draft
        for merged in (opened.earlier,)
        if merged is not None
        for draft in find.in_logs(merged, target, _query(merged, question), question.node)
    )
    alive_since = _starts(find.living(target)) if target is not None else {}
    dead = [_distrusted(d, distrust) for d in told if not _was_there(d, alive_since)]
    return _newest(iter(dead), question)


def _on_recorders(
    opened: Opened, target: Target | None, question: Question, distrust: tuple[Distrust, ...]
) -> Iterator[VerdictDraft]:
    for merged in reversed(opened.recorded):
        yield from find.on_recorder(merged, target, _query(merged, question), distrust)


def _distrusted(draft: VerdictDraft, distrust: tuple[Distrust, ...]) -> VerdictDraft:
    draft.distrust = distrust
    return draft


def _newest(drafts: Iterator[VerdictDraft], question: Question) -> list[VerdictDraft]:
    return list(islice(drafts, question.most))[::-1]


def _query(merged: Merged, question: Question) -> Query:
    return Query(
        window=on_clock(question.window, merged.host.boot),
        ordinary=question.ordinary or bool(question.targets),
        newest=question.most,
    )


def on_clock(window: Window, clock: Boot) -> Window:
    """A span of the wall clock on another clock; a clock without a date has no such span."""
    return ALWAYS if clock.offset_ns is None else window.shifted(-clock.offset_ns)


def _starts(processes: Sequence[Process]) -> dict[int, int]:
    here = boot.this_boot()
    return {p.pid: here.wall(p.key.start_ns) or 0 for p in processes if p.key.start_ns is not None}


# A log shows that a signal was sent, not that it was handled: a process that runs has not died of it.
def _was_there(draft: VerdictDraft, alive_since: dict[int, int]) -> bool:
    death = draft.death
    if death is None or death.time_ns is None:
        return False
    since = alive_since.get(death.process.pid)
    at = draft.host.boot.wall(death.time_ns)
    return since is not None and at is not None and since <= at


def _there(
    opened: Opened, target: Target, dead: list[VerdictDraft], distrust: tuple[Distrust, ...]
) -> list[VerdictDraft]:
    merged = opened.current() or Merged(boot.this_host())
    exec_ = find.replaced(merged, target.pid) if target.pid is not None else None
    running = find.living(target)
    found = [
        _alive(merged, p, distrust, dead[-1] if dead and target.pid is not None else None)
        for p in running
        if exec_ is None or not p.key.same_life(exec_.process.key)
    ]
    if exec_ is not None:
        now = next((p for p in running if p.key.same_life(exec_.process.key)), None)
        if now is not None or exec_.old_tid == target.pid:
            case = recorded.case_of(merged, exec_.process.key, None)
            found.append(threads.replaced(replace(case, distrust=distrust), exec_, now))
    return found


def _alive(
    merged: Merged,
    process: Process,
    distrust: tuple[Distrust, ...],
    earlier: VerdictDraft | None,
) -> VerdictDraft:
    case = find.nothing(process, merged)
    if merged.recorders:
        case = recorded.case_of(merged, process.key, None)
    stat = procfs.read_stat(process.pid)
    stopped = recorded.frozen_by(case.facts.signals) if stat and stat.state in "Tt" else None
    case = replace(case, facts=replace(case.facts, process=process), distrust=distrust)
    return alive.alive(case, stopped, earlier.finish() if earlier is not None else None)


def _host_down(opened: Opened, question: Question) -> list[Verdict]:
    if opened.earlier is None:
        return []
    return kept_files.host(opened.earlier, question)


def _answer(
    question: Question, opened: Opened, drafts: list[VerdictDraft], verdicts: list[Verdict]
) -> Answer:
    shared, coverage = _shared(drafts), _read(opened)
    for draft in drafts:
        # What could not be read is known when all was.
        draft.coverage = replace(draft.coverage, unread=coverage.unread)
    found = [*verdicts, *(draft.finish() for draft in drafts)]
    # The running come after the dead; of one clock the newest are kept.
    return Answer(
        verdicts=tuple(found[-question.newest :] if question.newest else found),
        shared=shared,
        consulted=tuple(dict.fromkeys(_consulted(opened))),
        unusable=opened.unusable,
        remedy=opened.remedy,
        coverage=coverage,
        covered=tuple(_covered(opened)),
        near=() if found else _near(question, opened),
        more=question.newest is None and question.most is not None and len(drafts) >= question.most,
    )


def _near(question: Question, opened: Opened) -> tuple[str, ...]:
    from killtrail.inquiry import suggest  # noqa: PLC0415 -- only where nothing was found

    here = not question.evidence
    merged = opened.recorded if here else opened.merged
    return tuple(
        name for target in question.targets for name in suggest.near(target, merged, here=here)
    )


def _consulted(opened: Opened) -> Iterator[str]:
    for merged in opened.merged:
        yield from merged.ids
        yield from (log.id for log in merged.logs) if not merged.recorders else ()


def _read(opened: Opened) -> Coverage:
    return together([merged.read() for merged in opened.merged])


def _covered(opened: Opened) -> Iterator[str]:
    from killtrail.model.clock import rfc3339  # noqa: PLC0415

    for merged in opened.recorded:
        since = merged.coverage.complete_from_ns
        wall = merged.host.boot.wall(since) if since is not None else None
        when = rfc3339(wall)[:19] if wall is not None else "an unknown time"
        yield f"{', '.join(merged.ids)}: complete since {when}"


def _shared(drafts: list[VerdictDraft]) -> Shared | None:
    dead = [d for d in drafts if d.death is not None and d.death.ended is not Ended.RUNNING]
    if len(dead) < _ENOUGH:
        return None
    found = patterns.share(dead)
    sender, certainty = _sender(dead)
    times = [
        wall
        for d in dead
        if d.death and d.death.time_ns is not None and (wall := d.host.boot.wall(d.death.time_ns))
    ]
    return Shared(
        deaths=len(dead),
        first_ns=min(times, default=None),
        last_ns=max(times, default=None),
        sender=sender,
        certainty=certainty,
        signal=_signals(dead),
        patterns=found,
    )


def _sender(dead: list[VerdictDraft]) -> tuple[str | None, Certainty]:
    links = [
        next((x for x in d.links if x.role is Role.SENDER and x.process is not None), None)
        for d in dead
    ]
    names = {link.process.comm if link and link.process else None for link in links}
    if len(names) != 1 or None in names:
        return None, Certainty.NOT_ESTABLISHED
    return names.pop(), min(link.certainty for link in links if link is not None)


def _signals(dead: list[VerdictDraft]) -> int | None:
    found = {d.death.status.signal for d in dead if d.death and d.death.status is not None}
    return (found.pop() or None) if len(found) == 1 else None


class Deaths:
    """Deaths for a list, the newest first, one after the other, however many there are."""

    def __init__(self, question: Question) -> None:
        self.unread: Unread = Unread()
        """What could not be read: known when the list is at its end."""
        self._found = self._asked(question)

    def __iter__(self) -> Iterator[Verdict]:
        return self._found

    def _asked(self, question: Question) -> Iterator[Verdict]:
        opened, drafts = _opened(question)
        try:
            yield from _listed(drafts, question)
        finally:
            self.unread = _read(opened).unread
            opened.close()


def stream(question: Question) -> Deaths:
    """The deaths that a question is about, as a list of any length.

    Logs are not asked beside the recorder: a list of many deaths would read them for each. Whoever
    takes the first gets `UnavailableError` where nothing can be asked.
    """
    return Deaths(question)


def _opened(question: Question) -> tuple[Opened, Iterator[VerdictDraft]]:
    if question.evidence:
        opened = kept_files.opened(question)
        return opened, _in_files(opened, question)
    opened = open_sources.of_host(question.boot, logs=False)
    open_sources.require(opened)
    return opened, _on_recorders(opened, None, question, trust_caveats.of_this_host())


def _in_files(opened: Opened, question: Question) -> Iterator[VerdictDraft]:
    streams = [
        find.in_logs(merged, None, _query(merged, question), question.node)
        for merged in opened.merged
    ]
    yield from heapq.merge(*streams, key=_age)


# Clocks without a date come last, each by itself.
def _age(draft: VerdictDraft) -> int:
    at = draft.death.time_ns if draft.death else None
    return -((draft.host.boot.wall(at) if at is not None else None) or 0)


def _listed(drafts: Iterator[VerdictDraft], question: Question) -> Iterator[Verdict]:
    shown: set[str] = set()
    count = 0
    for draft in drafts:
        act = draft.incident.id if draft.incident is not None else None
        if act is not None and not question.each:
            if act in shown:
                continue
            shown.add(act)
        yield draft.finish()
        count += 1
        if count == question.newest:
            return


def of_process(key: Key) -> Verdict | None:
    """The verdict on one process of the running boot, where a recorder saw its exit."""
    opened = open_sources.of_host("0")
    try:
        merged = opened.current()
        end = recorded.exit_of(merged, key) if merged is not None else None
        return judge(recorded.case_of(merged, key, end)) if merged and end else None
    finally:
        opened.close()


def of_exits(ends: Sequence[ProcessExited]) -> Iterator[Verdict]:
    """Verdicts on exits that were just drained into the history of the running boot."""
    from killtrail.sources import history  # noqa: PLC0415 -- `record` asks it, and only then

    running = boot.boot_id()
    sources = [s for s in history.open_all() if s.host.boot.boot_id == running]
    merged = Merged(boot.this_host(), sources)
    try:
        for end in ends:
            yield judge(recorded.case_of(merged, end.process.key, end))
    finally:
        merged.close()


def of_wait_status(
    process: Process, status: WaitStatus | None, origin: Provenance, time_ns: int
) -> Verdict:
    """The verdict of a parent: the wait status is all it knows."""
    end = ProcessExited(time_ns, origin, process, status)
    return judge(Case(Facts(process, end), boot.this_host(), Coverage(), watched=False))


def require_some(answer: Answer, named: str) -> None:
    """Raises `NoSuchDeathError` where no death was found."""
    if not answer.verdicts:
        raise NoSuchDeathError(f"no death of {named} is recorded", "killtrail list --all")
