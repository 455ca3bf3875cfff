"""Threads that exited while their process continued: no process died, but users look for one."""

from killtrail.attribution import wording
from killtrail.attribution.case import Case
from killtrail.attribution.draft import Conclusion, VerdictDraft
from killtrail.attribution.generation.explain import OOPS_STACK
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import ImageReplaced, ThreadDied
from killtrail.model.process import Process
from killtrail.model.verdict import Death, Subject, SubjectKind


def replaced(case: Case, event: ImageReplaced, living: Process | None) -> VerdictDraft:
    """Claim: no death. A thread called execve, and its process goes on as another program.

    Needs: the recorded exec of a thread that was not the leader. The kernel kills all its siblings,
    and it takes over the leader's PID.
    """
    draft = VerdictDraft(case.host, coverage=case.coverage, distrust=case.distrust)
    process = living or event.process
    now = wording.command(event.process)
    cited = draft.cite(event, f"thread {event.old_tid} of PID {event.process.pid} became {now}")
    draft.link(
        Role.TRIGGER, f"called execve in its thread {event.old_tid}", Certainty.ESTABLISHED,
        process=process, time_ns=event.time_ns, evidence=(cited,),
    )  # fmt: skip
    draft.rule_out(Cause.KILLED_BY_PROCESS, "its own execve killed its threads, not a signal")
    summary = (
        f"{wording.name(event.process)} did not die: its thread {event.old_tid} called "
        f"execve(2), all other threads exited, and it continues as {now}"
    )
    conclusion = Conclusion(
        Cause.REPLACED_BY_EXEC, Certainty.ESTABLISHED, summary, Mechanism.EXECVE
    )
    return draft.conclude(Death(process, Ended.RUNNING), conclusion)


def died(case: Case, event: ThreadDied) -> VerdictDraft:
    """Claim: one thread was killed, its process continued.

    Needs: the recorded exit of the thread with the status of a signal and no group exit: a seccomp
    filter with KILL_THREAD, or a kernel bug (its functions on the stack of the exit).
    """
    draft = VerdictDraft(case.host, coverage=case.coverage, distrust=case.distrust)
    sig = event.status.signal
    name = wording.thread(event.process)
    oops = bool(set(event.stack) & OOPS_STACK)
    cited = draft.cite(event, f"thread {name} was killed by {sg.name(sig)}, its process continued")
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
    why = "a kernel bug" if oops else "its seccomp filter"
    summary = (
        f"thread {name} of {wording.name(event.process)} was killed by {why}; the process continues"
    )
    if not known:
        cause = Cause.NOT_ESTABLISHED
        summary = (
            f"thread {name} of {wording.name(event.process)} was killed by {sg.name(sig)}; cause "
            "unknown"
        )
    thread = (event.process.tid or 0, event.process.thread or "")
    death = Death(event.process, Ended.SIGNAL, event.time_ns, event.status, thread)
    mechanism = (Mechanism.OOPS if oops else Mechanism.SECCOMP) if known else None
    return draft.conclude(death, Conclusion(cause, Certainty.ESTABLISHED, summary, mechanism))
