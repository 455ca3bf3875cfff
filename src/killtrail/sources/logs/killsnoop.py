"""The killsnoop table of bcc and bpftrace: calls of kill(2) and their results."""

from typing import Final

from killtrail.sources.logs import tracer_tables
from killtrail.sources.logs.stream import UNTIMED, text_format

DESCRIPTOR: Final = text_format(
    tracer_tables.KILLSNOOP,
    tracer_tables.looks_killsnoop,
    tracer_tables.killsnoop,
    UNTIMED,
    what="killsnoop's table (bcc, bpftrace)",
    yields="calls of kill(2) and their results",
    silent_about="the other five calls; PIDs are those of the caller's PID namespace",
    says_of_clock="only the order",
)
