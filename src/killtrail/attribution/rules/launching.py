"""Programs that could not be executed."""

import re
from typing import Final

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import ProcessExited

_CODES: Final = {126: "could not be executed", 127: "was not found"}
"""POSIX.1-2017, Shell Command Language 2.8.2; env, nohup, nice and similar programs do the same."""
_LAUNCHERS: Final = frozenset(
    {"env", "nohup", "nice", "setsid", "stdbuf", "chroot", "ionice", "taskset"}
)
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"})
_SAYS_EXIT: Final = re.compile(r"\b(?:exit|return)\b")


def exec_struck(a: RuleContext) -> Conclusion | None:
    """Claim: its execve failed past the point of no return, so the kernel killed it.

    Needs: SIGSEGV or SIGKILL from the kernel in its own execve. The old program is already
    unloaded: the new one's file is broken, or memory did not suffice. Refuted by: a signal sent by
    a call.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.EXECVE:
        return None
    certainty = a.certainty()
    a.blame(Role.SENDER, "execve", certainty, process=a.victim, launched=a.victim)
    a.draft.rule_out(
        Cause.CRASHED, "no instruction of a program had run: the kernel was loading it"
    )
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)} in execve(2): loading the"
        " new program failed when the old one was gone"
    )
    return Conclusion(Cause.EXEC_FAILED, certainty, summary, Mechanism.EXECVE)


def exec_failed(a: RuleContext) -> Conclusion | None:
    """Claim: it tried to execute another program, which was not found or not executable.

    Needs: exit code 127 or 126, by convention those of a failed exec, from a process that never
    exec'd, or from a program that does little else: likely. From a shell only possible, as scripts
    pass on such codes. Refuted by: any other code; a program that chose this code itself.
    """
    end = a.facts.exit
    if end is None or end.exit_code not in _CODES:
        return None
    certainty = _convention(end)
    if certainty is None:
        return None
    launcher = a.launch_dead(end)
    a.draft.link(
        Role.SENDER, f"exited with code {end.exit_code}", Certainty.ESTABLISHED,
        process=end.process, target=a.victim, time_ns=end.time_ns, caused_by=launcher,
        evidence=a.cite_end(),
    )  # fmt: skip
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "its wait status holds no signal")
    # A command line that is its parent's does not name the program that it tried to start.
    own = a.victim.argv is not None and not a.victim.argv.inherited
    summary = (
        f"{wording.name(a.victim)} exited with code {end.exit_code}, by convention because the "
        f"program that it tried to start {_CODES[end.exit_code]}{wording.ran(a.victim) if own else ''}"
    )
    return Conclusion(Cause.EXEC_FAILED, certainty, summary, Mechanism.EXECVE)


def _convention(end: ProcessExited) -> Certainty | None:
    argv = end.process.argv
    if argv is not None and argv.inherited:
        return Certainty.LIKELY
    name = end.process.comm or ""
    if name in _LAUNCHERS:
        return Certainty.LIKELY
    if name not in _SHELLS or argv is None or _SAYS_EXIT.search(" ".join(argv.words)):
        return None
    return Certainty.POSSIBLE
