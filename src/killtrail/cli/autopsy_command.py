"""killtrail autopsy DUMP."""

import sys
import textwrap

from killtrail.autopsy import confined
from killtrail.cli import options
from killtrail.model.autopsy import Autopsy
from killtrail.report import autopsy as report

_FOUND = 6
_LABEL = 12
_EXAMPLES = """  killtrail autopsy /var/crash/202611201330/dump
  killtrail autopsy vmcore.elf.xz --json
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "autopsy",
        "Why a machine died, from its crash dump alone: no debug symbols, nothing downloaded. ELF, kdump\n"
        "(flattened and filtered, too), LiME and raw memory; .xz, .zst, .gz are unpacked.",
        _EXAMPLES,
    )
    p.add_argument("dump", metavar="DUMP")
    p.add_argument(
        "--vmlinuz", metavar="FILE", help="the kernel's own image, to compare tables with"
    )
    p.add_argument("--json", action="store_true", help="one killtrail.autopsy/1")
    return p


def main(words: list[str]) -> int:
    """Runs the command; 6 where something was found changed or hidden."""
    args = build().parse_args(words)
    found = confined.examine(args.dump, args.vmlinuz)
    if args.json:
        sys.stdout.write(report.line(found) + "\n")
    else:
        _show(found)
    return _FOUND if found.findings else 0


def _show(found: Autopsy) -> None:
    for label, text in report.paragraphs(found):
        wrapped = textwrap.wrap(text, options.width() - _LABEL) or [""]
        head = f"{label:<{_LABEL}}" if label or text else ""
        indent = " " * _LABEL
        first = wrapped[0] if not label and not text.startswith(" ") and found.panic and text == found.panic.text else None  # fmt: skip
        if first is not None:
            sys.stdout.write(textwrap.fill(text, options.width()) + "\n")
            continue
        sys.stdout.write((head + wrapped[0]).rstrip() + "\n")
        sys.stdout.writelines(f"{indent}{more}\n" for more in wrapped[1:])
