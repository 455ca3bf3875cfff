"""The kernel on its own account: timers, limits, pipes (rows 66 to 73)."""

import os
import subprocess

from tests.gallery.lab import PYTHON, Lab, Truth
from tests.gallery.rows.recipes import alone, row


@row("66")
def posix_timer(lab: Lab) -> Truth:
    return alone(lab, "timer-expired", "posix_timer", subject="timer")


@row("67")
def alarm(lab: Lab) -> Truth:
    return alone(lab, "timer-expired", "alarm", subject="timer")


@row("69")
def cpu_limit_soft(lab: Lab) -> Truth:
    truth = alone(lab, "limit-exceeded", "rlimit_cpu", 1, 5, 0, subject="limit")
    return Truth(truth.victim, truth.causes, None, truth.actors, "limit")


@row("70")
def cpu_limit_hard(lab: Lab) -> Truth:
    truth = alone(lab, "limit-exceeded", "rlimit_cpu", 1, 2, 1, subject="limit")
    return Truth(truth.victim, truth.causes, None, truth.actors, "limit")


@row("71")
def file_size_limit(lab: Lab) -> Truth:
    truth = alone(lab, "limit-exceeded", "rlimit_fsize", lab.folder / "big")
    return Truth(truth.victim, truth.causes, None, truth.actors, "limit")


@row("69p")
def cpu_limit_handed_down(lab: Lab) -> Truth:
    script = f"ulimit -t 1; {PYTHON} {lab.actions} spin; exit 0"
    shell = lab.start("sh", "-c", script)
    victim = lab.facts(shell, 1)["ready"]
    shell.wait(10)
    actors = {victim: ("sender", "policy-owner"), shell.pid: ("policy-owner",)}
    launchers = frozenset({shell.pid})
    return Truth(victim, ("limit-exceeded",), None, actors, "limit", launchers)


@row("69o")
def cpu_limit_from_outside(lab: Lab) -> Truth:
    victim = lab.action("spin")
    lab.facts(victim, 1)
    setter = lab.run("prlimit", victim.pid, 1, 6)
    victim.wait(10)
    return Truth(victim.pid, ("limit-exceeded",), None, {setter: ("policy-owner",)}, "limit")


@row("69s", guest=True)
def cpu_limit_from_outside_and_its_launcher(lab: Lab) -> Truth:
    victim = lab.action("spin")
    lab.facts(victim, 1)
    return _limited_by(lab, victim, f"{victim.pid} 1 6", "rlimit-cpu")


@row("71s", guest=True)
def file_size_limit_from_outside(lab: Lab) -> Truth:
    victim = lab.action("write_slowly", lab.folder / "big")
    lab.facts(victim, 1)
    return _limited_by(lab, victim, f"{victim.pid} 640 640 RLIMIT_FSIZE", "rlimit-fsize")


@row("69q", guest=True)
def cpu_limit_set_for_the_parent(lab: Lab) -> Truth:
    shell = lab.start(
        "sh", "-c", f"read go; {PYTHON} {lab.actions} spin; exit 0", stdin=subprocess.PIPE
    )
    setter = lab.run("prlimit", shell.pid, 1, 6)
    shell.stdin.write("go\n")
    shell.stdin.flush()
    victim = lab.facts(shell, 1)["ready"]
    shell.wait(10)
    actors = {setter: ("policy-owner",)}
    launchers = frozenset({shell.pid})
    return Truth(victim, ("limit-exceeded",), setter, actors, "limit", launchers)


def _limited_by(lab: Lab, victim: subprocess.Popen[str], words: str, mechanism: str) -> Truth:
    shell = lab.start("sh", "-c", f"{PYTHON} -S {lab.actions} prlimit {words}; exit 0")
    setter = lab.facts(shell, 1)["setter"]
    victim.wait(20)
    shell.wait(10)
    return Truth(
        victim.pid, ("limit-exceeded",), setter, {setter: ("policy-owner",)}, "limit",
        frozenset({shell.pid}), (f"prlimit {words}",), mechanism,
    )  # fmt: skip


@row("72")
def real_time_limit(lab: Lab) -> Truth:
    victim = lab.action("rlimit_rttime")
    victim.wait(10)
    actors = {victim.pid: ("sender", "policy-owner")}
    return Truth(victim.pid, ("limit-exceeded",), None, actors, "limit", mechanism="rlimit-rttime")


@row("73")
def broken_pipe(lab: Lab) -> Truth:
    truth = alone(lab, "broken-pipe", "sigpipe")
    return Truth(truth.victim, truth.causes, None, truth.actors, "pipe")


@row("73r")
def reader_gone(lab: Lab) -> Truth:
    reads, writes = os.pipe()
    reader = lab.start("head", "-c", "3", stdin=reads, stdout=subprocess.DEVNULL)
    os.close(reads)
    victim = lab.start("yes", stdout=writes)
    os.close(writes)
    victim.wait(10)
    reader.wait(10)
    actors = {reader.pid: ("trigger",)}
    return Truth(victim.pid, ("broken-pipe",), reader.pid, actors, "pipe")


@row("73c")
def reader_closes_and_lives(lab: Lab) -> Truth:
    reads, writes = os.pipe()
    script = f"{PYTHON} -c 'import sys; sys.stdin.buffer.raw.read(3)'; exec 0<&-; exec sleep 1"
    reader = lab.start("sh", "-c", script, stdin=reads)
    os.close(reads)
    victim = lab.start("yes", stdout=writes)
    os.close(writes)
    victim.wait(10)
    return Truth(victim.pid, ("broken-pipe",), None, {reader.pid: ("trigger",)}, "pipe")
