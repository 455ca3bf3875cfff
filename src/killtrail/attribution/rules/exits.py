"""It ended by itself."""

from typing import Final

from killtrail.attribution import wording
from killtrail.attribution.argument import Argument
from killtrail.attribution.brief import Conclusion
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty

_SHELL_OFFSET: Final = 128
_SHELL_MOST: Final = _SHELL_OFFSET + sg.LAST


def exited(a: Argument) -> Conclusion | None:
    """Claim: it called exit; no signal ended it.

    Needs: an exit status without a signal, from the kernel. A code over 128 is a number that it
    chose, not proof of a signal: 137 without one is somebody's convention. Refuted by: a signal in
    the status; a handled request right before (then it was asked to stop).
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
    a.brief.link(
        Role.SENDER,
        f"exited with code {end.exit_code}",
        Certainty.ESTABLISHED,
        process=end.process,
        target=a.victim,
        time_ns=end.time_ns,
        caused_by=launcher,
        evidence=evidence,
    )
    look = ""
    if _SHELL_OFFSET < end.exit_code <= _SHELL_MOST:
        named = sg.name(end.exit_code - _SHELL_OFFSET)
        look = f"; {end.exit_code} looks like {named}, but is the code it passed to exit"
        a.brief.rule_out(
            Cause.KILLED_BY_PROCESS, f"its wait status holds no signal, {named} included"
        )
        a.brief.rule_out(Cause.OOM_KILLED, "its wait status holds no signal")
    else:
        a.brief.rule_out(Cause.KILLED_BY_PROCESS, "its wait status holds no signal")
    summary = f"{wording.name(a.victim)} ended by itself with exit code {end.exit_code}{look}"
    return Conclusion(Cause.EXITED, Certainty.ESTABLISHED, summary, Mechanism.EXIT_GROUP)


# tracefs tells no status, but the kernel stack of the exit: exit_group was in flight.
def _without_code(a: Argument) -> Conclusion | None:
    end = a.facts.exit
    if end is None or not a.case.watched:
        return None
    launcher = a.launch_dead(end)
    a.brief.link(
        Role.SENDER,
        "exited",
        Certainty.LIKELY,
        process=end.process,
        target=a.victim,
        time_ns=end.time_ns,
        caused_by=launcher,
        evidence=a.cite_end(),
    )
    a.brief.rule_out(
        Cause.KILLED_BY_PROCESS, "exit_group was in flight at its end, no signal's action"
    )
    summary = f"{wording.name(a.victim)} ended by itself; its exit code was not recorded"
    return Conclusion(Cause.EXITED, Certainty.LIKELY, summary, Mechanism.EXIT_GROUP)
