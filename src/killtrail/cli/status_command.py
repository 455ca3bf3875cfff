"""killtrail status."""

from collections.abc import Iterator

from killtrail.cli import options
from killtrail.errors import KilltrailError
from killtrail.host import boot
from killtrail.recorder.pins import FOLDER, Pins
from killtrail.recorder.rings import RingBuffers
from killtrail.report import text
from killtrail.report.pages.status import RecorderState, status_page
from killtrail.report.when import moment
from killtrail.sources import catalogue
from killtrail.sources.base import Descriptor


def build() -> options.Parser:
    """The command's options."""
    return options.parser("status", "Recorder state: since when, how full, what was lost.")


def main(words: list[str]) -> int:
    """Runs the command."""
    build().parse_args(words)
    text.show(status_page(tuple(_state(source) for source in catalogue.here())))
    return 0


def _state(source: Descriptor) -> RecorderState:
    usable = source.probe() if source.probe is not None else None
    if usable is None or not usable.usable:
        return RecorderState(source.id, usable=False, says=usable.says if usable else "")
    details, rings = _DETAILS[source.id]()
    return RecorderState(source.id, usable=True, says=usable.says, details=details, rings=rings)


_Details = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]


def _box() -> _Details:
    box = RingBuffers(Pins())
    rings = []
    for state in box.states():
        held = min(state.written, state.ring.slots)
        use = f"{held:>5} of {state.ring.slots} slots used, {state.overwritten} overwritten"
        rings.append((state.ring.name, use))
    stats = box.stats()
    details = (
        f"since {moment(box.meta.armed_ns, boot.this_boot())} by killtrail {box.meta.version}, in {FOLDER}",
        f"command lines: {box.meta.argv}; kernel functions known: {len(box.meta.symbols.names)}",
        *_programs(box),
        f"truncated {stats['truncated']}, failed {stats['failed']}, {_missed(box)}",
    )
    box.close()
    return details, tuple(rings)


def _programs(box: RingBuffers) -> Iterator[str]:
    try:
        watched = "on_prlimit" in box.pins.programs()
    except OSError:
        return
    if not watched:
        yield "limits set for other processes: not recorded (no BPF trampolines on this kernel)"


def _missed(box: RingBuffers) -> str:
    try:
        programs = box.pins.programs()
    except OSError:
        return "missed runs: only root can read them"
    return f"missed runs {sum(row[1] for row in programs.values())}"


def _tracefs() -> _Details:
    from killtrail.recorder.tracefs import instance  # noqa: PLC0415

    return tuple(instance.describe()), ()


def _history() -> _Details:
    from killtrail.recorder.history.reader import History  # noqa: PLC0415

    try:
        with History() as history:
            lost = sum(row.lost for row in history.boots())
            return (
                f"{history.path}, {history.size() >> 10} KiB",
                f"{lost} records were lost before they were stored",
            ), ()
    except KilltrailError as error:
        return (str(error),), ()


_DETAILS = {"bpf": _box, "tracefs": _tracefs, "history": _history}
