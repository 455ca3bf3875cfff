"""Which sources can be asked here, grouped by boot."""

from killtrail._slotted import dataclass
from killtrail.errors import NoSuchDeathError, UnavailableError
from killtrail.host import boot
from killtrail.inquiry.merged import Fusion
from killtrail.sources.base import Descriptor, Source, Usable
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
    remedies: list[tuple[bool, str | None]] = []
    for descriptor in CATALOGUE:
        usable, sources = _open(descriptor)
        opened.extend(sources)
        if not usable.usable:
            unusable.append(f"{descriptor.id}: {usable.says}")
            remedies.append((usable.damaged, usable.remedy))
    fusions = _by_boot(opened)
    if which_boot is not None:
        fusions = (_pick(fusions, which_boot),)
    # What is there but damaged is nearer to an answer than what never recorded.
    remedies.sort(key=lambda pair: not pair[0])
    return Choice(fusions, tuple(unusable), next((r for _, r in remedies if r), None))


def _open(descriptor: Descriptor) -> tuple[Usable, list[Source]]:
    # One damaged source must not silence the others.
    usable = descriptor.probe()
    if not usable.usable:
        return usable, []
    try:
        return usable, descriptor.open()
    except UnavailableError as error:
        return Usable(usable=False, says=str(error), remedy=error.remedy, damaged=True), []


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
    ordered = sorted(boots.values(), key=lambda many: many[0].host.boot.offset_ns or 0)
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
