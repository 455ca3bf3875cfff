"""Who should have died, who waits for it, and through what: the answer to a stop script that hangs."""

from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.attribution import wording
from killtrail.attribution.draft import Conclusion, VerdictDraft
from killtrail.host import boot, privilege, procfs
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import WAITED_FOR, Cause, Ended, Role
from killtrail.model.certainty import Certainty
from killtrail.model.process import Key, Process
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Distrust
from killtrail.model.verdict import Death, Verdict
from killtrail.observe import waits
from killtrail.observe.waits import Wait
from killtrail.trust import behaviour, process_views

LOOK_S: Final = 6.0
"""How long a process is watched: scripts look once a second, some every five."""
_UNINTERRUPTIBLE, _STOPPED, _ZOMBIE = "D", "Tt", "Z"


@dataclass(frozen=True, slots=True)
class _State:
    """What is true of the process that is waited for."""

    says: str
    process: Process | None
    ended: bool
    certainty: Certainty = Certainty.ESTABLISHED


def explain(
    waiter: Process, seconds: float = LOOK_S, distrust: tuple[Distrust, ...] = ()
) -> Verdict:
    """The verdict on a process that does not exit."""
    draft = VerdictDraft(boot.this_host(), distrust=distrust)
    found = waits.find(waiter, seconds)
    if found:
        parts = [_part(wait, draft) for wait in found]
        certainty = min(certainty for _, certainty in parts)
        says = "; ".join(says for says, _ in parts)
    else:
        certainty, says = Certainty.POSSIBLE, _unseen(waiter, draft)
    death = Death(replace(waiter, alive=True), Ended.RUNNING)
    return draft.conclude(death, Conclusion(Cause.ALIVE, certainty, says)).finish()


def _part(wait: Wait, draft: VerdictDraft) -> tuple[str, Certainty]:
    who = wording.name(wait.waiter)
    seen = f", seen {wait.rounds} times" if wait.rounds else ""
    _cite(draft, "procfs", wait.where, f"{who} waits through {visible(wait.through)}{seen}")
    lies = _lies(wait, draft)
    for check in lies:
        moved = f"; the program behind it: {check.moved_to}" if check.moved_to else ""
        _cite(draft, "trust", check.by, f"{check.subject}: {check.says}{moved}")
    if wait.pid is None:
        says = f"{who} asks {visible(wait.through)} again and again"
        if wait.number is not None:
            says += f"; pid {wait.number} of its own pid namespace has ended, or can't be seen from here"
        return (f"{says}: {_told_wrong(lies)}" if lies else says), Certainty.LIKELY
    state = _state(wait)
    # Whoever waits for any of several waits for none of them in particular.
    certainty = state.certainty if wait.sole else min(state.certainty, Certainty.POSSIBLE)
    evidence = _cite(draft, "procfs", f"/proc/{wait.pid}", f"pid {wait.pid}: {state.says}")
    draft.link(
        Role.TRIGGER, WAITED_FOR, certainty,
        process=state.process or Process(Key(wait.pid, None)), target=wait.waiter, evidence=(evidence,),
    )  # fmt: skip
    inside = f" (its number {wait.number})" if wait.number not in (None, wait.pid) else ""
    says = f"{who} waits for pid {wait.pid}{inside} to end, through {visible(wait.through)}: {state.says}"
    if lies:
        says += f", but {_told_wrong(lies)}"
    elif state.ended:
        says += ": what asks for it should see that the next time"
    return says, certainty


# Only a tool that is asked again and again can make somebody wait by lying. Its path is a path here only
# where it is in our mount namespace: elsewhere another program lies under it.
def _lies(wait: Wait, draft: VerdictDraft) -> list[Check]:
    if wait.tool is None:
        return []
    pid = wait.waiter.pid
    if procfs.namespace(pid, "mnt") != procfs.namespace("self", "mnt"):
        draft.miss(
            f"whether its {visible(wait.tool)} tells the truth: it is of another mount namespace",
            Why.UNREADABLE, f"killtrail trust, where pid {pid} runs",
        )  # fmt: skip
        return []
    return [check for check in behaviour.of_tool(wait.tool) if check.off]


