"""Verdicts as `killtrail.verdict/1`, one JSON object a line. The contract is docs/schema."""

import json
from typing import Any, Final

from killtrail.host.users import name_of
from killtrail.model import signals as sg
from killtrail.model.cgroup_path import container_of, unit_of
from killtrail.model.clock import Boot
from killtrail.model.process import NO_ID, Process
from killtrail.model.verdict import Ancestor, Death, DeathKind, Link, Verdict
from killtrail.report import when

SCHEMA: Final = "killtrail.verdict/1"
_Object = dict[str, Any]


def line(verdict: Verdict, *, records: bool = False) -> str:
    """One verdict on one line. Control characters are escaped by JSON itself."""
    return json.dumps(document(verdict, records=records), ensure_ascii=True)


def document(v: Verdict, *, records: bool = False) -> _Object:
    """The contract's object; `records` adds the raw fields of each cited record."""
    boot = v.host.boot
    return {
        "schema": SCHEMA,
        "host": {"name": v.host.name, "boot_id": boot.boot_id or None, "kernel": v.host.kernel},
        "death": _death(v.death, boot),
        "cause": v.cause.value,
        "mechanism": v.mechanism.value if v.mechanism else None,
        "certainty": v.certainty.label,
        "summary": v.summary,
        "links": [_link(each, boot) for each in v.links],
        "attempts": [_link(each, boot) for each in v.attempts],
        "ancestry": [_ancestor(each, boot) for each in v.ancestry],
        "origin": _origin(v),
        "incident": _incident(v),
        "patterns": [
            {"kind": p.kind.value, "says": p.says, "evidence": list(p.evidence)} for p in v.patterns
        ],
        "evidence": [
            {
                "id": e.id,
                "source": e.source,
                "time": _time(e.time_ns, boot),
                "where": e.where,
                "says": e.says,
                **({"record": dict(e.record)} if records else {}),
            }
            for e in v.evidence
        ],
        "contradictions": [
            {"says": c.says, "evidence": list(c.evidence)} for c in v.contradictions
        ],
        "ruled_out": [{"cause": r.cause.value, "because": r.because} for r in v.ruled_out],
        "absent": [{"what": a.what, "why": a.why.value, "remedy": a.remedy} for a in v.absent],
        "loss": {"events_lost": v.events_lost, "problems": v.problems},
        "trust": {"lowered_by": list(v.lowered_by)},
    }


def _time(boot_ns: int | None, boot: Boot) -> str | None:
    return when.full(boot_ns, boot)


def _death(death: Death, boot: Boot) -> _Object:
    status = death.status
    sig = status.signal if status is not None else 0
    return {
        "kind": death.kind.value,
        "process": process(death.process, boot) if death.kind is DeathKind.PROCESS else None,
        "time": _time(death.time_ns, boot),
        "boot_ns": death.time_ns,
        "ended": death.ended.value,
        "signal": sig or None,
        "signal_name": sg.name(sig) if sig else None,
        "exit_code": status.exit_code if status is not None else None,
        "shell_status": status.shell_status if status is not None else None,
        "core_dumped": status.core_dumped if status is not None else None,
        "thread": {"tid": death.thread[0], "name": death.thread[1]} if death.thread else None,
    }


def process(p: Process, boot: Boot) -> _Object:
    """The contract's PROCESS."""
    return {
        "pid": p.pid,
        "tid": p.tid,
        "ns_pid": p.ns_pid,
        "start_time": _time(p.key.start_ns, boot),
        "comm": p.comm,
        "exe": p.exe,
        "argv": list(p.argv.words) if p.argv else None,
        "argv_cut": p.argv.cut if p.argv else None,
        "argv_inherited": p.argv.inherited if p.argv else None,
        "argv_redacted": p.argv.redacted if p.argv else None,
        "uid": p.uid,
        "user": name_of(p.uid, p.user) if p.uid is not None else p.user or None,
        "loginuid": _id(p.loginuid),
        "session": _id(p.session),
        "cgroup": p.cgroup,
        "unit": unit_of(p.cgroup),
        "container": container_of(p.cgroup),
        "ppid": p.ppid,
        "alive": p.alive,
    }


def _id(number: int | None) -> int | None:
    return None if number == NO_ID else number


def _incident(v: Verdict) -> _Object | None:
    act = v.incident
    if act is None:
        return None
    return {
        "id": f"{v.host.boot.boot_id}-{act.id}",
        "victims": act.victims,
        # The recorder sees what was delivered; who was refused never got a signal.
        "refused": None,
        "sample": [process(p, v.host.boot) for p in act.sample],
    }


def _maybe(p: Process | None, boot: Boot) -> _Object | None:
    return process(p, boot) if p else None


def _link(link: Link, boot: Boot) -> _Object:
    return {
        "id": link.id,
        "role": link.role.value,
        "process": _maybe(link.process, boot),
        "subject": {"kind": link.subject.kind.value, "name": link.subject.name}
        if link.subject
        else None,
        "action": link.action,
        "signal": link.signal,
        "target": _maybe(link.target, boot),
        "time": _time(link.time_ns, boot),
        "caused_by": link.caused_by,
        "certainty": link.certainty.label,
        "evidence": list(link.evidence),
    }


def _ancestor(ancestor: Ancestor, boot: Boot) -> _Object:
    return {
        **process(ancestor.process, boot),
        "edge": ancestor.edge.value,
        "certainty": ancestor.certainty.label,
    }


def _origin(v: Verdict) -> _Object | None:
    if v.origin is None:
        return None
    uid = v.origin.uid
    return {
        "kind": v.origin.kind.value,
        "name": v.origin.name,
        "user": (name_of(uid, v.origin.user) or str(uid)) if uid is not None else None,
        "from": v.origin.came_from,
    }
