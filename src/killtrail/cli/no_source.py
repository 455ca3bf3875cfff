"""The screen for a host where nothing can be asked: what was looked at, and what to enable."""

import argparse
import os
import sys

from killtrail.errors import NoSuchDeathError, UnavailableError
from killtrail.inquiry.question import Answer
from killtrail.model.text import visible

_LOGS = (
    ("audit log", ("/var/log/audit/audit.log",), "sudo killtrail rules --install"),
    (
        "kernel log",
        ("/dev/kmsg", "/var/log/kern.log", "/var/log/messages", "/var/log/syslog"),
        "sudo killtrail why ...",
    ),
)
_ELSEWHERE = """\
look yourself, where this command can't:
  dmesg | grep -i -e 'killed process' -e segfault      was it memory, was it a fault
  journalctl -u UNIT                                   what systemd says of a unit's end
  coredumpctl info PID                                 who sent a signal that dumps core
from now on:
  sudo killtrail arm                                   every death with its killer
  sudo killtrail rules --install                       the same for the audit log, less surely
logs copied from another host:
  killtrail why TARGET --from PATH...
"""


def show(answer: Answer, args: argparse.Namespace) -> int:
    """Prints what was looked at; the exit code: no such death, or no usable source."""
    target = ", ".join(args.targets)
    if args.paths or answer.covered:
        return _no_such_death(answer, target, args.paths)
    write = sys.stderr.write
    write(f"killtrail: no record of {visible(target)} on this host\n")
    write("what was looked at:\n")
    for reason in answer.unusable:
        write(f"  {visible(reason)}\n")
    if answer.remedy:
        write(f"  try: {answer.remedy}\n")
    for name, places, remedy in _LOGS:
        there = [place for place in places if os.access(place, os.R_OK)]
        state = f"not mentioned in {', '.join(there)}"
        if not there:
            state = f"none that this user may read ({', '.join(places)}; try: {remedy})"
        write(f"  {name}: {state}\n")
    write(_ELSEWHERE)
    return UnavailableError.exit_code


def _no_such_death(answer: Answer, target: str, paths: list[str] | None) -> int:
    if paths:
        asked = ", ".join(sorted(set(answer.consulted)))
        what = "end of the machine" if target == "host" else f"death of {target}"
        raise NoSuchDeathError(
            f"no {what} in these files (asked: {asked})",
            f"killtrail list --from {' '.join(paths)}",
        )
    raise NoSuchDeathError(
        f"no death of {target} is recorded ({'; '.join(answer.covered)})", "killtrail list --all"
    )
