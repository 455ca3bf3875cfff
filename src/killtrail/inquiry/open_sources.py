"""Which sources can be asked, as one `Merged` for each boot of a host and each clock."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.errors import NoSuchDeathError, UnavailableError
from killtrail.host import boot
from killtrail.inquiry.merged import Merged, OnClock
from killtrail.model.clock import NS, Boot
from killtrail.model.query import ALWAYS, Window
from killtrail.model.verdict import Host
from killtrail.sources import catalogue
from killtrail.sources.base import Descriptor, Source, Usable

_SLACK_NS: Final = 5 * NS
_ARM: Final = "sudo killtrail arm"
_WALL: Final = Boot("", 0)


@dataclass(frozen=True, slots=True)
class Opened:
    """What can be asked, the oldest boot first; and what can't be, with reasons."""

    merged: tuple[Merged, ...]
    unusable: tuple[str, ...] = ()
    remedy: str | None = None
    earlier: Merged | None = None
    """This host's logs of times of which no recorder knows."""

    @property
    def recorded(self) -> tuple[Merged, ...]:
        """Boots that a recorder knows of."""
        return tuple(m for m in self.merged if m.recorders)

    def current(self) -> Merged | None:
        """The running boot, where a recorder knows of it."""
        running = boot.boot_id()
        return next((m for m in self.recorded if m.host.boot.boot_id == running), None)

    def close(self) -> None:
        """Closes all."""
        for merged in (*self.merged, *((self.earlier,) if self.earlier else ())):
            merged.close()


def of_host(which_boot: str | None = None, *, logs: bool = True) -> Opened:
    """This host's recorders, history and logs; `which_boot` as in journalctl."""
    sources: list[Source] = []
    unusable: list[str] = []
    remedies: list[tuple[bool, str | None]] = []
    for descriptor in catalogue.here():
        usable, found = _open(descriptor)
        sources.extend(found)
        if not usable.usable:
            unusable.append(f"{descriptor.id}: {usable.says}")
            remedies.append((usable.damaged, usable.remedy))
    merged = _by_boot(sources, logs=logs)
    if which_boot is not None:
        merged = (_pick(merged, which_boot),)
    # What is there but damaged is nearer to an answer than what never recorded.
    remedies.sort(key=lambda pair: not pair[0])
    remedy = next((r for _, r in remedies if r), None)
    here = replace(boot.this_host(), boot=_WALL, kernel=None)
    earlier = Merged(here, (), _logs_of_all_boots) if logs else None
    return Opened(merged, tuple(unusable), remedy, None if which_boot else earlier)


def _open(descriptor: Descriptor) -> tuple[Usable, list[Source]]:
    # One damaged source must not silence the others.
    if descriptor.probe is None or descriptor.open_here is None:
        return Usable(usable=False, says="has no reader here"), []
    usable = descriptor.probe()
    if not usable.usable:
        return usable, []
    try:
        return usable, descriptor.open_here()
    except UnavailableError as error:
        return Usable(usable=False, says=str(error), remedy=error.remedy, damaged=True), []


def require(opened: Opened) -> None:
    """Raises `UnavailableError` where no recorder can be asked."""
    if not opened.recorded:
        remedy = opened.remedy
        if remedy == _ARM:
            remedy = (
                f"{_ARM} (records from then on); for what logs hold: killtrail list --from /var/log"
            )
        raise UnavailableError(
            f"no recorder can be asked here ({'; '.join(opened.unusable)})", remedy
        )


def _by_boot(sources: Sequence[Source], *, logs: bool) -> tuple[Merged, ...]:
    boots: dict[str, list[Source]] = {}
    for source in sources:
        boots.setdefault(source.host.boot.boot_id, []).append(source)
    running = boot.this_host()
    own = boots.pop(running.boot.boot_id, [])
    older = sorted(boots.values(), key=lambda many: many[0].host.boot.offset_ns or 0)
    found = [Merged(many[0].host, many) for many in older]
    host = own[0].host if own else running
    found.append(Merged(host, own, partial(_logs_of, host) if logs else tuple))
    return tuple(found)


# The running boot's logs, on its clock: what was written before it began is of another boot.
def _logs_of(host: Host) -> list[OnClock]:
    from killtrail.sources import host_logs  # noqa: PLC0415 -- where they are asked

    offset = host.boot.offset_ns or 0
    span = Window(0, None)
    return [
        OnClock(source, (source.host.boot.offset_ns or 0) - offset, span)
        for source in host_logs.open_all(all_boots=False)
    ]


def _logs_of_all_boots() -> list[OnClock]:
    from killtrail.sources import host_logs  # noqa: PLC0415

    return [
        OnClock(source, source.host.boot.offset_ns or 0, ALWAYS)
        for source in host_logs.open_all(all_boots=True)
    ]


def _pick(merged: tuple[Merged, ...], wanted: str) -> Merged:
    by_id = [m for m in merged if m.host.boot.boot_id.replace("-", "") == wanted.replace("-", "")]
    if by_id:
        return by_id[0]
    if wanted.lstrip("+-").isdecimal():
        number = int(wanted)
        if number <= 0 and -number < len(merged):
            return merged[number - 1]
    raise NoSuchDeathError(f"no records of boot {wanted}", "killtrail list --boots")
