"""Answers from this host: recorders, history, and what it keeps by itself."""

import argparse
import sys
import time

from killtrail.attribution import patterns
from killtrail.cli import no_source, options, output
from killtrail.errors import NoSuchDeathError
from killtrail.host import boot
from killtrail.inquiry import ask, host_logs, open_sources, trust_caveats
from killtrail.inquiry.target import Kind, Target
from killtrail.model.causes import Ended
from killtrail.model.clock import rfc3339
from killtrail.model.verdict import Verdict
from killtrail.report.when import moment


def why(args: argparse.Namespace, wanted: Target) -> int:
    """`killtrail why TARGET`."""
    choice = open_sources.choose(args.boot)
    verdicts: list[Verdict] = []
    running = boot.boot_id()
    now = time.time_ns()
    options.narrow(args, boot.this_boot(), now)  # a bad time is bad with no boot to apply it to
    for fusion in choice.fusions:
        here = fusion.host.boot.boot_id == running
        narrow = options.narrow(args, fusion.host.boot, now)
        verdicts.extend(ask.why(fusion, wanted, narrow, this_host=here))
    if args.boot is None:
        verdicts = _with_logs(verdicts, wanted, args, now)
    if choice.current() is None and args.boot is None:
        verdicts.extend(ask.living(wanted, reused=bool(verdicts)))
    if not verdicts:
        if not choice.fusions:
            return no_source.show(choice, args.target)
        raise NoSuchDeathError(
            f"no death of {args.target} was recorded ({_coverage(choice)})",
            "killtrail list --all",
        )
    verdicts = trust_caveats.lowered(patterns.over(verdicts))
    return output.show(verdicts[-args.n :] if args.n else verdicts, args)


# What the host's own logs say stands beside the recorder's verdict; where the recorder has none,
# they answer alone.
def _with_logs(
    verdicts: list[Verdict], wanted: Target, args: argparse.Namespace, now: int
) -> list[Verdict]:
    dead = [v for v in verdicts if v.death.ended is not Ended.RUNNING]
    since = host_logs.earliest(dead, boot.boot_id())
    sources = host_logs.open_all(all_boots=wanted.kind is Kind.HOST, since_ns=since)
    try:
        if dead:
            return host_logs.compared(verdicts, sources)
        narrow = options.narrow(args, host_logs.WALL, now)
        told = host_logs.why(wanted, narrow, sources)
        return (
            host_logs.without_the_living(told, verdicts or ask.living(wanted, reused=False))
            + verdicts
        )
    finally:
        for source in sources:
            source.close()


def _coverage(choice: open_sources.Choice) -> str:
    parts = []
    for fusion in choice.fusions:
        since = moment(fusion.complete_since(), fusion.host.boot)
        parts.append(f"{', '.join(fusion.ids)}: complete since {since}")
    return "; ".join(parts)


def deaths(args: argparse.Namespace, default_most: int) -> int:
    """`killtrail list`."""
    now = time.time_ns()
    choice = open_sources.choose(args.boot)
    open_sources.require(choice)
    if args.boots:
        return _boots(choice)
    args.n = args.n or default_most
    verdicts: list[Verdict] = []
    for fusion in choice.fusions:
        narrow = options.narrow(args, fusion.host.boot, now)
        each = ask.deaths if args.json else ask.acts
        verdicts.extend(each(fusion, narrow, ordinary=args.all))
    from killtrail.report.pages.rows import Hidden  # noqa: PLC0415 -- for rows alone

    hidden = Hidden(ordinary=not args.all, older=None if len(verdicts) >= args.n else 0)
    output.rows(verdicts[-args.n :], as_json=args.json, hidden=hidden)
    return 0


def _boots(choice: open_sources.Choice) -> int:
    for number, fusion in enumerate(choice.fusions, 1 - len(choice.fusions)):
        each = fusion.host.boot
        sys.stdout.write(
            f"{number:>4}  {each.boot_id}  up since {rfc3339(each.offset_ns or 0)}  {', '.join(fusion.ids)}\n"
        )
    return 0
