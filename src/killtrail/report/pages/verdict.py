"""The page of one death: what, how, by whom, who started that, why, how sure, ruled out, next."""

from collections.abc import Iterator
from typing import Final

from killtrail.model import signals as sg
from killtrail.model.causes import WAITED_FOR, Cause, Ended, Role
from killtrail.model.certainty import Certainty
from killtrail.model.cgroup_path import container_of, unit_of
from killtrail.model.clock import NS, Boot
from killtrail.model.process import Process
from killtrail.model.verdict import (
    Ancestor,
    DeathKind,
    Edge,
    Evidence,
    Link,
    OriginKind,
    Subject,
    Verdict,
)
from killtrail.report import when
from killtrail.report.page import Block, Cited, Field, Page, Paragraph, Section, Step, page
from killtrail.report.pages import limits, next_steps
from killtrail.report.pages.people import account, who

_WHY_MOST: Final = 5
_ATTEMPTS_MOST: Final = 3


def verdict_page(v: Verdict, *, files: tuple[str, ...] = (), records: bool = False) -> Page:
    """Everything a person reads of a verdict, in the fixed order.

    `files` are those that were asked instead of this host. `records` adds the cited records, field
    by field, as they were recorded.
    """
    boot = v.host.boot
    sections = [
        Section("what", tuple(_what(v))),
        Section("how", (Paragraph(_how(v)),)),
        Section("by whom", _by_whom(v)),
        Section("started by", tuple(_started_by(v))),
        Section("incident", _incident(v)),
        Section("pattern", tuple(Paragraph(pattern.says) for pattern in v.patterns)),
        Section("why", tuple(_cited(e, boot) for e in v.evidence[:_WHY_MOST])),
        Section("how sure", limits.how_sure(v)),
        Section("conflicts", tuple(Paragraph(c.says) for c in v.contradictions)),
        Section("ruled out", tuple(Paragraph(f"{r.cause}: {r.because}") for r in v.ruled_out)),
        Section("also seen", tuple(_attempts(v))),
        Section("next", next_steps.commands(v, files)),
    ]
    if records:
        sections.extend(_record(each, boot) for each in v.evidence)
    return page(headline(v), v.certainty, tuple(sections))


def headline(v: Verdict) -> str:
    """The verdict in a sentence, which says by itself where it is not established."""
    sure = v.certainty
    doubtful = sure in (Certainty.LIKELY, Certainty.POSSIBLE)
    return f"{sure.label}: {v.summary}" if doubtful else v.summary


def _what(v: Verdict) -> Iterator[Block]:
    if v.death.kind is DeathKind.HOST:
        yield Paragraph(f"machine {v.host.name}" if v.host.name else "a machine")
        yield Paragraph(when.moment(v.death.time_ns, v.host.boot))
        return
    p = v.death.process
    yield Paragraph(who(p))
    if p.exe and p.argv:
        yield Paragraph(f"program {p.exe}")
    place = _place(p)
    if place:
        yield Paragraph(place)
    at = _when(v, p)
    if at:
        yield Paragraph(at)


def _when(v: Verdict, p: Process) -> str | None:
    start, boot = p.key.start_ns, v.host.boot
    if v.death.time_ns is not None:
        lived = f", {_span(v.death.time_ns - start)} after its start" if start is not None else ""
        return f"{when.moment(v.death.time_ns, boot)}{lived}"
    if v.death.ended is Ended.RUNNING and start is not None:
        return f"running since {when.moment(start, boot)}"
    return None


def _place(p: Process) -> str | None:
    unit, container = unit_of(p.cgroup), container_of(p.cgroup)
    if container:
        return f"in container {container}"
    return f"in unit {unit}" if unit else None


def _span(ns: int) -> str:
    seconds = max(0, ns) / NS
    if seconds < 120:  # noqa: PLR2004 -- two minutes
        return f"{seconds:.3g} s"
    minutes, hours = seconds / 60, seconds / 3600
    if hours < 2:  # noqa: PLR2004
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004


_ALIVE: Final = {
    Cause.PID_REUSED: "pid-reused: this process has the PID now, the one before it has exited",
    Cause.REPLACED_BY_EXEC: "replaced-by-exec: it is alive, as another program",
}


def _how(v: Verdict) -> str:
    status = v.death.status
    via = f" via {v.mechanism}" if v.mechanism else ""
    if v.death.ended is Ended.RUNNING:
        return _ALIVE.get(v.cause, "it is alive")
    if v.death.kind is DeathKind.HOST:
        return f"{v.cause}{via}"
    if status is None:
        return _without_status(v, via)
    signal = status.signal
    if signal:
        core = ", core dumped" if status.core_dumped else ""
        shown = f"{sg.name(signal)} (signal {signal}, shell status {status.shell_status})"
        return f"{v.cause}: {shown}{via}{core}"
    code = f"exit status {status.exit_code}"
    if v.cause is Cause.ASKED_TO_STOP:
        # The mechanism is the request's: the exit followed from it.
        return f"{v.cause}{via}: {code}"
    return f"{v.cause}: {code}{via}"


def _without_status(v: Verdict, via: str) -> str:
    sent = next((x.signal for x in v.links if x.signal), None)
    if v.death.ended is Ended.UNKNOWN and sent:
        return f"{v.cause}: {sg.name(sent)} (signal {sent}) was sent{via}; no exit recorded"
    return f"{v.cause}{via}: exited; status not recorded"


_ROLE_WORDS: Final = {
    Role.SENDER: "sender",
    Role.REQUESTER: "requester",
    Role.TRIGGER: "triggered by",
    Role.POLICY_OWNER: "set by",
    Role.UNKNOWN: "involved",
}


