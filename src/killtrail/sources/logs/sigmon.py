"""SystemTap's sigmon table: sender, receiver, signal."""

from typing import Final

from killtrail.sources.logs import tracer_tables
from killtrail.sources.logs.stream import UNTIMED, text_format

DESCRIPTOR: Final = text_format(
    tracer_tables.SIGMON,
    tracer_tables.looks_sigmon,
    tracer_tables.sigmon,
    UNTIMED,
    what="SystemTap's sigmon table",
    yields="sender, receiver, signal",
    silent_about="how; lines whose columns can be split in two ways are counted as problems",
    says_of_clock="only the order",
)
