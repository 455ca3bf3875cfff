"""Which sources can be asked here, grouped by boot."""

from dataclasses import dataclass

from killtrail.errors import NoSuchDeathError, UnavailableError
from killtrail.host import boot
from killtrail.inquiry.fusion import Fusion
from killtrail.sources.base import Source
from killtrail.sources.catalogue import CATALOGUE


@dataclass(frozen=True, slots=True)
class Choice:
    """One fusion per boot, oldest boot first; and what could not be used, with reasons."""

    fusions: tuple[Fusion, ...]
    unusable: tuple[str, ...]
    remedy: str | None

    def current(self) -> Fusion | None:
        """The sources of the running boot."""
        running = boot.boot_id()
        return next((f for f in self.fusions if f.host.boot.boot_id == running), None)


def choose(which_boot: str | None = None) -> Choice:
    """Opens every usable source; `which_boot` as in journalctl: an id, 0, -1, -2 ..."""
    opened: list[Source] = []
    unusable: list[str] = []
    remedy = None
    for descriptor in CATALOGUE:
        usable = descriptor.probe()
        if usable.usable:
            opened.extend(descriptor.open())
        else:
            unusable.append(f"{descriptor.id}: {usable.says}")
            remedy = remedy or usable.remedy
    fusions = _by_boot(opened)
    if which_boot is not None:
        fusions = (_pick(fusions, which_boot),)
    return Choice(fusions, tuple(unusable), remedy)


def require(choice: Choice) -> None:
    """Raises `UnavailableError` where nothing at all can be asked."""
    if not choice.fusions:
        raise UnavailableError(
            "nothing was recording here (" + "; ".join(choice.unusable) + ")", choice.remedy
        )


def _by_boot(sources: list[Source]) -> tuple[Fusion, ...]:
    boots: dict[str, list[Source]] = {}
    for source in sources:
        boots.setdefault(source.host.boot.boot_id, []).append(source)
    running = boots.pop(boot.boot_id(), None)
    ordered = sorted(boots.values(), key=lambda many: many[0].host.boot.offset_ns)
    return tuple(Fusion(many) for many in (*ordered, *([running] if running else [])))


def _pick(fusions: tuple[Fusion, ...], wanted: str) -> Fusion:
    by_id = [f for f in fusions if f.host.boot.boot_id.replace("-", "") == wanted.replace("-", "")]
    if by_id:
        return by_id[0]
    if wanted.lstrip("+-").isdecimal():
        running = boot.boot_id()
        older = [f for f in fusions if f.host.boot.boot_id != running]
        current = [f for f in fusions if f.host.boot.boot_id == running]
        number = int(wanted)
        if number == 0 and current:
            return current[0]
        if number < 0 and -number <= len(older):
            return older[number]
    raise NoSuchDeathError(f"no boot {wanted} on record", "killtrail list --boots")
