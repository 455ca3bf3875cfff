"""Pseudo-terminals."""

import fcntl
import os
import pty
import select
import signal
import termios
import threading
import time

from base import forever, ready, say


def act_terminal(how):
    """A child on a pty of ours: it gets ^C or a signal by ioctl, or we close the pty."""
    child, master = pty.fork()
    if not child:
        if how in ("key", "polled", "helper", "ioctl"):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.write(2, b"up")
        forever()
    os.read(master, 2)
    say("victim", child)
    ready()
    if how in ("key", "handled"):
        os.write(master, b"\x03")
    elif how == "polled":
        waiting = select.poll()
        waiting.register(master, select.POLLIN)
        threading.Thread(target=waiting.poll).start()
        time.sleep(0.2)
        os.write(master, b"\x03")
    elif how == "ioctl":
        TIOCSIG = 0x40045436
        fcntl.ioctl(master, TIOCSIG, signal.SIGINT)
    elif how == "helper":
        helper = os.fork()
        if not helper:
            os.write(master, b"\x03")
            time.sleep(0.3)
            os._exit(0)
        say("helper", helper)
    else:
        os.close(master)
    os.waitpid(child, 0)
    time.sleep(0.2)


def act_session_leader():
    """The leader of a pty's session exits; its foreground child gets HUP."""
    leader, master = pty.fork()
    if not leader:
        victim = os.fork()
        if not victim:
            forever()
        os.write(2, f"{victim}\n".encode())
        time.sleep(0.3)
        os._exit(0)
    say("victim", int(os.read(master, 64).split()[0]))
    say("leader", leader)
    ready()
    os.waitpid(leader, 0)
    time.sleep(0.3)


def act_orphaned_group():
    """A parent exits while its stopped child is in a group of its own."""
    parent = os.fork()
    if not parent:
        os.setsid()
        middle = os.fork()
        if not middle:
            victim = os.fork()
            if not victim:
                os.setpgid(0, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
                forever()
            say("victim", victim)
            say("parent", os.getpid())
            os.setpgid(victim, victim) if os.getpgid(victim) != victim else None
            time.sleep(0.3)
            os._exit(0)
        os.waitpid(middle, 0)
        time.sleep(0.4)
        os._exit(0)
    os.waitpid(parent, 0)
    ready()


def act_shell_with_jobs():
    """An interactive shell with a background job on a pty of ours; then we close the pty."""
    shell, master = pty.fork()
    if not shell:
        os.execv("/usr/bin/bash", ["bash", "--norc", "-i"])
    os.write(master, b"sleep 1000 & echo job=$!.\n")
    seen = b""
    while b"job=" not in seen.replace(b"job=$", b"") or not seen.rstrip().endswith(b"#"):
        seen += os.read(master, 4096)
        if (
            b"job=" in seen.replace(b"job=$", b"")
            and b"." in seen.replace(b"job=$", b"").split(b"job=")[1]
        ):
            break
    job = int(seen.replace(b"job=$", b"").split(b"job=")[1].split(b".")[0])
    say("victim", job)
    say("shell", shell)
    ready()
    time.sleep(0.3)
    os.close(master)
    time.sleep(0.7)


def act_type_ahead():
    """A child on a pty gets ^C from a process that puts it into the terminal's input (TIOCSTI)."""
    child, master = pty.fork()
    if not child:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        typist = os.fork()
        if not typist:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            time.sleep(0.2)
            try:
                fcntl.ioctl(0, termios.TIOCSTI, b"\x03")
            except OSError as error:
                os.write(2, f"refused {error.errno}\n".encode())
            time.sleep(0.3)
            os._exit(0)
        os.write(2, f"typist {typist}.\n".encode())
        forever()
    said = os.read(master, 64).split(b".")[0].split()
    say("victim", child)
    say("typist", int(said[1]))
    ready()
    os.waitpid(child, 0)
    time.sleep(0.4)
