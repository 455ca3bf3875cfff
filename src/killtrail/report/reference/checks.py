"""What each check of `trust` proves, what it can't, and its false alarms."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.trust import CheckId


@dataclass(frozen=True, slots=True)
class CheckPage:
    """One check for a reader who has to decide what to do about it."""

    how: str
    proves: str
    cannot: str
    alarms: str
    """False alarms seen so far, and what is done about them."""


CHECKS: Final[dict[CheckId, CheckPage]] = {
    CheckId.TOOL_BEHAVIOUR: CheckPage(
        "Some twenty tools (ps, kill, pgrep, pidof, lsof, ls, stat, ss, netstat, md5sum and similar) are"
        " asked questions with known answers: a PID that no process can have (the kernel's pid_max), a process"
        " of our own, a file that does not exist, bytes whose digest is known, a port with a listener, an"
        " option that the tool does not have. They run as user nobody, with no_new_privs, in mount and network"
        " namespaces of their own, for three seconds at most.",
        "that a tool answers this question wrongly, and so misleads every script that asks it.",
        "that it answers other questions correctly: a tool may lie about one name, one port, one hour of the"
        " day.",
        "top accepts unknown options and exits with 0: it is not asked that. Busybox's tools have other options:"
        " a tool that says why it can't answer is *not checkable*. In a chroot without /proc, and under hidepid"
        " after dropping root, honest tools did not see our process: both cases are handled.",
    ),
    CheckId.TOOL_EXECUTES: CheckPage(
        "The same runs are traced with ptrace(2): every program that a tool or its children execute.",
        "which program does a tool's work. A genuine tool executes one program: itself.",
        "what a tool does without executing another program.",
        "Tools that are scripts run other programs by design: they are *not checkable*, unless one of those has"
        " the tool's own name.",
    ),
    CheckId.PACKAGE_DIGEST: CheckPage(
        "killtrail reads dpkg's lists and md5sums, or rpm's header blobs, itself. It follows the /usr merge,"
        " diversions, alternatives and configuration files. By default it compares the programs in the search"
        " path, the loader and libc; with --deep every packaged file.",
        "that a file differs from the one in its package, if the database is genuine.",
        "anything about an attacker with root: the digests are on the same disk, unsigned. A match is weak"
        " evidence.",
        "On a healthy machine a thousand packaged files differ (npm updates itself in place, certificate bundles"
        " grow) and no executable does. So programs are judged, the rest is counted.",
    ),
    CheckId.DISPLACED: CheckPage(
        "Programs below the system's program folders that belong to no package and have the name or the digest of"
        " a packaged one.",
        "where a displaced original is, even if all digests were edited to match.",
        "where an original is that was moved elsewhere, or deleted.",
        "A local program in /usr/local/bin with a packaged one's name is common: it counts only if another check"
        " contradicts the packaged one.",
    ),
    CheckId.ELF_SHAPE: CheckPage(
        "The ELF header of programs that other checks name: class, machine, static or not, compared with the"
        " package's architecture and the displaced original.",
        "that a program was built for another machine than its package. In 2016 it was a 32-bit static ps.",
        "anything about a replacement that was built with care.",
        "Only programs that other checks name are looked at: static and foreign programs are ordinary.",
    ),
    CheckId.SIGNED_CHAIN: CheckPage(
        "With --reference: .deb packages from elsewhere are compared with the installed files. A Packages list and"
        " an InRelease signed by a key of the keyring confirm the packages (RSA with SHA-2, checked by killtrail"
        " itself, not by the host's gpg). On rpm systems the signatures of the headers in the database, which"
        " cover the digests of all files, are checked with the given keys.",
        "that a program is not the distribution's, whatever the host's own digests say.",
        "whether a package is genuine if no signed list names it; the result says so. .deb files packed with zstd"
        " need Python 3.14; keys other than RSA are skipped.",
        "A package of another version than the installed one is *not checkable*.",
    ),
    CheckId.HIDDEN_PROCESS: CheckPage(
        "Independent views of the processes: readdir, getdents64 itself, cgroup.procs, the children lists, the"
        " kernel's count of threads, its BPF task iterator; with --deep pidfd_open of every PID. Then what ps and"
        " ls show. A process that one view shows and another does not is held by a pidfd. It counts as hidden only"
        " if it ran before and after the listing that omits it.",
        "that a running process is omitted, and by what: a tool, libc, a mount, the kernel.",
        "that nothing is hidden: a kernel that was changed with care can omit a process from all views.",
        "Comparing two listings alone gave up to 138 false alarms in 30 rounds on a busy machine, this way 0 in"
        " 200. The BPF iterator omits tasks that a security module shields: its silence counts for nothing."
        " hidepid (for root, too, if it asks security modules), PID namespaces, zombies and threads are named and"
        " raise no alarm.",
    ),
    CheckId.HIDDEN_SOCKET: CheckPage(
        "/proc/net compared with sock_diag, then with what ss and netstat show. For this check alone the tools run"
        " in the host's own network namespace, as user nobody.",
        "that a tool, or one of the kernel's two views, omits a port that was open before and after.",
        "anything about a port that both views of the kernel omit.",
        "Sockets close during the check: a missing one is looked for three times.",
    ),
    CheckId.PROC_MOUNT: CheckPage(
        "mountinfo, for mounts over /proc/PID; the covered folder is read in a mount namespace of its own.",
        "that a process is hidden from every reader of /proc, and which one it is.",
        "anything about mounts in other mount namespaces.",
        "None seen so far.",
    ),
    CheckId.PRELOAD: CheckPage(
        "/etc/ld.so.preload, LD_PRELOAD and LD_AUDIT of this command and of init, and the libraries that are"
        " mapped into this process; each is looked up in the package database. If the file names anything, the"
        " command runs itself again in a mount namespace where the file is empty.",
        "that a library outside any package is loaded before all others.",
        "anything about a changed loader that reads another file; package-digest compares the loader itself.",
        "Packages that preload on purpose are named and raise no alarm. Python's own modules are below its prefix.",
    ),
    CheckId.KTHREAD_POSER: CheckPage(
        "Names in brackets, or of kernel threads, without the kernel's own mark (PF_KTHREAD).",
        "that a process has the name of a kernel thread.",
        "what the process does.",
        "Daemons put their titles into brackets ([celeryd: ...]): only names of kernel threads count. Programs"
        " that run from deleted or memory files are shown as context only: upgrades and sandboxes do that.",
    ),
    CheckId.KNOWN_PATH: CheckPage(
        "Published paths of malware families that replace tools or hide things, if no package owns them; their"
        " strings, in programs that other checks name.",
        "that a path or string of that family is present.",
        "who created it: any user may create a file of that name.",
        "The package database is asked first: /etc/init.d/selinux is an ordinary file if a package owns it.",
    ),
    CheckId.KERNEL: CheckPage(
        "/proc/modules compared with /sys/module and kallsyms; taint; the counts of traced functions, kprobes and"
        " BPF programs; the system call table read through /proc/kcore, each entry compared with kallsyms.",
        "that two views of the running kernel differ.",
        "that the kernel was not changed: code inside it controls the answers. A crash dump read elsewhere is"
        " stronger evidence.",
        "A taint bit without such a module is a hint only: unloading keeps it. Kernels that dispatch by code, not"
        " by table (6.9 and later), have a table that is not used.",
    ),
}
