"""What the gallery's processes do: `python3 actions.py ACTION ARG...`, each in a process of its own.

Stand-alone on purpose: it runs as victim or killer, also inside namespaces and as other users.
"""

import ctypes
import fcntl
import mmap
import os
import pty
import resource
import signal
import struct
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
PTRACE_CONT, PTRACE_KILL, PTRACE_ATTACH, PTRACE_SEIZE = 7, 8, 16, 0x4206
PTRACE_O_EXITKILL = 0x100000


def say(*words):
    """Tells the gallery a fact: one line in one write, as several processes share the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def global_pid():
    """Our number where /proc was mounted, that is outside any pid namespace."""
    return int(os.readlink("/proc/self"))


def ready():
    """Tells the gallery who we are, and that we are set."""
    say("ready", global_pid())


def forever():
    """Waits for death."""
    while True:
        signal.pause()


def child_that(prepare):
    """Forks a child that prepares itself, then waits for death; back when it is set."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        prepare()
        os.write(writer, b"x")
        forever()
    os.read(reader, 1)
    return child


def tell_victim():
    """What most children have to do before they may die."""
    say("victim", global_pid())


def mortal_victim():
    """A child of one that ignores TERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tell_victim()


def wish_to_die_with_parent():
    """PR_SET_PDEATHSIG, TERM."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    tell_victim()


def syscall(number, *args):
    """A raw system call; raises on failure."""
    result = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in args))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def siginfo(sig, code, pid, uid):
    """A siginfo_t as a sender may write it."""
    buffer = ctypes.create_string_buffer(128)
    struct.pack_into("<iiiiiI", buffer, 0, sig, 0, code, 0, pid, uid)
    return buffer


def machine_code(code):
    """Runs bytes as a function."""
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


# -- victims -----------------------------------------------------------------------------------


def act_wait():
    ready()
    forever()


def act_wait_blocked(sig):
    signal.pthread_sigmask(signal.SIG_BLOCK, {int(sig)})
    ready()
    time.sleep(0.5)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {int(sig)})
    forever()


def act_wait_ignoring(sig):
    signal.signal(int(sig), signal.SIG_IGN)
    ready()
    time.sleep(0.6)
    os._exit(9)


def act_segv():
    ready()
    ctypes.string_at(0)


def act_thread_segv():
    ready()
    threading.Thread(target=lambda: ctypes.string_at(0)).start()
    forever()


def act_code(text):
    ready()
    machine_code(bytes.fromhex(text))


def act_abort():
    ready()
    os.abort()


def act_exit(code):
    ready()
    os._exit(int(code))


def act_thread_exit(code):
    ready()
    threading.Thread(target=lambda: os._exit(int(code))).start()
    forever()


def act_alarm():
    ready()
    signal.alarm(1)
    forever()


def act_posix_timer():
    ready()
    timer = ctypes.c_void_p()
    event = ctypes.create_string_buffer(64)
    struct.pack_into("<Qii", event, 0, 0, signal.SIGKILL, 0)
    librt = ctypes.CDLL("librt.so.1")
    librt.timer_create(1, event, ctypes.byref(timer))
    when = struct.pack("<qqqq", 0, 0, 0, 200_000_000)
    librt.timer_settime(timer, 0, when, None)
    forever()


def act_rlimit_cpu(soft, hard, ignore):
    if ignore == "1":
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CPU, (int(soft), int(hard)))
    ready()
    while True:
        pass


def act_rlimit_fsize(path):
    # CPython ignores SIGXFSZ and SIGPIPE; a plain program does not.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    ready()
    with open(path, "wb", buffering=0) as file:
        file.writelines(b"x" * 64 for _ in range(10))


def act_sigpipe():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    reader, writer = os.pipe()
    os.close(reader)
    ready()
    os.write(writer, b"x")


def act_sigbus(path):
    with open(path, "w+b") as file:
        file.truncate(4096)
        area = mmap.mmap(file.fileno(), 4096)
        ready()
        file.truncate(0)
        area[0]


def act_seccomp_strict():
    ready()
    LIBC.prctl(PR_SET_SECCOMP, 1)
    LIBC.getppid()


def act_seccomp_filter():
    """KILL_PROCESS on getppid."""
    program = struct.pack("<HBBI", 0x20, 0, 0, 0)
    program += struct.pack("<HBBI", 0x15, 0, 1, 110)
    program += struct.pack("<HBBI", 0x06, 0, 0, 0x80000000)
    program += struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("<HxxxxxxQ", 4, ctypes.addressof(code))
    ready()
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    LIBC.prctl(PR_SET_SECCOMP, 2, header)
    syscall(110)


