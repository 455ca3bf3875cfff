"""Entry point: finds the command, imports only that one, turns errors into exit codes."""

import gc
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Final

from killtrail import __version__

EXIT_INTERNAL, EXIT_USAGE, EXIT_UNKNOWN_CAUSE = 1, 2, 3

COMMANDS: Final = {
    "why": "explain a death: what, how, by whom, who started the killer",
    "list": "recent deaths",
    "watch": "follow deaths, or signals, as they happen",
    "arm": "start recording (no daemon)",
    "disarm": "stop recording and discard its buffers",
    "status": "show recorder state and losses",
    "record": "keep history on disk (optional daemon)",
    "doctor": "show show which deaths can be explained on this host, and what would improve that",
    "rules": "audit rules that record who killed; what other rules miss",
    "trust": "check whether this host's tools and kernel can be trusted",
    "autopsy": "why a machine went down, from its crash dump alone",
    "wait": "wait for a process to exit (safe against PID reuse), then explain it",
    "bait": "occupy a PID, wait for a signal to it, report the sender",
    "demo": "a real kill by a script whose launchers have exited, explained",
    "explain": "exit statuses, signals, causes and mechanisms in plain words",
}
_EXAMPLES: Final = """examples:
  killtrail why 4242              a process by its PID
  killtrail why nginx.service     every death in a unit
  killtrail list --since '1 h ago'
  sudo killtrail arm              record the sender of every kill from now on
  killtrail explain 137
"""


def main(argv: list[str] | None = None) -> int:
    """Runs one command line; gives the exit code."""
    words = sys.argv[1:] if argv is None else argv
    # What a command imports stays: looking for garbage in it every 700 objects costs a tenth.
    gc.set_threshold(20_000, 20, 20)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # An ASCII terminal gets escapes, not an error in the middle of a verdict.
            stream.reconfigure(errors="backslashreplace")
    if not words or words[0] in ("-h", "--help", "help"):
        return _help(words)
    if words[0] in ("-V", "--version"):
        sys.stdout.write(f"killtrail {__version__}\n")
        return 0
    if words[0] not in COMMANDS:
        return _guarded("why", words) if _is_target(words[0]) else _unknown(words[0])
    return _guarded(words[0], words[1:])


def _help(words: list[str]) -> int:
    if len(words) > 1 and words[1] in COMMANDS:
        return _guarded(words[1], ["--help"])
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    sys.stdout.write(
        "usage: killtrail COMMAND ...\n\nWho killed a process, how, and who started the killer.\n\n"
        f"{_EXAMPLES}\ncommands:\n{rows}\n\n'killtrail COMMAND --help' says more.\n"
    )
    return 0


# What can't be meant as a command is asked about: a PID, a unit, a prefixed name, a file.
def _is_target(word: str) -> bool:
    prefix, colon, rest = word.partition(":")
    prefixed = bool(colon and rest) and prefix in ("pid", "comm", "exe", "unit", "container")
    named = word.endswith((".service", ".scope")) or word == "host" or "/" in word
    return word.isdecimal() or prefixed or named


def _unknown(word: str) -> int:
    from difflib import get_close_matches  # noqa: PLC0415 -- only after a typo

    from killtrail.model.text import visible  # noqa: PLC0415

    near = get_close_matches(word, COMMANDS, 1)
    hint = f"killtrail {near[0]}" if near else f"killtrail why {visible(word)}"
    sys.stderr.write(f"killtrail: no command {visible(word)!r}; did you mean: {hint}\n")
    return EXIT_USAGE


def _guarded(name: str, words: list[str]) -> int:
    from killtrail.errors import KilltrailError  # noqa: PLC0415
    from killtrail.model.text import visible  # noqa: PLC0415

    try:
        code: int = import_module(f"killtrail.cli.{name}_command").main(words)
        sys.stdout.flush()
        # The process exits anyway: skip the last garbage collection.
        gc.freeze()
    except KilltrailError as error:
        remedy = f"\n  try: {error.remedy}" if error.remedy else ""
        sys.stderr.write(f"killtrail: {visible(str(error))}{remedy}\n")
        return error.exit_code
    except BrokenPipeError:
        # The reader (head, less) has seen enough; the interpreter's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 -- the one place: a person gets a line, not a traceback
        return _internal(error)
    return code


def _internal(error: Exception) -> int:
    if os.environ.get("KILLTRAIL_DEBUG"):
        raise error
    sys.stderr.write(
        f"killtrail: internal failure: {type(error).__name__}: {str(error)[:300]!r}\n"
        "  please report it with the output of the same command under KILLTRAIL_DEBUG=1\n"
    )
    return EXIT_INTERNAL
