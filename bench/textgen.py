#!/usr/bin/env python3
"""Makes big syslogs out of real lines: `textgen.py OUT MEGABYTES`.

Mostly what any server writes (cron, ssh, dhcp, systemd, an application, the kernel's own chatter), one
OOM report, fault, stopped unit or restart in a while: as often as deaths stand in real logs. Times and
PIDs rise. `nginx` dies near the beginning and near the end and nowhere between.
"""

import argparse
import random
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 11, 1)  # noqa: DTZ001 -- syslog's own local time
# Printed by a 6.18 kernel.
OOM = """\
{c} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
CPU: 1 UID: 0 PID: {q} Comm: {c} Not tainted 6.18.44 #1 PREEMPT(none)
Call Trace:
memory: usage 122880kB, limit 122880kB, failcnt 42
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
{rows}
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kt-1,task_memcg=/system.slice/{c}.service,task={c},pid={p},uid=0
Memory cgroup out of memory: Killed process {p} ({c}) total-vm:88572kB, anon-rss:77824kB, file-rss:5952kB, shmem-rss:0kB, UID:0 pgtables:208kB oom_score_adj:0
"""
CHATTER = (
    "systemd[1]: Started Session {n} of user root.",
    "systemd[1]: Finished Cleanup of Temporary Directories.",
    "CRON[{p}]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
    "sshd[{p}]: Connection closed by authenticating user root 192.0.2.{n} port {q} [preauth]",
    "sshd[{p}]: Failed password for invalid user admin from 198.51.100.{n} port {q} ssh2",
    "dhclient[812]: DHCPREQUEST for 192.0.2.17 on eth0 to 192.0.2.1 port 67",
    "postfix/smtpd[{p}]: connect from unknown[203.0.113.{n}]",
    "postfix/smtpd[{p}]: disconnect from unknown[203.0.113.{n}] ehlo=1 quit=1 commands=2",
    'dockerd[901]: time="2026-11-20T10:34:49.842Z" level=info msg="ignoring event" module=libcontainerd',
    'kubelet[1190]: I1120 10:34:49.842103    1190 kubelet.go:2453] "SyncLoop (PLEG): event for pod" pod="prod/api-{n}"',
    "kernel: [{t}] IPv6: ADDRCONF(NETDEV_CHANGE): veth{q}: link becomes ready",
    "kernel: [{t}] docker0: port {n}(veth{q}) entered forwarding state",
    'kernel: [{t}] audit: type=1400 audit(1763636401.000:{q}): apparmor="STATUS" operation="profile_load" name="x" pid={p} comm="apparmor_parser"',
    "app[{p}]: request {q} served in {n} ms, 200 OK, client 192.0.2.{n}",
    "app[{p}]: worker {n} took job {q} from queue default",
)
DEATHS = (
    "kernel: [{t}] {c}[{p}]: segfault at 0 ip 000055d1c0de sp 00007ffc1 error 4 in {c}[55d1+1000]",
    "systemd[1]: {c}.service: Killing process {p} ({c}) with signal SIGKILL.",
    "systemd[1]: {c}.service: Main process exited, code=killed, status=9/KILL",
)
COMMS = ("java", "php-fpm", "mysqld", "worker", "python3")


class Log:
    """Lines whose times and PIDs rise."""

    def __init__(self) -> None:
        self._chance = random.Random(1)
        self._now = START
        self._pid = 2000

    def chatter(self) -> str:
        """One line of no interest."""
        self._now += timedelta(milliseconds=250)
        self._pid = 2000 + (self._pid - 1999) % 4_000_000
        return self._line(self._chance.choice(CHATTER), "app")

    def death(self, comm: str | None = None) -> str:
        """One death."""
        comm = comm or self._chance.choice(COMMS)
        if comm != "nginx" and self._chance.random() < 0.7:
            return self._line(self._chance.choice(DEATHS), comm)
        rows = "\n".join(
            f"[  {self._pid - n}]     0 {self._pid - n}    22143    20944    19456     1488         0   212992        0             0 {comm}"
            for n in range(200)
        )
        text = OOM.format(c=comm, p=self._pid, q=self._pid - 7, rows=rows)
        head = f"{self._now:%b %e %H:%M:%S} db1 kernel: [{self._seconds():.6f}] "
        return "".join(head + line + "\n" for line in text.splitlines())

    def _seconds(self) -> float:
        return (self._now - START).total_seconds()

    def _line(self, form: str, comm: str) -> str:
        chance = self._chance
        told = form.format(
            p=self._pid, q=chance.randrange(10_000, 60_000), n=chance.randrange(250), c=comm,
            t=f"{self._seconds():.6f}",
        )  # fmt: skip
        return f"{self._now:%b %e %H:%M:%S} db1 {told}\n"


def lines(size: int) -> Iterator[str]:
    """About `size` bytes, in blocks."""
    log, written, number = Log(), 0, 0
    quiet = "".join(log.chatter() for _ in range(2000))
    while written < size:
        number += 1
        block = "".join(log.chatter() for _ in range(2000)) if number % 8 == 0 else quiet
        if number % 8 == 0:
            quiet = block
        if number % 12 == 0:
            block += log.death()
        if number == 5 or (number > 5 and 0 <= size * 0.97 - written < len(block)):
            block += log.death("nginx")
        written += len(block)
        yield block


def write(path: Path, size: int) -> None:
    """Writes it."""
    with path.open("w") as out:
        for block in lines(size):
            out.write(block)


def last_pid(path: Path, low: float, high: float) -> int:
    """The last PID that the kernel killed in a part of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(int(size * low))
        text = file.read(int(size * (high - low)))
    return int(re.findall(rb"Killed process (\d+) \(", text)[-1])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("megabytes", type=float)
    args = parser.parse_args()
    write(args.out, int(args.megabytes * 1e6))


if __name__ == "__main__":
    sys.exit(main())
