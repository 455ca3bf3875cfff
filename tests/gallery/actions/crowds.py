"""Several processes: groups, broadcasts, pid namespaces, orphans."""

import os
import signal
import threading
import time

from base import (
    LIBC,
    child_that,
    forever,
    global_pid,
    ready,
    say,
    tell_victim,
    wish_to_die_with_parent,
)


def act_own_group():
    """A leader with a child kills its own group with kill(0): both die."""
    child = os.fork()
    if not child:
        forever()
    say("victim", child)
    ready()
    time.sleep(0.2)
    os.kill(0, signal.SIGKILL)


def act_broadcast():
    """Inside a pid namespace: init, a victim, and a killer that calls kill(-1)."""
    victim = child_that(tell_victim)
    time.sleep(0.2)
    killer = os.fork()
    if not killer:
        say("killer", global_pid())
        os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(killer, 0)
    os.waitpid(victim, 0)


def act_broadcast_to_many(count):
    """Inside a pid namespace: init, many victims, and a killer that calls kill(-1)."""
    victims = []
    for _ in range(int(count)):
        child = os.fork()
        if not child:
            forever()
        victims.append(child)
    last = child_that(tell_victim)
    say("crowd", len(victims))
    killer = os.fork()
    if not killer:
        say("killer", global_pid())
        os.kill(-1, signal.SIGKILL)
        os._exit(0)
    for child in (killer, *victims, last):
        os.waitpid(child, 0)


def act_broadcast_by_kill():
    """Inside a pid namespace: procps's kill -TERM -12345 (4.0.2 calls kill(-1))."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    victim = child_that(
        lambda: (signal.signal(signal.SIGTERM, signal.SIG_DFL) and None) or tell_victim()
    )
    time.sleep(0.2)
    killer = os.fork()
    if not killer:
        say("killer", global_pid())
        os.execv("/usr/bin/kill", ["kill", "-TERM", "-12345"])
    os.waitpid(killer, 0)
    time.sleep(0.1)
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)


def act_ns_kill_two():
    """Inside a pid namespace: ns pid 2 is the victim, ns pid 3 the killer."""
    victim = child_that(tell_victim)
    time.sleep(0.2)
    killer = os.fork()
    if not killer:
        say("killer", global_pid())
        os.kill(2, signal.SIGKILL)
        os._exit(0)
    os.waitpid(killer, 0)
    os.waitpid(victim, 0)


def act_ns_init_exits():
    """Inside a pid namespace: the init exits, a child is left."""
    child_that(tell_victim)
    say("init", global_pid())
    time.sleep(0.3)
    os._exit(5)


def act_ns_init_waits():
    """Inside a pid namespace: the init waits to be killed from outside."""
    child_that(tell_victim)
    say("init", global_pid())
    forever()


def act_zombie():
    """A child that is dead and not reaped gets a late SIGKILL."""
    child = os.fork()
    if not child:
        os._exit(4)
    time.sleep(0.2)
    os.kill(child, signal.SIGKILL)
    say("victim", child)
    os.waitpid(child, 0)
    ready()


def act_pdeath(how):
    """A child that wants TERM at our end; then we exit, or wait to be killed."""
    child_that(wish_to_die_with_parent)
    ready()
    if how == "exit":
        os._exit(0)
    forever()


def act_pdeath_adopted():
    """Adopted by a subreaper, then asks for a signal when that one exits, which it does."""
    reaper = os.getpid()
    LIBC.prctl(36, 1)
    reads, writes = os.pipe()
    middle = os.fork()
    if not middle:
        if os.fork():
            os._exit(0)
        while os.getppid() != reaper:
            time.sleep(0.02)
        wish_to_die_with_parent()
        os.write(writes, b"x")
        forever()
    os.waitpid(middle, 0)
    os.read(reads, 1)
    ready()
    time.sleep(0.1)


def act_pdeath_thread():
    """The same, but only the creating thread ends; we live on."""
    said = threading.Event()

    def make():
        child_that(wish_to_die_with_parent)
        said.set()

    threading.Thread(target=make).start()
    said.wait()
    time.sleep(0.3)
    ready()


def act_reaper_of_old_orphan(victim, flood):
    """A subreaper adopts a killer; then so many orphans come that its creator is forgotten."""
    LIBC.prctl(36, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    creator = os.fork()
    if not creator:
        if os.fork():
            os._exit(0)
        signal.sigwait({signal.SIGUSR1})
        os.kill(int(victim), signal.SIGKILL)
        os._exit(0)
    os.waitpid(creator, 0)
    killer = int(open(f"/proc/self/task/{os.getpid()}/children").read().split()[0])
    for _ in range(int(flood) // 20):
        if not os.fork():
            for _ in range(20):
                if not os.fork():
                    time.sleep(0.02)
                    os._exit(0)
            os._exit(0)
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
    time.sleep(0.3)
    os.kill(killer, signal.SIGUSR1)
    os.waitpid(killer, 0)


def act_phantom():
    """A child that exits 0 is reaped by somebody else; its supervisor then says -9."""
    child = os.fork()
    if not child:
        time.sleep(0.1)
        os._exit(0)
    os.waitpid(-1, 0)
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        say("victim", child)
    ready()
