"""What recipes share; ROWS holds every death by its number, a letter marks a variant."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.gallery.lab import Lab, Truth, sent_by

ROWS: dict[str, Callable[[Lab], Truth]] = {}
GUEST_ROWS: dict[str, Callable[[Lab], Truth]] = {}
KILL, TERM = signal.SIGKILL, signal.SIGTERM
CGROUP2 = Path("/sys/fs/cgroup/unified")
MEMORY_V1 = Path("/sys/fs/cgroup/memory")


def row(
    number: str, *, guest: bool = False
) -> Callable[[Callable[[Lab], Truth]], Callable[[Lab], Truth]]:
    """Enters a death into the gallery; `guest` deaths need a machine of their own."""

    def enter(recipe: Callable[[Lab], Truth]) -> Callable[[Lab], Truth]:
        (GUEST_ROWS if guest else ROWS)[number] = recipe
        return recipe

    return enter


def by_action(lab: Lab, *words: object) -> Truth:
    """A waiting victim and an action that kills it; `VICTIM` stands for its pid."""
    victim = lab.victim()
    killer = lab.run(*(victim.pid if w == "VICTIM" else w for w in words))
    victim.wait(10)
    return sent_by(victim.pid, killer)


def own_doing(pid: int, cause: str, role: str = "sender", **more: object) -> Truth:
    """Nobody else had a part in it."""
    return Truth(pid, (cause,), pid, {pid: (role, "policy-owner")}, **more)


def in_namespace(
    lab: Lab, action: str, lines: int, words: tuple[object, ...] = (), **kw: object
) -> tuple[subprocess.Popen[str], dict[str, int]]:
    """An action as init of a new pid namespace, with the facts it told."""
    process = lab.action(
        action, *words, prefix=("unshare", "--pid", "--fork", "--kill-child"), **kw
    )
    return process, lab.facts(process, lines)


def children_now(pid: int) -> set[int]:
    """Living children of a process."""
    try:
        return {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


def range_between(low: int, high: int) -> frozenset[int]:
    """Pids given out between two of ours, also where the numbers began anew meanwhile."""
    if low <= high:
        return frozenset(range(low, high))
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    return frozenset(range(low, most)) | frozenset(range(high))


def state(pid: int) -> str | None:
    """The state letter of a process; None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def alone(lab: Lab, cause: str, *words: object, **more: object) -> Truth:
    """An action that dies of itself."""
    victim = lab.action(*words)
    victim.wait(20)
    return own_doing(victim.pid, cause, **more)
