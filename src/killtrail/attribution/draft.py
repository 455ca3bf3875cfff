"""Collects links and evidence while rules work, so that every statement cites its record."""

from killtrail._slotted import dataclass, field
from killtrail.model.absence import Absence, Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import Event
from killtrail.model.process import Process
from killtrail.model.verdict import Evidence, Link, RuledOut, Subject


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The claim of a rule."""

    cause: Cause
    certainty: Certainty
    summary: str
    mechanism: Mechanism | None = None


@dataclass(slots=True)
class VerdictDraft:
    """The draft of one verdict; local to one call of the engine."""

    links: list[Link] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    ruled_out: list[RuledOut] = field(default_factory=list)
    absent: list[Absence] = field(default_factory=list)

    def cite(self, event: Event, says: str) -> int:
        """The id of an evidence line; the same record with the same statement is one line."""
        for known in self.evidence:
            if (known.source, known.where, known.says) == (
                event.origin.source,
                event.origin.where,
                says,
            ):
                return known.id
        line = Evidence(
            id=len(self.evidence) + 1,
            source=event.origin.source,
            where=event.origin.where,
            says=says,
            time_ns=event.time_ns,
            event=event,
        )
        self.evidence.append(line)
        return line.id

    def cited(self, event: Event) -> tuple[int, ...]:
        """The evidence lines that cite this record."""
        place = (event.origin.source, event.origin.where)
        return tuple(e.id for e in self.evidence if (e.source, e.where) == place)

    def link(  # noqa: PLR0913 -- a link has this many sides
        self,
        role: Role,
        action: str,
        certainty: Certainty,
        *,
        process: Process | None = None,
        subject: Subject | None = None,
        signal: int | None = None,
        target: Process | None = None,
        time_ns: int | None = None,
        caused_by: int | None = None,
        evidence: tuple[int, ...] = (),
    ) -> int:
        """Adds a link and returns its id."""
        number = len(self.links) + 1
        self.links.append(
            Link(
                id=number,
                role=role,
                action=action,
                certainty=certainty,
                process=process,
                subject=subject,
                signal=signal,
                target=target,
                time_ns=time_ns,
                caused_by=caused_by,
                evidence=evidence,
            )
        )
        return number

    def rule_out(self, cause: Cause, because: str) -> None:
        """Notes a cause that is ruled out."""
        self.ruled_out.append(RuledOut(cause, because))

    def miss(self, what: str, why: Why, remedy: str | None = None) -> None:
        """Notes a missing fact, once."""
        absence = Absence(what, why, remedy)
        if absence not in self.absent:
            self.absent.append(absence)
