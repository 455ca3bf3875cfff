"""Hidden processes, and what hides them: a tool, libc, a mount, or the kernel.

A process counts as hidden only if a pidfd held it from before a listing until after it, and the
listing did not show it: comparing two listings alone gives false alarms on every busy machine.
"""

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.host import procfs
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.recorder import task_iterator
from killtrail.trust import mounts, process_views, sandbox
from killtrail.trust.root import Root

_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC
"""PROC_PID_INIT_INO, include/linux/proc_ns.h."""
_SAMPLES: Final = 40
_CLONE_NEWNS, _MNT_DETACH = 0x00020000, 2
_LISTERS: Final[dict[str, tuple[str, ...]]] = {
    "ps": ("-e", "-o", "pid=", "-o", "args="),
    "ls": ("-1", "/proc"),
}
"""Tools that list processes; the first word of a line is a PID."""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of how much can be seen from here."""

    mounts: list[mounts.Mount]
    deep: bool

    @property
    def hidepid(self) -> str | None:
        """The hidepid option of /proc if it limits this user; `ptraceable` can limit root."""
        found = mounts.hidepid(self.mounts)
        return None if os.geteuid() == 0 and found not in ("ptraceable", "4") else found

    @property
    def contained(self) -> bool:
        """Whether this is not the machine's own pid namespace."""
        try:
            return os.stat("/proc/self/ns/pid").st_ino != _INITIAL_PID_NAMESPACE  # noqa: PTH116
        except OSError:
            return True


def scene(*, deep: bool) -> Scene:
    """The view from here."""
    return Scene(mounts.read(), deep)


def checks(seen: Scene) -> Iterator[Check]:
    """Views of the kernel and of libc against each other."""
    if seen.hidepid:
        yield _check(
            Result.NOT_CHECKABLE, Layer.KERNEL, "processes of others", "mountinfo",
            f"the view is limited by hidepid={visible(seen.hidepid)}: run again as root",
        )  # fmt: skip
        return
    hidden = unlisted(_candidates(seen), process_views.raw)
    yield from _covered(seen)
    over = {m.over for m in seen.mounts}
    for pid in sorted(hidden - over):
        yield _check(
            Result.CONTRADICTED, Layer.KERNEL, f"pid {pid}", "pidfd, held before and after the listing",
            f"{_who(pid)} is running but is not in the kernel's listing of /proc",
            "no tool on this host lists all processes",
        )  # fmt: skip
    yield from _libc_view()
    if not hidden:
        yield _agreed(seen)


# Processes found by a view of their own: a child, a cgroup member, or a pidfd of this PID.
def _candidates(seen: Scene) -> set[int]:
    found = process_views.in_cgroups() | process_views.children_of((1, 2))
    found |= process_views.children_of(process_views.listed())
    if not seen.contained:
        found |= task_iterator.leaders() or set()
    if seen.deep or (not seen.contained and _miscounted()):
        found |= set(process_views.by_number(_last_number()))
    return found


# The counter is of the whole machine; under load the two readings differ, but not every time.
def _miscounted() -> bool:
    for _ in range(_SAMPLES):
        counted = process_views.threads_counted()
        if counted is None or counted <= process_views.threads_listed():
            return False
    return True


def _last_number() -> int:
    raw = procfs.read_bytes(procfs.PROC / "sys/kernel/pid_max", 32) or b""
    return int(raw) if raw.strip().isdigit() else 1 << 22


def unlisted(candidates: Iterable[int], listing: Callable[[], set[int] | None]) -> set[int]:
    """Those of them that lived throughout a listing that does not show them."""
    before = listing()
    if before is None:
        before = process_views.listed()
    held = process_views.pinned(pid for pid in candidates if pid not in before)
    try:
        shown = listing()
        shown = process_views.listed() if shown is None else shown
        return {each.pid for each in held if each.pid not in shown and each.alive}
    finally:
        for each in held:
            each.close()


def _libc_view() -> Iterator[Check]:
    raw = process_views.raw()
    if raw is None:
        return
    for pid in sorted(unlisted(raw, process_views.listed)):
        yield _check(
            Result.CONTRADICTED, Layer.LIBC, f"pid {pid}", "getdents64 and readdir of /proc",
            f"{_who(pid)} is in the kernel's listing of /proc, and libc's readdir leaves it out",
            "every program that is linked with this libc is shown less than there is",
        )  # fmt: skip


