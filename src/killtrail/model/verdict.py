"""The answer about one death: a graph of links, each with its own evidence and certainty."""

from typing import Any

from killtrail._slotted import dataclass
from killtrail.model.absence import Absence
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import Boot
from killtrail.model.coverage import Unread
from killtrail.model.events import Event, described
from killtrail.model.process import Process


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of why: a record and what it says."""

    id: int
    source: str
    where: str
    says: str
    time_ns: int | None = None
    event: Event | None = None
    """The observation itself, where it is one record."""
    rows: tuple[tuple[str, str], ...] = ()
    """Its fields as text, in a verdict that was read from a document."""

    @property
    def record(self) -> tuple[tuple[str, str], ...]:
        """The observation's own fields, for a reader who wants to judge for himself."""
        return described(self.event) if self.event is not None else self.rows


@dataclass(frozen=True, slots=True)
class Subject:
    """An actor that is no process: a cgroup, a limit, a timer, a terminal, the kernel."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a death. `caused_by` is the id of the link that made this one happen."""

    id: int
    role: Role
    action: str
    certainty: Certainty
    process: Process | None = None
    subject: Subject | None = None
    signal: int | None = None
    target: Process | None = None
    time_ns: int | None = None
    caused_by: int | None = None
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A step of the launch chain; `edge` says how it is known.

    `parent`: parent at the time of the act. `creator`: had forked it and died before. `reaper`:
    took it over, never launched it.
    """

    process: Process
    edge: str
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the launch chain begins."""

    kind: str
    name: str | None = None
    uid: int | None = None
    came_from: str | None = None
    user: str | None = None
    """The name of `uid` on its own machine, as `Process.user` has it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What repeats: `stale-pid`, `periodic`, `restart-loop`; `evidence` are lines of the verdict."""

    kind: str
    says: str
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """One act that hit several: a broadcast, a group kill, a loop over a list of pids.

    `sample` names some of the others; `victims` counts all that are on record, this one included.
    """

    id: str
    victims: int
    sample: tuple[Process, ...] = ()
    refused: int | None = None
    """How many it could not hit; None = not recorded: who was refused never got a signal."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two sources that do not say the same; `evidence` are lines of the verdict."""

    says: str
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A cause that was considered, and the reason it is not this one."""

    cause: Cause
    because: str


@dataclass(frozen=True, slots=True)
class Host:
    """Where it happened: one boot of one machine."""

    boot: Boot
    name: str | None = None
    kernel: str | None = None
    machine_id: str | None = None
    """machine-id(5): the same over reboots and renames."""


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a process, or (`kind` = `host`) of a machine."""

    process: Process
    ended: Ended
    time_ns: int | None = None
    status: int | None = None
    thread: tuple[int, str] | None = None
    kind: str = "process"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What died, how, by whom, who started that, why we say so, how sure, what was ruled out."""

    death: Death
    cause: Cause
    certainty: Certainty
    summary: str
    host: Host
    mechanism: Mechanism | None = None
    links: tuple[Link, ...] = ()
    ancestry: tuple[Ancestor, ...] = ()
    origin: Origin | None = None
    incident: Incident | None = None
    patterns: tuple[Pattern, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    absent: tuple[Absence, ...] = ()
    events_lost: int | None = 0
    problems: int = 0
    attempts: tuple[Link, ...] = ()
    """Signals that did not end it: too late, handled without consequence, other numbers."""
    lowered_by: tuple[str, ...] = ()
    """What speaks against this host's own word: findings of `trust`."""
    unread: Unread = Unread()
    """What of the evidence could not be read."""

    def to_dict(self, *, records: bool = False) -> dict[str, Any]:
        """The verdict as `killtrail.verdict/1`, ready for JSON; `records` adds the fields of cited records."""
        from killtrail.model import document  # noqa: PLC0415 -- who shows a page needs none

        return document.to_document(self, records=records)

    @staticmethod
    def from_dict(found: object) -> "Verdict":
        """The verdict in a `killtrail.verdict/1` of this or another version, as `json.loads` gives it.

        Raises `ValueError`, with the reason, for anything else.
        """
        from killtrail.model import document  # noqa: PLC0415

        return document.from_document(found)
