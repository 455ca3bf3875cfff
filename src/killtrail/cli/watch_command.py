"""killtrail watch."""

import contextlib
import sys
import time
from collections.abc import Generator

from killtrail.cli import options
from killtrail.errors import UnavailableError, UsageError
from killtrail.inquiry import target as targets
from killtrail.inquiry.follow import DeathFollower, SignalFollower
from killtrail.inquiry.target import Target
from killtrail.model import signals as sg
from killtrail.model.verdict import Verdict

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
    p.add_argument("-n", type=options.positive, metavar="N", help="exit after N lines")
    p.add_argument(
        "--for",
        dest="seconds",
        type=options.positive,
        metavar="SECONDS",
        help="exit after this time",
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
    lines = (
        _signals(args.signal, wanted)
        if args.signals
        else _deaths(wanted, args.all, as_json=args.json)
    )
    until = time.monotonic() + args.seconds if args.seconds else None
    printed = 0
    with contextlib.closing(lines):
        for line in lines:
            if line is not None:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
                printed += 1
            if printed == args.n or (until is not None and time.monotonic() >= until):
                return 0
    return 0


# A line, or None once per idle tick, so that the caller can look at the clock.
def _deaths(wanted: Target | None, ordinary: bool, *, as_json: bool) -> Generator[str | None]:  # noqa: FBT001
    follower = DeathFollower(ordinary=ordinary)
    while True:
        for verdict in follower.new():
            if wanted is None or wanted.matches(verdict.death.process):
                yield _line(verdict, as_json=as_json)
        yield None
        time.sleep(_TICK)


def _line(verdict: Verdict, *, as_json: bool) -> str:
    if as_json:
        from killtrail.report.export import verdict_json  # noqa: PLC0415

        return verdict_json.line(verdict)
    from killtrail.report import lines  # noqa: PLC0415

    return lines.line(verdict)


def _signals(name: str | None, wanted: Target | None) -> Generator[str | None]:
    number = sg.number(name) if name else None
    if name and number is None:
        raise UsageError(f"{name!r} is not a signal", "kill -l")
    from killtrail.report import lines  # noqa: PLC0415

    try:
        follower = SignalFollower()
    except UnavailableError as error:
        raise UnavailableError(
            f"can't follow signals: {error}", "sudo killtrail watch --signals"
        ) from error
    with contextlib.closing(follower):
        yield lines.SIGNAL_HEAD
        while True:
            for signal in follower.new():
                if signal.sig != number and (number is not None or signal.sig in sg.NOISE):
                    continue
                if (
                    wanted is None
                    or wanted.matches(signal.target)
                    or wanted.matches(signal.current)
                ):
                    yield lines.signal_line(signal, follower.boot)
            yield None
            time.sleep(_TICK)
