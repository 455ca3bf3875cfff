"""Writes to pipes and sockets without a reader."""

from typing import Final

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS
from killtrail.model.events import SignalSent
from killtrail.model.verdict import Subject, SubjectKind

_MS: Final = NS // 1000


def broken_pipe(a: RuleContext) -> Conclusion | None:
    """Claim: it wrote to a pipe or socket that has no reader any more.

    Needs: SIGPIPE from the kernel on its own thread. The reader is named if it exited as the last
    one with this pipe as its standard input; a reader that closed the pipe and kept running is not
    recorded, nor are peers of sockets: then likely at most. Refuted by: SIGPIPE sent by a call.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.SIGPIPE:
        return None
    certainty = a.certainty()
    name = "what it wrote to"
    if a.signal.kernel.pipe:
        name = f"pipe:[{a.signal.kernel.pipe}]"
    reader, certainty = _reader(a, a.signal, certainty)
    a.blame(
        Role.TRIGGER,
        "had no reader",
        certainty if reader else min(certainty, Certainty.LIKELY),
        subject=Subject(SubjectKind.PIPE, name),
        caused_by=len(a.draft.links) if reader else None,
    )
    a.launch(a.victim, a.signal)
    if not reader:
        certainty = min(certainty, Certainty.LIKELY)
        a.draft.miss("who closed the read end", Why.NOT_RECORDED)
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "the kernel sent it for its own write")
    summary = (
        f"{wording.name(a.victim)} was killed with SIGPIPE: it wrote to a pipe or socket that had no"
        f" reader any more{reader}"
    )
    return Conclusion(Cause.BROKEN_PIPE, certainty, summary, Mechanism.SIGPIPE)


def _reader(a: RuleContext, signal: SignalSent, certainty: Certainty) -> tuple[str, Certainty]:
    end = a.case.reader
    if end is None:
        return "", certainty
    held = end.stdin_pipe == signal.kernel.pipe
    says = "its standard input was the pipe's last open read end"
    if not held:
        certainty = min(certainty, Certainty.LIKELY)
        says = "the only recorded process that was started with the pipe as its standard input"
    cited = a.draft.cite(end, f"{wording.name(end.process)} exited: {says}")
    # It may have closed the pipe a moment before its exit.
    later = (end.time_ns - signal.time_ns) / _MS
    when = f"exited {later:.3g} ms later" if later > 0 else "exited"
    a.draft.link(
        Role.TRIGGER,
        "exited as its last reader" if held else f"was its reader and {when}",
        certainty,
        process=end.process,
        time_ns=end.time_ns,
        evidence=(cited,),
    )
    gone = "had exited" if later <= 0 else f"had probably closed it, and {when}"
    return f"; its reader {wording.name(end.process)} {gone}", certainty
