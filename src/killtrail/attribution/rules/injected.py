"""Tracers and BPF programs."""

from typing import Final

from killtrail.attribution import tracers, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS
from killtrail.model.verdict import Subject, SubjectKind

_RECENT_NS: Final = 60 * NS
"""So long after a tracer has detached it may have left the signal."""


def traced_to_death(a: RuleContext) -> Conclusion | None:
    """Claim: its tracer killed it (PTRACE_KILL) or left with PTRACE_O_EXITKILL set.

    Needs: ptrace_request or exit_ptrace on the kernel stack of the SIGKILL; `current` is the
    tracer. Refuted by: a signal call of the tracer.
    """
    if a.signal is None or a.sending is None:
        return None
    mechanism = a.sending.mechanism
    if mechanism not in (Mechanism.PTRACE, Mechanism.EXITKILL):
        return None
    tracer, certainty = a.signal.current, a.certainty()
    left = mechanism is Mechanism.EXITKILL
    above = a.why_it_ended(tracer) if left else a.launch(tracer, a.signal)
    a.blame(
        Role.TRIGGER if left else Role.SENDER,
        "exited" if left else "ptrace",
        certainty,
        process=tracer,
        caused_by=above,
    )
    a.launch(tracer, a.signal)
    a.rule_out_memory()
    how = (
        f"because its tracer {wording.name(tracer)} exited with PTRACE_O_EXITKILL set"
        if left
        else f"by its tracer {wording.name(tracer)} with PTRACE_KILL{wording.ran(tracer)}"
    )
    summary = f"{wording.name(a.victim)} was killed {how}"
    return Conclusion(Cause.TRACED, certainty, summary, mechanism)


def bpf_killed(a: RuleContext) -> Conclusion | None:
    """Claim: a BPF program sent the signal (bpf_send_signal); no task is the sender.

    Needs: bpf_send_signal on the kernel stack. The process that loaded the program is not recorded,
    so the verdict is likely at most. Refuted by: any other stack.
    """
    if a.signal is None or a.sending is None:
        return None
    if a.sending.mechanism is not Mechanism.BPF_SEND_SIGNAL:
        return None
    certainty = min(a.certainty(), Certainty.LIKELY)
    a.draft.miss("who loaded the BPF program", Why.NOT_RECORDED, "sudo bpftool prog list")
    a.blame(
        Role.SENDER, "sent the signal", certainty,
        subject=Subject(SubjectKind.KERNEL, "a BPF program"),
    )  # fmt: skip
    a.draft.rule_out(
        Cause.KILLED_BY_SELF, "the running task is where the program ran, not the sender"
    )
    summary = f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)} by a BPF program"
    return Conclusion(Cause.BPF_KILLED, certainty, summary, Mechanism.BPF_SEND_SIGNAL)


def injected(a: RuleContext) -> Conclusion | None:
    """Claim: its tracer injected the signal at a stop; it never passed the kernel's signal path.

    Needs: death by a signal without a recorded sender, while recording was complete, and a tracer
    attached at the exit, or a recorded one that has detached. Likely at most: it is an inference
    from absence. Refuted by: any lost record, a recorded sender of this signal.
    """
    end = a.facts.exit
    if a.signal is not None or end is None or not end.signal or not a.case.watched:
        return None
    if end.stack:
        return None
    attached = tracers.attached(a)
    tracer = end.tracer or (attached.current if attached else None)
    if tracer is None:
        return None
    if attached:
        a.draft.cite(attached, f"{wording.name(attached.current)} attached to it with ptrace()")
    was = "was tracing it" if end.tracer else "had traced it"
    recent = attached is not None and end.time_ns - attached.time_ns <= _RECENT_NS
    certainty = Certainty.LIKELY if end.tracer or recent else Certainty.POSSIBLE
    a.blame(Role.SENDER, "injected a signal", certainty, process=tracer)
    if attached and attached.current.key.same_life(tracer.key):
        a.launch(attached.current, attached)
    a.draft.miss("the ptrace call that injected it", Why.NOT_RECORDED)
    a.draft.rule_out(
        Cause.KILLED_BY_PROCESS, "no such signal was sent to it while recording was complete"
    )
    summary = (
        f"{wording.name(a.victim)} was killed by {sg.name(end.signal)} that"
        f" {wording.name(tracer)}, which {was}, injected; no sender is recorded"
    )
    return Conclusion(Cause.TRACED, certainty, summary, Mechanism.PTRACE_INJECT)


def made_to_exit(a: RuleContext) -> Conclusion | None:
    """Claim: a debugger made it call exit.

    Needs: an exit under a tracer whose call would have returned to the stack, where debuggers put
    the return address of a call. Refuted by: a return address in code.
    """
    end = a.facts.exit
    if end is None or end.exit_code is None or end.tracer is None or not end.returns_to_stack:
        return None
    a.blame(Role.SENDER, "made it call exit", Certainty.LIKELY, process=end.tracer)
    attached = tracers.attached(a)
    if attached and attached.current.key.same_life(end.tracer.key):
        a.launch(attached.current, attached)
    a.draft.rule_out(
        Cause.EXITED,
        "its call of exit would have returned to the stack: no code of its own made it",
    )
    summary = (
        f"{wording.name(a.victim)} was made to exit with code {end.exit_code} by its tracer"
        f" {wording.name(end.tracer)}"
    )
    return Conclusion(Cause.TRACED, Certainty.LIKELY, summary, Mechanism.PTRACE)
