"""killtrail watch."""

import argparse
import contextlib
import sys
import time
from collections.abc import Generator

from killtrail.cli import options
from killtrail.errors import UnavailableError, UsageError
from killtrail.host import boot
from killtrail.inquiry import target as targets
from killtrail.inquiry.follow import DeathFollower, SignalFollower
from killtrail.model import signals as sg
from killtrail.model.target import Target
from killtrail.model.verdict import Verdict
from killtrail.report import text
from killtrail.report.pages import rows

_EXAMPLES = """  killtrail watch
  killtrail watch nginx.service --json
  sudo killtrail watch --signals --signal STOP      who stops what
"""
_TICK = 0.2


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "watch", "Follow deaths as they happen, or every signal (--signals).", _EXAMPLES
    )
    p.add_argument("target", nargs="?", metavar="TARGET", help="only this target, as for why")
    p.add_argument(
        "--signals",
        action="store_true",
        help="follow signals, not deaths; includes stops (CHLD, URG and WINCH only with --signal)",
    )
    p.add_argument("--signal", metavar="NAME", help="only this signal (with --signals)")
    p.add_argument("--all", action="store_true", help="ordinary exits too")
    p.add_argument("-n", type=options.positive, metavar="N", help="stop after N rows")
    p.add_argument(
        "--for",
        dest="seconds",
        type=options.positive,
        metavar="SECONDS",
        help="stop after that time",
    )
    p.add_argument("--json", action="store_true", help="one killtrail.verdict/1 per line")
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    wanted = targets.parse(args.target) if args.target else None
    if args.signals and args.json:
        raise UsageError("--json prints verdicts; --signals prints signals, not deaths")
    if args.signal and not args.signals:
        raise UsageError("--signal needs --signals")
    until = time.monotonic() + args.seconds if args.seconds else None
    printed = 0
    with contextlib.closing(_lines(args, wanted)) as lines:
        for line in lines:
            printed += line
            if printed == args.n or (until is not None and time.monotonic() >= until):
                return 0
    return 0


# True for each line that was printed, False once per idle tick, so that the caller can look at the clock.
def _lines(args: argparse.Namespace, wanted: Target | None) -> Generator[bool]:
    if args.signals:
        return _signals(args.signal, wanted)
    return _deaths(wanted, args.all, as_json=args.json)


def _deaths(wanted: Target | None, ordinary: bool, *, as_json: bool) -> Generator[bool]:  # noqa: FBT001
    follower = DeathFollower(ordinary=ordinary)
    show = _json_line if as_json else _Rows().show
    while True:
        for verdict in follower.new():
            if wanted is None or wanted.matches(verdict.death.process):
                show(verdict)
                yield True
        yield False
        time.sleep(_TICK)


def _json_line(verdict: Verdict) -> None:
    from killtrail.report.export import verdict_json  # noqa: PLC0415

    sys.stdout.write(verdict_json.line(verdict) + "\n")
    sys.stdout.flush()


class _Rows:
    """Rows below a header that states the offset of their times."""

    def __init__(self) -> None:
        self._offset = rows.offset_of(boot.this_boot(), boot.now_ns())
        self._columns = rows.death_columns(self._offset)
        text.show_row(self._columns, None)

    def show(self, verdict: Verdict) -> None:
        """Prints one."""
        text.show_row(self._columns, rows.row(verdict, self._offset))


def _signals(name: str | None, wanted: Target | None) -> Generator[bool]:
    number = sg.number(name) if name else None
    if name and number is None:
        raise UsageError(f"{name!r} is not a signal", "kill -l")
    try:
        follower = SignalFollower()
    except UnavailableError as error:
        raise UnavailableError(
            f"can't follow signals: {error}", "sudo killtrail watch --signals"
        ) from error
    with contextlib.closing(follower):
        text.show_row(rows.SIGNAL_COLUMNS, None)
        while True:
            for found in follower.new():
                signal = found.signal
                if signal.sig != number and (number is not None or signal.sig in sg.NOISE):
                    continue
                if wanted is None or any(map(wanted.matches, (signal.target, signal.current))):
                    made = rows.signal_row(signal, found.sender, found.mechanism, follower.boot)
                    text.show_row(rows.SIGNAL_COLUMNS, made)
                    yield True
            yield False
            time.sleep(_TICK)
