"""A verdict as `killtrail.verdict/1`, JSON's objects and lists, and back. The contract is docs/schema.

What a document does not hold is not in the verdict that is read from it: records as events, the raw
clock, names of namespaces. Written again, such a verdict is the same document, with times in the
zone of the machine that writes.
"""

from typing import Any, Final

from killtrail.model import signals as sg
from killtrail.model.cgroup_path import container_of, unit_of
from killtrail.model.clock import Boot
from killtrail.model.process import MACHINE, NO_ID, Process
from killtrail.model.verdict import (
    Ancestor,
    Death,
    DeathKind,
    Evidence,
    Incident,
    Link,
    Origin,
    Verdict,
)
from killtrail.model.wait_status import WaitStatus

SCHEMA: Final = "killtrail.verdict/1"
_Object = dict[str, Any]


def to_document(v: Verdict, *, records: bool = False) -> _Object:
    """The contract's object; `records` adds the raw fields of each cited record."""
    boot, host = v.host.boot, v.host
    return {
        "schema": SCHEMA,
        "host": {
            "name": host.name,
            "boot_id": boot.boot_id or None,
            "kernel": host.kernel,
            "machine_id": host.machine_id,
        },
        "death": _death(v.death, boot),
        "cause": v.cause.value,
        "mechanism": v.mechanism.value if v.mechanism else None,
        "certainty": v.certainty.label,
        "summary": v.summary,
        "links": [_link(each, boot) for each in v.links],
        "attempts": [_link(each, boot) for each in v.attempts],
        "ancestry": [_ancestor(each, boot) for each in v.ancestry],
        "ancestry_of": _maybe(v.ancestry_of, boot),
        "origin": _origin(v.origin) if v.origin else None,
        "incident": _incident(v.incident, boot) if v.incident else None,
        "patterns": [
            {"kind": p.kind.value, "says": p.says, "evidence": list(p.evidence)} for p in v.patterns
        ],
        "evidence": [_evidence(each, boot, records=records) for each in v.evidence],
        "contradictions": [
            {"says": c.says, "evidence": list(c.evidence)} for c in v.contradictions
        ],
        "ruled_out": [{"cause": r.cause.value, "because": r.because} for r in v.ruled_out],
        "absent": [{"what": a.what, "why": a.why.value, "remedy": a.remedy} for a in v.absent],
        "loss": {
            "events_lost": v.events_lost,
            "problems": v.problems,
            "unread": {
                "lines": v.unread.lines,
                "bytes": v.unread.bytes,
                "files": list(v.unread.files),
            },
        },
        "trust": {"lowered_by": list(v.lowered_by)},
    }


def from_document(found: object) -> Verdict:
    """The verdict in such an object, of an older or a newer version too.

    Fields that an older version did not write take their defaults, unknown ones are ignored, unknown
    codes are taken for `unknown`. Raises `ValueError`, with the place and the reason, where it is no
    verdict.
    """
    from killtrail.model import document_reader  # noqa: PLC0415 -- most only write

    return document_reader.verdict(found)


def process_object(p: Process, boot: Boot) -> _Object:
    """The contract's PROCESS."""
    argv = p.argv
    return {
        "pid": p.pid,
        "tid": p.tid,
        "ns_pid": p.ns_pid,
        "start_time": boot.rfc3339(p.key.start_ns),
        "comm": p.comm,
        "exe": p.exe,
        "argv": list(argv.words) if argv else None,
        "argv_cut": argv.cut if argv else None,
        "argv_inherited": argv.inherited if argv else None,
        "argv_redacted": argv.redacted if argv else None,
        "uid": p.uid,
        "user": p.user or None,
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


def _maybe(p: Process | None, boot: Boot) -> _Object | None:
    return process_object(p, boot) if p else None


def _death(death: Death, boot: Boot) -> _Object:
    unnamed = death.kind is DeathKind.HOST or death.process == MACHINE
    return {
        "kind": death.kind.value,
        "process": None if unnamed else process_object(death.process, boot),
        "time": boot.rfc3339(death.time_ns),
        # Without times it is a place in an order, which is no time on any clock.
        "boot_ns": death.time_ns if boot.timed else None,
        "ended": death.ended.value,
        **_status(death.status),
        "thread": {"tid": death.thread[0], "name": death.thread[1]} if death.thread else None,
    }


def _status(status: WaitStatus | None) -> _Object:
    sig = status.signal if status is not None else 0
    return {
        "signal": sig or None,
        "signal_name": sg.name(sig) if sig else None,
        "exit_code": status.exit_code if status is not None else None,
        "shell_status": status.shell_status if status is not None else None,
        "core_dumped": status.core_dumped if status is not None else None,
    }


def wait_status(
    signal: int | None,
    exit_code: int | None,
    core_dumped: bool | None,  # noqa: FBT001 -- a field of the document
) -> WaitStatus | None:
    """The wait status that the fields of `_status` were made of; None where both are unknown."""
    if signal:
        return WaitStatus.of_signal(signal, core_dumped=bool(core_dumped))
    return None if exit_code is None else WaitStatus.of_exit(exit_code)


def _incident(act: Incident, boot: Boot) -> _Object:
    return {
        "id": f"{boot.boot_id}-{act.id}",
        "victims": act.victims,
        "refused": act.refused,
        "sample": [process_object(p, boot) for p in act.sample],
    }


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
        "time": boot.rfc3339(link.time_ns),
        "caused_by": link.caused_by,
        "certainty": link.certainty.label,
        "evidence": list(link.evidence),
    }


def _ancestor(ancestor: Ancestor, boot: Boot) -> _Object:
    return {
        **process_object(ancestor.process, boot),
        "edge": ancestor.edge.value,
        "certainty": ancestor.certainty.label,
    }


def _origin(origin: Origin) -> _Object:
    number = None if origin.uid is None else str(origin.uid)
    return {
        "kind": origin.kind.value,
        "name": origin.name,
        "user": origin.user or number,
        "from": origin.came_from,
    }


def _evidence(line: Evidence, boot: Boot, *, records: bool) -> _Object:
    made = {
        "id": line.id,
        "source": line.source,
        "time": boot.rfc3339(line.time_ns),
        "where": line.where,
        "says": line.says,
    }
    return made | {"record": dict(line.record)} if records else made
