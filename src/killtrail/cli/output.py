"""Printing verdicts the way the options ask for."""

import argparse
import sys

from killtrail.cli.main import EXIT_UNKNOWN_CAUSE
from killtrail.model.causes import Cause
from killtrail.model.verdict import Verdict


def show(verdicts: list[Verdict], args: argparse.Namespace) -> int:
    """Prints verdicts; 0, or 3 where one's cause is not established."""
    if args.json:
        from killtrail.report.export import verdict_json  # noqa: PLC0415

        for verdict in verdicts:
            sys.stdout.write(verdict_json.line(verdict, records=args.evidence) + "\n")
    else:
        _screens(verdicts, evidence=args.evidence)
    return exit_code(verdicts)


def _screens(verdicts: list[Verdict], *, evidence: bool) -> None:
    from killtrail.report import records, text  # noqa: PLC0415

    for number, verdict in enumerate(verdicts):
        if number:
            sys.stdout.write("\n")
        text.show(verdict)
        if evidence:
            sys.stdout.writelines(f"{line}\n" for line in records.raw_records(verdict))


def exit_code(verdicts: list[Verdict]) -> int:
    """3 where any of them is not established."""
    return EXIT_UNKNOWN_CAUSE if any(v.cause is Cause.NOT_ESTABLISHED for v in verdicts) else 0


def rows(verdicts: list[Verdict], *, as_json: bool) -> None:
    """Prints one line a verdict."""
    if as_json:
        from killtrail.report.export import verdict_json  # noqa: PLC0415

        sys.stdout.writelines(verdict_json.line(verdict) + "\n" for verdict in verdicts)
        return
    from killtrail.report import lines  # noqa: PLC0415

    sys.stdout.writelines(lines.line(verdict) + "\n" for verdict in verdicts)
