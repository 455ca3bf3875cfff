"""The OOM killer."""

from killtrail.attribution import wording
from killtrail.attribution.argument import Argument
from killtrail.attribution.brief import Conclusion
from killtrail.attribution.sending import Actor
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Subject

_OOM = frozenset(
    {Mechanism.OOM_HOST, Mechanism.OOM_CGROUP, Mechanism.OOM_GROUP, Mechanism.OOM_SYSRQ}
)


def oom_killed(a: Argument) -> Conclusion | None:
    """Claim: the kernel's OOM killer chose it. There is no sender.

    Needs: oom_kill_process on the kernel stack of the effective SIGKILL, or (without stacks) an
    OOM mark on it right before a kernel SIGKILL. The allocating task is the trigger, the full
    memory cgroup or the host's memory the owner of the policy. Refuted by: an OOM mark with a
    later, different effective signal: then the mark is only testimony.
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
    evidence = a.cite_signal() + a.cite_end()
    for mark in a.facts.ooms:
        evidence += (
            a.brief.cite(mark, f"the OOM killer marked pid {mark.victim.tgid} as its victim"),
        )
    who = _trigger(a, certainty, evidence)
    where, mechanism = _policy(a, mechanism, certainty, evidence)
    a.brief.rule_out(
        Cause.KILLED_BY_PROCESS, "the kernel sent it itself (SI_KERNEL) in the OOM killer"
    )
    summary = f"{wording.name(a.victim)} was killed by the OOM killer: {where}{who}"
    return Conclusion(Cause.OOM_KILLED, certainty, summary, mechanism)


def _marked(a: Argument) -> bool:
    kernel = a.signal is not None and a.signal.code == sg.SI_KERNEL and a.signal.sig == sg.SIGKILL
    unexplained = a.sending is not None and a.sending.mechanism is None
    return kernel and unexplained and bool(a.facts.ooms)


def _trigger(a: Argument, certainty: Certainty, evidence: tuple[int, ...]) -> str:
    signal = a.signal
    if signal is None or signal.current.kthread:
        if a.sending and a.sending.mechanism is Mechanism.OOM_SYSRQ:
            a.brief.miss("who wrote f to sysrq-trigger", Why.NOT_RECORDED)
        return ""
    if a.sending and a.sending.actor is not Actor.TRIGGER and a.sending.mechanism is not None:
        return ""
    same = signal.same_group
    launcher = a.launch(signal.current, signal)
    a.brief.link(
        Role.TRIGGER,
        "allocated memory",
        certainty,
        process=signal.current,
        signal=signal.sig,
        target=a.victim,
        time_ns=signal.time_ns,
        caused_by=launcher,
        evidence=evidence,
    )
    return (
        ", on its own allocation"
        if same
        else f", on an allocation of {wording.name(signal.current)}"
    )


def _policy(
    a: Argument, mechanism: Mechanism | None, certainty: Certainty, evidence: tuple[int, ...]
) -> tuple[str, Mechanism | None]:
    memory = a.signal.memory if a.signal else None
    if mechanism in (Mechanism.OOM_HOST, Mechanism.OOM_SYSRQ):
        a.brief.link(
            Role.POLICY_OWNER, "ran out of memory" if mechanism is Mechanism.OOM_HOST else "forced by sysrq",
            certainty, subject=Subject("kernel", "the host's memory"), evidence=evidence,
        )  # fmt: skip
        forced = mechanism is Mechanism.OOM_SYSRQ
        return ("sysrq-f forced it" if forced else "the host ran out of memory"), mechanism
    if memory is None:
        a.brief.miss("which memory cgroup was full", Why.NOT_RECORDED, "sudo killtrail arm")
        return "a memory limit was reached", mechanism
    a.brief.link(
        Role.POLICY_OWNER,
        f"limits memory to {memory.max_bytes} bytes",
        certainty,
        subject=Subject("cgroup", memory.cgroup),
        evidence=evidence,
    )
    group = (
        " and asks for all its processes to go (memory.oom.group)"
        if mechanism is Mechanism.OOM_GROUP
        else ""
    )
    return f"cgroup {memory.cgroup} is full at {_size(memory.max_bytes)}{group}", mechanism


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
