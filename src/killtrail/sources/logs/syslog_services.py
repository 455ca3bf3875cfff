"""What service managers, login services and shutdown programs write beside the kernel, in syslog."""

import re
from collections.abc import Callable
from typing import Final

from killtrail._slotted import replace
from killtrail.model import signals as sg
from killtrail.model.events import (
    Event,
    HostEvent,
    HostEventKind,
    LoginSeen,
    OomKilled,
    OomScope,
    ProcessExited,
    Provenance,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.redact import redact_text
from killtrail.model.signal_context import Basis
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.logs.kernel_lines import Line

# systemd src/core/unit.c, log_kill(); the wording is that of 234 and later.
_KILLING: Final = re.compile(
    r"(?P<unit>[\w@.:\\-]+\.\w+): Killing process (?P<pid>\d{1,18}) \((?P<comm>.*)\) with signal (?P<sig>SIG\w+)"
)
# src/core/service.c, service_sigchld_event(); job.c, unit.c. The message has no PID of the main
# process.
_MAIN: Final = re.compile(
    r"(?P<unit>[\w@.:\\-]+\.service): Main process exited, code=(?P<how>exited|killed|dumped), status=(?P<status>\d{1,18})"
)
_STOPPING: Final = re.compile(r"Stopping (?P<unit>[\w@.:\\-]+\.service)(?: - .*)?\.\.\.$")
_UNIT_OOM: Final = re.compile(
    r"(?P<unit>[\w@.:\\-]+\.service): (?:A process of this unit has been killed by the OOM killer|Failed with result 'oom-kill')"
)
_SUDO: Final = re.compile(
    r"(?P<user>\S+) : (?:TTY=(?P<tty>\S+) ; )?PWD=.* ; USER=\S+ ;(?: \S+=.*? ;)* COMMAND=(?P<what>.*)$"
)
_DOWN: Final = re.compile(
    r"(?:\S*/)?(?:reboot|poweroff|halt|shutdown|(?:systemctl|loginctl) (?:.* )?(?:reboot|poweroff|halt|kexec))\b"
)
_LOGIND: Final = re.compile(
    r"(?:System is (?P<what>powering down|rebooting|halting)|The system will (?P<will>\w+) now!"
    r"|Power key pressed)"
)
_SYSTEMD: Final = re.compile(
    r"(?:Reached target (?:.*- )?(?:System )?(?P<target>[Rr]eboot|[Pp]ower-?[Oo]ff|[Hh]alt)|Shutting down\.$"
    r"|Received SIGINT\.|Received SIGRTMIN\+[3-7])"
)
_INIT: Final = re.compile(r"Switching to runlevel: (?P<level>[06])")
_SHUTDOWN: Final = re.compile(
    r"shutting down for system (?P<what>reboot|halt)|Sending SIGTERM to remaining"
)


def events(line: Line, time_ns: int, origin: Provenance) -> list[Event]:
    """Events of a program's line; usually none."""
    reader = _READERS.get((line.tag or "").lower())
    if reader is None:
        return []
    found = reader(line, time_ns, origin)
    return [found] if found is not None else []


def _process(line: Line, name: str, user: str | None = None) -> Process:
    return Process(Key(line.pid or 0, None), comm=name, user=user or "")


def _systemd(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    if match := _KILLING.match(line.text):
        pid = int(match["pid"])
        return SignalSent(
            time_ns=time_ns,
            origin=origin,
            sig=sg.number(match["sig"]) or 0,
            code=sg.SI_USER,
            result=0,
            group=True,
            target=Process(
                Key(pid, None), comm=match["comm"], user="", cgroup=f"/system.slice/{match['unit']}"
            ),
            current=Process(Key(1, None), comm="systemd", user=""),
            basis=Basis.TRACER,
        )
    if line.pid not in (None, 1):
        return None
    if match := _SYSTEMD.match(line.text):
        off = (match["target"] or "").lower().startswith(("power", "halt"))
        return HostEvent(
            time_ns, origin, HostEventKind.POWER_OFF if off else HostEventKind.SHUTDOWN, line.text
        )
    return _unit(line.text, time_ns, origin)


def _unit(text: str, time_ns: int, origin: Provenance) -> Event | None:
    if match := _MAIN.match(text):
        number = int(match["status"])
        if match["how"] == "exited":
            status = WaitStatus.of_exit(number)
        else:
            status = WaitStatus.of_signal(number, core_dumped=match["how"] == "dumped")
        return ProcessExited(time_ns, origin, _main(match["unit"]), status, second_hand=True)
    if match := _UNIT_OOM.match(text):
        return OomKilled(time_ns, origin, _main(match["unit"]))
    if match := _STOPPING.match(text):
        return SignalSent(
            time_ns=time_ns, origin=origin, sig=sg.SIGTERM, code=sg.SI_USER, result=0, group=True,
            target=_main(match["unit"]), current=Process(Key(1, None), comm="systemd", user=""),
            basis=Basis.TRACER,
        )  # fmt: skip
    return None


def _main(unit: str) -> Process:
    return Process(Key(0, None), comm=unit, user="", cgroup=f"/system.slice/{unit}")


def _logind(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    if not _LOGIND.match(line.text):
        return None
    return HostEvent(
        time_ns, origin, HostEventKind.ASKED, line.text, _process(line, "systemd-logind")
    )


def _sudo(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    match = _SUDO.match(line.text.strip())
    if match is None:
        return None
    what = redact_text(match["what"])
    if not _DOWN.match(what):
        caller = replace(_process(line, "sudo"), login_user=match["user"])
        return LoginSeen(time_ns, origin, caller, terminal=match["tty"], command=what)
    name = what.split()[0].rsplit("/", 1)[-1]
    text = f"{match['user']} ran {what} by sudo"
    return HostEvent(
        time_ns, origin, HostEventKind.ASKED, text, _process(line, name, match["user"])
    )


# The PID is the job's shell's (Debian's cron), or its parent's (cronie); sshd's belongs to the session.
_CRON: Final = re.compile(r"\((?P<user>[^)]+)\) CMD \((?P<what>.*)\)$")
# atd logs no start of a job; its PAM session is opened by the child that becomes the job's shell.
_AT: Final = re.compile(r"pam_unix\(atd:session\): session opened for user (?P<user>[^\s(]+)")
_ACCEPTED: Final = re.compile(r"Accepted \S+ for (?P<user>\S+) from (?P<host>\S+) port \d+")
# src/oom/oomd-util.c, oomd-manager.c
_OOMD: Final = re.compile(
    r"Killed (?P<cgroup>/\S+) due to (?P<why>memory (?:pressure|used|swap).*|swap used.*)$"
)


def _cron(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    match = _CRON.match(line.text)
    if match is None or line.pid is None:
        return None
    process = _process(line, "cron", match["user"])
    return LoginSeen(time_ns, origin, process, command=redact_text(match["what"]))


def _atd(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    match = _AT.match(line.text)
    if match is None or line.pid is None:
        return None
    return LoginSeen(time_ns, origin, _process(line, "atd", match["user"]))


def _sshd(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    match = _ACCEPTED.match(line.text)
    if match is None or line.pid is None:
        return None
    process = replace(_process(line, "sshd"), login_user=match["user"])
    return LoginSeen(time_ns, origin, process, came_from=match["host"])


def _oomd(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    match = _OOMD.match(line.text)
    if match is None:
        return None
    unit = match["cgroup"].rsplit("/", 1)[-1]
    victim = Process(Key(0, None), comm=unit, user="", cgroup=match["cgroup"])
    return OomKilled(
        time_ns, origin, victim, scope=OomScope.OOMD, cgroup=match["cgroup"], details=match["why"]
    )


def _shutdown(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    if not _SHUTDOWN.search(line.text):
        return None
    return HostEvent(
        time_ns, origin, HostEventKind.SHUTDOWN, line.text, _process(line, line.tag or "shutdown")
    )


def _init(line: Line, time_ns: int, origin: Provenance) -> Event | None:
    if not _INIT.search(line.text):
        return None
    return HostEvent(time_ns, origin, HostEventKind.SHUTDOWN, line.text)


_READERS: Final[dict[str, Callable[[Line, int, Provenance], Event | None]]] = {
    "systemd": _systemd,
    "systemd-logind": _logind,
    "sudo": _sudo,
    "cron": _cron,
    "crond": _cron,
    "atd": _atd,
    "sshd": _sshd,
    "sshd-session": _sshd,
    "systemd-oomd": _oomd,
    "shutdown": _shutdown,
    "systemd-shutdown": _shutdown,
    "init": _init,
}
WRITTEN: Final = re.compile(
    rb"^(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S+) \S+ (?:%s)(?:\[\d+\])?: "
    % "|".join(_READERS).encode("ascii"),
    re.MULTILINE | re.IGNORECASE,
)
"""A line of one of them in syslog's form: auth.log has no kernel lines."""
