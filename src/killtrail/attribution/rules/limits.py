"""Limits, timers, filters and pipes: the kernel on the process's own account."""

from killtrail.attribution import wording
from killtrail.attribution.argument import Argument
from killtrail.attribution.brief import Conclusion
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Subject

_STRICT_OR_DEAD = (1, 3)
"""SECCOMP_MODE_STRICT, and SECCOMP_MODE_DEAD, which the refusal itself sets since 5.17."""
_LIMITS = {
    Mechanism.RLIMIT_CPU: ("RLIMIT_CPU", "used up its CPU time limit"),
    Mechanism.RLIMIT_FSIZE: ("RLIMIT_FSIZE", "wrote beyond its file size limit"),
}
_TIMERS = {
    Mechanism.ITIMER: ("alarm or setitimer", "its own interval timer ran out"),
    Mechanism.POSIX_TIMER: ("timer_create", "its own POSIX timer ran out"),
}


def _own_account(
    a: Argument, role: Role, action: str, subject: Subject, certainty: Certainty
) -> None:
    if a.signal is None:
        return
    a.blame(
        role,
        action,
        certainty,
        process=a.victim if subject.kind == "timer" else None,
        subject=subject,
    )
    if not a.signal.same_group:
        a.brief.rule_out(
            Cause.KILLED_BY_PROCESS,
            f"{wording.name(a.signal.current)} only ran when the interrupt came",
        )
    elif a.victim.key == a.signal.current.key:
        a.launch(a.victim, a.signal)


def limit_exceeded(a: Argument) -> Conclusion | None:
    """Claim: it went over a resource limit and the kernel acted on that.

    Needs: for CPU time, the CPU timer functions on the kernel stack; for file size, SIGXFSZ from
    the kernel in its own write. Who set the limit is not in the record: the limit itself is named.
    Refuted by: SIGXCPU or SIGXFSZ sent by a call.
    """
    mechanism = a.sending.mechanism if a.sending else None
    if a.signal is None or mechanism is None or mechanism not in _LIMITS:
        return None
    limit, says = _LIMITS[mechanism]
    certainty = a.certainty()
    _own_account(a, Role.POLICY_OWNER, "was exceeded", Subject("limit", limit), certainty)
    a.brief.miss("who set the limit", Why.NOT_RECORDED)
    a.rule_out_memory()
    summary = f"{wording.name(a.victim)} {says} ({limit}) and got {sg.name(a.signal.sig)}"
    return Conclusion(Cause.LIMIT_EXCEEDED, certainty, summary, mechanism)


def timer_expired(a: Argument) -> Conclusion | None:
    """Claim: a timer that the process itself had armed ran out.

    Needs: the timer functions on the kernel stack. An interrupt delivers it, so `current` is
    whoever ran: never an actor. Refuted by: SIGALRM sent by a call.
    """
    mechanism = a.sending.mechanism if a.sending else None
    if a.signal is None or mechanism is None or mechanism not in _TIMERS:
        return None
    call, says = _TIMERS[mechanism]
    certainty = a.certainty()
    _own_account(a, Role.POLICY_OWNER, "ran out", Subject("timer", call), certainty)
    summary = f"{wording.name(a.victim)} got {sg.name(a.signal.sig)}: {says}"
    return Conclusion(Cause.TIMER_EXPIRED, certainty, summary, mechanism)


def broken_pipe(a: Argument) -> Conclusion | None:
    """Claim: it wrote to a pipe or socket that nobody reads any more.

    Needs: SIGPIPE from the kernel on its own thread. Who had closed the other end is not in the
    record, so the verdict is likely at most. Refuted by: SIGPIPE sent by a call.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.SIGPIPE:
        return None
    certainty = min(a.certainty(), Certainty.LIKELY)
    _own_account(
        a,
        Role.TRIGGER,
        "has no reader",
        Subject("pipe", "the pipe or socket it wrote to"),
        certainty,
    )
    a.brief.miss("who closed the other end", Why.NOT_RECORDED)
    summary = f"{wording.name(a.victim)} wrote to a pipe or socket that nobody reads (SIGPIPE)"
    return Conclusion(Cause.BROKEN_PIPE, certainty, summary, Mechanism.SIGPIPE)


def seccomp_killed(a: Argument) -> Conclusion | None:
    """Claim: a seccomp filter (or user dispatch) refused its system call with a deadly signal.

    Needs: SIGSYS with code SYS_SECCOMP forced on its own thread. Who installed the filter is not
    in the record. Refuted by: SIGSYS sent by a call.
    """
    if a.signal is None or a.sending is None:
        return None
    mechanism = a.sending.mechanism
    if mechanism is not Mechanism.SECCOMP and mechanism is not Mechanism.USER_DISPATCH:
        return None
    call = a.signal.syscall
    which = f"system call {call.number} ({call.abi})" if call else "a system call"
    certainty = a.certainty()
    _own_account(
        a, Role.POLICY_OWNER, f"refused {which}", Subject("filter", mechanism.value), certainty
    )
    a.brief.miss("who installed the filter", Why.NOT_RECORDED)
    a.brief.rule_out(Cause.CRASHED, "the signal was a refused system call, no instruction faulted")
    summary = f"{wording.name(a.victim)} was ended by its seccomp filter at {which}"
    return Conclusion(Cause.SECCOMP_KILLED, certainty, summary, mechanism)


def seccomp_strict(a: Argument) -> Conclusion | None:
    """Claim: seccomp strict mode ended it: any call but read, write, exit and sigreturn is death.

    Needs: status SIGKILL, strict or dead mode at the end, no send on record and complete recording: strict
    mode exits straight away, without a signal. Refuted by: a SIGKILL sent to it.
    """
    end = a.facts.exit
    if a.signal is not None or end is None or end.signal != sg.SIGKILL:
        return None
    if end.seccomp_mode not in _STRICT_OR_DEAD or not a.case.watched:
        return None
    a.blame(
        Role.POLICY_OWNER,
        "refused a system call",
        Certainty.ESTABLISHED,
        subject=Subject("filter", "seccomp strict mode"),
    )
    a.brief.rule_out(
        Cause.KILLED_BY_PROCESS, "no SIGKILL was sent to it while all sends were recorded"
    )
    a.brief.rule_out(Cause.OOM_KILLED, "no SIGKILL was sent to it while all sends were recorded")
    summary = f"{wording.name(a.victim)} was ended by seccomp strict mode at a system call it may not make"
    return Conclusion(Cause.SECCOMP_KILLED, Certainty.ESTABLISHED, summary, Mechanism.SECCOMP)
