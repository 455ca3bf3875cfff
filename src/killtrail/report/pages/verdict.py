"""The one screen: what, how, by whom, who started that, why, how sure, ruled out, next.

Built once as rows of (label, paragraphs); `plain` and `colour` only lay it out.
"""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.host.users import name_of
from killtrail.model import signals as sg
from killtrail.model.causes import WAITED_FOR, Cause, Ended, Role
from killtrail.model.certainty import Certainty
from killtrail.model.cgroup_path import container_of, unit_of
from killtrail.model.clock import NS, Boot
from killtrail.model.process import NO_ID, Process
from killtrail.model.text import visible
from killtrail.model.verdict import Ancestor, DeathKind, Edge, Evidence, Link, OriginKind, Verdict
from killtrail.report import when
from killtrail.report.escape import shell_words

_WHY_MOST: Final = 5
_LOWERED_MOST: Final = 3
_ARGV_MOST: Final = 240
_SURE: Final = {
    Certainty.ESTABLISHED: "established",
    Certainty.LIKELY: "likely",
    Certainty.POSSIBLE: "possible, no more",
    Certainty.NOT_ESTABLISHED: "not established",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One part of the screen; each paragraph wraps by itself."""

    label: str
    paragraphs: tuple[str, ...]


def rows(v: Verdict) -> list[Row]:
    """Everything a person is told, in the fixed order; all of it safe to print."""
    parts = [
        Row("what", _what(v)),
        Row("how", (_how(v),)),
        Row("by whom", _by_whom(v)),
        Row("started by", _started_by(v)),
        Row("incident", _incident(v)),
        Row("pattern", tuple(pattern.says for pattern in v.patterns)),
        Row("why", tuple(_evidence(e, v.host.boot) for e in v.evidence[:_WHY_MOST])),
        Row("how sure", _how_sure(v)),
        Row("but", tuple(c.says for c in v.contradictions)),
        Row("ruled out", tuple(f"{r.cause}: {r.because}" for r in v.ruled_out)),
        Row("also seen", tuple(_attempt(a, v.host.boot) for a in v.attempts[-3:])),
        Row("next", (_next(v),)),
    ]
    return [Row(p.label, tuple(visible(t) for t in p.paragraphs)) for p in parts if p.paragraphs]


def headline(v: Verdict) -> str:
    """The sentence for a ticket."""
    return visible(v.summary)


def who(p: Process, *, command: bool = True) -> str:
    """`sh (pid 7, root): sh -c 'kill 9'`, with the human behind it where that is another."""
    if p.pid == 0 and p.comm:
        return f"the main process of {p.comm}"
    notes = [f"pid {p.pid}"]
    if p.uid is not None:
        notes.append(account(p.uid, p.user))
    elif p.user:
        notes.append(p.user)
    if p.loginuid not in (None, NO_ID, p.uid) and p.loginuid is not None:
        notes.append(f"logged in as {account(p.loginuid, p.login_user)}")
    if p.ns_pid not in (None, p.pid):
        notes.append(f"pid {p.ns_pid} in its namespace")
    text = f"{p.comm or 'a process'} ({', '.join(notes)})"
    if command and p.argv:
        text += f": {argv(p)}"
    elif command and p.exe:
        text += f": {p.exe}"
    return text


def account(uid: int, told: str | None = None) -> str:
    """`root (0)`: a name beside its number; `told` as in `Process.user`."""
    name = name_of(uid, told)
    return f"{name} ({uid})" if name else f"uid {uid}"


def argv(p: Process) -> str:
    """The command line, and what is not quite true about it."""
    if p.argv is None:
        return "?"
    text = shell_words(p.argv.words) + ("…" if p.argv.cut else "")
    if len(text) > _ARGV_MOST:
        text = text[: _ARGV_MOST - 1] + "…"
    return text + ("  [its parent's: it never exec'd]" if p.argv.inherited else "")


def _what(v: Verdict) -> tuple[str, ...]:
    if v.death.kind is DeathKind.HOST:
        name = f"machine {v.host.name}" if v.host.name else "a machine"
        return (name, when.moment(v.death.time_ns, v.host.boot))
    p = v.death.process
    lines = [who(p)]
    if p.exe and p.argv:
        lines.append(f"program {p.exe}")
    place = _place(p)
    if place:
        lines.append(place)
    if v.death.time_ns is not None:
        start = p.key.start_ns
        lived = f", {_span(v.death.time_ns - start)} after its start" if start is not None else ""
        lines.append(f"{when.moment(v.death.time_ns, v.host.boot)}{lived}")
    elif v.death.ended is Ended.RUNNING and p.key.start_ns is not None:
        lines.append(f"running since {when.moment(p.key.start_ns, v.host.boot)}")
    return tuple(lines)


def _place(p: Process) -> str | None:
    unit, container = unit_of(p.cgroup), container_of(p.cgroup)
    if container:
        return f"in container {container}"
    if unit:
        return f"in unit {unit}"
    return None


def _span(ns: int) -> str:
    seconds = max(0, ns) / NS
    if seconds < 120:  # noqa: PLR2004 -- two minutes
        return f"{seconds:.3g} s"
    minutes, hours = seconds / 60, seconds / 3600
    if hours < 2:  # noqa: PLR2004
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004


def _how(v: Verdict) -> str:
    status = v.death.status
    by = f", by {v.mechanism}" if v.mechanism else ""
    if v.death.ended is Ended.RUNNING:
        return "it is alive"
    if v.death.kind is DeathKind.HOST:
        return f"{v.cause}{by}"
    if status is None:
        return _unended(v) + by
    sig = status.signal
    if sig:
        core = ", core dumped" if status.core_dumped else ""
        return f"{v.cause}: {sg.name(sig)} ({sig}; a shell shows {status.shell_status}){by}{core}"
    return f"{v.cause}: exit code {status.exit_code}{by}"


def _unended(v: Verdict) -> str:
    sent = next((x.signal for x in v.links if x.signal), None)
    if v.death.ended is Ended.UNKNOWN and sent:
        return f"{v.cause}: {sg.name(sent)} ({sent}) was sent; its end is not on record"
    return "its end is on record, its status is not"


_ROLE_WORDS: Final = {
    Role.SENDER: "sender",
    Role.REQUESTER: "requester",
    Role.TRIGGER: "set off by",
    Role.POLICY_OWNER: "decided by",
}


def _by_whom(v: Verdict) -> tuple[str, ...]:
    lines = [_actor(link, v.death.process) for link in v.links if link.role in _ROLE_WORDS]
    if lines:
        return tuple(lines)
    if v.cause in (Cause.ALIVE, Cause.PID_REUSED):
        return ()
    return ("not established",)


def _actor(link: Link, dead: Process) -> str:
    if link.process and link.action == WAITED_FOR:
        return f"waits for {who(link.process)}"
    if link.process and link.process.key == dead.key and not link.subject:
        doubt = "" if link.certainty is Certainty.ESTABLISHED else f"  [{link.certainty.label}]"
        return f"itself ({link.action}){doubt}"
    name = who(link.process) if link.process else ""
    if link.subject:
        subject = f"{link.subject.kind} {link.subject.name}"
        name = f"{subject}, its own" if name else subject
    sure = "" if link.certainty is Certainty.ESTABLISHED else f"  [{link.certainty.label}]"
    return f"{_ROLE_WORDS[link.role]} ({link.action}): {name}{sure}"


def _started_by(v: Verdict) -> tuple[str, ...]:
    lines = [_ancestor(a) for a in v.ancestry]
    if v.origin:
        lines.append(_origin(v))
    return tuple(lines)


def _incident(v: Verdict) -> tuple[str, ...]:
    act = v.incident
    if act is None:
        return ()
    names = ", ".join(f"{p.comm or '?'} (pid {p.pid})" for p in act.sample)
    more = ", ..." if act.victims > len(act.sample) + 1 else ""
    return (f"one act, {act.victims} victims on record; others: {names}{more}",)


_EDGE: Final = {
    Edge.CREATOR: "dead by then",
    Edge.REAPER: "took it over, did not start it",
    Edge.SEEN: "its parent by then; may have adopted it",
}


def _ancestor(a: Ancestor) -> str:
    note = f"  [{_EDGE[a.edge]}]" if a.edge in _EDGE else ""
    return f"<- {who(a.process)}{note}"


_ORIGIN: Final = {
    OriginKind.CRON: "cron job",
    OriginKind.AT: "at job",
    OriginKind.LOGIN_SESSION: "login session",
    OriginKind.SYSTEMD_UNIT: "systemd unit",
    OriginKind.CONTAINER: "container",
    OriginKind.KERNEL: "the kernel",
    OriginKind.INIT: "init",
}


def _origin(v: Verdict) -> str:
    o = v.origin
    if o is None:
        return ""
    name = f" {o.name}" if o.name else ""
    user = f" of {account(o.uid, o.user)}" if o.uid is not None else ""
    away = f" from {o.came_from}" if o.came_from else ""
    colon = ":" if o.kind in (OriginKind.CRON, OriginKind.AT) and name else ""
    return f"origin: {_ORIGIN.get(o.kind, o.kind)}{user}{away}{colon}{name}"


def _evidence(e: Evidence, boot: Boot) -> str:
    at = when.of_day(e.time_ns, boot)
    return f"{e.says}  [{e.source} {e.where}{f' at {at}' if at else ''}]"


def _how_sure(v: Verdict) -> tuple[str, ...]:
    lines = [_SURE[v.certainty]]
    lines.extend(f"missing: {a.what} ({a.why})" for a in v.absent)
    lines.extend(f"lowered by {visible(text)}" for text in v.lowered_by[:_LOWERED_MOST])
    if len(v.lowered_by) > _LOWERED_MOST:
        lines.append(f"and {len(v.lowered_by) - _LOWERED_MOST} more: sudo killtrail trust")
    if v.events_lost:
        lines.append(f"{v.events_lost} records were lost or overwritten")
    if v.problems:
        lines.append(f"{v.problems} records could not be read")
    return tuple(lines)


def _attempt(link: Link, boot: Boot) -> str:
    by = f" from {who(link.process, command=False)}" if link.process else ""
    return f"{link.action}{by}, {when.moment(link.time_ns, boot)}"


def _next(v: Verdict) -> str:
    remedy = next((a.remedy for a in v.absent if a.remedy), None)
    if v.certainty < Certainty.LIKELY and remedy:
        return remedy
    if v.cause in (Cause.ALIVE, Cause.PID_REUSED):
        return f"killtrail watch {v.death.process.pid}"
    return f"killtrail explain {v.cause}"
