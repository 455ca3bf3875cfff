"""What to run next about this very death: its sender, its unit, its core, the log around it."""

from collections.abc import Iterator
from typing import Final

from killtrail.model.causes import Cause, Role
from killtrail.model.certainty import Certainty
from killtrail.model.cgroup_path import container_of, unit_argument
from killtrail.model.process import Process
from killtrail.model.text import shell_words
from killtrail.model.verdict import DeathKind, Verdict
from killtrail.report.page import Block, Command, Paragraph

_MOST: Final = 3
_PROGRAMS: Final = frozenset(
    {"sudo", "killtrail", "journalctl", "coredumpctl", "dmesg", "systemctl", "strace", "bpftool"}
)
_ACTORS: Final = (Role.REQUESTER, Role.SENDER, Role.TRIGGER)
_DUMPS: Final = frozenset({Cause.CRASHED, Cause.ABORTED, Cause.SECCOMP_KILLED})
_KERNEL_LOG: Final = {
    Cause.OOM_KILLED: ("killed process", "the OOM report: who used how much"),
    Cause.KERNEL_BUG: ("bug|oops|rip:", "the report of the bug"),
    Cause.HARDWARE_ERROR: ("mce|hardware error|memory failure", "what the hardware reported"),
    Cause.SECCOMP_KILLED: ("type=1326", "the refused system call"),
    Cause.KERNEL_KILLED: ("sysrq", "what the kernel logged"),
}
_LOGS_BY: Final = {"docker": "docker", "libpod": "podman", "nerdctl": "nerdctl"}
_HOST: Final = {
    Cause.HOST_PANICKED: ("ls /var/crash /sys/fs/pstore", "a crash dump, or the kernel's last entries"),
    Cause.HOST_REBOOTED: ("last -x -n 10 shutdown reboot", "shutdowns and boots, with their times"),
    Cause.HOST_LOST_POWER: ("ipmitool sel elist", "what the BMC recorded of power and resets"),
}  # fmt: skip


def commands(v: Verdict, files: tuple[str, ...] = ()) -> tuple[Block, ...]:
    """At most three, the most telling first; `files` are those that were asked."""
    found: dict[str, Block] = {}
    for each in _candidates(v, files):
        found.setdefault(each.line if isinstance(each, Command) else each.text, each)
    return tuple(list(found.values())[:_MOST])


def _candidates(v: Verdict, files: tuple[str, ...]) -> Iterator[Command | Paragraph]:
    remedy = next((a.remedy for a in v.absent if a.remedy), None)
    if remedy and (v.certainty < Certainty.LIKELY or _is_own(remedy)):
        yield _remedy(remedy)
    if v.death.kind is DeathKind.HOST:
        yield from _about_host(v, remedy)
        return
    if v.cause in (Cause.ALIVE, Cause.PID_REUSED):
        yield from _about_living(v)
        return
    ways = [_about_actor(v, files), _about_victim(v, " (on that host)" if files else "")]
    if v.cause in _KERNEL_LOG or v.cause in _DUMPS:
        ways.reverse()
    for way in ways:
        yield from way


# Arming serves the next death, such a command this one.
def _is_own(remedy: str) -> bool:
    return remedy.split(maxsplit=1)[0] in _PROGRAMS and "killtrail" not in remedy


def _remedy(text: str) -> Command | Paragraph:
    program = text.split(maxsplit=1)[0]
    return Command(text) if program in _PROGRAMS else Paragraph(f"see {text}")


def _about_host(v: Verdict, remedy: str | None) -> Iterator[Command]:
    if remedy and remedy.startswith("killtrail autopsy ") and "DUMP" not in remedy:
        yield Command(remedy, "the whole dump: stack, hooks, hidden modules")
        return
    if v.cause in _HOST:
        line, gives = _HOST[v.cause]
        yield Command(line, gives)
    yield Command("journalctl -b -1 -e", "the last entries before it went down")


def _about_living(v: Verdict) -> Iterator[Command]:
    pid = v.death.process.pid
    sender = _actor(v)
    if sender is not None:
        yield Command(f"killtrail why {sender.pid}", f"what became of {_called(sender)}")
    yield Command(f"killtrail watch {pid}", "follows it: says how it exits")


def _about_actor(v: Verdict, files: tuple[str, ...]) -> Iterator[Command]:
    actor = _actor(v)
    if actor is not None:
        where = f" --from {shell_words(files)}" if files else ""
        yield Command(f"killtrail why {actor.pid}{where}", f"what became of {_called(actor)}")
    unit = unit_argument(actor.cgroup) if actor is not None else None
    if unit:
        yield Command(f"journalctl -u {shell_words((unit,))}", "what the sender's unit logged")
    elif actor is not None and v.origin and v.origin.kind == "cron":
        yield Command("journalctl -t CRON", "which jobs cron started")


def _called(p: Process) -> str:
    return p.comm or "the sender"


# The one before PID 1: a manager acts for others.
def _actor(v: Verdict) -> Process | None:
    for role in _ACTORS:
        for link in v.links:
            p = link.process
            if link.role is role and p is not None and p.pid > 1 and p.key != v.death.process.key:
                return p
    return None


def _about_victim(v: Verdict, where: str) -> Iterator[Command]:
    p = v.death.process
    core = v.death.status is not None and v.death.status.core_dumped
    if (core or v.cause in _DUMPS) and p.pid:
        yield Command(f"coredumpctl info {p.pid}", f"its core dump{where}")
    if v.cause in _KERNEL_LOG:
        words, gives = _KERNEL_LOG[v.cause]
        yield Command(f"journalctl -k -g {shell_words((words,))}", f"{gives}{where}")
    unit, container = unit_argument(p.cgroup), container_of(p.cgroup)
    if container and ":" in container:
        engine, _, number = container.partition(":")
        tool = _LOGS_BY.get(engine, "crictl")
        yield Command(f"{tool} logs {number[:12]}", f"what the container logged{where}")
    elif unit:
        yield Command(f"systemctl status {shell_words((unit,))}", f"its unit now{where}")
        yield Command(f"journalctl -u {shell_words((unit,))}", f"what its unit logged{where}")
    elif p.pid:
        yield Command(f"journalctl _PID={p.pid}", f"what it logged itself{where}")
