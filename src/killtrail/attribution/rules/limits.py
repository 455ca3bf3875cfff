"""Limits, timers and filters: the kernel acts on the process's own behaviour."""

from killtrail.attribution import policy_owners, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import LimitSet, SignalSent
from killtrail.model.verdict import Subject, SubjectKind

_STRICT_OR_DEAD = (1, 3)
"""SECCOMP_MODE_STRICT, and SECCOMP_MODE_DEAD, which the refusal itself sets since 5.17."""
_SECCOMP_STACK = frozenset({"__secure_computing", "__secure_computing_strict", "__seccomp_filter"})
_LIMITS = {
    Mechanism.RLIMIT_CPU: ("RLIMIT_CPU", "it used up its CPU time limit"),
    Mechanism.RLIMIT_FSIZE: ("RLIMIT_FSIZE", "it wrote beyond its file size limit"),
    Mechanism.RLIMIT_RTTIME: ("RLIMIT_RTTIME", "it ran too long at a real-time priority"),
}
_TIMERS = {
    Mechanism.ITIMER: "alarm or setitimer",
    Mechanism.POSIX_TIMER: "timer_create",
}


def _own_account(
    a: RuleContext,
    role: Role,
    action: str,
    subject: Subject,
    certainty: Certainty,
    caused_by: int | None = None,
) -> None:
    if a.signal is None:
        return
    a.blame(
        role,
        action,
        certainty,
        process=a.victim if subject.kind is SubjectKind.TIMER else None,
        subject=subject,
        caused_by=caused_by,
    )
    if not a.signal.same_group:
        a.draft.rule_out(
            Cause.KILLED_BY_PROCESS,
            f"{wording.name(a.signal.current)} was only running when the interrupt came",
        )
    elif a.victim.key == a.signal.current.key:
        a.launch(a.victim, a.signal)


def limit_exceeded(a: RuleContext) -> Conclusion | None:
    """Claim: it exceeded a resource limit and the kernel acted.

    Needs: for CPU time, the CPU timer functions on the kernel stack; for file size, SIGXFSZ from
    the kernel in its own write. Who set it is established where prlimit(2) on it by another process
    was recorded with the very values; else the process in which the limit came in is shown as
    possible, as some kernels do not let that call be recorded. Refuted by: SIGXCPU or SIGXFSZ sent
    by a call.
    """
    mechanism = a.sending.mechanism if a.sending else None
    if a.signal is None or mechanism is None or mechanism not in _LIMITS:
        return None
    limit, says = _LIMITS[mechanism]
    certainty = a.certainty()
    value = _value(a.signal, mechanism)
    setter = policy_owners.set_from_outside(a.signal, a.victim, a.case.notes)
    above = _set_by(a, setter, f"{limit}{value}") if setter else None
    _own_account(
        a,
        Role.POLICY_OWNER,
        "was exceeded",
        Subject(SubjectKind.LIMIT, f"{limit}{value}"),
        certainty,
        above,
    )
    if setter is None:
        _limit_owner(a, a.signal, limit)
    a.rule_out_memory()
    by = f", which {wording.name(setter.process)} had set with prlimit(2)" if setter else ""
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)}: {says}"
        f" ({limit}{value}){by}"
    )
    return Conclusion(Cause.LIMIT_EXCEEDED, certainty, summary, mechanism)


def _set_by(a: RuleContext, setter: LimitSet, what: str) -> int:
    where = "" if setter.target == a.victim.key else f" of its ancestor (pid {setter.target.tgid})"
    cited = a.draft.cite(
        setter, f"{wording.name(setter.process)} set {what}{where}{wording.ran(setter.process)}"
    )
    return a.draft.link(
        Role.POLICY_OWNER, f"set {what} with prlimit{where}", Certainty.ESTABLISHED,
        process=setter.process, target=a.victim, time_ns=setter.time_ns,
        caused_by=a.launch_noted(setter), evidence=(cited,),
    )  # fmt: skip


def _value(signal: SignalSent, mechanism: Mechanism) -> str:
    limit = signal.kernel.limit
    if limit is None:
        return ""
    # SIGXCPU comes at the soft limit, SIGKILL at the hard one (check_process_timers()).
    number = limit.hard if signal.sig == sg.SIGKILL else limit.soft
    if number is None:
        return ""
    unit = {Mechanism.RLIMIT_CPU: " s", Mechanism.RLIMIT_RTTIME: " us"}.get(mechanism, " bytes")
    return f" = {number}{unit}"


def _limit_owner(a: RuleContext, signal: SignalSent, limit: str) -> None:
    owner = policy_owners.of_limit(signal, a.victim)
    a.draft.miss(
        f"who set {limit}: no prlimit(2) by another process was recorded", Why.NOT_RECORDED
    )
    if owner is None:
        return
    a.draft.link(
        Role.POLICY_OWNER,
        f"got this {limit} {owner.says}",
        owner.certainty,
        process=owner.process,
        target=a.victim,
        evidence=a.cite_signal(),
    )


