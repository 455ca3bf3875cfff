"""What this process may do."""

import os
from pathlib import Path
from typing import Final

CAPS: Final = {"sys_admin": 21, "syslog": 34, "perfmon": 38, "bpf": 39}


def effective_capabilities() -> int:
    """The CapEff mask of this process (proc(5)); 0 where unreadable."""
    try:
        for line in (
            Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        ):
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    except (OSError, ValueError, IndexError):
        pass
    return 0


def may_load_bpf() -> bool:
    """CAP_BPF with CAP_PERFMON, or CAP_SYS_ADMIN (bpf(2), capabilities(7))."""
    mask = effective_capabilities()
    has = {name for name, bit in CAPS.items() if mask >> bit & 1}
    return "sys_admin" in has or {"bpf", "perfmon"} <= has


def is_root() -> bool:
    """Whether the effective user is root."""
    return os.geteuid() == 0


def lockdown() -> str | None:
    """`none`, `integrity` or `confidentiality` (kernel_lockdown(7)); None if unknown."""
    try:
        text = Path("/sys/kernel/security/lockdown").read_text(encoding="ascii")
    except OSError:
        return None
    return text[text.find("[") + 1 : text.find("]")] if "[" in text else None
