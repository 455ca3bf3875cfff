"""Kernel function names for stack addresses: a few ranges, read once from /proc/kallsyms.

Only functions that rules need are kept (2 kB instead of 10 MB): arming writes them into the
metadata map, so that a reader without CAP_SYSLOG can still distinguish a kill from a timer.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from killtrail._slotted import dataclass

OF_INTEREST: Final = frozenset(
    [
        "__x64_sys_kill",
        "__ia32_sys_kill",
        "__x64_sys_tkill",
        "__ia32_sys_tkill",
        "__x64_sys_tgkill",
        "__ia32_sys_tgkill",
        "__x64_sys_rt_sigqueueinfo",
        "__ia32_sys_rt_sigqueueinfo",
        "__x64_sys_rt_tgsigqueueinfo",
        "__ia32_sys_rt_tgsigqueueinfo",
        "__ia32_compat_sys_rt_sigqueueinfo",
        "__ia32_compat_sys_rt_tgsigqueueinfo",
        "__x64_sys_pidfd_send_signal",
        "__ia32_sys_pidfd_send_signal",
        "__arm64_sys_kill",
        "__arm64_sys_tkill",
        "__arm64_sys_tgkill",
        "__arm64_sys_rt_sigqueueinfo",
        "__arm64_sys_rt_tgsigqueueinfo",
        "__arm64_sys_pidfd_send_signal",
        "__do_sys_pidfd_send_signal",
        "do_pidfd_send_signal",
        "kill_something_info",
        "kill_pid_info",
        "kill_pid_info_type",
        "__kill_pgrp_info",
        "kill_pgrp",
        "do_tkill",
        "do_send_specific",
        "do_rt_sigqueueinfo",
        "do_rt_tgsigqueueinfo",
        "__se_sys_kill",
        "__do_sys_kill",
        "cgroup_kill_write",
        "__cgroup_kill",
        "cgroup_post_fork",
        "oom_kill_process",
        "__oom_kill_process",
        "mem_cgroup_out_of_memory",
        "oom_kill_memcg_member",
        "out_of_memory",
        "pagefault_out_of_memory",
        "moom_callback",
        "mem_cgroup_oom_synchronize",
        "zap_pid_ns_processes",
        "reboot_pid_ns",
        "it_real_fn",
        "posix_timer_fn",
        "posix_timer_event",
        "posix_timer_queue_signal",
        "send_sigqueue",
        "posixtimer_send_sigqueue",
        "posix_cpu_timers_work",
        "run_posix_cpu_timers",
        "handle_posix_cpu_timers",
        "check_process_timers",
        "check_thread_timers",
        "__isig",
        "isig",
        "n_tty_receive_buf_common",
        "n_tty_receive_signal_char",
        "n_tty_ioctl_helper",
        "pty_unix98_ioctl",
        "pty_bsd_ioctl",
        "pty_signal",
        "tty_ioctl",
        "__tty_hangup",
        "tty_hangup",
        "tty_vhangup",
        "tty_vhangup_self",
        "__do_SAK",
        "do_SAK_work",
        "tty_release",
        "pty_close",
        "pty_write",
        "do_tty_hangup",
        "tty_signal_session_leader",
        "disassociate_ctty",
        "tty_check_change",
        "__tty_check_change",
        "job_control",
        "n_tty_read",
        "n_tty_write",
        "tty_jobctrl_ioctl",
        "kill_orphaned_pgrp",
        "exit_notify",
        "do_exit",
        "forget_original_parent",
        "reparent_leader",
        "do_group_exit",
        "exit_ptrace",
        "ptrace_request",
        "__x64_sys_ptrace",
        "__arm64_sys_ptrace",
        "ptrace_check_attach",
        "send_sigio",
        "send_sigio_to_task",
        "send_sigurg",
        "kill_fasync",
        "__f_setown",
        "do_mq_timedsend",
        "__do_notify",
        "mqueue_flush_file",
        "__seccomp_filter",
        "seccomp_log",
        "force_sig_seccomp",
        "seccomp_nack_syscall",
        "syscall_user_dispatch",
        "force_sig_fault",
        "force_sig_fault_to_task",
        "force_sig",
        "force_fatal_sig",
        "force_exit_sig",
        "force_sig_mceerr",
        "force_sigsegv",
        "force_sig_perf",
        "force_sig_info_to_task",
        "force_sig_ptrace_errno_trap",
        "__bad_area_nosemaphore",
        "bad_area_access_error",
        "bad_area_nosemaphore",
        "do_sigbus",
        "do_user_addr_fault",
        "exc_page_fault",
        "do_page_fault",
        "do_trap",
        "do_error_trap",
        "exc_general_protection",
        "exc_invalid_op",
        "exc_divide_error",
        "exc_int3",
        "exc_stack_segment",
        "math_error",
        "exc_alignment_check",
        "do_int3_user",
        "kill_me_maybe",
        "kill_proc",
        "memory_failure",
        "kill_procs",
        "collect_procs",
        "__x64_sys_rt_sigreturn",
        "signal_fault",
        "setup_rt_frame",
        "pipe_write",
        "anon_pipe_write",
        "sk_stream_error",
        "tcp_sendmsg_locked",
        "unix_stream_sendmsg",
        "splice_to_pipe",
        "generic_write_checks",
        "generic_write_check_limits",
        "generic_write_checks_count",
        "inode_newsize_ok",
        "vfs_setpos",
        "bpf_send_signal",
        "bpf_send_signal_common",
        "bpf_send_signal_thread",
        "do_bpf_send_signal",
        "__handle_sysrq",
        "sysrq_handle_term",
        "sysrq_handle_kill",
        "send_sig_all",
        "sysrq_handle_moom",
        "write_sysrq_trigger",
        "begin_new_exec",
        "load_elf_binary",
        "bprm_execve",
        "de_thread",
        "do_coredump",
        "vfs_coredump",
        "__x64_sys_exit_group",
        "__ia32_sys_exit_group",
        "__arm64_sys_exit_group",
        "__x64_sys_exit",
        "__ia32_sys_exit",
        "__arm64_sys_exit",
        "__secure_computing",
        "make_task_dead",
        "rewind_stack_and_make_dead",
        "__do_sys_seccomp",
        "__secure_computing_strict",
        "seccomp_filter_release",
        "io_wq_worker",
        "tiocsti",
        "oops_end",
        "watchdog_overflow_callback",
        "arch_do_signal_or_restart",
        "get_signal",
    ]
)


@dataclass(frozen=True, slots=True)
class Symbols:
    """Sorted, disjoint ranges [start, end) with their function's name."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    names: tuple[str, ...]

    def find(self, address: int) -> str | None:
        """The function that holds an address, None if no rule needs it."""
        i = bisect_right(self.starts, address) - 1
        return self.names[i] if i >= 0 and address < self.ends[i] else None

    def rows(self) -> list[tuple[int, int, str]]:
        """As plain rows, for storing."""
        return list(zip(self.starts, self.ends, self.names, strict=True))


