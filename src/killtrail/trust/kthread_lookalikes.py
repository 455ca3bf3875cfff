"""Processes that pose as kernel threads; and, as context, programs that run from nowhere."""

import re
from collections.abc import Iterator
from typing import Final

from killtrail.host import procfs
from killtrail.model.process import Process
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Result

_BRACKETS: Final = re.compile(r"\[(.+)\]")
_NAMES: Final = re.compile(
    r"(?:kworker/\S+|ksoftirqd/\d+|migration/\d+|idle_inject/\d+|cpuhp/\d+|kthreadd|kswapd\d+|kcompactd\d+"
    r"|khugepaged|ksmd|kblockd|kdevtmpfs|kauditd|khungtaskd|oom_reaper|watchdogd?(?:/\d+)?|rcu_\w+|rcuo\S+|writeback"
    r"|jbd2/\S+|scsi_\w+|irq/\S+|md|nfsd|lockd|kpsmoused|ata_sff|devfreq_wq|netns|pool_workqueue_release)"
)
_SHOWN: Final = 3


def checks() -> Iterator[Check]:
    """Processes with a kernel thread's name but without the kernel's flag (PF_KTHREAD, sched.h)."""
    living = [p for pid in procfs.pids() if (p := procfs.read_process(pid)) and p.alive]
    real = {p.comm for p in living if p.kthread}
    posing = [p for p in living if not p.kthread and p.pid != 1 and _poses(p, real)]
    for each in posing:
        yield Check(
            CheckId.KTHREAD_POSER, f"pid {each.pid}", Result.CONTRADICTED,
            f"/proc/{each.pid}/stat, flags", f"{_name(each)} has a kernel thread's name but is not a kernel thread",
            "ps and top show it like a part of the kernel", layer=None,
        )  # fmt: skip
    if not posing:
        says = f"{len(living)} processes, none imitates a kernel thread{_gone(living)}"
        yield Check(
            CheckId.KTHREAD_POSER, "names of processes", Result.CONSISTENT, "/proc/N/stat", says
        )


# Brackets alone prove nothing: some daemons put their titles into them ("[celeryd: ...]").
def _poses(process: Process, real: set[str | None]) -> bool:
    first = process.argv.words[0] if process.argv and process.argv.words else ""
    inside = _BRACKETS.fullmatch(first)
    names = [process.comm or "", *([inside[1]] if inside else [])]
    return any(_NAMES.fullmatch(n) for n in names) or (inside is not None and inside[1] in real)


# Upgrades delete what still runs, sandboxes run from memory: no alarm by itself, ever.
def _gone(living: list[Process]) -> str:
    found = [p for p in living if (p.exe or "").endswith(" (deleted)")]
    if not found:
        return ""
    shown = ", ".join(_name(p) for p in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"; for context: {shown}{more} run from deleted files, as after an upgrade"


def _name(process: Process) -> str:
    exe = f", {visible(process.exe)}" if process.exe else ""
    return f"{visible(process.comm or '?')} (pid {process.pid}{exe})"
