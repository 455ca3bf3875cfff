"""Audit records as events of the model."""

from typing import Final

from killtrail.model import signals as sg
from killtrail.model import syscalls
from killtrail.model.circumstances import SystemCall
from killtrail.model.events import (
    Event,
    LogContext,
    LoginSeen,
    ProcessExited,
    ProcessSeen,
    Sighting,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Argv, Key, Process
from killtrail.model.signal_context import Basis
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.logs.audit import commandline
from killtrail.sources.logs.audit.anomalies import Mark
from killtrail.sources.logs.audit.launch_chain import Node, Trail, chain
from killtrail.sources.logs.audit.record import fields, number, text
from killtrail.sources.logs.audit.syscall_record import EXEC_CALLS, Call, abi_of, place, unsigned
from killtrail.sources.logs.audit.targets import Hit

_ERRORS: Final = {-1: "EPERM", -3: "ESRCH", -22: "EINVAL"}
_CODES: Final = {"kill": sg.SI_USER, "pidfd_send_signal": sg.SI_USER, "tkill": sg.SI_TKILL, "tgkill": sg.SI_TKILL}  # fmt: skip
_BY_THREAD: Final = frozenset({"tkill", "tgkill", "rt_tgsigqueueinfo"})
NUMBERED: Final = frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"})
"""Calls whose first argument is a PID, not a descriptor."""


def sent(hit: Hit, trail: Trail | None = None, login: LoginSeen | None = None) -> Event:
    """A hit as the signal it was, or as a refused one where the caller may not signal its target."""
    call = hit.call
    if not call.success or _unpermitted(hit):
        return refused(call, target(hit).pid, None if call.success else call.result)
    links = tuple(_seen(node, after) for node, after in _pairs(trail)) if trail else ()
    argv = links[0].process.argv if links and links[0].how is Sighting.EXEC else None
    sender = call.process(argv or commandline.of_title(call))
    return SignalSent(
        time_ns=call.head.time_ns,
        origin=place(hit.piece, hit.offset, call.head),
        sig=call.signal,
        code=_CODES.get(call.name or "", sg.SI_QUEUE),
        result=0,
        group=call.name not in _BY_THREAD,
        target=target(hit),
        current=sender,
        basis=Basis.CALL,
        same_group=call.pid == hit.pid,
        syscall=call.system_call(),
        log=LogContext(links, login),
        call_id=call.head.id,
    )


def target(hit: Hit) -> Process:
    """The target in the OBJ_PID record; its PID is the host's, in any namespace of the caller."""
    found = fields(hit.line, 0)
    return Process(
        Key(hit.pid, None),
        comm=text(found.get("ocomm")),
        uid=unsigned(found.get("ouid")),
        user=text(found.get("OUID")) or "",
        loginuid=unsigned(found.get("oauid")),
        login_user=text(found.get("OAUID")) or "",
        session=unsigned(found.get("oses")),
    )


# A call on a group or on all processes succeeds if it reached one of them, and lists all.
def _unpermitted(hit: Hit) -> bool:
    call = hit.call
    if not _many(call) or call.euid == 0:
        return False
    return unsigned(fields(hit.line, 0).get("ouid")) not in (call.uid, call.euid)


def _many(call: Call) -> bool:
    if call.name != "kill":
        return False
    low = call.args[0] & 0xFFFFFFFF
    return low == 0 or low >> 31 == 1


def refused(call: Call, pid: int | None, result: int | None) -> SignalRefused:
    """A signal call that reached no process; `result` None = it was refused for this one of many."""
    error = "not permitted on this one" if result is None else _ERRORS.get(result, str(result))
    return SignalRefused(
        time_ns=call.head.time_ns,
        origin=call.place,
        sig=call.signal,
        error=error,
        process=call.process(),
        pid=pid,
    )


def by_number(call: Call, pid: int, *, proven: bool) -> Event:
    """A call on a PID without a record of its target.

    `proven`: other calls of the same process showed that it uses this host's PIDs.
    """
    if not call.success:
        return refused(call, pid, call.result)
    return SignalSent(
        time_ns=call.head.time_ns,
        origin=call.place,
        sig=call.signal,
        code=_CODES.get(call.name or "", sg.SI_QUEUE),
        result=0,
        group=call.name not in _BY_THREAD,
        target=Process(Key(pid, None)),
        current=call.process(commandline.of_title(call)),
        basis=Basis.CALL if proven else Basis.CALLER_PID,
        same_group=call.pid == pid,
        syscall=call.system_call(),
        call_id=call.head.id,
    )


def turned(call: Call) -> list[Event]:
    """The exec or exit of a process; exit_group(2) never returns, so it has no success."""
    if call.name == "exit_group":
        return [
            ProcessExited(
                time_ns=call.head.time_ns,
                origin=call.place,
                process=call.process(),
                status=WaitStatus.of_exit(call.args[0]),
                called_exit=True,
            )
        ]
    if call.name in EXEC_CALLS and call.success:
        return [ProcessSeen(call.head.time_ns, call.place, call.process(), Sighting.EXEC)]
    return []


def _pairs(trail: Trail) -> list[tuple[Node, Call]]:
    nodes = chain(trail.sender)
    # A process known by PID only is named in its child's record.
    records: list[Call] = []
    for node in nodes:
        records.append(node.record or (records[-1] if records else trail.hit.call))
    return list(zip(nodes, records, strict=True))


def _seen(node: Node, record: Call) -> ProcessSeen:
    known = node.record is not None
    started = node.exec is not None
    argv: Argv | None = None
    if started and record.name in EXEC_CALLS:
        argv = commandline.of_exec(record)
    process = record.process(argv) if known else Process(Key(node.pid, None))
    how = Sighting.SEEN if known else Sighting.NAMED
    if started:
        how = Sighting.EXEC
    return ProcessSeen(record.head.time_ns, record.place, process, how)


def ended(mark: Mark) -> list[Event]:
    """The exit in a crash or sandbox record; nothing for other marks."""
    if mark.head.kind == b"ANOM_ABEND":
        return [_exit(mark, number(mark.fields.get("sig")) or 0)]
    sig = number(mark.fields.get("sig")) or 0
    if mark.head.kind != b"SECCOMP" or not sig:
        return []
    if sig == sg.SIGKILL:
        # Strict mode sends no signal at all.
        return [_exit(mark, sig, seccomp_mode=1)]
    process = process_of(mark)
    return [
        SignalSent(
            time_ns=mark.head.time_ns,
            origin=place(mark.piece, mark.offset, mark.head),
            sig=sig,
            code=sg.SYS_SECCOMP,
            result=0,
            group=False,
            target=process,
            current=process,
            same_task=True,
            same_group=True,
            syscall=_call(mark),
        ),
        _exit(mark, sig),
    ]


def _call(mark: Mark) -> SystemCall | None:
    arch, raw = mark.fields.get("arch"), number(mark.fields.get("syscall"))
    if arch is None or raw is None:
        return None
    abi, nr = abi_of(arch, raw)
    return SystemCall(nr, abi, syscalls.name(nr, abi), ())


def process_of(mark: Mark) -> Process:
    """Who crashed, or was caught by its sandbox."""
    found = mark.fields
    return Process(
        Key(unsigned(found.get("pid")), None),
        comm=text(found.get("comm")),
        exe=text(found.get("exe")),
        uid=unsigned(found.get("uid")),
        user=text(found.get("UID")) or "",
        loginuid=unsigned(found.get("auid")),
        login_user=text(found.get("AUID")) or "",
        session=unsigned(found.get("ses")),
    )


def _exit(mark: Mark, sig: int, seccomp_mode: int | None = None) -> ProcessExited:
    return ProcessExited(
        time_ns=mark.head.time_ns,
        origin=place(mark.piece, mark.offset, mark.head),
        process=process_of(mark),
        status=WaitStatus.of_signal(sig),
        seccomp_mode=seccomp_mode,
    )
