"""killtrail why --stuck TARGET."""

import argparse

from killtrail.cli import output
from killtrail.errors import NoSuchDeathError, UsageError
from killtrail.host import procfs
from killtrail.inquiry import trust_caveats
from killtrail.inquiry.target import Kind, Target
from killtrail.model.process import Process
from killtrail.observe import stuck


def why(args: argparse.Namespace, wanted: Target) -> int:
    """Explains what a process that should have exited is waiting for, or what waits for it."""
    if args.paths or wanted.kind is Kind.HOST:
        raise UsageError(
            "--stuck examines processes that run on this host", "killtrail trust --from STRACE"
        )
    found = _living(wanted)
    if not found:
        raise NoSuchDeathError(
            f"no process called {args.target} runs on this host", f"killtrail why {args.target}"
        )
    chosen = found[-args.n :] if args.n else found
    return output.show(trust_caveats.lowered([stuck.explain(process) for process in chosen]), args)


def _living(wanted: Target) -> list[Process]:
    numbers = [wanted.pid] if wanted.pid is not None else procfs.pids()
    found = [p for pid in numbers if (p := procfs.read_process(pid)) and wanted.matches(p)]
    return sorted(found, key=lambda p: p.key.start_ns or 0)