def timer_expired(a: RuleContext) -> Conclusion | None:
    """Claim: a timer that the process itself had armed expired.

    Needs: the timer functions on the kernel stack. An interrupt delivers it, so `current` is the
    task that was running: never an actor. Refuted by: SIGALRM sent by a call.
    """
    mechanism = a.sending.mechanism if a.sending else None
    if a.signal is None or mechanism is None or mechanism not in _TIMERS:
        return None
    call = _TIMERS[mechanism]
    certainty = a.certainty()
    _own_account(a, Role.POLICY_OWNER, "expired", Subject(SubjectKind.TIMER, call), certainty)
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)} by its own timer"
        f" ({call}), which expired"
    )
    return Conclusion(Cause.TIMER_EXPIRED, certainty, summary, mechanism)


def seccomp_killed(a: RuleContext) -> Conclusion | None:
    """Claim: a seccomp filter refused its system call with a deadly signal.

    Needs: SIGSYS with code SYS_SECCOMP forced on its own thread. The number of filters that its
    ancestors have shows which process installed the filter. Refuted by: SIGSYS sent by a call;
    SYS_USER_DISPATCH: then the process had its own calls handed back to itself.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.SECCOMP:
        return None
    which = _refused_call(a.signal)
    certainty = a.certainty()
    _own_account(
        a, Role.POLICY_OWNER, f"refused {which}", Subject(SubjectKind.FILTER, "seccomp"), certainty
    )
    filter_ = _filter_owner(a, a.signal, certainty)
    a.draft.rule_out(Cause.CRASHED, "the signal was a refused system call, no instruction faulted")
    summary = f"{wording.name(a.victim)} was killed at {which} by {filter_}"
    return Conclusion(Cause.SECCOMP_KILLED, certainty, summary, Mechanism.SECCOMP)


# siginfo of SIGSYS: the refused call's address, call number and architecture, signal(7).
def _refused_call(signal: SignalSent) -> str:
    call = signal.syscall
    if call is None:
        return "a system call"
    name = f" {call.name}" if call.name else ""
    return f"system call {call.number}{name} ({call.abi})"


def _filter_owner(a: RuleContext, signal: SignalSent, certainty: Certainty) -> str:
    owner = policy_owners.of_filter(signal, a.victim)
    if owner is None:
        a.draft.miss("who installed the filter", Why.NOT_RECORDED)
        return "its seccomp filter"
    own = owner.process.key == a.victim.key
    cited = a.draft.cite(
        signal, f"the parent of {wording.name(owner.process)} had no seccomp filter"
    )
    a.draft.link(
        Role.POLICY_OWNER,
        "installed the filter",
        min(certainty, owner.certainty),
        process=owner.process,
        target=a.victim,
        evidence=(*a.cite_signal(), cited),
    )
    if own:
        return f"the seccomp filter that it had installed {owner.says}"
    return f"the seccomp filter that {wording.name(owner.process)} had installed"


def seccomp_strict(a: RuleContext) -> Conclusion | None:
    """Claim: seccomp strict mode killed it: it allows only read, write, exit and sigreturn.

    Needs: status SIGKILL, no recorded sender, strict or dead mode, and either seccomp on the kernel
    stack of the exit or complete recording: strict mode exits at once, without a signal. Refuted
    by: a SIGKILL sent to it.
    """
    end = a.facts.exit
    if a.signal is not None or end is None or end.signal != sg.SIGKILL:
        return None
    told = a.case.kept and end.seccomp_mode == 1
    seen = told or bool(set(end.stack or ()) & _SECCOMP_STACK)
    sure = Certainty.LIKELY if told else Certainty.ESTABLISHED
    if not seen and (end.seccomp_mode not in _STRICT_OR_DEAD or not a.case.watched):
        return None
    a.blame(
        Role.POLICY_OWNER,
        "refused a system call",
        sure,
        subject=Subject(SubjectKind.FILTER, "seccomp strict mode"),
    )
    # prctl(PR_SET_SECCOMP) works on the calling thread alone, and strict mode forbids execve.
    a.draft.link(
        Role.POLICY_OWNER, "entered strict mode", Certainty.LIKELY, process=a.victim,
        target=a.victim, evidence=a.cite_end(),
    )  # fmt: skip
    why = "seccomp made it exit (kernel stack of the exit), no SIGKILL was sent"
    if told:
        why = "the record is from seccomp itself"
    elif not seen:
        why = "no SIGKILL was sent to it while recording was complete"
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, why)
    a.draft.rule_out(Cause.OOM_KILLED, why)
    summary = (
        f"{wording.name(a.victim)} was killed by seccomp strict mode at a forbidden system call"
    )
    return Conclusion(Cause.SECCOMP_KILLED, sure, summary, Mechanism.SECCOMP)
