"""A recorder for the duration of one command."""

import contextlib

from killtrail.errors import UnavailableError


def arm(stack: contextlib.ExitStack, backend: str) -> UnavailableError | None:
    """Arms unless armed already; the stack disarms it. Returns the refusal, if any."""
    from killtrail.recorder import arming  # noqa: PLC0415
    from killtrail.recorder.tracefs import instance  # noqa: PLC0415

    try:
        if backend == "bpf":
            already, disarm = arming.arm().already, arming.disarm
        else:
            already, disarm = instance.arm().already, instance.disarm
    except UnavailableError as error:
        return error
    if not already:
        stack.callback(disarm)
    return None
