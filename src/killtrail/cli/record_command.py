"""killtrail record."""

import sys
from typing import Final

from killtrail.cli import options
from killtrail.errors import UnavailableError
from killtrail.host import privilege
from killtrail.model.events import ProcessExited, Recorded
from killtrail.recorder import arming
from killtrail.recorder.history import daemon
from killtrail.recorder.history.pruning import Limits

_MB: Final = 1 << 20
_EXAMPLES = """  sudo killtrail record
  sudo killtrail record --journal --max-size 256 --max-age 90
  sudo killtrail record --once          save what is buffered, as at shutdown
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "record",
        "Keep history on disk: stores records before the ring buffers overwrite them, until stopped.\n"
        "Without it the last few thousand kills are kept in memory until the next boot.",
        _EXAMPLES,
    )
    p.add_argument("--once", action="store_true", help="store what is buffered now, then exit")
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
        f"{report.events} records stored, {report.lost} lost, {report.problems} unreadable\n"
    )
    return 0


def _complain(text: str) -> None:
    sys.stderr.write(f"killtrail record: {text}\n")


def _to_journal(events: list[Recorded]) -> None:
    ends = [e for e in events if isinstance(e, ProcessExited) and e.signal]
    if not ends:
        return
    from killtrail.inquiry import answers  # noqa: PLC0415
    from killtrail.report.export import journal  # noqa: PLC0415

    for verdict in answers.of_exits(ends):
        try:
            journal.send(verdict)
        except OSError as error:
            _complain(f"neither the journal nor syslog accepts entries: {error}")
            break
