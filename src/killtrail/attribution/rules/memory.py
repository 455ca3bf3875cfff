"""The OOM killer."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.rules import kernel
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Subject, SubjectKind

_OOM = frozenset(
    {Mechanism.OOM_HOST, Mechanism.OOM_CGROUP, Mechanism.OOM_GROUP, Mechanism.OOM_SYSRQ}
)
_OOMD = frozenset({"/usr/lib/systemd/systemd-oomd", "/lib/systemd/systemd-oomd"})
_HOST = Subject(SubjectKind.KERNEL, "the host's memory")


def oom_killed(a: RuleContext) -> Conclusion | None:
    """Claim: the kernel's OOM killer chose it. There is no sender.

    Needs: oom_kill_process on the kernel stack of the fatal SIGKILL, or (without stacks) an OOM
    mark on it right before a kernel SIGKILL. The allocating task is the trigger, the full memory
    cgroup or the host's memory the policy owner. Refuted by: an OOM mark with a later, different
    fatal signal: then the mark is only testimony.
    """
    mechanism = a.sending.mechanism if a.sending else None
    if a.signal is None or a.sending is None:
        return None
    if mechanism not in _OOM:
        if not _marked(a):
            return None
        mechanism = None
    certainty = (
        a.certainty()
        if mechanism
        else min(a.found.certainty, Certainty.LIKELY)
        if a.found
        else Certainty.LIKELY
    )
    a.cite_signal()
    a.cite_end()
    for mark in a.facts.ooms:
        a.draft.cite(mark, f"the OOM killer marked PID {mark.victim.tgid} as its victim")
    who = _trigger(a, certainty)
    where, chosen = _policy(a, mechanism, certainty), _shared(a, mechanism)
    a.draft.rule_out(
        Cause.KILLED_BY_PROCESS, "the kernel itself sent it (SI_KERNEL), in the OOM killer"
    )
    summary = f"{wording.name(a.victim)} was killed by the OOM killer: {where}{who}{chosen}"
    return Conclusion(Cause.OOM_KILLED, certainty, summary, mechanism)


# __oom_kill_process() marks each victim it chose; a process that shares the memory map of a chosen
# one is killed as well, without a mark or a line in the kernel log.
def _shared(a: RuleContext, mechanism: Mechanism | None) -> str:
    if mechanism is None or a.facts.ooms or not a.case.watched:
        return ""
    if a.signal is not None:
        a.draft.cite(
            a.signal, "the OOM killer marks each process that it chooses; this one was not marked"
        )
    return "; it was not chosen, but shares its memory with the chosen process"


def by_oomd(a: RuleContext) -> Conclusion | None:
    """Claim: systemd-oomd killed it because its cgroup was under memory pressure or full of swap.

    Needs: a signal call of the process that runs systemd-oomd. The journal holds the pressure.
    Refuted by: another program of that name.
    """
    if a.signal is None or a.sending is None or a.sending.actor is not Actor.SENDER:
        return None
    sender = a.signal.current
    if sender.exe not in _OOMD:
        return None
    certainty = a.certainty()
    call = a.sending.mechanism.value if a.sending.mechanism else "signal"
    a.blame(Role.SENDER, call, certainty, process=sender, launched=sender)
    group = a.signal.target.cgroup or "?"
    a.blame(
        Role.POLICY_OWNER,
        "was short of memory or swap",
        certainty,
        subject=Subject(SubjectKind.CGROUP, group),
    )
    a.draft.miss("the pressure that made it act", Why.NOT_RECORDED, "journalctl -u systemd-oomd")
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "the sender acts on memory pressure, by policy")
    summary = f"{wording.name(a.victim)} was killed by systemd-oomd with its cgroup {group}"
    return Conclusion(Cause.OOM_KILLED, certainty, summary, Mechanism.SYSTEMD_OOMD)


def _marked(a: RuleContext) -> bool:
    kernel = a.signal is not None and a.signal.code == sg.SI_KERNEL and a.signal.sig == sg.SIGKILL
    unexplained = a.sending is not None and a.sending.mechanism is None
    return kernel and unexplained and bool(a.facts.ooms)


def _trigger(a: RuleContext, certainty: Certainty) -> str:
    signal = a.signal
    if signal is None or signal.current.kthread:
        if a.sending and a.sending.mechanism is Mechanism.OOM_SYSRQ:
            return kernel.requested(a)
        return ""
    if a.sending and a.sending.actor is not Actor.TRIGGER and a.sending.mechanism is not None:
        return ""
    same = signal.same_group
    a.blame(
        Role.TRIGGER, "allocated memory", certainty, process=signal.current, launched=signal.current
    )
    return f" when {'it' if same else wording.name(signal.current)} allocated memory"


def _policy(a: RuleContext, mechanism: Mechanism | None, certainty: Certainty) -> str:
    if mechanism is Mechanism.OOM_SYSRQ:
        a.blame(Role.POLICY_OWNER, "was asked to free memory by sysrq-f", certainty, subject=_HOST)
        return "sysrq-f forced it"
    if mechanism is Mechanism.OOM_HOST:
        a.blame(Role.POLICY_OWNER, "ran out", certainty, subject=_HOST)
        return "the host ran out of memory"
    memory = a.signal.kernel.memory if a.signal else None
    if memory is None:
        a.draft.miss("which memory cgroup was full", Why.NOT_RECORDED, "sudo killtrail arm")
        return "memory ran out" if mechanism is None else "a cgroup's memory limit was reached"
    limit = f"reached memory.max = {size(memory.max_bytes)} ({memory.max_bytes} bytes)"
    a.blame(Role.POLICY_OWNER, limit, certainty, subject=Subject(SubjectKind.CGROUP, memory.cgroup))
    together = "; memory.oom.group: the whole cgroup is killed"
    group = together if mechanism is Mechanism.OOM_GROUP else ""
    return f"cgroup {memory.cgroup} reached its limit of {size(memory.max_bytes)}{group}"


def size(count: int) -> str:
    """A count of bytes in a readable unit."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
