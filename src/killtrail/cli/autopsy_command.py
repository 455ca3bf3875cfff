"""killtrail autopsy DUMP."""

import sys
import textwrap

from killtrail.autopsy import sandboxed
from killtrail.cli import options
from killtrail.model.autopsy import Autopsy
from killtrail.report.pages import autopsy as report

_FOUND = 6
_LABEL = 12
_EXAMPLES = """  killtrail autopsy /var/crash/202611201330/dump
  killtrail autopsy vmcore.elf.xz --json
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "autopsy",
        "Explain why a machine crashed, from its crash dump alone: no debug symbols, nothing "
        "downloaded.\n"
        "Reads ELF, kdump (also flattened and filtered), LiME and raw memory; unpacks .xz, .zst "
        "and .gz.",
        _EXAMPLES,
    )
    p.add_argument("dump", metavar="DUMP")
    p.add_argument("--vmlinuz", metavar="FILE", help="the kernel image, to compare the tables with")
    p.add_argument("--json", action="store_true", help="one killtrail.autopsy/1")
    return p


def main(words: list[str]) -> int:
    """Runs the command; 6 if something was found changed or hidden."""
    args = build().parse_args(words)
    found = sandboxed.examine(args.dump, args.vmlinuz)
    if args.json:
        sys.stdout.write(report.line(found) + "\n")
    else:
        _show(found)
    return _FOUND if found.findings else 0


def _show(found: Autopsy) -> None:
    sys.stdout.write(textwrap.fill(report.title(found), options.width()) + "\n\n")
    for label, text in report.paragraphs(found):
        first, *more = textwrap.wrap(text, options.width() - _LABEL) or [""]
        sys.stdout.write(f"{label:<{_LABEL}}{first}".rstrip() + "\n")
        sys.stdout.writelines(f"{'':<{_LABEL}}{line}\n" for line in more)
