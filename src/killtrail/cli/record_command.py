"""killtrail record."""

import sys
from typing import Final

from killtrail.cli import options
from killtrail.errors import UnavailableError
from killtrail.host import boot, privilege
from killtrail.inquiry.cases import case_of
from killtrail.inquiry.merged import Fusion
from killtrail.model.events import ProcessExited, Recorded
from killtrail.recorder import arming
from killtrail.recorder.history import daemon
from killtrail.recorder.history.pruning import Limits

_MB: Final = 1 << 20
_EXAMPLES = """  sudo killtrail record
  sudo killtrail record --journal --max-size 256 --max-age 90
  sudo killtrail record --once          save the box, as at shutdown
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "record",
        "Keep history on disk: drains the box before it is overwritten, until stopped.\n"
        "Without it the last few thousand kills are kept in memory until the next boot.",
        _EXAMPLES,
    )
    p.add_argument("--once", action="store_true", help="drain what is there and leave")
    p.add_argument(
        "--journal", action="store_true", help="write each death by signal to the journal or syslog"
    )
    p.add_argument("--max-size", type=options.positive, default=64, metavar="MB", help="default 64")
    p.add_argument(
        "--max-age", type=options.positive, default=30, metavar="DAYS", help="default 30"
    )
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    if not privilege.is_root():
        raise UnavailableError(
            "record needs root: it writes below /var/lib", "sudo killtrail record"
        )
    limits = Limits(args.max_size * _MB, args.max_age * 86400)
    if args.once:
        try:
            report = daemon.drain_once(limits, _complain)
        except FileNotFoundError as error:
            raise UnavailableError("the recorder is not armed", "sudo killtrail arm") from error
    else:
        arming.arm()
        report = daemon.run(limits, _to_journal if args.journal else None, _complain)
    sys.stderr.write(
        f"{report.events} records kept, {report.lost} lost, {report.problems} unreadable\n"
    )
    return 0


def _complain(text: str) -> None:
    sys.stderr.write(f"killtrail record: {text}\n")


def _to_journal(events: list[Recorded]) -> None:
    ends = [e for e in events if isinstance(e, ProcessExited) and e.signal]
    if not ends:
        return
    from killtrail.attribution.engine import judge  # noqa: PLC0415
    from killtrail.report.export import journal  # noqa: PLC0415
    from killtrail.sources.history import open_all  # noqa: PLC0415

    running = boot.this_host()
    sources = [s for s in open_all(running) if s.host.boot.boot_id == running.boot.boot_id]
    fusion = Fusion(sources)
    for end in ends:
        try:
            journal.send(judge(case_of(fusion, end.process.key, end)))
        except OSError as error:
            _complain(f"neither journal nor syslog takes entries: {error}")
            break
    fusion.close()