def _told_wrong(lies: list[Check]) -> str:
    tool = lies[0].subject
    moved = next((check.moved_to for check in lies if check.moved_to), None)
    behind = f" (the program behind it is {moved})" if moved else ""
    follows = next((c.consequence for c in lies if c.id is CheckId.TOOL_BEHAVIOUR), None)
    return f"{follows}{behind}" if follows else f"{tool} hands over to another program{behind}"


def _state(wait: Wait) -> _State:
    pid = wait.pid or 0
    process, stat = procfs.read_process(pid), procfs.read_stat(pid)
    if process is None or stat is None:
        return _unshown(pid)
    name = visible(process.comm or "?")
    if stat.state == _ZOMBIE:
        parent = procfs.read_process(stat.ppid)
        held = wording.name(parent) if parent else f"pid {stat.ppid}"
        return _State(
            f"{name} has ended and is a zombie: {held} has not reaped it, and until then its number"
            " is found by ps -p and kill -0", process, ended=False,
        )  # fmt: skip
    began = wait.waiter.key.start_ns
    if wait.tool and began is not None and stat.start_ns > began:
        return _State(
            f"the number belongs to {name} now, which began after {wording.name(wait.waiter)} did",
            process, ended=False, certainty=Certainty.LIKELY,
        )  # fmt: skip
    return _State(f"{name} lives{_why_alive(pid, stat)}", process, ended=False)


# What /proc does not show may be hidden by hidepid or a mount: a pidfd tells whether it is there.
def _unshown(pid: int) -> _State:
    try:
        held = process_views.Pinned(pid)
    except ProcessLookupError:
        return _State("it has ended", None, ended=True)
    except OSError:
        return _State(
            "whether it lives can't be told", None, ended=False, certainty=Certainty.POSSIBLE
        )
    try:
        if held.alive:
            return _State("it lives, though /proc does not show it here", None, ended=False)
        return _State("it has ended", None, ended=True)
    finally:
        held.close()


def _why_alive(pid: int, stat: procfs.Stat) -> str:
    if stat.state == _UNINTERRUPTIBLE:
        place = procfs.read_bytes(procfs.PROC / str(pid) / "wchan", 128) or b""
        where = f" in {visible(place.decode('ascii', 'replace'))}" if place.strip(b"0") else ""
        return f" and can't be interrupted, it is in the kernel{where}; a SIGKILL waits, too"
    if stat.state in _STOPPED:
        return " and is stopped: only SIGCONT or SIGKILL moves it"
    masks = procfs.signal_masks(pid)
    bit = 1 << (sg.SIGTERM - 1)
    if masks.pending & masks.blocked & bit:
        return "; a SIGTERM is pending, and it has that signal blocked"
    if masks.ignored & bit:
        return "; it ignores SIGTERM"
    return ""


def _unseen(waiter: Process, draft: VerdictDraft) -> str:
    place = procfs.read_bytes(procfs.PROC / str(waiter.pid) / "wchan", 128) or b""
    known = visible(place.decode("ascii", "replace")) if place.strip(b"0") else ""
    inside = f", in the kernel's {known}" if known else ""
    shown = f"waits in {known}" if known else "shows no place in the kernel where it waits"
    _cite(draft, "procfs", f"/proc/{waiter.pid}/wchan", f"{wording.name(waiter)} {shown}")
    # Calls in flight, locks and descriptors of others are root's to see.
    ask = (
        f"strace -f -p {waiter.pid}"
        if privilege.is_root()
        else f"sudo killtrail why --stuck {waiter.pid}"
    )
    draft.miss("what it waits for: nothing outside it shows that", Why.NOT_RECORDED, ask)
    return f"{wording.name(waiter)} is alive{inside}; for whom it waits can't be seen from outside"


def _cite(draft: VerdictDraft, source: str, where: str, says: str) -> int:
    return draft.note(source, where, says, boot.now_ns())