def act_sigio(sig):
    """A pipe that signals us when it becomes readable; the child writes."""
    reader, writer = os.pipe()
    F_SETSIG = 10
    fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(reader, F_SETSIG, int(sig))
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
    child = os.fork()
    if not child:
        time.sleep(0.2)
        os.write(writer, b"x")
        time.sleep(0.2)
        os._exit(0)
    say("poster", child)
    ready()
    forever()


def act_mq_notify():
    name = f"/kt{os.getpid()}".encode()
    librt = ctypes.CDLL("librt.so.1", use_errno=True)
    queue = librt.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)
    librt.mq_unlink(name)
    if queue < 0:
        say("skip", "no POSIX message queues")
        os._exit(0)
    event = ctypes.create_string_buffer(64)
    struct.pack_into("<Qii", event, 0, 0, signal.SIGTERM, 0)
    librt.mq_notify(queue, event)
    child = os.fork()
    if not child:
        time.sleep(0.2)
        librt.mq_send(queue, b"x", 1, 0)
        time.sleep(0.2)
        os._exit(0)
    say("poster", child)
    ready()
    forever()


# -- killers -----------------------------------------------------------------------------------


def act_kill(pid, sig):
    os.kill(int(pid), int(sig))


def act_kill_many(pid, *sigs):
    for sig in sigs:
        os.kill(int(pid), int(sig))


def act_tkill(pid, sig):
    syscall(200, int(pid), int(sig))


def act_tgkill(pid, sig):
    syscall(234, int(pid), int(pid), int(sig))


def act_sigqueue(pid, sig, claimed_pid, claimed_uid):
    info = siginfo(int(sig), -1, int(claimed_pid), int(claimed_uid))
    syscall(129, int(pid), int(sig), ctypes.addressof(info))


def act_tgsigqueue(pid, sig):
    info = siginfo(int(sig), -1, os.getpid(), os.getuid())
    syscall(297, int(pid), int(pid), int(sig), ctypes.addressof(info))


def act_pidfd(pid, sig):
    signal.pidfd_send_signal(os.pidfd_open(int(pid)), int(sig))


def act_kill_i386(pid, sig):
    """Push rbx; mov eax,37; mov ebx,PID; mov ecx,SIG; int 0x80; pop rbx; ret."""
    code = b"\x53\xb8" + struct.pack("<I", 37) + b"\xbb" + struct.pack("<I", int(pid))
    code += b"\xb9" + struct.pack("<I", int(sig)) + b"\xcd\x80\x5b\xc3"
    machine_code(code)


def act_kill_as(uid, pid, sig):
    os.setuid(int(uid))
    try:
        os.kill(int(pid), int(sig))
    except PermissionError:
        say("refused")


def act_cgroup_kill(path):
    with open(path, "w") as file:
        file.write("1")


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


# -- parents, terminals, tracers -----------------------------------------------------------------


def act_pdeath(how):
    """A child that wants TERM at our end; then we exit, or wait to be killed."""
    child_that(wish_to_die_with_parent)
    ready()
    if how == "exit":
        os._exit(0)
    forever()


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


def act_terminal(how):
    """A child on a pty of ours: it gets ^C, or we close the pty."""
    child, master = pty.fork()
    if not child:
        if how == "key":
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.write(2, b"up")
        forever()
    os.read(master, 2)
    say("victim", child)
    ready()
    if how in ("key", "handled"):
        os.write(master, b"\x03")
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


def ptrace(request, pid, address=0, data=0):
    result = LIBC.ptrace(
        ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(address), ctypes.c_void_p(data)
    )
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def act_trace(pid, how):
    pid = int(pid)
    if how == "exitkill":
        ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL)
        time.sleep(0.1)
        os._exit(0)
    ptrace(PTRACE_ATTACH, pid)
    os.waitpid(pid, 0)
    if how == "kill":
        ptrace(PTRACE_KILL, pid)
    else:
        ptrace(PTRACE_CONT, pid, 0, signal.SIGTERM)
    time.sleep(0.3)


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


# -- memory --------------------------------------------------------------------------------------


def act_eat(procs, megabytes, then):
    """Joins a cgroup and touches so much memory."""
    with open(procs, "w") as file:
        file.write(str(os.getpid()))
    ready()
    keep = []
    for _ in range(int(megabytes)):
        block = bytearray(1 << 20)
        block[::4096] = b"x" * len(block[::4096])
        keep.append(block)
    say("full")
    if then == "wait":
        forever()


if __name__ == "__main__":
    globals()[f"act_{sys.argv[1]}"](*sys.argv[2:])
