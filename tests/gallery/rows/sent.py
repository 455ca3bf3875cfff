"""A process sends it on purpose (rows 1 to 27)."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.gallery.lab import PYTHON, Lab, NotHere, Truth, sent_by, wait_for
from tests.gallery.rows.recipes import (
    by_action,
    children_now,
    in_namespace,
    own_doing,
    range_between,
    row,
    state,
)


@row("1")
def kill_from_shell(lab: Lab) -> Truth:
    victim = lab.victim()
    killer = lab.shell(f"kill -9 {victim.pid}")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid, mechanism="kill")


@row("2")
def term_default(lab: Lab) -> Truth:
    victim = lab.victim()
    killer = lab.shell(f"kill {victim.pid}")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid)


@row("3")
def tkill(lab: Lab) -> Truth:
    return by_action(lab, "tkill", "VICTIM", 9)


@row("4")
def tgkill(lab: Lab) -> Truth:
    return by_action(lab, "tgkill", "VICTIM", 9)


@row("5")
def sigqueue(lab: Lab) -> Truth:
    return by_action(lab, "sigqueue", "VICTIM", 9, os.getpid(), 0)


@row("5f")
def sigqueue_forged(lab: Lab) -> Truth:
    return by_action(lab, "sigqueue", "VICTIM", 15, 1, 4242)


@row("6")
def tgsigqueue(lab: Lab) -> Truth:
    return by_action(lab, "tgsigqueue", "VICTIM", 9)


@row("7")
def pidfd(lab: Lab) -> Truth:
    return by_action(lab, "pidfd", "VICTIM", 9)


@row("9")
def group_kill(lab: Lab) -> Truth:
    victim = lab.victim(process_group=0)
    killer = lab.shell(f"kill -9 -- -{victim.pid}", "bash")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid)


@row("10")
def own_group_child(lab: Lab) -> Truth:
    script = lab.action("own_group", start_new_session=True)
    said = lab.facts(script, 2)
    script.wait(10)
    return sent_by(said["victim"], script.pid, launchers=frozenset({script.pid}))


@row("10s")
def own_group_itself(lab: Lab) -> Truth:
    script = lab.action("own_group", start_new_session=True)
    lab.facts(script, 2)
    script.wait(10)
    return own_doing(script.pid, "killed-by-self")


@row("11")
def broadcast(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "broadcast", 2)
    process.wait(10)
    init = children_now(process.pid)
    return sent_by(
        said["victim"],
        said["killer"],
        launchers=frozenset({process.pid, *init, *range_between(process.pid, said["victim"])}),
    )


@row("11m")
def broadcast_to_many(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "broadcast_to_many", 3, words=(300,))
    process.wait(20)
    return sent_by(
        said["victim"],
        said["killer"],
        launchers=frozenset({process.pid, *range_between(process.pid, said["killer"])}),
        victims=300,
    )


@row("12")
def broadcast_by_buggy_kill(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "broadcast_by_kill", 2)
    process.wait(10)
    return sent_by(
        said["victim"],
        said["killer"],
        launchers=frozenset({process.pid, *range_between(process.pid, said["victim"])}),
    )


@row("13")
def kill_i386(lab: Lab) -> Truth:
    return by_action(lab, "kill_i386", "VICTIM", 9)


@row("15")
def from_outside_the_namespace(lab: Lab) -> Truth:
    _, said = in_namespace(lab, "ns_init_waits", 2)
    killer = lab.run("kill", said["victim"], 9)
    wait_for(lambda: state(said["victim"]) in ("Z", None))
    return sent_by(said["victim"], killer)


@row("16")
def inside_the_namespace(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "ns_kill_two", 2)
    process.wait(10)
    return sent_by(
        said["victim"],
        said["killer"],
        launchers=frozenset({process.pid, *range_between(process.pid, said["victim"])}),
    )


@row("17")
def double_forked_orphan(lab: Lab) -> Truth:
    victim = lab.victim()
    note = lab.folder / "pids"
    inner = f"echo $$ >> {note}; sleep 0.3; kill -9 {victim.pid}; :"
    outer = f"echo $$ >> {note}; (sh -c '{inner}' nightly-killer &) ; exit 0"
    launcher = lab.start("sh", "-c", outer, "the-real-creator")
    launcher.wait(10)
    victim.wait(10)
    outer_pid, killer = (int(x) for x in note.read_text().split())
    return sent_by(
        victim.pid, killer, launchers=frozenset({outer_pid, *range_between(outer_pid, killer)}),
        argv=("the-real-creator",),
    )  # fmt: skip


@row("18")
def at_job(lab: Lab) -> Truth:
    if not shutil.which("atd"):
        raise NotHere("no atd")
    victim = lab.victim()
    note = lab.folder / "pid"
    daemon = lab.start("atd", "-f", "-b", "1")
    time.sleep(0.3)
    job = f"echo $$ > {note}; kill -9 {victim.pid}; sleep 0.3\n"
    subprocess.run(["at", "now"], input=job, text=True, check=True, capture_output=True)
    victim.wait(90)
    killer = int(wait_for(lambda: note.exists() and note.read_text().strip()))
    launchers = frozenset({daemon.pid, *range_between(daemon.pid, killer)})
    return sent_by(victim.pid, killer, launchers=launchers, origin="at")


@row("18c")
def cron_job(lab: Lab) -> Truth:
    if not shutil.which("cron"):
        raise NotHere("no cron")
    victim = lab.victim()
    note, table = lab.folder / "pid", Path(f"/etc/cron.d/killtrail-gallery-{os.getpid()}")
    job = f"echo $$ > {note}; kill -9 {victim.pid}; sleep 0.3"
    lab._stack.callback(table.unlink)
    table.write_text(f"SHELL=/bin/sh\n* * * * * root {job}\n")
    daemon = lab.start("cron", "-f")
    victim.wait(90)
    killer = int(wait_for(lambda: note.exists() and note.read_text().strip()))
    launchers = frozenset({daemon.pid, *range_between(daemon.pid, killer)})
    return sent_by(victim.pid, killer, launchers=launchers, origin="cron")


@row("19")
def timeout_wrapper(lab: Lab) -> Truth:
    wrapper = lab.start(
        "timeout",
        "1.5",
        PYTHON,
        "-c",
        "import os,signal;print('victim',os.getpid(),flush=True);signal.pause()",
    )
    said = lab.facts(wrapper, 1)
    wrapper.wait(10)
    return sent_by(said["victim"], wrapper.pid, launchers=frozenset({wrapper.pid}))


@row("18s")
def under_sudo(lab: Lab) -> Truth:
    if not shutil.which("sudo"):
        raise NotHere("no sudo")
    victim = lab.victim()
    note = lab.folder / "pid"
    script = f"echo $$ > {note}; kill -9 {victim.pid}; sleep 0.2"
    sudo = lab.start("sudo", "-n", "sh", "-c", script)
    victim.wait(10)
    sudo.wait(10)
    killer = int(note.read_text())
    launchers = frozenset({sudo.pid, *range_between(sudo.pid, killer)})
    return sent_by(victim.pid, killer, launchers=launchers, argv=("sudo",))


@row("18l")
def over_ssh(lab: Lab) -> Truth:
    if not (shutil.which("sshd") and shutil.which("ssh")):
        raise NotHere("no ssh")
    victim = lab.victim()
    daemon, port = ssh_daemon(lab)
    note = lab.folder / "pid"
    script = f"echo $$ > {note}; kill -9 {victim.pid}; sleep 0.2"
    options = (
        "StrictHostKeyChecking=no",
        f"UserKnownHostsFile={lab.folder}/known",
        "LogLevel=ERROR",
    )
    words = [word for option in options for word in ("-o", option)]
    client = lab.start(
        "ssh", "-i", f"{lab.folder}/key", "-p", str(port), *words, "root@127.0.0.1", script
    )
    victim.wait(20)
    client.wait(20)
    killer = int(note.read_text())
    launchers = frozenset({daemon.pid, *range_between(daemon.pid, killer)})
    return sent_by(victim.pid, killer, launchers=launchers, origin="login-session")


def ssh_daemon(lab: Lab) -> tuple[subprocess.Popen[str], int]:
    """An sshd of our own on loopback, with a key of our own; gives its port."""
    for name in ("host", "key"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{lab.folder}/{name}"]
        subprocess.run(made, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (lab.folder / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {lab.folder}/host\nUsePAM no\n"
        f"AuthorizedKeysFile {lab.folder}/key.pub\nStrictModes no\nPermitRootLogin yes\n"
        f"PidFile none\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = shutil.which("sshd") or "sshd"
    daemon = lab.start(sshd, "-D", "-f", f"{lab.folder}/config", stderr=subprocess.DEVNULL)
    wait_for(lambda: answers(port))
    return daemon, port


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


@row("19k")
def timeout_that_has_to_kill(lab: Lab) -> Truth:
    code = "import os,signal,time;signal.signal(15,signal.SIG_IGN);print('victim',os.getpid(),flush=True);time.sleep(60)"
    wrapper = lab.start("timeout", "-k", "0.5", "2", PYTHON, "-c", code)
    said = lab.facts(wrapper, 1)
    wrapper.wait(10)
    return sent_by(said["victim"], wrapper.pid, launchers=frozenset({wrapper.pid}))


@row("19p")
def pkill(lab: Lab) -> Truth:
    if not shutil.which("pkill"):
        raise NotHere("no pkill")
    lab.victim()
    newest = lab.victim()
    killer = lab.start("pkill", "-9", "-P", str(os.getpid()), "-f", "actions wait$", "--newest")
    newest.wait(10)
    return sent_by(newest.pid, killer.pid)


@row("19w")
def passed_on(lab: Lab) -> Truth:
    wrapper = lab.action("pass_on", 30)
    said = lab.facts(wrapper, 2)
    asker = lab.run("kill", wrapper.pid, 15)
    wrapper.wait(10)
    actors = {wrapper.pid: ("sender",), asker: ("requester",)}
    return sent_by(said["victim"], asker, actors=actors, launchers=frozenset({wrapper.pid}))


@row("20m")
def wrapper_repeats_its_child(lab: Lab) -> Truth:
    wrapper = lab.action("wait", prefix=("unshare", "--fork"))
    child = lab.facts(wrapper, 1)["ready"]
    killer = lab.run("kill", child, 15)
    wrapper.wait(10)
    actors = {wrapper.pid: ("sender",), child: ("trigger",), killer: ("sender",)}
    return sent_by(wrapper.pid, killer, causes=("killed-by-self",), actors=actors)


@row("20k")
def kills_its_child_and_itself(lab: Lab) -> Truth:
    victim = lab.start(
        "bash", "-c", "sleep 99 & kill -9 $!; wait $!; kill -9 $$", stderr=subprocess.DEVNULL
    )
    victim.wait(10)
    return own_doing(victim.pid, "killed-by-self")


@row("20")
def suicide(lab: Lab) -> Truth:
    victim = lab.start("sh", "-c", "kill -9 $$")
    victim.wait(10)
    return own_doing(victim.pid, "killed-by-self")


@row("21")
def first_of_three(lab: Lab) -> Truth:
    return by_action(lab, "kill_many", "VICTIM", 15, 9, 6)


@row("22")
def handled_and_143(lab: Lab) -> Truth:
    victim = lab.start(
        "bash", "-c", 'trap "exit 143" TERM; echo ready 1; while :; do sleep 0.05; done'
    )
    lab.facts(victim, 1)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return sent_by(victim.pid, killer, causes=("asked-to-stop",))


@row("23")
def handled_and_late(lab: Lab) -> Truth:
    script = (
        'trap "stop=1" TERM; echo ready 1; until [ "$stop" ]; do sleep 0.05; done; sleep 1; exit 0'
    )
    victim = lab.start("bash", "-c", script)
    lab.facts(victim, 1)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return sent_by(victim.pid, killer, causes=("asked-to-stop",))


@row("23r")
def handled_and_reraised(lab: Lab) -> Truth:
    script = (
        'trap "trap - TERM; kill -TERM \\$\\$" TERM; echo ready 1; while :; do sleep 0.05; done'
    )
    victim = lab.start("bash", "-c", script)
    lab.facts(victim, 1)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    actors = {killer: ("sender",), victim.pid: ("sender",)}
    return sent_by(victim.pid, killer, causes=("asked-to-stop",), actors=actors)


@row("24")
def reused_pid(lab: Lab) -> Truth:
    first = lab.start("sh", "-c", "exit 0")
    first.wait(10)
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
        victim = lab.victim()
        if victim.pid == first.pid:
            break
        victim.kill()
        victim.wait()
    else:
        raise NotHere("the number could not be had again")
    killer = lab.shell(f"sleep 0.1; kill -9 {first.pid}")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid)


@row("25")
def refused_then_killed(lab: Lab) -> Truth:
    victim = lab.victim()
    lab.run("kill_as", 65534, victim.pid, 9)
    killer = lab.run("kill", victim.pid, 9)
    victim.wait(10)
    return sent_by(victim.pid, killer)


@row("25e")
def refused_then_exit(lab: Lab) -> Truth:
    victim = lab.victim("wait_ignoring", 15)
    lab.run("kill_as", 65534, victim.pid, 9)
    lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return own_doing(victim.pid, "exited")


@row("26")
def signal_to_a_zombie(lab: Lab) -> Truth:
    parent = lab.action("zombie")
    said = lab.facts(parent, 2)
    parent.wait(10)
    return own_doing(said["victim"], "exited", launchers=frozenset({parent.pid}))


@row("27")
def usr1(lab: Lab) -> Truth:
    return by_action(lab, "kill", "VICTIM", 10)


@row("27r")
def real_time(lab: Lab) -> Truth:
    return by_action(lab, "kill", "VICTIM", 40)


@row("27b")
def blocked_then_let_in(lab: Lab) -> Truth:
    victim = lab.victim("wait_blocked", 15)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return sent_by(victim.pid, killer)
