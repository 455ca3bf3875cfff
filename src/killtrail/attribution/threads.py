"""Threads that ended while their process went on: no death of a process, but people look for one."""

from killtrail.attribution import wording
from killtrail.attribution.case import Case
from killtrail.attribution.draft import VerdictDraft
from killtrail.attribution.generation.explain import OOPS_STACK
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import ImageReplaced, ThreadDied
from killtrail.model.process import Process
from killtrail.model.verdict import Death, Subject, SubjectKind, Verdict


def replaced(case: Case, event: ImageReplaced, living: Process | None) -> Verdict:
    """Claim: no death. A thread called execve, and its process goes on as another program.

    Needs: the exec on record, by a thread that was not the leader. The kernel ends all its siblings
    then, and it takes over the leader's number.
    """
    draft = VerdictDraft()
    process = living or event.process
    now = wording.command(event.process)
    cited = draft.cite(event, f"thread {event.old_tid} of pid {event.process.pid} became {now}")
    draft.link(
        Role.TRIGGER, f"called execve in its thread {event.old_tid}", Certainty.ESTABLISHED,
        process=process, time_ns=event.time_ns, evidence=(cited,),
    )  # fmt: skip
    draft.rule_out(
        Cause.KILLED_BY_PROCESS, "its threads were ended by its own execve, by no signal"
    )
    summary = (
        f"{wording.name(event.process)} did not die: its thread {event.old_tid} called execve and"
        f" all its other threads ended; it went on as {now}"
    )
    return _verdict(
        case, draft, Death(process, Ended.RUNNING), Cause.REPLACED_BY_EXEC, summary,
        Mechanism.EXECVE,
    )  # fmt: skip


def died(case: Case, event: ThreadDied) -> Verdict:
    """Claim: one thread was ended, its process went on.

    Needs: the thread's end on record with a signal's status and no group exit: a seccomp filter
    with KILL_THREAD, or a bug in the kernel (its functions on the stack of the end).
    """
    draft = VerdictDraft()
    sig = event.status.signal
    name = wording.thread(event.process)
    oops = bool(set(event.stack) & OOPS_STACK)
    cited = draft.cite(event, f"thread {name} ended with {sg.name(sig)}, its process went on")
    subject = (
        Subject(SubjectKind.KERNEL, "the running kernel")
        if oops
        else Subject(SubjectKind.FILTER, "seccomp")
    )
    known = oops or sig == sg.SIGSYS
    if known:
        draft.link(
            Role.POLICY_OWNER, "hit a bug" if oops else "refused a system call",
            Certainty.ESTABLISHED, subject=subject, signal=sig, target=event.process,
            time_ns=event.time_ns, evidence=(cited,),
        )  # fmt: skip
    cause = Cause.KERNEL_BUG if oops else Cause.SECCOMP_KILLED
    why = "a bug in the kernel" if oops else "its seccomp filter"
    summary = (
        f"thread {name} of {wording.name(event.process)} was ended by {why}; the process went on"
    )
    if not known:
        cause = Cause.NOT_ESTABLISHED
        summary = f"thread {name} of {wording.name(event.process)} ended with {sg.name(sig)}; why is not established"
    thread = (event.process.tid or 0, event.process.thread or "")
    death = Death(event.process, Ended.SIGNAL, event.time_ns, event.status, thread)
    mechanism = (Mechanism.OOPS if oops else Mechanism.SECCOMP) if known else None
    return _verdict(case, draft, death, cause, summary, mechanism)


def _verdict(
    case: Case,
    draft: VerdictDraft,
    death: Death,
    cause: Cause,
    summary: str,
    mechanism: Mechanism | None,
) -> Verdict:
    sure = Certainty.NOT_ESTABLISHED if cause is Cause.NOT_ESTABLISHED else Certainty.ESTABLISHED
    return Verdict(
        death=death,
        cause=cause,
        certainty=sure,
        summary=summary,
        host=case.host,
        mechanism=mechanism,
        links=tuple(draft.links),
        evidence=tuple(draft.evidence),
        ruled_out=tuple(draft.ruled_out),
        events_lost=case.loss.events,
        problems=len(case.loss.problems),
    )
