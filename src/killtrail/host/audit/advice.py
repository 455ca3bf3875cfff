"""Audit rules that make the log record who killed and who started the killer.

audit.rules(7), auditctl(8); kernel/auditfilter.c, kernel/auditsc.c. Each line has its reason,
because a rule without one gets deleted.
"""

from typing import Final

from killtrail._slotted import dataclass

KEY: Final = "killtrail"
FILE: Final = "/etc/audit/rules.d/50-killtrail.rules"
BOOT_PARAMETERS: Final = "audit=1 audit_backlog_limit=8192"
_QUIET_A1: Final = "-F a1!=0 -F a1!=23"
_QUIET_A2: Final = "-F a2!=0 -F a2!=23"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the rules file and why it is there."""

    rule: str
    why: str


def lines(*, forks: bool, immutable: bool) -> tuple[Line, ...]:
    """The rules, in order. `forks` adds a record for every process, `immutable` locks them."""
    found = [
        Line(
            "-b 8192",
            "room for a burst; records that do not fit are lost, and only a counter shows it",
        ),
        *(line for arch in ("b64", "b32") for line in _arch(arch)),
        Line(
            f"-a always,exit -F arch=b64 -S reboot -k {KEY}-host",
            "the caller of reboot(2), also by `reboot -ff`; systemd calls it for clients of logind",
        ),
    ]
    if forks:
        found += [
            Line(
                f"-a always,exit -F arch={arch} -S clone,clone3,fork,vfork -F success=1 -k {KEY}-fork",
                "launchers that never exec, such as subshells; a record for every process and thread",
            )
            for arch in ("b64", "b32")
        ]
    if immutable:
        found.append(Line("-e 2", "locks the rules until the next boot"))
    return tuple(found)


def _arch(arch: str) -> tuple[Line, ...]:
    wide = "64-bit programs" if arch == "b64" else "32-bit programs, and int 0x80 of any program"
    return (
        Line(
            f"-a always,exit -F arch={arch} -S kill,tkill,rt_sigqueueinfo,pidfd_send_signal"
            f" {_QUIET_A1} -k {KEY}",
            f"{wide}: the calls whose signal is the second argument. kill is also needed here "
            "because pidfd_send_signal alone gets no OBJ_PID record. Left out: signal 0, which "
            "only checks whether a process exists, and URG, which kills no process and which Go "
            "sends by the thousand",
        ),
        Line(
            f"-a always,exit -F arch={arch} -S tgkill,rt_tgsigqueueinfo {_QUIET_A2} -k {KEY}",
            "the same for the calls whose signal is the third argument: `a1=9` never matches these",
        ),
        Line(
            f"-a always,exit -F arch={arch} -S execve,execveat -F success=1 -k {KEY}-exec",
            "what started the killer. Failed execs, a quarter of all, are useless. No filter by "
            "auid: daemons have none, and they kill as well",
        ),
        Line(
            f"-a always,exit -F arch={arch} -S exit_group -k {KEY}-exit",
            "voluntary exits and their exit codes: without them a kill that came too late looks "
            "like the one that killed",
        ),
    )


def text(found: tuple[Line, ...]) -> str:
    """The rules file, each rule under its reason."""
    parts = ["# Written by `killtrail rules`. `killtrail rules --check` shows what is missing.\n"]
    parts.extend(f"\n# {line.why}\n{line.rule}\n" for line in found)
    return "".join(parts)
