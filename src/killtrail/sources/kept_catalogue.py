"""What kinds of kept evidence can be read, in one explicit tuple: docs and doctor are made from it."""

from typing import Final

from killtrail._slotted import dataclass


@dataclass(frozen=True, slots=True)
class KeptKind:
    """One kind of file: what it records, what it does not, and its clock."""

    id: str
    what: str
    tells: str
    silent_about: str
    clock: str


KEPT: Final = (
    KeptKind(
        "auditlog",
        "the audit log: raw, enriched, of several nodes, sent through syslog, or as the kernel "
        "prints it",
        "callers and targets of signal calls, refused and failed calls, launch chains by execs, "
        "the login of a session, crashes, sandbox kills; with the rules of `killtrail rules` "
        "also voluntary exits",
        "whether a kill had an effect; cgroup.kill, timers, terminals, tracers, the OOM killer; calls of"
        " x32 programs, which no rule matches",
        "wall clock in milliseconds, with ticks of a few milliseconds",
    ),
    KeptKind(
        "ausearch",
        "`ausearch -i` text",
        "signal calls and their targets",
        "launch chains; names that hold ` exe=` make a record unreadable",
        "wall clock, local time of the user who printed it",
    ),
    KeptKind(
        "kernlog",
        "the kernel log: dmesg, `dmesg -T`, console, kern.log, messages, /dev/kmsg",
        "OOM kills with trigger, limit and candidates, faults and traps, broken memory, panics and what"
        " led to them",
        "any signal that a process sent",
        "seconds since boot, or the date that syslog added",
    ),
    KeptKind(
        "journal",
        "the systemd journal: its files, or `journalctl -o json`",
        "as kernlog; units that were stopped, killed, timed out, missed their watchdog or ran "
        "out of memory; who requested a shutdown",
        "which client made a request to systemd; kills by other processes",
        "wall clock",
    ),
    KeptKind(
        "wtmp",
        "boots, orderly shutdowns and logins",
        "whether a machine was shut down in order",
        "who requested it",
        "wall clock",
    ),
    KeptKind(
        "lastlog",
        "when each user last logged in, by uid",
        "that the machine was up at that time, and who had logged in",
        "logins before the last",
        "wall clock",
    ),
    KeptKind(
        "ftrace",
        "text of ftrace, `trace-cmd report` and `perf script`",
        "signal_generate: signal, target, and the task that ran",
        "whether that task sent it, if there was no signal call (timers, terminals)",
        "seconds since boot, without a date",
    ),
    KeptKind(
        "ftrace-raw",
        "raw pages (per_cpu/cpuN/trace_pipe_raw) with the event's format file next to them; .dat "
        "files of trace-cmd",
        "as ftrace; a process name can't imitate a record",
        "names of senders: the event has their thread id only",
        "seconds since boot",
    ),
    KeptKind(
        "strace",
        "strace text, with and without -f, -t and -o",
        "siginfo of signals that can be caught, execs, exits of the traced processes",
        "who sent a SIGKILL: its sender is never visible on the receiving side",
        "seconds of the epoch with -ttt, else only the order",
    ),
    KeptKind(
        "sigmon",
        "the table of SystemTap's sigmon",
        "sender, receiver, signal",
        "the mechanism; ambiguous lines are counted, not used",
        "only the order",
    ),
    KeptKind(
        "killsnoop",
        "the table of killsnoop (bcc, bpftrace)",
        "calls of kill(2) and their results",
        "the other five calls; the PIDs are those of the caller's namespace",
        "only the order",
    ),
    KeptKind(
        "testimony",
        "messages of shells and supervisors about their children",
        "that a process exited, and by which signal",
        "who sent it",
        "a mail's date, an epoch, or only the order",
    ),
)
