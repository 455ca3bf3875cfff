"""The answer about one death: a graph of links, each with its own evidence and certainty."""

from enum import StrEnum
from typing import Any

from killtrail._slotted import dataclass
from killtrail.model.absence import Absence
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import Boot
from killtrail.model.coverage import Unread
from killtrail.model.events import Event
from killtrail.model.process import Process
from killtrail.model.wait_status import WaitStatus


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
        """The observation's own fields, for readers who want to judge themselves."""
        from killtrail.model.record_fields import described  # noqa: PLC0415 -- few readers ask

        return described(self.event) if self.event is not None else self.rows


class SubjectKind(StrEnum):
    """What sort of thing acted, if not a process."""

    KERNEL = "kernel"
    HARDWARE = "hardware"
    CGROUP = "cgroup"
    UNIT = "unit"
    LIMIT = "limit"
    FILTER = "filter"
    TIMER = "timer"
    TERMINAL = "terminal"
    PIPE = "pipe"
    UNKNOWN = "unknown"
    """Of a document that a newer version wrote."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An actor that is not a process: a cgroup, a limit, a timer, a terminal, the kernel."""

    kind: SubjectKind
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


class Edge(StrEnum):
    """How an ancestor stands to the process below it."""

    PARENT = "parent"
    """It started it, and was its parent at the time of the act."""
    CREATOR = "creator"
    """It forked it and exited before the act."""
    REAPER = "reaper"
    """It adopted it and did not start it."""
    SEEN = "seen"
    """It was its parent when that was recorded; it may have adopted it."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A step of the launch chain; `edge` says how it is known."""

    process: Process
    edge: Edge
    certainty: Certainty


class OriginKind(StrEnum):
    """Where launch chains begin; all codes of killtrail.verdict/1, some are not yet given."""

    LOGIN_SESSION = "login-session"
    SYSTEMD_UNIT = "systemd-unit"
    TIMER = "timer"
    CRON = "cron"
    AT = "at"
    CONTAINER = "container"
    ORCHESTRATOR = "orchestrator"
    REMOTE = "remote"
    KERNEL = "kernel"
    INIT = "init"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the launch chain begins."""

    kind: OriginKind
    name: str | None = None
    uid: int | None = None
    came_from: str | None = None
    user: str | None = None
    """The name of `uid` on its own machine, as `Process.user` has it."""


class PatternKind(StrEnum):
    """What repeats."""

    STALE_PID = "stale-pid"
    """A sender goes by a PID that it remembers, also while no process has it."""
    PERIODIC = "periodic"
    RESTART_LOOP = "restart-loop"
    """A program is started again after each kill, and killed again."""
    UNKNOWN = "unknown"
    """Of a document that a newer version wrote."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What repeats; `evidence` are lines of the verdict."""

    kind: PatternKind
    says: str
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """One act with several victims: a broadcast, a group kill, a loop over a list of PIDs.

    `sample` names some of the others; `victims` counts all recorded ones, this one included.
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


class DeathKind(StrEnum):
    """What died."""

    PROCESS = "process"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Death:
    """The death of a process, or (`kind` = `host`) of a machine."""

    process: Process
    ended: Ended
    time_ns: int | None = None
    status: WaitStatus | None = None
    thread: tuple[int, str] | None = None
    kind: DeathKind = DeathKind.PROCESS


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
    """Signals that did not kill it: too late, handled without consequence, or to another PID."""
    lowered_by: tuple[str, ...] = ()
    """Findings of `trust` that lower the certainty of this host's own evidence."""
    unread: Unread = Unread()
    """What of the evidence could not be read."""
    ancestry_of: Process | None = None
    """The process whose ancestors these are: the first actor, or who died; None without any."""

    def to_dict(self, *, records: bool = False) -> dict[str, Any]:
        """The verdict as `killtrail.verdict/1`, ready for JSON; `records` adds the fields of cited records."""
        from killtrail.model import document  # noqa: PLC0415 -- a page needs none

        return document.to_document(self, records=records)

    @staticmethod
    def from_dict(found: object) -> "Verdict":
        """The verdict in a `killtrail.verdict/1` of this or another version, as `json.loads` gives it.

        Raises `ValueError`, with the reason, for anything else.
        """
        from killtrail.model import document  # noqa: PLC0415

        return document.from_document(found)
