"""What each check of `trust` proves, what it can't, and where it has cried wolf."""

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
    """Its history of false alarms: what was met, and what is done about it."""


CHECKS: Final[dict[CheckId, CheckPage]] = {
    CheckId.TOOL_BEHAVIOUR: CheckPage(
        "Some twenty tools (ps, kill, pgrep, pidof, lsof, ls, stat, ss, netstat, md5sum and their like) are"
        " asked what is known: a number that no process can have (the kernel's pid_max), a process of our own,"
        " a file that does not exist, bytes whose digest is known, a port that something listens on, an option"
        " that the tool does not have. They run as nobody, without a way to new privileges, in mount and"
        " network namespaces of their own, three seconds at most.",
        "that a tool gives a wrong answer to that very question, and so to every script that asks it.",
        "that it answers others truthfully: a tool may lie about one name, one port, one hour of the day.",
        "top takes unknown options and exits with 0: it is not asked that. Busybox's tools have other options: a"
        " tool that says why it can't answer is *not checkable*. In a chroot without /proc, and under hidepid for"
        " a process that gave up root, honest tools saw nothing of ours: both are taken care of.",
    ),
    CheckId.TOOL_EXECUTES: CheckPage(
        "The same runs are traced with ptrace(2): every program that a tool, or whatever it starts, executes.",
        "which program a tool hands its work to. A tool that is what it says executes one program: itself.",
        "what a tool does by itself, without another program.",
        "Tools that are scripts run other programs by design: they are *not checkable*, unless one of those bears"
        " the tool's own name.",
    ),
    CheckId.PACKAGE_DIGEST: CheckPage(
        "dpkg's lists and md5sums, or rpm's header blobs, are read by killtrail itself; the /usr merge, diversions,"
        " alternatives and configuration files are followed. By default the programs in the search path, the"
        " loader and libc; with --deep every packaged file.",
        "that a file is not the one its package brought, if the database is honest.",
        "anything against who is root: the digests lie on the same disk, unsigned. That they agree is weak.",
        "On a healthy machine a thousand packaged files differ (npm renews itself in place, certificate bundles"
        " grow) and no executable does. So programs are judged, the rest is counted.",
    ),
    CheckId.DISPLACED: CheckPage(
        "Programs that no package owns, below the system's own program folders, with the name or the digest of a"
        " packaged one.",
        "where the original went, if it was moved; also where all digests were edited to match.",
        "an original that was moved far away, or deleted.",
        "A program of one's own in /usr/local/bin with a packaged one's name is common: it counts only where"
        " something else speaks against the packaged one.",
    ),
    CheckId.ELF_SHAPE: CheckPage(
        "The ELF header of what other checks name: class, machine, static or not, against its package's"
        " architecture and the displaced original.",
        "that a program was built for another machine than its package. In 2016 it was a 32-bit static ps.",
        "a stand-in that was built with care.",
        "Only what other checks name is looked at: static and foreign programs are ordinary by themselves.",
    ),
    CheckId.SIGNED_CHAIN: CheckPage(
        "With --reference: .deb packages from elsewhere are compared with what is installed. Their Packages list"
        " and an InRelease that a key of the keyring has signed vouch for them (RSA with SHA-2, checked by"
        " killtrail itself, not by the host's gpg). On rpm systems the signatures of the headers in the database,"
        " which cover the digests of all files, are checked with the keys given.",
        "that a program is not the distribution's, whatever the host's own digests say.",
        "more than the giver's word where no signed list names the package; it says which it was. .deb"
        " files packed with zstd need Python 3.14; keys other than RSA are left out.",
        "A package of another version than the installed one is *not checkable*.",
    ),
    CheckId.HIDDEN_PROCESS: CheckPage(
        "Views that do not depend on each other: readdir, getdents64 itself, cgroup.procs, the children lists,"
        " the kernel's count of threads, its BPF task iterator; with --deep pidfd_open of every number. Then what"
        " ps and ls show. Whoever is in one and not in another is held by a pidfd, and counts as hidden only if"
        " it lived before and after the listing that does not show it.",
        "that something leaves out a living process, and what: a tool, libc, a mount, the kernel.",
        "that nothing is hidden: a kernel that was changed with care can leave it out of all views.",
        "Comparing two listings alone gave up to 138 false alarms in 30 rounds on a busy machine, this way 0 in"
        " 200. The BPF iterator leaves out tasks that a security layer shields: its silence counts for nothing."
        " hidepid (of root, too, where it asks security layers), pid namespaces, zombies and threads are named and"
        " are no alarm.",
    ),
    CheckId.HIDDEN_SOCKET: CheckPage(
        "/proc/net against sock_diag, then what ss and netstat show. For that one question the tools run in the"
        " host's own network namespace, as nobody.",
        "that a tool, or one of the kernel's two views, leaves out a port that was there before and after.",
        "what both views of the kernel leave out.",
        "Sockets close while one looks: what is missing is asked for three times.",
    ),
    CheckId.PROC_MOUNT: CheckPage(
        "mountinfo, for mounts over /proc/N; what lies below is read in a mount namespace of one's own.",
        "that a process is covered from everybody who reads /proc, and which one it is.",
        "mounts in other mount namespaces.",
        "None met.",
    ),
    CheckId.PRELOAD: CheckPage(
        "/etc/ld.so.preload, LD_PRELOAD and LD_AUDIT of this command and of init, and the libraries that are"
        " mapped into this very process; each is asked for its package. If the file names anything, the command"
        " runs itself once more in a mount namespace where it is empty.",
        "that a library which no package owns sits in front of all others.",
        "a changed loader that reads another file: its digest is among those compared.",
        "Packages that preload on purpose are named, and no alarm. Python's own modules lie below its prefix.",
    ),
    CheckId.KTHREAD_POSER: CheckPage(
        "Names in brackets, or of kernel threads, without the kernel's own mark (PF_KTHREAD).",
        "that a process dresses up as a part of the kernel.",
        "what it does.",
        "Daemons put their titles into brackets ([celeryd: ...]): only names of kernel threads count. Programs"
        " that run from deleted or memory files are shown as context alone: upgrades and"
        " sandboxes do that.",
    ),
    CheckId.KNOWN_PATH: CheckPage(
        "Paths that were published as belonging to families of malware that replace tools or hide things, where no"
        " package owns them; their strings, in programs that other checks name.",
        "that something is here which was seen before in that family.",
        "who put it there: anybody may create a file of that name.",
        "Ownership is asked first: /etc/init.d/selinux is an ordinary file where a package brought it.",
    ),
    CheckId.KERNEL: CheckPage(
        "/proc/modules against /sys/module and kallsyms; taint; how many functions are traced, kprobes set and BPF"
        " programs loaded; the system call table read through /proc/kcore, each entry against kallsyms.",
        "that two views of the running kernel do not agree.",
        "that it was not changed: what is in it can answer as it likes. The stronger word comes from outside.",
        "A taint bit without such a module is a hint only: unloading leaves it. Kernels that dispatch by code,"
        " not by table (6.9 and later), have a table that is not used.",
    ),
}
