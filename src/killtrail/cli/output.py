"""Printing verdicts the way the options ask for."""

import argparse
import sys
import tempfile
from array import array
from collections.abc import Iterable

from killtrail.cli.main import EXIT_UNKNOWN_CAUSE
from killtrail.inquiry.question import Answer
from killtrail.model.causes import Cause
from killtrail.model.verdict import Verdict


def answer(found: Answer, args: argparse.Namespace) -> int:
    """Prints the verdicts of an answer; 0, or 3 where one's cause is not established."""
    return show(list(found.verdicts), args)


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


def _json(verdict: Verdict) -> str:
    from killtrail.report.export import verdict_json  # noqa: PLC0415

    return verdict_json.line(verdict)


def _row(verdict: Verdict) -> str:
    from killtrail.report import lines  # noqa: PLC0415

    return lines.line(verdict)


def rows(newest_first: Iterable[Verdict], args: argparse.Namespace) -> None:
    """Prints one line a verdict, the oldest first, however many there are.

    Verdicts come newest first; lines wait in an unnamed temporary file, so memory stays flat.
    """
    line = _json if args.json else _row
    with tempfile.TemporaryFile(prefix="killtrail-list-") as spool:
        ends = array("Q", [0])
        for verdict in newest_first:
            spool.write((line(verdict) + "\n").encode("utf-8", "surrogateescape"))
            ends.append(spool.tell())
        for begin, end in zip(ends[-2::-1], ends[:0:-1], strict=True):
            spool.seek(begin)
            sys.stdout.write(spool.read(end - begin).decode("utf-8", "surrogateescape"))