def from_rows(rows: Iterable[tuple[int, int, str]]) -> Symbols:
    """From stored rows."""
    ordered = sorted((int(start), int(end), str(name)) for start, end, name in rows)
    return Symbols(
        tuple(r[0] for r in ordered), tuple(r[1] for r in ordered), tuple(r[2] for r in ordered)
    )


def parse_kallsyms(lines: Iterable[bytes]) -> Symbols:
    """Ranges of the functions of interest, and of each module as `[name]`."""
    return from_rows(_ranges(lines))


def _ranges(lines: Iterable[bytes]) -> Iterator[tuple[int, int, str]]:
    wanted = {name.encode() for name in OF_INTEREST}
    found: list[tuple[int, str]] = []
    addresses: list[int] = []
    modules: dict[bytes, list[int]] = {}
    for line in lines:
        if line.endswith(b"]\n"):
            _note_module(line, modules)
            continue
        head, _, rest = line.partition(b" ")
        kind, name = rest[:1], rest[2:].rstrip(b"\n")
        if kind not in b"tTwW":
            continue
        addresses.append(int(head, 16))
        stem = name.partition(b".")[0]
        if stem in wanted:
            found.append((addresses[-1], stem.decode()))
    addresses.sort()
    for start, function in found:
        if not start:
            continue
        after = bisect_right(addresses, start)
        yield start, addresses[after] if after < len(addresses) else start + 4096, function
    for module, (first, last) in modules.items():
        yield first, last + 4096, f"[{module.decode('ascii', 'backslashreplace')}]"


# BPF programs and trampolines are listed there like modules.
def _note_module(line: bytes, modules: dict[bytes, list[int]]) -> None:
    head, _, rest = line.partition(b" ")
    name = rest.rpartition(b"[")[2].rstrip(b"]\n")
    address = int(head, 16)
    if rest[:1] not in b"tT" or not address or name == b"bpf" or name.startswith(b"__builtin"):
        return
    span = modules.setdefault(name, [address, address])
    span[0], span[1] = min(span[0], address), max(span[1], address)


def read_kallsyms(path: Path = Path("/proc/kallsyms")) -> Symbols:
    """This kernel's; empty where addresses are hidden (no CAP_SYSLOG, kptr_restrict=2)."""
    with path.open("rb") as lines:
        return parse_kallsyms(lines)
