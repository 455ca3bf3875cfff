"""Answers from files: what `why --from` and `list --from` share."""

import argparse
import sys
import time

from killtrail.cli import options, output
from killtrail.errors import NoSuchDeathError, UnavailableError
from killtrail.inquiry import lives
from killtrail.inquiry.target import Kind, Target
from killtrail.model.clock import Boot
from killtrail.model.query import Filter
from killtrail.model.text import visible
from killtrail.sources.logs import formats

_DATED = Boot("", 0)
_SHOWN = 5


def why(args: argparse.Namespace, target: Target) -> int:
    """`killtrail why TARGET --from PATH...`."""
    opened = _open(args.paths)
    try:
        narrow = _narrow(args, opened)
        if target.kind is Kind.HOST:
            verdicts = lives.why_host(opened.kept, narrow, args.node)
        else:
            verdicts = lives.why(opened.kept, target, narrow, args.node)
    finally:
        opened.close()
    if not verdicts:
        asked = ", ".join(sorted({each.id for each in opened.kept}))
        what = "end of the machine" if target.kind is Kind.HOST else f"death of {args.target}"
        raise NoSuchDeathError(
            f"no {what} in these files (asked: {asked})",
            f"killtrail list --from {' '.join(args.paths)}",
        )
    return output.show(verdicts, args)


def deaths(args: argparse.Namespace) -> int:
    """`killtrail list --from PATH...`."""
    opened = _open(args.paths)
    try:
        narrow = _narrow(args, opened)
        verdicts = lives.deaths(opened.kept, narrow, args.node, each=args.json)
    finally:
        opened.close()
    from killtrail.report.pages.rows import Hidden  # noqa: PLC0415 -- for rows alone

    cut = args.n is not None and len(verdicts) >= args.n
    output.rows(verdicts, as_json=args.json, hidden=Hidden(older=None if cut else 0))
    return 0


def _narrow(args: argparse.Namespace, opened: formats.Opened) -> Filter:
    asked = options.narrow(args, _DATED, time.time_ns())
    if args.boot is None:
        return asked
    from killtrail.inquiry import boots  # noqa: PLC0415 -- few ask for one

    return boots.within(opened.kept, args.boot, args.node, asked)


def _open(paths: list[str]) -> formats.Opened:
    opened = formats.open_paths(paths)
    for problem in opened.problems[:_SHOWN]:
        sys.stderr.write(f"killtrail: {visible(problem.what)}\n")
    if opened.unknown:
        names = ", ".join(visible(name) for name in opened.unknown[:_SHOWN])
        more = f" and {len(opened.unknown) - _SHOWN} more" if len(opened.unknown) > _SHOWN else ""
        sys.stderr.write(f"killtrail: skipped (unrecognised format): {names}{more}\n")
    if not opened.kept:
        raise UnavailableError(
            "no file of a known format", "give an audit log, a trace, a kernel log or a journal"
        )
    return opened
