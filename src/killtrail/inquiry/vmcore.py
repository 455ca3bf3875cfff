"""A crash dump as TARGET: the autopsy in the form of every other verdict, on the machine."""

import os
from typing import Final

from killtrail.attribution.draft import Conclusion, VerdictDraft
from killtrail.autopsy import sandboxed
from killtrail.autopsy.dump_file import KDUMP, LIME
from killtrail.files.opened import packed
from killtrail.model.absence import Why
from killtrail.model.autopsy import Autopsy
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS, Boot
from killtrail.model.process import MACHINE
from killtrail.model.verdict import Death, DeathKind, Host, Verdict

_CORE: Final = 4


def is_dump(path: str) -> bool:
    """Whether a file may be a crash dump, by how it begins; packed ones by their names, too."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- a look at 64 bytes
            head = file.read(64)
    except OSError:
        return False
    if packed(head) is not None:
        name = os.path.basename(path)  # noqa: PTH119
        return any(word in name for word in ("core", "dump", ".elf", ".kdump", ".lime"))
    core = head[:4] == b"\x7fELF" and int.from_bytes(head[16:18], "little") == _CORE
    return core or head.startswith((*KDUMP, LIME))


def why(path: str) -> Verdict:
    """The host verdict. Raises `UnavailableError` as the autopsy does."""
    found = sandboxed.examine(path)
    draft = VerdictDraft(Host(Boot("", None), None, found.kernel.release))
    _note(draft, found, os.path.basename(path))  # noqa: PTH119
    if found.task is not None:
        # The task that runs when a kernel breaks need not have broken it.
        certainty = Certainty.ESTABLISHED if found.verdict.by_task else Certainty.POSSIBLE
        draft.link(
            Role.TRIGGER, "was running when it went down", certainty, process=found.task, evidence=(1,)
        )  # fmt: skip
    for unknown in found.unknown:
        draft.miss(f"{unknown.what}: {unknown.why}", Why.UNREADABLE, f"killtrail autopsy {path}")
    panicked = found.panic is not None
    uptime = found.kernel.uptime_s
    death = Death(
        MACHINE,
        Ended.PANIC if panicked else Ended.UNKNOWN,
        None if uptime is None else int(uptime * NS),
        kind=DeathKind.HOST,
    )
    conclusion = Conclusion(
        Cause.HOST_PANICKED if panicked else Cause.NOT_ESTABLISHED,
        Certainty.ESTABLISHED,
        _summary(found),
        Mechanism.PANIC if panicked else None,
    )
    return draft.conclude(death, conclusion).finish()


def _note(draft: VerdictDraft, found: Autopsy, name: str) -> None:
    rows = []
    if found.task is not None:
        rows.append(("the running task", f"{found.task.comm} (pid {found.task.pid}) was running"))
    if found.panic is not None:
        rows.append(("panic", found.panic.text))
    rows += [(f"finding {f.id}, {f.where}", f.says) for f in found.findings]
    for where, says in rows:
        draft.note("vmcore", f"{name}: {where}", says)


def _summary(found: Autopsy) -> str:
    if found.panic is None:
        return "the dump holds no panic: it may have been taken of a running machine"
    task = f" while {found.task.comm} (pid {found.task.pid}) ran" if found.task else ""
    text = found.panic.text.removeprefix("Kernel panic - not syncing: ")
    return (
        f"the kernel panicked{task}: {text}; {found.verdict.kind.replace('-', ' ')}"
        f" ({found.verdict.certainty.label.replace('-', ' ')}): {found.verdict.says}"
    )
