"""What kinds of kept evidence can be read, in one explicit tuple: docs and doctor are made from it."""

from typing import Final

from killtrail._slotted import dataclass


@dataclass(frozen=True, slots=True)
class KeptKind:
    """One kind of file: what it tells, what it can't, and what clock it counts by."""

    id: str
    what: str
    tells: str
    silent_about: str
    clock: str


KEPT: Final = (
    KeptKind(
        "auditlog",
        "the audit log: raw, enriched, several nodes, behind syslog, as the kernel prints it",
        "who called which signal call on whom, refused and failed calls, launch chains by execs, the"
        " login behind a session, crashes, sandbox kills; with the rules of `killtrail rules` also who"
        " ended by itself",
        "whether a kill had its effect; cgroup.kill, timers, terminals, tracers, the OOM killer; x32 programs"
        ", whose calls no rule matches",
        "wall clock in milliseconds, ticking every few",
    ),
    KeptKind(
        "ausearch",
        "`ausearch -i` text",
        "signal calls and their targets",
        "launch chains; names that hold ` exe=` make a record unreadable",
        "wall clock, local time of whoever printed it",
    ),
    KeptKind(
        "kernlog",
        "the kernel's log: dmesg, `dmesg -T`, console, kern.log, messages, /dev/kmsg",
        "OOM kills with trigger, limit and candidates, faults and traps, broken memory, panics and what"
        " led to them",
        "any signal that a process sent",
        "seconds since boot, or the date that syslog put before it",
    ),
    KeptKind(
        "journal",
        "systemd's journal: its files, or `journalctl -o json`",
        "as kernlog; units that were stopped, killed, timed out, missed their watchdog or ran out of"
        " memory; who asked for a shutdown",
        "which client asked systemd; anybody else's kills",
        "wall clock",
    ),
    KeptKind(
        "wtmp",
        "boots, orderly shutdowns and logins",
        "whether a machine went down in order",
        "who asked",
        "wall clock",
    ),
    KeptKind(
        "lastlog",
        "when each user last logged in, by uid",
        "that the machine was up then, and who had been there",
        "logins before the last",
        "wall clock",
    ),
    KeptKind(
        "ftrace",
        "text of ftrace, `trace-cmd report` and `perf script`",
        "signal_generate: signal, target, and the task that ran",
        "whether that task sent it, where it was no signal call (timers, terminals)",
        "seconds since boot; the date is not in it",
    ),
    KeptKind(
        "ftrace-raw",
        "raw pages (per_cpu/cpuN/trace_pipe_raw) with their description beside them; trace-cmd's .dat",
        "as ftrace; no name can pose as a record",
        "names of senders: the event has their number only",
        "seconds since boot",
    ),
    KeptKind(
        "strace",
        "strace's text, with and without -f, -t and -o",
        "siginfo of signals that can be caught, execs, how the traced process ended",
        "who sent a SIGKILL: nobody on the victim's side is ever told",
        "seconds of the epoch with -ttt, else only the order",
    ),
    KeptKind(
        "sigmon",
        "SystemTap's sigmon table",
        "sender, receiver, signal",
        "how; lines whose columns can be cut in two ways are counted, not believed",
        "only the order",
    ),
    KeptKind(
        "killsnoop",
        "bcc's and bpftrace's killsnoop table",
        "calls of kill(2) and their results",
        "the other five calls; the numbers are the caller's, whatever its namespace",
        "only the order",
    ),
    KeptKind(
        "testimony",
        "what shells and supervisors said of their children",
        "that a process ended, and of which signal",
        "who sent it",
        "a mail's date, an epoch, or only the order",
    ),
)
