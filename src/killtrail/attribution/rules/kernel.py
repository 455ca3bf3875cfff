"""The kernel itself: an operator's sysrq, a driver, a bug."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import OOPS_STACK
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import HostEvent, HostEventKind, KernelLine
from killtrail.model.text import visible
from killtrail.model.verdict import Subject, SubjectKind


def operator(a: RuleContext) -> Conclusion | None:
    """Claim: a process wrote e, i or k to sysrq-trigger, and the kernel signalled many processes.

    Needs: the sysrq functions on the kernel stack of the signal; `current` is the writer, or for k,
    which a kworker carries out, the process that printed the kernel's log line about it. Refuted
    by: any other stack.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.SYSRQ:
        return None
    certainty = a.certainty()
    if a.sending.actor is Actor.SENDER:
        writer = a.signal.current
        a.blame(Role.REQUESTER, "wrote sysrq-trigger", certainty, process=writer, launched=writer)
        who = f", requested by {wording.name(writer)}{wording.ran(writer)}"
    else:
        a.cite_signal()
        a.cite_end()
        who = requested(a)
    summary = f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)} by sysrq{who}"
    return Conclusion(Cause.KERNEL_KILLED, certainty, summary, Mechanism.SYSRQ)


def requested(a: RuleContext) -> str:
    """Names the writer of sysrq-trigger from the kernel line that it caused."""
    lines = [n for n in a.case.notes if isinstance(n, KernelLine)]
    if not lines:
        a.draft.miss("who wrote sysrq-trigger", Why.NOT_RECORDED, "sudo killtrail arm")
        return ""
    line = lines[-1]
    cited = a.draft.cite(line, f'{wording.name(line.process)} made the kernel log "{line.text}"')
    certainty = a.certainty() if len(lines) == 1 else Certainty.LIKELY
    launcher = a.launch_noted(line)
    a.draft.link(
        Role.REQUESTER, "wrote sysrq-trigger", certainty, process=line.process,
        time_ns=line.time_ns, caused_by=launcher, evidence=(cited, *a.cite_signal()),
    )  # fmt: skip
    return f", requested by {wording.name(line.process)}{wording.ran(line.process)}"


def driver(a: RuleContext) -> Conclusion | None:
    """Claim: kernel code that it had called, usually of a driver, killed it.

    Needs: SIGKILL from the kernel to the running thread itself, by none of the ways of the core
    kernel. Established if a module is on the kernel stack. Refuted by: any of those ways.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.DRIVER:
        return None
    certainty = a.certainty()
    module = next((n for n in a.signal.kernel.stack or () if n and n.startswith("[")), None)
    subject = Subject(
        SubjectKind.KERNEL, f"module {module[1:-1]}" if module else "code it had called"
    )
    a.blame(Role.POLICY_OWNER, "killed its caller", certainty, subject=subject)
    a.launch(a.victim, a.signal)
    a.rule_out_memory()
    a.draft.rule_out(Cause.KILLED_BY_SELF, "it was inside no signal call: the kernel sent it")
    call = a.signal.syscall
    inside = f" in {call.name or f'system call {call.number}'}" if call else ""
    who = f"kernel {subject.name}" if module else "kernel code that it had called"
    summary = f"{wording.name(a.victim)} was killed by {who}{inside}"
    return Conclusion(Cause.KERNEL_KILLED, certainty, summary, Mechanism.DRIVER)


# The kernel prints its report before make_task_dead(), arch/x86/kernel/dumpstack.c.
def _reported(a: RuleContext) -> str:
    for event in a.case.second_hand:
        if isinstance(event, HostEvent) and event.kind is HostEventKind.OOPS:
            text = visible(event.text)
            a.draft.cite(event, f"the kernel reported a bug at {wording.name(a.victim)}: {text}")
            return f": {text}"
    a.draft.miss("what the bug was", Why.NOT_RECORDED, "dmesg | grep -A30 -E 'BUG|Oops'")
    return ""


def bug(a: RuleContext) -> Conclusion | None:
    """Claim: the kernel hit a bug (oops, BUG) while working for it and killed it.

    Needs: a status of a signal that was never sent, and the oops functions on the kernel stack of
    the exit. The kernel log's report about this PID, if it is there, says which bug. Refuted by: a
    recorded sender of this signal.
    """
    end = a.facts.exit
    if a.signal is not None or end is None or not end.signal:
        return None
    hit = next((n for n in end.stack or () if n in OOPS_STACK), None)
    if hit is None:
        return None
    module = next((n for n in end.stack or () if n and n.startswith("[")), None)
    subject = Subject(
        SubjectKind.KERNEL, f"module {module[1:-1]}" if module else "the running kernel"
    )
    a.cite_end()
    cited = a.draft.cite(
        end, f"the kernel's own handling of a bug made it exit (kernel stack: {hit})"
    )
    a.draft.link(
        Role.POLICY_OWNER, "hit a bug", Certainty.ESTABLISHED, subject=subject, signal=end.signal,
        target=a.victim, time_ns=end.time_ns, evidence=(*a.cite_end(), cited),
    )  # fmt: skip
    a.launch_dead(end)
    number = sg.name(end.signal)
    a.draft.rule_out(Cause.CRASHED, f"no {number} was sent to it: kernel code failed")
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, f"no {number} was sent to it")
    where = f" ({subject.name} is on its stack)" if module else ""
    summary = (
        f"{wording.name(a.victim)} was killed with {number} by the kernel, which hit a bug (oops)"
        f" while it worked for this process{where}{_reported(a)}"
    )
    return Conclusion(Cause.KERNEL_BUG, Certainty.ESTABLISHED, summary, Mechanism.OOPS)