def _agreed(seen: Scene) -> Check:
    names = ["readdir", "getdents64", "cgroup.procs", "the children lists"]
    if not seen.contained and os.geteuid() == 0:
        names.append("the BPF task iterator (where usable)")
    if seen.deep:
        names.append(f"pidfd_open of every PID below {_last_number()}")
    says = f"{len(process_views.listed())} processes; {', '.join(names)} agree"
    if seen.contained:
        says += "; of this pid namespace: what is outside it can't be seen from here"
    return _check(Result.CONSISTENT, Layer.KERNEL, "listings of processes", "held by pidfd", says)


def _covered(seen: Scene) -> Iterator[Check]:
    found = [mount for mount in seen.mounts if mount.over is not None]
    for mount in found:
        pid = mount.over or 0
        says = f"{mount.fstype} is mounted over {visible(mount.point)} and hides {_beneath(pid)}"
        yield Check(
            CheckId.PROC_MOUNT, f"pid {pid}", Result.CONTRADICTED, "mountinfo", says,
            f"ps, top, lsof and every other reader of /proc sees no process with PID {pid}, or "
            "another one",
            layer=Layer.TOOLS,
        )  # fmt: skip
    if not found:
        yield Check(
            CheckId.PROC_MOUNT, "/proc/N", Result.CONSISTENT, "mountinfo",
            "nothing is mounted over a process's folder", layer=Layer.TOOLS,
        )  # fmt: skip


# A child in its own mount namespace unmounts it and reads what is below.
def _beneath(pid: int) -> str:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            point = f"/proc/{pid}".encode()
            if _libc.unshare(_CLONE_NEWNS) == 0:
                _libc.mount(b"none", b"/", None, 0x44000, None)
                while _libc.umount2(point, _MNT_DETACH) == 0:
                    pass
                os.write(write, _who(pid).encode("utf-8", "backslashreplace"))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        text = file.read(4096).decode("utf-8", "replace")
    os.waitpid(child, 0)
    return text or f"pid {pid}"


def _who(pid: int) -> str:
    process = procfs.read_process(pid)
    if process is None:
        return f"pid {pid}"
    exe = f", {visible(process.exe)}" if process.exe else ""
    return f"{visible(process.comm or '?')} (pid {pid}{exe})"


def by_tools(root: Root) -> Iterator[Check]:
    """What the host's own tools list against what lived throughout their run."""
    limit = mounts.hidepid(mounts.read())
    if limit:
        # They run as user nobody, which does not see what root sees.
        yield _check(
            Result.NOT_CHECKABLE, Layer.TOOLS, "what ps and ls list", "mountinfo",
            f"the view of other users is limited by hidepid={visible(limit)}",
        )  # fmt: skip
        return
    for name, words in _LISTERS.items():
        for folder in root.searched():
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK):
                yield from _by_tool(path, words)


def _by_tool(path: str, words: tuple[str, ...]) -> Iterator[Check]:
    covered = {mount.over for mount in mounts.read()}
    held = process_views.pinned(process_views.listed() - covered)
    try:
        ran = sandbox.run(path, words)
        if ran is None or ran.status != 0:
            return
        lines = (line.split() for line in ran.output.splitlines())
        shown = {int(line[0]) for line in lines if line and line[0].isdigit()}
        after = process_views.listed()
        hidden = [e.pid for e in held if e.pid not in shown and e.pid in after and e.alive]
    finally:
        for each in held:
            each.close()
    call = visible(" ".join((path, *words)))
    for pid in hidden:
        yield _check(
            Result.CONTRADICTED, Layer.TOOLS, path, call,
            f"it does not show {_who(pid)}, which lived before and after",
            f"what {path} does not show may be there all the same",
        )  # fmt: skip
    if not hidden:
        says = "showed every process that lived throughout its run"
        yield _check(Result.CONSISTENT, Layer.TOOLS, path, call, says)


def _check(
    result: Result, layer: Layer, subject: str, by: str, says: str, follows: str | None = None
) -> Check:
    return Check(CheckId.HIDDEN_PROCESS, subject, result, by, says, follows, layer=layer)
