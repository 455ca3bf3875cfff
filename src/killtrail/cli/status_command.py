"""killtrail status."""

import sys
from collections.abc import Iterator

from killtrail.cli import options
from killtrail.errors import KilltrailError
from killtrail.host import boot
from killtrail.recorder.pins import FOLDER, Pins
from killtrail.recorder.rings import RingBuffers
from killtrail.report.when import moment
from killtrail.sources.catalogue import CATALOGUE


def build() -> options.Parser:
    """The command's options."""
    return options.parser("status", "Is it recording, since when, how full is it, what was lost.")


def main(words: list[str]) -> int:
    """Runs the command."""
    build().parse_args(words)
    for source in CATALOGUE:
        usable = source.probe()
        sys.stdout.write(f"{source.id:<9}{usable.says}\n")
        if not usable.usable:
            continue
        for line in _DETAILS[source.id]():
            sys.stdout.write(f"         {line}\n")
    return 0


def _box() -> Iterator[str]:
    box = RingBuffers(Pins())
    yield f"since {moment(box.meta.armed_ns, boot.this_boot())} by killtrail {box.meta.version}, in {FOLDER}"
    yield f"command lines: {box.meta.argv}; kernel functions known: {len(box.meta.symbols.names)}"
    for state in box.states():
        held = min(state.written, state.ring.slots)
        yield (
            f"{state.ring.name:<7} {held:>5} of {state.ring.slots} slots used,"
            f" {state.overwritten} overwritten"
        )
    stats = box.stats()
    yield f"truncated {stats['truncated']}, failed {stats['failed']}, {_missed(box)}"
    box.close()


def _missed(box: RingBuffers) -> str:
    try:
        programs = box.pins.programs()
    except OSError:
        return "missed runs: only root can tell"
    return f"missed runs {sum(row[1] for row in programs.values())}"


def _tracefs() -> Iterator[str]:
    from killtrail.recorder.tracefs import instance  # noqa: PLC0415

    yield from instance.describe()


def _history() -> Iterator[str]:
    from killtrail.recorder.history.reader import History  # noqa: PLC0415

    try:
        with History() as history:
            rows = history.boots()
            yield f"{history.path}, {history.size() >> 10} KiB"
            yield f"{sum(row.lost for row in rows)} records were lost before they could be drained"
    except KilltrailError as error:
        yield str(error)


_DETAILS = {"bpf": _box, "tracefs": _tracefs, "history": _history}
