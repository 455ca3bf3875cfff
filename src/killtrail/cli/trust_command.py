"""killtrail trust."""

import argparse
import os
import sys
import time
from pathlib import Path

from killtrail.cli import options
from killtrail.errors import UnavailableError, UsageError
from killtrail.model.trust import Check, TrustReport
from killtrail.report import text
from killtrail.report.export import trust_json
from killtrail.report.pages.trust import trust_page

_FOUND = 6
_EXAMPLES = """  sudo killtrail trust                        this host: its tools, its libc, its kernel
  sudo killtrail trust --deep                 every packaged program, every PID
  killtrail trust --root /mnt/image           a disk image; nothing in it is executed
  killtrail trust --reference ~/clean-debs    against packages from a host that you trust
  strace -f -o ps.txt ps -p 1234; killtrail trust --from ps.txt
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "trust",
        "Can this host's own tools and kernel be believed? Compares what they say with independent\n"
        "views, layer by layer. Views that agree are called consistent; that is not a proof.",
        _EXAMPLES,
    )
    p.add_argument(
        "--root", metavar="DIR", help="check the files of another system (image, chroot)"
    )
    p.add_argument("--deep", action="store_true", help="all packaged files, all PIDs")
    p.add_argument("--no-exec", action="store_true", help="inspect files only, execute nothing")
    p.add_argument(
        "--reference", nargs="+", metavar="PATH",
        help="packages (.deb) to compare with, and the signed lists that name them",
    )  # fmt: skip
    p.add_argument(
        "--yara", nargs="+", metavar="RULES", help="your own YARA rules, run over all programs"
    )
    p.add_argument(
        "--from",
        dest="paths",
        nargs="+",
        metavar="STRACE",
        help="read straces of tools instead of this host",
    )
    p.add_argument("--json", action="store_true", help="one killtrail.trust/1 per line")
    return p


def main(words: list[str]) -> int:
    """Runs the command; 6 if a check found something."""
    args = build().parse_args(words)
    if args.paths:
        found = [TrustReport(_of_strace(path)) for path in args.paths]
    else:
        found = [_examined(args)]
    for number, each in enumerate(found):
        if args.json:
            sys.stdout.write(trust_json.line(each) + "\n")
            continue
        sys.stdout.write("\n" if number else "")
        text.show(trust_page(each))
    return _FOUND if any(each.found for each in found) else 0


def _examined(args: argparse.Namespace) -> TrustReport:
    from killtrail.recorder.history import paths  # noqa: PLC0415
    from killtrail.trust import examine, last_run, preload  # noqa: PLC0415 -- not for a strace
    from killtrail.trust.root import Root  # noqa: PLC0415

    if args.root is not None and not os.path.isdir(args.root):  # noqa: PTH112
        raise UsageError(f"{args.root}: no such folder")
    root = Root(args.root or "/")
    if root.is_host:
        preload.around()
    wish = examine.Scope(
        root, args.deep, not args.no_exec, tuple(args.reference or ()), tuple(args.yara or ())
    )
    found = examine.examine(wish)
    if root.is_host and os.geteuid() == 0:
        last_run.keep(found, paths.folder(), time.time_ns())
    return found


def _of_strace(path: str) -> tuple[Check, ...]:
    from killtrail.files.opened import open_piece  # noqa: PLC0415
    from killtrail.sources.logs import strace  # noqa: PLC0415
    from killtrail.trust import strace_checks  # noqa: PLC0415

    piece = open_piece(Path(path))
    try:
        if not strace.looks(piece.head()):
            raise UnavailableError(f"{path}: not a strace", "strace -f -o FILE TOOL ...")
        return strace_checks.checks(piece)
    finally:
        piece.close()
