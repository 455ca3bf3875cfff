"""Ends without a signal, threads, fakes (rows 92 to 100)."""

import subprocess
from pathlib import Path

from tests.gallery.lab import Lab, Truth, sent_by, wait_for
from tests.gallery.rows.recipes import alone, own_doing, row, state


@row("92")
def plain_exit(lab: Lab) -> Truth:
    return alone(lab, "exited", "exit", 7)


@row("93")
def exit_137(lab: Lab) -> Truth:
    return alone(lab, "exited", "exit", 137)


@row("94")
def exit_by_thread(lab: Lab) -> Truth:
    return alone(lab, "exited", "thread_exit", 3)


@row("97")
def fault_in_thread(lab: Lab) -> Truth:
    return alone(lab, "crashed", "thread_segv")


@row("94m")
def killed_after_its_leader_left(lab: Lab) -> Truth:
    victim = lab.action("leader_leaves")
    lab.facts(victim, 1)
    wait_for(lambda: state(victim.pid) == "Z")
    killer = lab.run("kill", victim.pid, 9)
    victim.wait(10)
    return sent_by(victim.pid, killer)


@row("95")
def replaced_by_a_thread(lab: Lab) -> Truth:
    victim = lab.action("exec_by_thread")
    lab.facts(victim, 1)
    wait_for(lambda: b"sleep" in Path(f"/proc/{victim.pid}/cmdline").read_bytes())
    return Truth(victim.pid, ("replaced-by-exec",), None, {victim.pid: ("trigger", "sender")})


@row("98")
def not_found(lab: Lab) -> Truth:
    victim = lab.start("sh", "-c", "no-such-program-anywhere", stderr=subprocess.DEVNULL)
    victim.wait(10)
    return own_doing(victim.pid, "exec-failed")


@row("98c")
def not_found_by_a_child(lab: Lab) -> Truth:
    note = lab.folder / "pid"
    shell = lab.start(
        "bash", "-c", f"no-such-program & echo $! > {note}; wait; :", stderr=subprocess.DEVNULL
    )
    shell.wait(10)
    return own_doing(int(note.read_text()), "exec-failed", launchers=frozenset({shell.pid}))


@row("98x")
def chosen_127(lab: Lab) -> Truth:
    return alone(lab, "exited", "exit", 127)


@row("99")
def out_of_its_own_limit(lab: Lab) -> Truth:
    victim = lab.action("hungry", stderr=subprocess.DEVNULL)
    victim.wait(10)
    return Truth(victim.pid, ("exited", "limit-exceeded"), None, {victim.pid: ("sender",)})


@row("100")
def phantom_kill(lab: Lab) -> Truth:
    supervisor = lab.action("phantom")
    said = lab.facts(supervisor, 2)
    supervisor.wait(10)
    return own_doing(said["victim"], "exited", launchers=frozenset({supervisor.pid}))
