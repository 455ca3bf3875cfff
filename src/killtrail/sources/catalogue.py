"""The built-in sources, in one explicit tuple."""

from typing import Final

from killtrail.errors import UnavailableError
from killtrail.host import boot
from killtrail.recorder.history import paths
from killtrail.recorder.pins import Pins
from killtrail.sources.base import Descriptor, Source, Usable
from killtrail.sources.bpf import BpfSource

_ARM: Final = "sudo killtrail arm"


def _probe_box() -> Usable:
    try:
        if not Pins().exists():
            return Usable(usable=False, says="the recorder is not armed", remedy=_ARM)
        Pins().read_meta()
    except PermissionError:
        return Usable(
            usable=False,
            says="only root and group adm may read the recorder",
            remedy="sudo killtrail why ..., or join group adm",
        )
    except UnavailableError as error:
        return Usable(usable=False, says=str(error), remedy=error.remedy, damaged=True)
    except OSError as error:
        return Usable(
            usable=False, says=f"the recorder can't be opened: {error.strerror}", remedy=_ARM
        )
    return Usable(usable=True, says="armed")


def _open_box() -> list[Source]:
    return [BpfSource()]


def _probe_tracefs() -> Usable:
    from killtrail.recorder.tracefs import instance  # noqa: PLC0415 -- only where it is asked

    try:
        if instance.armed():
            return Usable(usable=True, says="armed")
    except PermissionError:
        return Usable(
            usable=False, says="only root may read tracefs", remedy="sudo killtrail why ..."
        )
    return Usable(
        usable=False, says="no tracefs instance is armed", remedy=f"{_ARM} --backend tracefs"
    )


def _open_tracefs() -> list[Source]:
    from killtrail.sources.tracefs import TracefsSource  # noqa: PLC0415

    return [TracefsSource()]


def _probe_history() -> Usable:
    try:
        path = paths.default_path()
        if not paths.exists(path):
            return Usable(usable=False, says="there is no history", remedy="sudo killtrail record")
        from killtrail.recorder.history import store  # noqa: PLC0415 -- sqlite3 takes 6 ms

        count = store.boots_on_record(path)
    except PermissionError:
        return Usable(
            usable=False,
            says="only root and group adm may read the history",
            remedy="sudo killtrail why ...",
        )
    except UnavailableError as error:
        return Usable(usable=False, says=str(error), remedy=error.remedy, damaged=True)
    return Usable(usable=True, says=f"{count} boot{'s' if count > 1 else ''} recorded")


def _open_history() -> list[Source]:
    from killtrail.sources.history import open_all  # noqa: PLC0415

    return open_all(boot.this_host())


CATALOGUE: Final = (
    Descriptor(
        id="bpf",
        what="the flight recorder's ring buffers in kernel memory",
        needs="arming as root (CAP_BPF, CAP_PERFMON; BTF; 5.17); reading as root or group adm",
        yields=(
            "fatal, stop and termination signals with senders; all exits; parents that exited "
            "before their children"
        ),
        clock="boot",
        completeness="complete since arming, up to its size; overwritten records are counted",
        probe=_probe_box,
        open=_open_box,
    ),
    Descriptor(
        id="tracefs",
        what="a private tracefs instance, for hosts without BPF",
        needs="root; tracefs",
        yields=(
            "signals with the running task and kernel stack, exits, forks, execs; no wait "
            "status, no user, no cgroup; argv only with event probes"
        ),
        clock="boot",
        completeness="complete since arming, up to its size per CPU; overruns are counted",
        probe=_probe_tracefs,
        open=_open_tracefs,
    ),
    Descriptor(
        id="history",
        what="what `killtrail record` drained to disk, earlier boots too",
        needs="a past `killtrail record` or shutdown save; reading as root or group adm",
        yields="as bpf",
        clock="boot",
        completeness="complete while record ran, up to its size and age; losses are counted",
        probe=_probe_history,
        open=_open_history,
    ),
)
"""In the order in which they are trusted."""