def _by_whom(v: Verdict) -> tuple[Block, ...]:
    actors = tuple(
        _machine(link)
        if v.death.kind is DeathKind.HOST and not link.process
        else _actor(link, v.death.process)
        for link in v.links
        if link.role in _ROLE_WORDS
    )
    if actors:
        return actors
    if v.cause in (Cause.ALIVE, Cause.PID_REUSED):
        return ()
    return (Paragraph("not established"),)


def _actor(link: Link, dead: Process) -> Paragraph:
    doubt = None if link.certainty is Certainty.ESTABLISHED else link.certainty.label
    if link.process and link.action == WAITED_FOR:
        return Paragraph(f"waits for {who(link.process)}")
    if link.subject:
        return Paragraph(_thing(link, link.subject, dead), doubt)
    if link.process is None:
        return Paragraph(f"{_ROLE_WORDS[link.role]}: not established", doubt)
    if link.process.key == dead.key:
        return Paragraph(f"itself ({link.action})", doubt)
    return Paragraph(f"{_ROLE_WORDS[link.role]} ({link.action}): {who(link.process)}", doubt)


# A sentence about a unit, a limit, a terminal; a thing that belongs to a process says to which.
def _thing(link: Link, subject: Subject, dead: Process) -> str:
    if link.process is None:
        # `pipe:[4711]`, as /proc has it, names its kind itself.
        kind = "" if subject.name.startswith(f"{subject.kind}:") else f"{subject.kind}: "
        return f"{kind}{subject.name} {link.action}"
    if link.process.key == dead.key:
        return f"its own {subject.kind} ({link.action}): {subject.name}"
    return f"{subject.kind} {subject.name} ({link.action}) of {who(link.process)}"


# What a machine went down by is no process: the words of the kernel, or what was not logged.
def _machine(link: Link) -> Paragraph:
    doubt = None if link.certainty is Certainty.ESTABLISHED else link.certainty.label
    if link.subject is None:
        return Paragraph("machine: not established", doubt)
    return Paragraph(f"{link.subject.kind}: {link.subject.name}", doubt)


def _started_by(v: Verdict) -> Iterator[Block]:
    for number, ancestor in enumerate(v.ancestry):
        yield _ancestor(ancestor, None if number else v.ancestry_of)
    if v.origin:
        yield Paragraph(_origin(v))


_EDGE: Final = {
    Edge.CREATOR: "already exited",
    Edge.REAPER: "reaper: adopted it",
    Edge.SEEN: "parent{} at the time; may be a reaper",
}


# Only the first says whose ancestor it is; each of the others is the one's above it.
def _ancestor(a: Ancestor, below: Process | None) -> Step:
    notes = []
    whom = who(below, command=False, user=False) if below is not None else ""
    if whom and a.edge in (Edge.PARENT, Edge.CREATOR):
        notes.append(f"started {whom}")
    if a.edge in _EDGE:
        notes.append(_EDGE[a.edge].format(f" of {whom}" if whom else ""))
    return Step(who(a.process), "; ".join(notes) or None)


_ORIGIN: Final = {
    OriginKind.CRON: "cron job",
    OriginKind.AT: "at job",
    OriginKind.LOGIN_SESSION: "login session",
    OriginKind.SYSTEMD_UNIT: "systemd unit",
    OriginKind.CONTAINER: "container",
    OriginKind.KERNEL: "the kernel",
}


def _origin(v: Verdict) -> str:
    o = v.origin
    if o is None:
        return ""
    if o.kind is OriginKind.INIT:
        return f"origin: {o.name or 'init'} (PID 1)"
    kind = _ORIGIN.get(o.kind, o.kind)
    name = "" if not o.name or o.name == o.kind else f" {o.name}"
    user = f" of {account(o.uid, o.user)}" if o.uid is not None else ""
    away = f" from {o.came_from}" if o.came_from else ""
    colon = ":" if o.kind in ("cron", "at") and name else ""
    return f"origin: {kind}{user}{away}{colon}{name}"


def _incident(v: Verdict) -> tuple[Block, ...]:
    act = v.incident
    if act is None:
        return ()
    names = ", ".join(f"{p.comm or '?'} (pid {p.pid})" for p in act.sample)
    more = ", ..." if act.victims > len(act.sample) + 1 else ""
    return (Paragraph(f"one act, {act.victims:,} victims recorded; others: {names}{more}"),)


def _cited(e: Evidence, boot: Boot) -> Cited:
    return Cited(e.says, e.source, e.where, when.of_day(e.time_ns, boot) or None)


def _attempts(v: Verdict) -> Iterator[Block]:
    for link in v.attempts[-_ATTEMPTS_MOST:]:
        yield Paragraph(_attempt(link, when.moment(link.time_ns, v.host.boot)))
    if len(v.attempts) > _ATTEMPTS_MOST:
        yield Paragraph(f"and {len(v.attempts) - _ATTEMPTS_MOST} before: --json lists all")


def _attempt(link: Link, at: str) -> str:
    by = f" from {who(link.process, command=False)}" if link.process else ""
    signal, _, fate = link.action.partition(": ")
    return f"{signal}{by} at {at}{f': {fate}' if fate else ''}"


def _record(e: Evidence, boot: Boot) -> Section:
    at = when.full(e.time_ns, boot) or when.short(e.time_ns, boot)
    rows = tuple(Field(name, value) for name, value in e.record)
    empty = Paragraph("no record of its own: see the sentence above")
    return Section(f"record {e.id}: {e.source} {e.where} at {at}", rows or (empty,), heading=True)
