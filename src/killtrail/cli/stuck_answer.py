"""killtrail why --stuck TARGET."""

import argparse

from killtrail.cli import output
from killtrail.errors import NoSuchDeathError, UsageError
from killtrail.inquiry import find, trust_caveats
from killtrail.model.process import Process
from killtrail.model.target import Target
from killtrail.observe import stuck


def why(args: argparse.Namespace, wanted: list[Target]) -> int:
    """Explains what a process that should have exited is waiting for."""
    if args.paths or any(target.host for target in wanted):
        raise UsageError(
            "--stuck examines processes that run on this host", "killtrail trust --from STRACE"
        )
    found = [process for target in wanted for process in _running(target)]
    if not found:
        names = ", ".join(args.targets)
        raise NoSuchDeathError(
            f"no running process is called {names}", f"killtrail why {args.targets[0]}"
        )
    chosen = found[-args.n :] if args.n else found
    distrust = trust_caveats.of_this_host()
    return output.show([stuck.explain(process, distrust=distrust) for process in chosen], args)


def _running(wanted: Target) -> list[Process]:
    return sorted(find.living(wanted), key=lambda p: p.key.start_ns or 0)
