"""killtrail doctor."""

import os
from pathlib import Path
from typing import Final

from killtrail.cli import options
from killtrail.host import privilege
from killtrail.report import text
from killtrail.report.pages.doctor import Explainable, HostState, SourceState, doctor_page
from killtrail.sources import catalogue

_ARM: Final = "sudo killtrail arm"
_CLASSES: Final = (
    ("kills: sender, launchers, user", ("bpf", "audit log"), _ARM),
    ("kills: sender, kernel stack", ("tracefs",), _ARM),
    ("exits: status, who asked for it", ("bpf",), _ARM),
    ("OOM kills, crashes", ("bpf", "kernel log"), "sudo killtrail why NAME"),
    ("systemd units: stop, timeout", ("bpf", "system log"), _ARM),
    ("this machine: panic, reboot", ("kernel log", "system log"), "sudo killtrail why host"),
)  # fmt: skip
"""Class of death; what explains it, the best first; what would, where nothing does."""
_LOG_NAMES: Final = {
    "audit log": ("audit.log",),
    "kernel log": ("kern.log", "messages", "syslog"),
    "system log": ("messages", "syslog"),
}


def build() -> options.Parser:
    """The command's options."""
    return options.parser(
        "doctor",
        "Show which deaths can be explained on this host now, and what would improve that.",
    )


def main(words: list[str]) -> int:
    """Runs the command."""
    build().parse_args(words)
    sources = tuple(_source_states())
    host = _host()
    usable = {source.id for source in sources if source.usable}
    there = usable | _logs(host.logs)
    classes = tuple(
        Explainable(what, tuple(by for by in sources_of if by in there), remedy)
        for what, sources_of, remedy in _CLASSES
        if not (what == "kills: sender, kernel stack" and "bpf" in usable)
    )
    formats = tuple((d.id, d.what) for d in catalogue.formats())
    text.show(doctor_page(_title(usable), classes, sources, formats, host))
    return 0


def _title(usable: set[str]) -> str:
    if "bpf" in usable:
        return "Deaths from now on can be explained: sender, mechanism, launchers, user, cgroup."
    if "tracefs" in usable:
        return (
            "Deaths from now on can be explained in part: sender and kernel stack, but no exit status,"
            " user or cgroup. 'sudo killtrail disarm && sudo killtrail arm' gives the rest."
        )
    past = " Past deaths that were recorded can be explained." if "history" in usable else ""
    return (
        "Nothing records who sends signals now, and the kernel does not keep it; only what the host's"
        f" logs hold can be explained.{past} To record the next death: sudo killtrail arm"
    )


def _source_states() -> list[SourceState]:
    states = []
    for d in catalogue.here():
        if d.probe is None:
            continue
        found = d.probe()
        states.append(
            SourceState(d.id, found.usable, found.says, d.what, d.yields, d.needs, found.remedy)
        )
    return states


def _logs(paths: tuple[str, ...]) -> set[str]:
    found = {
        name
        for name, files in _LOG_NAMES.items()
        if any(os.path.basename(path).startswith(files) for path in paths)  # noqa: PTH119
    }
    if os.access("/dev/kmsg", os.R_OK):
        found.add("kernel log")
    return found


def _host() -> HostState:
    from killtrail.sources import host_logs  # noqa: PLC0415

    return HostState(
        kernel=os.uname().release,
        btf=Path("/sys/kernel/btf/vmlinux").exists(),
        lockdown=privilege.lockdown(),
        may_load_bpf=privilege.may_load_bpf(),
        symbols=_symbols(),
        logs=tuple(name for log in host_logs.open_all() for name in log.names),
    )


def _symbols() -> str:
    try:
        first = Path("/proc/kallsyms").open("rb").readline()  # noqa: SIM115 -- one line of a huge file
    except OSError:
        return "unreadable"
    hidden = first.startswith(b"0000000000000000 ") and first.split()[0].strip(b"0") == b""
    if hidden:
        return "hidden from this user; arm runs as root, which sees them unless kptr_restrict=2"
    return "readable"
