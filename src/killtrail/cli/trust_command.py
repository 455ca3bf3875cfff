"""killtrail trust."""

import sys
import textwrap
from pathlib import Path

from killtrail.cli import options
from killtrail.errors import UnavailableError
from killtrail.model.trust import Check, Result, TrustReport
from killtrail.report import trust as report
from killtrail.sources.logs import strace
from killtrail.sources.logs.pieces import open_piece
from killtrail.trust import straced

_FOUND = 6
_EXAMPLES = """  strace -f -o ps.txt ps -p 1234; killtrail trust --from ps.txt
  killtrail trust --from strace-*.txt --json
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "trust",
        "Can a tool of this host be believed? From its strace: what it executes, and whether its exit\n"
        "status is its own.",
        _EXAMPLES,
    )
    p.add_argument(
        "--from", dest="paths", nargs="+", metavar="STRACE", required=True, help="straces of tools"
    )
    p.add_argument("--json", action="store_true", help="one killtrail.trust/1 a line")
    return p


def main(words: list[str]) -> int:
    """Runs the command; 6 where a tool is contradicted."""
    args = build().parse_args(words)
    found = [TrustReport(_checks(path)) for path in args.paths]
    for number, each in enumerate(found):
        if args.json:
            sys.stdout.write(report.line(each) + "\n")
            continue
        if number:
            sys.stdout.write("\n")
        for text in report.paragraphs(each):
            sys.stdout.write(
                textwrap.fill(text, options.width(), subsequent_indent=" " * 14) + "\n"
            )
    return _FOUND if any(each.tools is Result.CONTRADICTED for each in found) else 0


def _checks(path: str) -> tuple[Check, ...]:
    piece = open_piece(Path(path))
    try:
        if not strace.looks(piece.head()):
            raise UnavailableError(f"{path}: not a strace", "strace -f -o FILE TOOL ...")
        return straced.checks(piece)
    finally:
        piece.close()
