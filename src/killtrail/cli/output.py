"""Printing verdicts the way the options ask for."""

import argparse
import sys
import tempfile
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

from killtrail.cli.main import EXIT_UNKNOWN_CAUSE
from killtrail.model.causes import Cause
from killtrail.model.verdict import Verdict

if TYPE_CHECKING:
    from killtrail.inquiry.question import Answer


def answer(found: "Answer", args: argparse.Namespace) -> int:
    """Prints an answer; 0, or 3 where a cause is not established.

    Of several deaths the newest is shown in full, the others on a row each; --all shows each.
    """
    verdicts = list(found.verdicts)
    if args.json or args.all or len(verdicts) == 1:
        return show(verdicts, args)
    from killtrail.report import text  # noqa: PLC0415
    from killtrail.report.pages import several  # noqa: PLC0415

    files = tuple(args.paths or ())
    text.show(several.page_of(found.verdicts, found.shared, more=found.more, files=files))
    return exit_code(verdicts)


def show(verdicts: list[Verdict], args: argparse.Namespace) -> int:
    """Prints verdicts in full; 0, or 3 where one's cause is not established."""
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


def rows(newest_first: Iterable[Verdict], args: argparse.Namespace) -> None:
    """Prints one row a verdict, the oldest first; what is hidden is said on standard error."""
    from killtrail.report import text  # noqa: PLC0415
    from killtrail.report.pages import rows as page  # noqa: PLC0415

    found = list(newest_first)
    older = None if len(found) > args.n else 0
    hidden = page.Hidden(ordinary=not args.all, older=older)
    listed, notes = page.listing(found[: args.n][::-1], hidden)
    text.show(listed)
    # Rows first, also where both streams are one terminal.
    sys.stdout.flush()
    text.show(notes, sys.stderr)


def json_lines(newest_first: Iterable[Verdict]) -> None:
    """Prints one JSON object a verdict, the oldest first, however many there are.

    Verdicts come newest first; lines wait in an unnamed temporary file, so that memory stays flat.
    """
    from killtrail.report.export import verdict_json  # noqa: PLC0415

    with tempfile.TemporaryFile(prefix="killtrail-list-") as spool:
        ends = array("Q", [0])
        for verdict in newest_first:
            spool.write((verdict_json.line(verdict) + "\n").encode("ascii"))
            ends.append(spool.tell())
        for begin, end in zip(ends[-2::-1], ends[:0:-1], strict=True):
            spool.seek(begin)
            sys.stdout.write(spool.read(end - begin).decode("ascii"))
