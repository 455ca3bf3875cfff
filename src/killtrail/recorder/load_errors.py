"""Why the kernel said no, and what would help."""

import errno
from pathlib import Path
from typing import Final

from killtrail.errors import UnavailableError
from killtrail.host import privilege

TRACEFS_INSTEAD: Final = "sudo killtrail arm --backend tracefs"
_ENOTSUPP: Final = 524


def explain(error: OSError, doing: str) -> UnavailableError:
    """A refusal with its reason; probes what is missing instead of guessing from the errno alone."""
    if privilege.may_load_bpf() and privilege.lockdown() == "confidentiality":
        return locked_down(doing)
    if error.errno in (errno.EPERM, errno.EACCES):
        return _not_permitted(doing)
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return UnavailableError(
            f"{doing}: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF), which the recorder needs "
            "to read kernel structures",
            TRACEFS_INSTEAD,
        )
    if error.errno in (errno.EINVAL, errno.ENOTSUP, _ENOTSUPP, errno.E2BIG):
        return UnavailableError(
            f"{doing}: this kernel refuses the programs ({error.strerror}); they need 5.17's"
            " in-kernel CO-RE",
            TRACEFS_INSTEAD,
        )
    if error.errno == errno.ENOMEM:
        return UnavailableError(
            f"{doing}: not enough memory (the ring buffers take about 18 MB)", TRACEFS_INSTEAD
        )
    return UnavailableError(f"{doing}: {error.strerror}", TRACEFS_INSTEAD)


def _not_permitted(doing: str) -> UnavailableError:
    if not privilege.may_load_bpf():
        return UnavailableError(
            f"{doing}: not permitted; arming needs root, or CAP_BPF with CAP_PERFMON",
            "sudo killtrail arm",
        )
    return UnavailableError(
        f"{doing}: not permitted despite the capabilities; a container's seccomp or LSM policy "
        "may forbid bpf(2)",
        "run it on the host, or " + TRACEFS_INSTEAD,
    )


def locked_down(doing: str) -> UnavailableError:
    """What `lockdown=confidentiality` leaves: audit (kernel_lockdown(7))."""
    return UnavailableError(
        f"{doing}: the kernel is locked down (confidentiality), so BPF and tracefs can't read "
        "kernel memory",
        "audit works there: auditctl -a always,exit -F arch=b64 -S kill,tkill,tgkill -k kill",
    )
