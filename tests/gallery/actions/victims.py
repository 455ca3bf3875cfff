"""Processes that wait for death, or die of themselves."""

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import struct
import threading
import time

from base import (
    LIBC,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_SECCOMP,
    forever,
    global_pid,
    machine_code,
    ready,
    say,
    syscall,
)


def act_wait():
    ready()
    forever()


def act_stir():
    """Makes a system call now and then."""
    ready()
    while True:
        time.sleep(0.05)


def act_wait_blocked(sig):
    signal.pthread_sigmask(signal.SIG_BLOCK, {int(sig)})
    ready()
    time.sleep(0.5)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {int(sig)})
    forever()


def act_wait_default(sig):
    signal.signal(int(sig), signal.SIG_DFL)
    ready()
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


# -- more ways to end ----------------------------------------------------------------------------


def act_rlimit_rttime():
    """At a real-time priority, for longer than allowed."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    resource.setrlimit(resource.RLIMIT_RTTIME, (50_000, 50_000))
    ready()
    while True:
        pass


def act_write_slowly(path):
    """Writes on until a file size limit strikes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    ready()
    with open(path, "wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 64)
            time.sleep(0.05)


def act_spin():
    """Uses CPU time under whatever limits it was given."""
    ready()
    while True:
        pass


def act_exec_broken(path):
    """Becomes a program whose file says that a segment lies where the kernel lives."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0xFFFF800000001000, 64, 0, 0,
        64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    segment = struct.pack(
        "<IIQQQQQQ", 1, 5, 0, 0xFFFF800000000000, 0xFFFF800000000000, 4096, 4096, 4096
    )
    with open(path, "wb") as file:
        file.write((header + segment).ljust(8192, b"\0"))
    os.chmod(path, 0o755)
    ready()
    os.execv(path, [path])


def act_no_tsc():
    """Reads the time stamp counter where that was forbidden."""
    ready()
    LIBC.prctl(26, 2, 0, 0, 0)
    machine_code(b"\x0f\x31\xc3")


def act_full_tmpfs(folder):
    """A mapping of a file for which there is no room any more."""
    with open(f"{folder}/sparse", "w+b") as file:
        file.truncate(8 << 20)
        area = mmap.mmap(file.fileno(), 8 << 20)
        ready()
        for page in range(0, 8 << 20, 4096):
            area[page] = 1


def act_hwpoison():
    area = mmap.mmap(-1, 4096)
    area[0] = 1
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    if LIBC.madvise(ctypes.c_void_p(address), ctypes.c_size_t(4096), 100) != 0:
        say("skip", "no memory failure injection here")
        os._exit(0)
    ready()
    area[0]


def act_user_dispatch(selector):
    """Has its system calls handed back to it as SIGSYS, which it does not handle."""
    PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON = 59, 1
    # SYSCALL_DISPATCH_FILTER_ALLOW is 0 and _BLOCK 1: any other value is an error.
    where = ctypes.create_string_buffer(bytes([int(selector)]), 1)
    signal.signal(signal.SIGSYS, signal.SIG_DFL)
    ready()
    if LIBC.prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, where):
        say("skip", "no syscall user dispatch here")
        os._exit(0)
    LIBC.getppid()


def filter_getppid(action):
    """A seccomp filter that answers getppid so."""
    program = struct.pack("<HBBI", 0x20, 0, 0, 0)
    program += struct.pack("<HBBI", 0x15, 0, 1, 110)
    program += struct.pack("<HBBI", 0x06, 0, 0, action)
    program += struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("<HxxxxxxQ", 4, ctypes.addressof(code))
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    LIBC.prctl(PR_SET_SECCOMP, 2, header)


def act_seccomp_filter():
    """KILL_PROCESS on getppid."""
    ready()
    filter_getppid(0x80000000)
    syscall(110)


def act_seccomp_inherited():
    """The filter is installed here, the child runs into it."""
    filter_getppid(0x80000000)
    child = os.fork()
    if not child:
        time.sleep(0.1)
        syscall(110)
    say("victim", child)
    ready()
    os.waitpid(child, 0)


def act_seccomp_daemon():
    """The filter is installed here, and handed down to a child that outlives us."""
    filter_getppid(0x80000000)
    child = os.fork()
    if not child:
        time.sleep(0.4)
        syscall(110)
    say("victim", child)
    ready()
    os._exit(0)


def act_seccomp_both():
    """Parent and child have a filter each, installed after the fork."""
    child = os.fork()
    if not child:
        filter_getppid(0x80000000)
        time.sleep(0.3)
        syscall(110)
    say("victim", child)
    filter_getppid(0x80000000)
    ready()
    os.waitpid(child, 0)


def act_seccomp_thread():
    """One thread runs into KILL_THREAD, the others go on."""

    def strike():
        filter_getppid(0x00000000)
        syscall(110)

    ready()
    threading.Thread(target=strike).start()
    forever()


def act_exec_by_thread():
    """A thread that is not the leader becomes another program."""
    ready()
    threading.Thread(target=lambda: os.execv("/usr/bin/sleep", ["sleep", "60"])).start()
    forever()


def act_leader_leaves():
    """The leader goes by pthread_exit, a thread stays."""
    threading.Thread(target=forever).start()
    ready()
    LIBC.syscall(60, 0)


def act_hungry():
    """Wants more than RLIMIT_AS lets it have."""
    resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
    ready()
    keep = bytearray(400 << 20)
    say("full", len(keep))


def act_reboot():
    """reboot(2) in a pid namespace of our own: it ends that, not the machine."""
    with open("/proc/self/status") as status:
        numbers = next(line.split()[1:] for line in status if line.startswith("NSpid:"))
    if len(numbers) < 2 or numbers[-1] != "1":
        say("skip", "not in a pid namespace of its own")
        os._exit(0)
    say("victim", global_pid())
    LIBC.reboot(0x01234567)


def act_wait_unloved():
    """The first one that the OOM killer would take."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    ready()
    forever()


def act_wait_mortal():
    """Dies of TERM, though it comes from one who ignores it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ready()
    forever()


def act_call(number):
    """One system call, without arguments."""
    ready()
    time.sleep(0.1)
    LIBC.syscall(int(number), 0, 0)
