"""Runs in the guest: arms each backend, plays the gallery, prints scores. Exit code 1 on a misname."""

import calendar
import contextlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter

from killtrail.cli.main import main as main_of_killtrail
from killtrail.host import kcore
from killtrail.recorder.pins import Pins
from tests.gallery import lab, rows

ILLEGAL = "0f0b"
BUDGET = 50_000
"""What tests/recorder/test_blob.py holds the running kernel to."""
UNUSED = 183
"""afs_syscall, which no kernel has and nobody calls."""
ABSENT = {"18", "18c", "18l", "18s"}
"""No at, cron or ssh daemon and no sudo in the ram disk."""
MACHINE = ("90", "39", "35", "34")
"""Last, as they shake the machine; the oops first, while nothing else is broken."""


def killtrail(*words: str) -> subprocess.CompletedProcess[str]:
    """The command, in this very process: an emulated machine takes seconds to start a Python."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main_of_killtrail(list(words))
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def say(text: str) -> None:
    """A line that the host picks out of the console."""
    print("GUEST:", text, flush=True)


def show(number: str, victim: int) -> None:
    """A row's screen, for the keeper to keep: `kt.screens` on the kernel's command line asks for it."""
    with open("/proc/cmdline") as file:
        if "kt.screens" not in file.read():
            return
    os.environ["COLUMNS"] = "100"
    emit(number, killtrail("why", f"pid:{victim}", "-n", "1").stdout)


def emit(name: str, text: str) -> None:
    """A screen on the console."""
    print(f"SCREEN {name}", flush=True)
    for line in text.splitlines():
        print(f"SCREEN {name}|{line}", flush=True)


def outside(wish: str) -> None:
    """Asks the keeper, who reads the console: `BREAK symbol` makes it an illegal instruction."""
    write(wish.split()[1], 0, ILLEGAL)


def write(symbol: str, offset: int, content: str) -> None:
    """Has bytes written into the kernel from outside the machine."""
    with open("/proc/kallsyms") as names:
        address = next(line.split()[0] for line in names if line.split()[2] == symbol)
    with open("/dev/ttyS0", "r+b", buffering=0) as console:
        console.write(f"OUTSIDE: WRITE {int(address, 16) + offset:x} {content}\n".encode())
        console.read(1)


def one(number: str) -> str:
    """Plays and scores one row."""
    # sysrq e reaches everybody but init: whoever wants to tell the tale ignores it.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN if number == "39" else signal.SIG_DFL)
    try:
        return played(number)
    finally:
        signal.signal(signal.SIGTERM, before)


def played(number: str) -> str:
    """The row itself."""
    try:
        with lab.Lab(outside=outside) as here:
            truth = (rows.ROWS | rows.GUEST_ROWS)[number](here)
            done = killtrail("why", f"pid:{truth.victim}", "-n", "1", "--json")
        verdict = json.loads(done.stdout.splitlines()[-1])
        if number == "89" and verdict["evidence"][0]["source"] == "bpf":
            show(number, truth.victim)
    except lab.NotHere as reason:
        say(f"  {number}: not here: {reason}")
        return "not here"
    except Exception as error:  # one row must not end the run
        say(f"  {number}: {type(error).__name__}: {error}")
        return "failed"
    score, reason = lab.score(truth, verdict, lab.own_ancestors())
    if score != "right":
        say(f"  {number}: {score}: {reason}")
    return score


def programs() -> bool:
    """All programs are loaded, also the one for which these kernels have trampolines, within the budget."""
    rows = Pins().programs()
    verified = sum(row[0] for row in rows.values())
    right = "on_prlimit" in rows and verified < BUDGET
    say(f"programs: {'right' if right else 'WRONG'}: {len(rows)}, {verified} instructions verified")
    return right


def play(backend: str) -> Counter[str]:
    """The whole gallery on one backend."""
    armed = killtrail("arm", "--backend", backend)
    if armed.returncode:
        say(f"{backend}: {armed.stderr.strip()}")
        return Counter(failed=1)
    if backend == "bpf" and not programs():
        return Counter(failed=1)
    numbers = [n for n in (*rows.ROWS, *rows.GUEST_ROWS) if n not in (*ABSENT, *MACHINE)]
    scores = Counter(one(number) for number in (*numbers, *(MACHINE if backend == "bpf" else ())))
    killtrail("disarm")
    say(
        f"{os.uname().release} {backend}: " + ", ".join(f"{n} {s}" for s, n in scores.most_common())
    )
    return scores


def clock_steps() -> bool:
    """A wall clock that jumps years ahead and back: order, lifetimes and answers stay."""
    killtrail("arm")
    pids = []
    for year in ("2031", "2020"):
        with lab.Lab() as here:
            victim = here.victim()
            here.run("kill", victim.pid, 9)
            victim.wait(20)
        pids.append(victim.pid)
        time.clock_settime(time.CLOCK_REALTIME, calendar.timegm(time.strptime(year, "%Y")))
    rows = [json.loads(line) for line in killtrail("list", "--json").stdout.splitlines()]
    order = [r["death"]["process"]["pid"] for r in rows if r["death"]["process"]["pid"] in pids]
    sure = {r["certainty"] for r in rows if r["death"]["process"]["pid"] in pids}
    killtrail("disarm")
    right = order == pids and sure == {"established"}
    say(f"clock steps: {'right' if right else f'WRONG: {pids} {order} {sure} of {len(rows)}'}")
    return right


def call_table() -> bool:
    """The kernel's views of itself agree; an entry of its call table, led elsewhere from outside, does not."""
    before = trusted()
    (honest,) = struct.unpack("=Q", kcore.read(kcore.symbols(["sys_call_table"]).addresses["sys_call_table"] + 8 * UNUSED, 8))  # fmt: skip
    write("sys_call_table", 8 * UNUSED, (0xFFFFFFFFC0000000).to_bytes(8, "little").hex())
    after = trusted()
    write("sys_call_table", 8 * UNUSED, honest.to_bytes(8, "little").hex())
    # What trust found lowers later verdicts, until it finds otherwise.
    trusted()
    right = (
        [c for c in before if c["result"] == "contradicted"] == []
        and any(
            c["subject"] == "the system call table" and c["result"] == "consistent" for c in before
        )
        and [c["says"] for c in after if c["result"] == "contradicted"]
        == [
            f"entry {UNUSED} leads to 0xffffffffc0000000: no system call of this kernel starts there"
        ]
    )
    say(f"system call table: {'right' if right else f'WRONG: {before} {after}'}")
    return right


