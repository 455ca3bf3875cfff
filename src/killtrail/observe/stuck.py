"""What a hanging process waits for, and how: the answer to a stop script that never finishes."""

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
    """State of the process that is waited for."""

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
        moved = f"; the program that it runs: {check.moved_to}" if check.moved_to else ""
        _cite(draft, "trust", check.by, f"{check.subject}: {check.says}{moved}")
    if wait.pid is None:
        says = f"{who} runs {visible(wait.through)} again and again"
        if wait.number is not None:
            says += (
                f"; PID {wait.number} of its PID namespace has exited, or can't be seen from here"
            )
        return (f"{says}: {_told_wrong(lies)}" if lies else says), Certainty.LIKELY
    state = _state(wait)
    # A wait for any of several processes is not a wait for this one in particular.
    certainty = state.certainty if wait.sole else min(state.certainty, Certainty.POSSIBLE)
    evidence = _cite(draft, "procfs", f"/proc/{wait.pid}", f"PID {wait.pid}: {state.says}")
    draft.link(
        Role.TRIGGER, WAITED_FOR, certainty,
        process=state.process or Process(Key(wait.pid, None)), target=wait.waiter, evidence=(evidence,),
    )  # fmt: skip
    inside = f" (PID {wait.number} in its namespace)" if wait.number not in (None, wait.pid) else ""
    says = (
        f"{who} waits for PID {wait.pid}{inside} to exit, through {visible(wait.through)}: "
        f"{state.says}"
    )
    if lies:
        says += f", but {_told_wrong(lies)}"
    elif state.ended:
        says += ": the next check should see that"
    return says, certainty


# Only a tool that is run again and again can keep a process waiting by a wrong answer. Its path is
# valid here only in our mount namespace: elsewhere it names another program.
def _lies(wait: Wait, draft: VerdictDraft) -> list[Check]:
    if wait.tool is None:
        return []
    pid = wait.waiter.pid
    if procfs.namespace(pid, "mnt") != procfs.namespace("self", "mnt"):
        draft.miss(
            f"whether its {visible(wait.tool)} answers truthfully: it is in another mount "
            "namespace",
            Why.UNREADABLE, f"killtrail trust, where pid {pid} runs",
        )  # fmt: skip
        return []
    return [check for check in behaviour.of_tool(wait.tool) if check.off]


def _told_wrong(lies: list[Check]) -> str:
    tool = lies[0].subject
    moved = next((check.moved_to for check in lies if check.moved_to), None)
    behind = f" (the program that it runs is {moved})" if moved else ""
    follows = next((c.consequence for c in lies if c.id is CheckId.TOOL_BEHAVIOUR), None)
    return f"{follows}{behind}" if follows else f"{tool} executes another program{behind}"


def _state(wait: Wait) -> _State:
    pid = wait.pid or 0
    process, stat = procfs.read_process(pid), procfs.read_stat(pid)
    if process is None or stat is None:
        return _unshown(pid)
    name = visible(process.comm or "?")
    if stat.state == _ZOMBIE:
        parent = procfs.read_process(stat.ppid)
        held = wording.name(parent) if parent else f"PID {stat.ppid}"
        return _State(
            f"{name} has exited and is a zombie: {held} has not reaped it, and until then ps -p "
            "and kill -0 still find its PID", process, ended=False,
        )  # fmt: skip
    began = wait.waiter.key.start_ns
    if wait.tool and began is not None and stat.start_ns > began:
        return _State(
            f"the PID was reused by {name}, which started after {wording.name(wait.waiter)}",
            process, ended=False, certainty=Certainty.LIKELY,
        )  # fmt: skip
    return _State(f"{name} is running{_why_alive(pid, stat)}", process, ended=False)


# What /proc does not show may be hidden by hidepid or a mount: a pidfd shows whether it exists.
def _unshown(pid: int) -> _State:
    try:
        held = process_views.Pinned(pid)
    except ProcessLookupError:
        return _State("it has exited", None, ended=True)
    except OSError:
        return _State(
            "whether it is running is unknown", None, ended=False, certainty=Certainty.POSSIBLE
        )
    try:
        if held.alive:
            return _State("it is running, though /proc does not show it here", None, ended=False)
        return _State("it has exited", None, ended=True)
    finally:
        held.close()


def _why_alive(pid: int, stat: procfs.Stat) -> str:
    if stat.state == _UNINTERRUPTIBLE:
        place = procfs.read_bytes(procfs.PROC / str(pid) / "wchan", 128) or b""
        where = f" in {visible(place.decode('ascii', 'replace'))}" if place.strip(b"0") else ""
        return (
            f" in uninterruptible sleep in the kernel{where}; even SIGKILL takes effect only "
            "after that"
        )
    if stat.state in _STOPPED:
        return " but stopped: only SIGCONT or SIGKILL has an effect"
    masks = procfs.signal_masks(pid)
    bit = 1 << (sg.SIGTERM - 1)
    if masks.pending & masks.blocked & bit:
        return "; SIGTERM is pending and blocked"
    if masks.ignored & bit:
        return "; it ignores SIGTERM"
    return ""


def _unseen(waiter: Process, draft: VerdictDraft) -> str:
    place = procfs.read_bytes(procfs.PROC / str(waiter.pid) / "wchan", 128) or b""
    known = visible(place.decode("ascii", "replace")) if place.strip(b"0") else ""
    inside = f", in the kernel function {known}" if known else ""
    shown = f"waits in {known}" if known else "shows no kernel function that it waits in"
    _cite(draft, "procfs", f"/proc/{waiter.pid}/wchan", f"{wording.name(waiter)} {shown}")
    # Only root can see system calls, locks and descriptors of other users' processes.
    ask = (
        f"strace -f -p {waiter.pid}"
        if privilege.is_root()
        else f"sudo killtrail why --stuck {waiter.pid}"
    )
    draft.miss("what it waits for: not visible from outside the process", Why.NOT_RECORDED, ask)
    return f"{wording.name(waiter)} is alive{inside}; what it waits for is not visible from outside"


def _cite(draft: VerdictDraft, source: str, where: str, says: str) -> int:
    return draft.note(source, where, says, boot.now_ns())
