"""One verdict in the making: links and evidence are collected here, and here it is finished."""

from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.model.absence import Absence, Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.coverage import Coverage
from killtrail.model.events import Event
from killtrail.model.process import Process
from killtrail.model.trust import Distrust, Layer
from killtrail.model.verdict import (
    Ancestor,
    Contradiction,
    Death,
    Evidence,
    Host,
    Incident,
    Link,
    Origin,
    Pattern,
    RuledOut,
    Subject,
    Verdict,
)

_NOTHING_LOST: Final = Coverage(lost=0)
_DISTRUSTED: Final = (
    "certainty: this host's kernel or libc was found to contradict itself",
    "sudo killtrail trust",
)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The claim of a rule."""

    cause: Cause
    certainty: Certainty
    summary: str
    mechanism: Mechanism | None = None


@dataclass(slots=True)
class VerdictDraft:
    """What is known so far. `finish` is the only place that makes a verdict and decides its certainty."""

    host: Host
    death: Death | None = None
    conclusion: Conclusion | None = None
    coverage: Coverage = _NOTHING_LOST
    second_hand: bool = False
    """All evidence is text in files, which every user who may write there could have written."""
    caveat: str | None = None
    """Why this may be no death of its own."""
    distrust: tuple[Distrust, ...] = ()
    links: list[Link] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    ruled_out: list[RuledOut] = field(default_factory=list)
    absent: list[Absence] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)
    attempts: tuple[Link, ...] = ()
    ancestry: tuple[Ancestor, ...] = ()
    ancestry_of: Process | None = None
    origin: Origin | None = None
    incident: Incident | None = None

    def cite(self, event: Event, says: str, time_ns: int | None = None) -> int:
        """The id of an evidence line; the same record saying the same thing is one line."""
        origin = event.origin
        for known in self.evidence:
            if (known.source, known.where, known.says) == (origin.source, origin.where, says):
                return known.id
        return self.note(
            origin.source, origin.where, says, event.time_ns if time_ns is None else time_ns, event
        )

    def note(
        self,
        source: str,
        where: str,
        says: str,
        time_ns: int | None = None,
        event: Event | None = None,
    ) -> int:
        """The id of a new evidence line."""
        line = Evidence(len(self.evidence) + 1, source, where, says, time_ns, event)
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
        """Adds a link and gives its id."""
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

    def contradict(self, says: str, evidence: tuple[int, ...]) -> None:
        """Notes that two sources do not say the same, once."""
        found = Contradiction(says, evidence)
        if found not in self.contradictions:
            self.contradictions.append(found)

    @property
    def cause(self) -> Cause | None:
        """What the rule that answered claims."""
        return self.conclusion.cause if self.conclusion else None

    def conclude(self, death: Death, conclusion: Conclusion) -> "VerdictDraft":
        """Sets what the verdict will say; more may still be added before it is finished."""
        self.death, self.conclusion = death, conclusion
        return self

    def finish(self) -> Verdict:
        """The verdict. Its certainty is the conclusion's, held down by what speaks against it."""
        assert self.death is not None and self.conclusion is not None  # noqa: S101, PT018 -- concluded before
        death, conclusion = self.death, self.conclusion
        certainty = self._certainty(conclusion)
        return Verdict(
            death=death,
            cause=conclusion.cause,
            certainty=certainty,
            summary=conclusion.summary,
            host=self.host,
            mechanism=conclusion.mechanism,
            links=tuple(self.links),
            ancestry=self.ancestry,
            ancestry_of=self.ancestry_of,
            origin=self.origin,
            incident=self.incident,
            patterns=tuple(self.patterns),
            contradictions=tuple(self.contradictions),
            evidence=tuple(self.evidence),
            ruled_out=tuple(self.ruled_out),
            absent=tuple(self.absent),
            events_lost=self.coverage.lost,
            problems=len(self.coverage.problems),
            attempts=self.attempts,
            lowered_by=tuple(d.says for d in self.distrust),
            unread=self.coverage.unread,
        )

    def _certainty(self, conclusion: Conclusion) -> Certainty:
        # not-established exactly when the cause is
        if conclusion.cause is Cause.NOT_ESTABLISHED:
            return Certainty.NOT_ESTABLISHED
        certainty = min(conclusion.certainty, *self._ceilings())
        if certainty < conclusion.certainty and self._below():
            what, remedy = _DISTRUSTED
            self.miss(what, Why.UNREADABLE, remedy)
        return max(Certainty.POSSIBLE, certainty)

    def _ceilings(self) -> list[Certainty]:
        ceilings = [Certainty.ESTABLISHED]
        if self.second_hand or self.contradictions or self._below():
            ceilings.append(Certainty.LIKELY)
        if self.caveat:
            ceilings.append(Certainty.POSSIBLE)
        return ceilings

    # Tools are not asked for any of our answers. But a kernel or a libc that lies may have lied to us.
    def _below(self) -> bool:
        return any(d.layer in (Layer.KERNEL, Layer.LIBC) for d in self.distrust)