def trusted() -> list[dict]:
    """What `trust` says, nothing executed."""
    return json.loads(killtrail("trust", "--json", "--no-exec").stdout)["checks"]


def no_bpffs() -> bool:
    """Without a place for pins: a reason, not a traceback."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/fs"], check=True)
    done = killtrail("arm")
    subprocess.run(["umount", "/sys/fs"], check=True)
    right = done.returncode == 5 and "does not exist" in done.stderr
    say(f"no bpffs: {'right' if right else 'WRONG'}: {done.stderr.strip()}")
    return right


def locked_down() -> bool:
    """Under lockdown=confidentiality both backends refuse, with the reason and what is left."""
    done = [killtrail("arm", "--backend", backend) for backend in ("bpf", "tracefs")]
    right = all(d.returncode == 5 and "locked down" in d.stderr for d in done)
    say(f"lockdown: {'right' if right else 'WRONG'}: {done[0].stderr.strip()}")
    return right


def main() -> int:
    """Both backends and the hardships; or, in a locked-down guest, only that."""
    with open("/proc/cmdline") as file:
        if "lockdown=confidentiality" in file.read():
            return 0 if locked_down() else 1
    hard = [call_table(), no_bpffs(), clock_steps()]
    bpf, tracefs = play("bpf"), play("tracefs")
    wrong = bpf["misnamed"] + tracefs["misnamed"] + bpf["failed"] + tracefs["failed"]
    return 1 if wrong or not bpf["right"] or not all(hard) else 0


if __name__ == "__main__":
    sys.exit(main())
