"""Printing verdicts the way the options ask for."""

import argparse
import sys
from typing import TYPE_CHECKING

from killtrail.cli.main import EXIT_UNKNOWN_CAUSE
from killtrail.model.causes import Cause
from killtrail.model.verdict import Verdict

if TYPE_CHECKING:
    from killtrail.report.pages.rows import Hidden


def show(verdicts: list[Verdict], args: argparse.Namespace) -> int:
    """Prints verdicts; 0, or 3 where one's cause is not established."""
    if args.json:
        from killtrail.report.export import verdict_json  # noqa: PLC0415

        for verdict in verdicts:
            sys.stdout.write(verdict_json.line(verdict, records=args.evidence) + "\n")
    else:
        files = tuple(getattr(args, "paths", None) or ())
        _screens(verdicts, files, records=args.evidence)
    return exit_code(verdicts)


def _screens(verdicts: list[Verdict], files: tuple[str, ...], *, records: bool) -> None:
    from killtrail.report import text  # noqa: PLC0415
    from killtrail.report.pages.verdict import verdict_page  # noqa: PLC0415

    for number, verdict in enumerate(verdicts):
        if number:
            sys.stdout.write("\n")
        text.show(verdict_page(verdict, files=files, records=records))


def exit_code(verdicts: list[Verdict]) -> int:
    """3 where any of them is not established."""
    return EXIT_UNKNOWN_CAUSE if any(v.cause is Cause.NOT_ESTABLISHED for v in verdicts) else 0


def rows(verdicts: list[Verdict], *, as_json: bool, hidden: "Hidden | None" = None) -> None:
    """Prints one row a verdict, or one JSON object; what is hidden is said on standard error."""
    if as_json:
        from killtrail.report.export import verdict_json  # noqa: PLC0415

        sys.stdout.writelines(verdict_json.line(verdict) + "\n" for verdict in verdicts)
        return
    from killtrail.report import text  # noqa: PLC0415
    from killtrail.report.pages import rows as page  # noqa: PLC0415

    listed, notes = page.listing(verdicts, hidden or page.Hidden())
    text.show(listed)
    # Rows first, also where both streams are one terminal.
    sys.stdout.flush()
    text.show(notes, sys.stderr)
