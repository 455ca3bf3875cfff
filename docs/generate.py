#!/usr/bin/env python3
"""Writes the reference pages that are made from the code; `--check` compares instead.

docs/reference/commands.md from the parsers, sources.md from the source catalogue, causes/*.md
and mechanisms.md from the explanations.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

# Help text wraps at the terminal's width; pages have one.
os.environ["COLUMNS"] = "100"

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from killtrail.cli.main import COMMANDS  # noqa: E402
from killtrail.report import explanations  # noqa: E402
from killtrail.sources.catalogue import CATALOGUE  # noqa: E402

NOTE = "<!-- made by docs/generate.py -->\n\n"


def commands() -> str:
    """Every command's help."""
    parts = [
        f"{NOTE}# Commands\n\nExit codes: 0 answered, 1 internal failure, 2 usage, 3 found but the cause is not established,\n4 no such death, 5 no usable source or not permitted.\n"
    ]
    for name in COMMANDS:
        text = import_module(f"killtrail.cli.{name}_command").build().format_help()
        parts.append(f"## killtrail {name}\n\n```\n{text}```\n")
    return "\n".join(parts)


def sources() -> str:
    """The catalogue as a page."""
    parts = [f"{NOTE}# Sources\n"]
    parts.extend(
        f"## {d.id}: {d.what}\n\n"
        f"- needs: {d.needs}\n- gives: {d.yields}\n- clock: {d.clock}\n- completeness: {d.completeness}\n"
        for d in CATALOGUE
    )
    return "\n".join(parts)


def cause(name: str, page: explanations.Page) -> str:
    """One cause."""
    return (
        f"{NOTE}# {name}\n\n{page.means}\n\n## What looks similar\n\n{page.similar}\n\n"
        f"## What proves it\n\n{page.proof}\n\n## What to do\n\n{page.do}\n"
    )


def mechanisms() -> str:
    """All mechanisms on one page."""
    rows = "\n".join(f"| `{m}` | {text} |" for m, text in explanations.MECHANISMS.items())
    return f"{NOTE}# Mechanisms\n\n| mechanism | what it is |\n| --- | --- |\n{rows}\n"


def pages() -> dict[Path, str]:
    """Path -> text of every generated page."""
    reference = HERE / "reference"
    made = {
        reference / "commands.md": commands(),
        reference / "sources.md": sources(),
        reference / "mechanisms.md": mechanisms(),
    }
    for name, page in explanations.CAUSES.items():
        made[reference / "causes" / f"{name}.md"] = cause(name, page)
    return made


def main() -> int:
    """Writes, or compares."""
    stale = [
        path for path, text in pages().items() if not path.exists() or path.read_text() != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(HERE)} is not what the code says: make docs")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages()[path])
    print(f"{len(stale)} pages written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
