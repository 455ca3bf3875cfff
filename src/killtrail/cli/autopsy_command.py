"""killtrail autopsy DUMP."""

import sys

from killtrail.autopsy import sandboxed
from killtrail.cli import options
from killtrail.report import text
from killtrail.report.export import autopsy_json
from killtrail.report.pages.autopsy import autopsy_page

_FOUND = 6
_EXAMPLES = """  killtrail autopsy /var/crash/202611201330/dump
  killtrail autopsy vmcore.elf.xz --json
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "autopsy",
        "Why a machine went down, from its crash dump alone: no debug symbols, nothing downloaded. Reads\n"
        "ELF, kdump (flattened and filtered, too), LiME and raw memory; unpacks .xz, .zst, .gz.",
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
        sys.stdout.write(autopsy_json.line(found) + "\n")
    else:
        text.show(autopsy_page(found))
    return _FOUND if found.findings else 0
