"""killtrail doctor."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from killtrail.cli import options
from killtrail.host import privilege
from killtrail.sources.base import Descriptor, Usable
from killtrail.sources.catalogue import CATALOGUE


def build() -> options.Parser:
    """The command's options."""
    return options.parser(
        "doctor",
        "Show which deaths can be explained on this host now, and what would improve that.",
    )


def main(words: list[str]) -> int:
    """Runs the command."""
    build().parse_args(words)
    found = [(d, d.probe()) for d in CATALOGUE]
    lines = [*_summary(found), "", "sources"]
    for descriptor, usable in found:
        lines.extend(_source(descriptor, usable))
    lines += ["", "this host", *(f"  {text}" for text in _host())]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _summary(found: list[tuple[Descriptor, Usable]]) -> Iterator[str]:
    usable = {d.id for d, u in found if u.usable}
    if "bpf" in usable:
        yield "Deaths from now on can be explained: sender, mechanism, launchers, user, cgroup."
    elif "tracefs" in usable:
        yield "Deaths from now on can be explained in part: sender and kernel stack, but no wait"
        yield "status, user or cgroup. 'sudo killtrail disarm && sudo killtrail arm' gives the rest."
    elif "history" in usable:
        yield "Recorded past deaths can be explained; nothing records now: sudo killtrail arm"
    else:
        yield ("No death can be explained here: nothing records senders of signals, and the kernel")
        yield "forgets them at once. To catch the next one: sudo killtrail arm"


def _source(descriptor: Descriptor, usable: Usable) -> Iterator[str]:
    mark = "usable    " if usable.usable else "not usable"
    yield f"  {descriptor.id:<8} {mark}  {usable.says}"
    yield f"           what   {descriptor.what}"
    yield f"           gives  {descriptor.yields}"
    if not usable.usable:
        yield f"           needs  {descriptor.needs}"
        if usable.remedy:
            yield f"           try    {usable.remedy}"


def _host() -> Iterator[str]:
    btf = Path("/sys/kernel/btf/vmlinux").exists()
    yield f"kernel {os.uname().release}; BTF {'there' if btf else 'missing: arm --backend tracefs'}"
    lock = privilege.lockdown()
    note = ": BPF can't read kernel memory" if lock == "confidentiality" else ""
    yield f"lockdown: {lock or 'unknown'}{note}"
    may = privilege.may_load_bpf()
    yield f"this user may {'load' if may else 'not load'} BPF" + ("" if may else ": use sudo")
    yield _symbols()
    from killtrail.inquiry import host_logs  # noqa: PLC0415

    logs = ", ".join(host_logs.paths())
    yield f"host logs: {logs or 'none readable'}; also /dev/kmsg, journal"


def _symbols() -> str:
    try:
        first = Path("/proc/kallsyms").open("rb").readline()  # noqa: SIM115 -- one line of a huge file
    except OSError:
        return "kernel symbols: unreadable"
    hidden = first.startswith(b"0000000000000000 ") and first.split()[0].strip(b"0") == b""
    if hidden:
        return (
            "kernel symbols: hidden from this user (root sees them when arming, unless "
            "kptr_restrict=2)"
        )
    return "kernel symbols: readable"
