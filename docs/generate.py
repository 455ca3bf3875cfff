#!/usr/bin/env python3
"""Writes the reference pages that are made from the code; `--check` compares instead.

docs/reference/commands.md from the parsers, sources.md from the source catalogue, checks.md, causes/*.md
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
from killtrail.report.reference import causes, checks  # noqa: E402
from killtrail.sources import catalogue  # noqa: E402

NOTE = "<!-- made by docs/generate.py -->\n\n"


def commands() -> str:
    """Every command's help."""
    parts = [
        f"{NOTE}# Commands\n\nSee also [exit codes](exit-codes.md) and [variables](environment.md).\n"
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
        for d in catalogue.here()
    )
    parts.append(
        "# Kept evidence\n\nFiles of this host (plain `killtrail why`) or copied off any (`--from`). No root"
        " is needed for copied files. Rotated and compressed files (.gz, .xz, .bz2, .zst) are read as they"
        " are. Evidence from files alone is *likely* at most: a user who may write to them may have"
        " written it.\n"
    )
    parts.extend(
        f"## {d.id}: {d.what}\n\n- records: {d.yields}\n- silent about: {d.silent_about}\n- needs: {d.needs}\n- clock: {d.clock}\n"
        for d in catalogue.formats()
    )
    return "\n".join(parts)


def checks_page() -> str:
    """The checks of trust as a page."""
    head = (
        f"{NOTE}# Checks of killtrail trust\n\nEach result is *consistent* (these views agree; not a proof),"
        " *contradicted* (with the contradicting view) or *not checkable* (with the reason). There is no result"
        " *clean*.\n"
    )
    parts = [head]
    parts.extend(
        f"## {name}\n\n{page.how}\n\n- proves: {page.proves}\n- can't say: {page.cannot}\n"
        f"- false alarms: {page.alarms}\n"
        for name, page in checks.CHECKS.items()
    )
    return "\n".join(parts)


SCREENS = {
    "exited": "93", "killed-by-process": "17", "killed-by-self": "20", "asked-to-stop": "42h",
    "crashed": "77", "aborted": "81", "oom-killed": "32", "cgroup-killed": "28",
    "seccomp-killed": "86p", "limit-exceeded": "69", "timer-expired": "66", "broken-pipe": "73r",
    "terminal": "47", "parent-died": "55", "namespace-ended": "56k", "traced": "61",
    "bpf-killed": "63", "requested-notification": "64", "hardware-error": "89", "kernel-bug": "90",
    "kernel-killed": "39", "exec-failed": "84", "replaced-by-exec": "95",
    "alive": "alive", "pid-reused": "reused", "not-established": "unknown",
}  # fmt: skip
"""Cause -> row of the gallery whose screen stands in docs/screens (KILLTRAIL_SCREENS=docs/screens
make guests renews them)."""


def screen(name: str) -> str:
    """A real screen of this cause, where there is one."""
    path = HERE / "screens" / f"{SCREENS.get(name, '-')}.txt"
    if not path.exists():
        return ""
    return f"\n\n## What you see\n\n```\n{path.read_text(encoding='utf-8').strip()}\n```"


def cause(name: str, page: causes.Page) -> str:
    """One cause."""
    return (
        f"{NOTE}# {name}\n\n{page.means}{screen(name)}\n\n## What looks similar\n\n{page.similar}\n\n"
        f"## What proves it\n\n{page.proof}\n\n## What to do\n\n{page.do}\n"
    )


def mechanisms() -> str:
    """All mechanisms on one page."""
    rows = "\n".join(f"| `{m}` | {text} |" for m, text in causes.MECHANISMS.items())
    return f"{NOTE}# Mechanisms\n\n| mechanism | what it is |\n| --- | --- |\n{rows}\n"


def pages() -> dict[Path, str]:
    """Path -> text of every generated page."""
    reference = HERE / "reference"
    made = {
        reference / "commands.md": commands(),
        reference / "sources.md": sources(),
        reference / "checks.md": checks_page(),
        reference / "mechanisms.md": mechanisms(),
    }
    for name, page in causes.CAUSES.items():
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
