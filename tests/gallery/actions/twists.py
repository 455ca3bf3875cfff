"""One killing with everything about it chosen from outside: names, launchers, threads, calls."""

import ctypes
import json
import os
import signal
import sys
import threading
import time

from base import LIBC, global_pid, say, siginfo, syscall

PR_SET_NAME = 15


def act_twist(text):
    """Plays one killing; says who was what, then waits until all victims are gone."""
    twist = json.loads(text)
    ends, stay = os.pipe()
    after, hold = os.pipe()
    victims = [victim(twist, after, hold) for _ in range(twist["victims"])]
    go_reader, go_writer = os.pipe()
    if not os.fork():
        os.close(stay)
        os.close(hold)
        chain(twist, victims, twist["launchers"], go_reader, ends)
        os._exit(0)
    if twist["launchers"] and twist["launchers"][0]:
        # Those that leave at once are reaped, so that what they launched is an orphan by then.
        os.wait()
    time.sleep(0.03)
    if twist["early"]:
        harmless(victims[0], signal.SIGUSR2)
    os.write(go_writer, b"g")
    if twist["disposition"] in ("ignored", "blocked"):
        time.sleep(0.3)
    os.close(hold)
    gone = wait_for_all(victims)
    say("gone", gone)
    os.close(stay)
    time.sleep(0.05)


def wait_for_all(victims):
    """How many of them ended within ten seconds."""
    left, until = set(victims), time.monotonic() + 10
    while left and time.monotonic() < until:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        left.discard(pid)
        if not pid:
            time.sleep(0.005)
    return len(victims) - len(left)


def rename(name):
    """comm, as prctl(2) sets it: any bytes but NUL."""
    LIBC.prctl(PR_SET_NAME, ctypes.c_char_p(name.encode("utf-8", "surrogateescape")[:15]))


def dispose(sig, how, code):
    """What the victim does about the signal."""
    if how in ("default", "blocked") and sig != signal.SIGKILL:
        # CPython handles SIGINT, and dies of it by sending it to itself.
        signal.signal(sig, signal.SIG_DFL)
    if how == "handled":
        signal.signal(sig, lambda *_: os._exit(code))
    elif how == "ignored":
        signal.signal(sig, signal.SIG_IGN)
    elif how == "blocked":
        signal.pthread_sigmask(signal.SIG_BLOCK, {sig})


def victim(twist, after, hold):
    """A child that is set up to receive the signal."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        return child
    os.close(hold)
    if twist["victims"] == 1:
        os.setpgid(0, 0)
    rename(twist["name"])
    sig, how = twist["signal"], twist["disposition"]
    dispose(sig, how, twist["code"])
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    for _ in range(twist["threads"]):
        threading.Thread(target=lambda: time.sleep(60), daemon=True).start()
    say("victim", global_pid())
    os.write(writer, b"x")
    if how in ("ignored", "blocked"):
        os.read(after, 1)
        if how == "blocked":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {sig})
            time.sleep(0.05)
        os._exit(9)
    while True:
        time.sleep(60)


def chain(twist, victims, launchers, go, ends):
    """Launchers, one below the other; the last one's child is the killer."""
    if not launchers:
        return killer(twist, victims, go, ends)
    say("launcher", global_pid())
    rename(twist["name"])
    child = os.fork()
    if not child:
        return chain(twist, victims, launchers[1:], go, ends)
    if launchers[0]:
        os._exit(0)
    os.read(ends, 1)
    os._exit(0)
    return None


def killer(twist, victims, go, ends):
    """Waits for the word, sends, and goes as it is told to."""
    rename(twist["name"][::-1] or "k")
    say("killer", global_pid())
    os.read(go, 1)
    if twist["call"] == "sh":
        script = f"kill -{twist['signal']} {' '.join(map(str, victims))}; :"
        os.execv("/bin/sh", ["/bin/sh", "-c", script, twist["name"].replace("\0", "")])
    if twist["from_thread"]:
        thread = threading.Thread(target=send, args=(twist, victims))
        thread.start()
        thread.join()
    else:
        send(twist, victims)
    if twist["fate"] == "lives":
        os.read(ends, 1)
    elif twist["fate"] == "dies hard":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)


def send(twist, victims):
    """By the call asked for; then once more where it can only be too late."""
    sig, call = twist["signal"], twist["call"]
    if twist["victims"] > 1 and call == "group":
        call = "kill"
    for pid in victims:
        if call == "kill":
            os.kill(pid, sig)
        elif call == "group":
            os.killpg(pid, sig)
        elif call == "tgkill":
            syscall(234, pid, pid, sig)
        elif call == "pidfd":
            signal.pidfd_send_signal(os.pidfd_open(pid), sig)
        else:
            info = siginfo(sig, -1, twist["claims"], 4242)
            syscall(129, pid, sig, ctypes.addressof(info))
    if twist["late"]:
        time.sleep(0.002)
        for pid in victims[:3]:
            harmless(pid, sig)


def harmless(pid, sig):
    """A signal that may come too late or be ignored."""
    try:
        os.kill(pid, sig)
    except OSError:
        sys.exc_info()
