# ruff: noqa: S108 -- paths are facts here; nothing is written to them
"""Paths and strings that were seen in families of malware that replace or hide what a host says.

Facts only, each with where it was published. A path by itself proves nothing: anybody may create one.
So ownership is asked first, and the words are always *seen before in*.
"""

from typing import Final

from killtrail.slotted import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """What was published about one of them."""

    name: str
    source: str
    date: str
    """When it was entered here."""
    paths: tuple[str, ...]
    strings: tuple[bytes, ...] = ()


FAMILIES: Final = (
    Family(
        "BillGates (Elknot, Ganiw, Setag)",
        "rkhunter's list, Yara-Rules (benkow), cloud vendors' notes on its removal",
        "2026-11",
        (
            "/usr/bin/dpkgd/ps", "/usr/bin/dpkgd/ss", "/usr/bin/dpkgd/netstat", "/usr/bin/dpkgd/lsof",
            "/usr/bin/bsd-port/getty", "/usr/bin/bsd-port/getty.lock", "/usr/bin/bsd-port/udevd.lock",
            "/usr/bin/.sshd", "/usr/bin/.swhd", "/usr/bin/pythno", "/usr/bin/pojie",
            "/usr/lib/libamplify.so", "/usr/lib/xpacket.ko", "/etc/init.d/DbSecuritySpt",
            "/etc/init.d/DbSecuritySdt", "/etc/init.d/DbSecurityMdt", "/etc/init.d/selinux",
            "/etc/rc1.d/S97DbSecuritySpt", "/etc/rc1.d/S99selinux", "/tmp/gates.lod", "/tmp/moni.lod",
            "/tmp/gates.lock", "/tmp/moni.lock", "/tmp/bill.lock", "/tmp/notify.file",
        ),
        (
            b"12CUpdateGates", b"11CUpdateBill", b"MainSystool", b"MainMonitor", b"MainBackdoor",
            b"MainBeikong", b"xpacket.ko", b"/usr/bin/dpkgd/",
        ),
    ),
    Family(
        "XorDDoS", "rkhunter's list, incident notes", "2026-11",
        (
            "/etc/cron.hourly/gcc.sh", "/etc/cron.hourly/cron.sh", "/etc/cron.hourly/udev.sh",
            "/lib/libudev.so", "/lib/libudev.so.6", "/lib/libkill.so", "/var/run/sftp.pid",
        ),
        (b"/etc/cron.hourly/gcc.sh",),
    ),
    Family(
        "Kaiji / Chaos (replaces ps, ls, netstat, find, lsof, ss)",
        "Elastic Security Labs, Betting on bots", "2026-11",
        (
            "/etc/id.services.conf", "/etc/32678", "/etc/init.d/linux_kill",
            "/etc/profile.d/bash_config.sh", "/boot/System.img.config", "/dev/.img", "/dev/.old",
        ),
        (b"/etc/id.services.conf",),
    ),
    Family(
        "perfctl (replaces top, ldd and others)", "ExaTrack's account", "2026-11",
        (
            "/lib/libgcwrap.so", "/lib/libpprocps.so", "/lib/libfsnldev.so", "/bin/perfcc",
            "/bin/wizlmsh", "/tmp/.xdiag", "/tmp/.perf.c", "/etc/cron.d/perfclean", "/root/.config/cron",
        ),
        (b"AAZHDE=1",),
    ),
    Family(
        "Kinsing", "public notes on its removal", "2026-11",
        ("/tmp/kinsing", "/var/tmp/kinsing", "/etc/data/kinsing", "/tmp/kdevtmpfsi"),
    ),
    Family(
        "libprocesshider", "Atomic Red Team T1014", "2026-11",
        ("/usr/local/lib/libprocesshider.so",),
    ),
    Family(
        "OrBit / Medusa", "published hunting notes", "2026-11",
        ("/lib/libseconf", "/lib/libntpVnQE6mk", "/dev/shm/ldx/.l"),
        (b"lib0UZ0LfvWZ.so",),
    ),
    Family("Auto-Color", "published notes", "2026-11", ("/etc/ld.preload",)),
    Family(
        "Diamorphine", "malcontent's rules", "2026-11", (),
        (b"hacked_getdents", b"hacked_kill", b"is_invisible"),
    ),
    Family(
        "Reptile", "Elastic's published strings", "2026-11", (),
        (b"reptile_shell", b"reptile_module", b"parasite_blob"),
    ),
)  # fmt: skip
