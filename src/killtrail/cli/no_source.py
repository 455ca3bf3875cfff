"""The screen for a host without a usable source: what was searched, and what to enable."""

import os
import sys

from killtrail.errors import UnavailableError
from killtrail.inquiry.open_sources import Choice
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
look yourself where this command can't:
  dmesg | grep -i -e 'killed process' -e segfault      was it memory, was it a fault
  journalctl -u UNIT                                   what systemd logged about a unit
  coredumpctl info PID                                 who sent a signal that dumps core
from now on:
  sudo killtrail arm                                   every death with its killer
  sudo killtrail rules --install                       the same by audit log, less certain
logs copied from another host:
  killtrail why TARGET --from PATH...
"""


def show(choice: Choice, target: str) -> int:
    """Prints it; the exit code of `no usable source`."""
    write = sys.stderr.write
    write(f"killtrail: no record of {visible(target)} on this host\n")
    write("searched:\n")
    for reason in choice.unusable:
        write(f"  {visible(reason)}\n")
    if choice.remedy:
        write(f"  try: {choice.remedy}\n")
    for name, places, remedy in _LOGS:
        there = [place for place in places if os.access(place, os.R_OK)]
        state = f"not mentioned in {', '.join(there)}"
        if not there:
            state = f"none readable ({', '.join(places)}; try: {remedy})"
        write(f"  {name}: {state}\n")
    write(_ELSEWHERE)
    return UnavailableError.exit_code
