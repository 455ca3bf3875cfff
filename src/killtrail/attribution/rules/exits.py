"""Voluntary exits."""

from typing import Final

from killtrail.attribution import tracers, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import LimitSet, ProcessExited

_SHELL_OFFSET: Final = 128
_SHELL_MOST: Final = _SHELL_OFFSET + sg.LAST


def exited(a: RuleContext) -> Conclusion | None:
    """Claim: it called exit; no signal killed it.

    Needs: an exit status without a signal, from the kernel. A code above 128 is its own choice, not
    proof of a signal: 137 without one is a convention of the program. Refuted by: a signal in the
    status; a handled request right before (then it was asked to stop).
    """
    end = a.facts.exit
    if end is None or (
        end.exit_code is None and (end.status is not None or end.fatal is not False)
    ):
        return None
    if end.exit_code is None:
        return _without_code(a)
    evidence = a.cite_end()
    launcher = a.launch_dead(end)
    certainty = _own_wish(a, end, Certainty.ESTABLISHED)
    a.draft.link(
        Role.SENDER,
        f"exited with code {end.exit_code}",
        certainty,
        process=end.process,
        target=a.victim,
        time_ns=end.time_ns,
        caused_by=launcher,
        evidence=evidence,
    )
    look = ""
    if _SHELL_OFFSET < end.exit_code <= _SHELL_MOST:
        named = sg.name(end.exit_code - _SHELL_OFFSET)
        look = f"; {end.exit_code} looks like {named}, but is the code that it passed to exit"
        a.draft.rule_out(
            Cause.KILLED_BY_PROCESS, f"its wait status holds no signal, {named} included"
        )
        a.draft.rule_out(Cause.OOM_KILLED, "its wait status holds no signal")
    else:
        a.draft.rule_out(Cause.KILLED_BY_PROCESS, "its wait status holds no signal")
    _note_memory_limit(a, end)
    summary = f"{wording.name(a.victim)} exited with code {end.exit_code}{_by_thread(end)}{look}"
    return Conclusion(Cause.EXITED, certainty, summary, Mechanism.EXIT_GROUP)


def _by_thread(end: ProcessExited) -> str:
    tid = end.process.tid
    if not end.called_exit or tid in (None, end.process.pid):
        return ""
    return f", called by its thread {wording.thread(end.process)}"


# Allocations fail quietly under RLIMIT_AS: people take what follows for the OOM killer's work.
def _note_memory_limit(a: RuleContext, end: ProcessExited) -> None:
    if end.memory_limit is None or not end.exit_code:
        return
    by = _memory_limit_set_by(a, end)
    a.draft.rule_out(
        Cause.OOM_KILLED,
        f"no signal ended it; but it ran under RLIMIT_AS = {end.memory_limit} bytes{by}, so an"
        " allocation of its own may have failed",
    )


# That the limit was hit is not recorded: whoever set it may have had no part in the exit.
def _memory_limit_set_by(a: RuleContext, end: ProcessExited) -> str:
    set_by = [n for n in a.case.notes if isinstance(n, LimitSet) and n.resource == "RLIMIT_AS"]
    if not set_by or set_by[-1].soft != end.memory_limit:
        return ""
    setter, what = set_by[-1], f"RLIMIT_AS = {end.memory_limit} bytes"
    cited = a.draft.cite(
        setter, f"{wording.name(setter.process)} set {what}{wording.ran(setter.process)}"
    )
    a.draft.link(
        Role.POLICY_OWNER, f"set {what} with prlimit", Certainty.POSSIBLE,
        process=setter.process, target=a.victim, time_ns=setter.time_ns, evidence=(cited,),
    )  # fmt: skip
    return f", set by {wording.name(setter.process)} with prlimit(2)"


# A debugger can make a process call exit. Where its return address could be read and is in code,
# it did so itself.
def _own_wish(a: RuleContext, end: ProcessExited, certainty: Certainty) -> Certainty:
    tracer = tracers.at_end(a)
    if tracer is None or end.returns_to_stack is False:
        return certainty
    a.draft.link(
        Role.TRIGGER, "was tracing it, and may have made it call exit", Certainty.POSSIBLE,
        process=tracer, target=a.victim, evidence=a.cite_end(),
    )  # fmt: skip
    return Certainty.POSSIBLE


# tracefs records no status, but the kernel stack of the exit: it was inside exit_group.
def _without_code(a: RuleContext) -> Conclusion | None:
    end = a.facts.exit
    if end is None or not a.case.watched:
        return None
    launcher = a.launch_dead(end)
    certainty = _own_wish(a, end, Certainty.LIKELY)
    a.draft.link(
        Role.SENDER,
        "exited",
        certainty,
        process=end.process,
        target=a.victim,
        time_ns=end.time_ns,
        caused_by=launcher,
        evidence=a.cite_end(),
    )
    a.draft.rule_out(
        Cause.KILLED_BY_PROCESS, "it was inside exit_group(2) at its exit, no signal was acting"
    )
    summary = f"{wording.name(a.victim)} exited by itself; its exit code was not recorded"
    return Conclusion(Cause.EXITED, certainty, summary, Mechanism.EXIT_GROUP)
