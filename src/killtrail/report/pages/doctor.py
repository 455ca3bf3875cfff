"""The page of doctor: which deaths could be explained here, and what would change that."""

from collections.abc import Iterator

from killtrail._slotted import dataclass
from killtrail.report.page import Block, Field, Page, Paragraph, Section, page


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source of evidence as it is here, now."""

    id: str
    usable: bool
    says: str
    what: str
    yields: str
    needs: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Explainable:
    """A class of deaths, and which sources here would explain one; none: it can't be."""

    what: str
    by: tuple[str, ...]
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class HostState:
    """Facts that decide what can be asked; None = unknown."""

    kernel: str
    btf: bool
    lockdown: str | None
    may_load_bpf: bool
    symbols: str
    logs: tuple[str, ...]


def doctor_page(
    title: str,
    classes: tuple[Explainable, ...],
    sources: tuple[SourceState, ...],
    formats: tuple[tuple[str, str], ...],
    host: HostState,
) -> Page:
    """The answer, class by class; then the sources, the formats of files (id, what), and the host."""
    sections = (
        Section("deaths from now on", tuple(_class(each) for each in classes), heading=True),
        Section(
            "sources", tuple(block for each in sources for block in _source(each)), heading=True
        ),
        Section("files that --from reads", tuple(Field(*each) for each in formats), heading=True),
        Section("this host", tuple(_host(host)), heading=True),
    )
    return page(f"{title}{_but(classes)}", None, sections)


# The first line may not promise what a line below it takes back.
def _but(classes: tuple[Explainable, ...]) -> str:
    lacking = [each.what for each in classes if not each.by]
    some = lacking and len(lacking) < len(classes)
    return f" Not explained: {'; '.join(lacking)}." if some else ""


def _class(each: Explainable) -> Field:
    if each.by:
        return Field(each.what, f"yes, by {', '.join(each.by)}")
    return Field(each.what, "no", each.remedy)


def _source(source: SourceState) -> Iterator[Block]:
    state = "usable" if source.usable else "not usable"
    yield Paragraph(f"{source.id}: {state}: {source.says}")
    yield Field("what", source.what, depth=1)
    yield Field("gives", source.yields, depth=1)
    if not source.usable:
        yield Field("needs", source.needs, depth=1)
        if source.remedy:
            yield Field("try", source.remedy, depth=1)


def _host(host: HostState) -> Iterator[Block]:
    yield Field("kernel", host.kernel)
    yield Field("BTF", "present" if host.btf else "missing", None if host.btf else "sudo killtrail arm --backend tracefs")  # fmt: skip
    locked = "; BPF can't read kernel memory" if host.lockdown == "confidentiality" else ""
    yield Field("lockdown", f"{host.lockdown or 'unknown'}{locked}")
    may = host.may_load_bpf
    yield Field("this user", f"may{'' if may else ' not'} load BPF", None if may else "sudo")
    yield Field("kernel symbols", host.symbols)
    logs = ", ".join(host.logs) or "none readable"
    yield Field("host logs", f"{logs}; also /dev/kmsg, journal")
