"""What a rule works with: the case, the fatal signal explained, and the draft."""

from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.attribution import fatal_signal, lineage, siginfo, wording
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.draft import VerdictDraft
from killtrail.attribution.generation import explain
from killtrail.attribution.generation.base import Actor, Generation
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import Note, ProcessExited, Sighting, SignalSent
from killtrail.model.process import Creator, Process
from killtrail.model.verdict import Ancestor, Edge, Subject

_DEEPEST = 6
_SEEN: Final = {
    Sighting.EXEC: "started its program",
    Sighting.FORK: "was created",
    Sighting.SEEN: "was running",
    Sighting.NAMED: "was the parent",
}


@dataclass(slots=True)
class RuleContext:
    """One attempt to explain one death."""

    case: Case
    draft: VerdictDraft
    depth: int = 0
    found: fatal_signal.Effective | None = None
    sending: Generation | None = None
    ancestry: tuple[Ancestor, ...] = field(default=())
    head: Process | None = None

    @property
    def facts(self) -> Facts:
        """The death in question."""
        return self.case.facts

    @property
    def victim(self) -> Process:
        """The process that died."""
        return self.case.facts.process

    @property
    def signal(self) -> SignalSent | None:
        """The signal that killed it."""
        return self.found.signal if self.found else None

    def certainty(self) -> Certainty:
        """The weakest of: wait status, fatal signal, how it was generated."""
        if self.found is None or self.sending is None:
            return Certainty.NOT_ESTABLISHED
        parts = [self.found.certainty, self.sending.certainty]
        if self.facts.exit is None or self.facts.exit.status is None:
            parts.append(Certainty.LIKELY)
        return min(parts)

    def cite_end(self) -> tuple[int, ...]:
        """The evidence of the death itself."""
        end = self.facts.exit
        if end is None:
            self.draft.miss("the exit of the process", Why.NOT_RECORDED)
            return ()
        if end.status is None:
            self.draft.miss("the wait status", Why.NOT_RECORDED, "sudo killtrail arm")
            return (self.draft.cite(end, f"{wording.name(end.process)} exited"),)
        return (
            self.draft.cite(
                end, f"{wording.name(end.process)} exited: {wording.status(end.status)}"
            ),
        )

    def cite_signal(self) -> tuple[int, ...]:
        """The evidence of the fatal signal and of how it was generated."""
        signal, how = self.signal, self.sending
        if signal is None or how is None:
            return ()
        if self.found and self.found.limit:
            self.draft.miss(f"certainty: {self.found.limit}", Why.NOT_RECORDED)
        says = wording.sending(signal, how)
        doubts = [d for d in (siginfo.forged(signal), siginfo.misdirected(signal)) if d]
        return (self.draft.cite(signal, "; ".join((says, *doubts))),)

    def blame(  # noqa: PLR0913 -- a link has this many sides
        self,
        role: Role,
        action: str,
        certainty: Certainty,
        *,
        process: Process | None = None,
        subject: Subject | None = None,
        launched: Process | None = None,
        caused_by: int | None = None,
    ) -> int:
        """A link about the fatal signal (or, without one, the exit), with all its evidence.

        `launched` is the process whose launch chain is shown with it, if any.
        """
        signal, end = self.signal, self.facts.exit
        evidence = self.cite_signal() + self.cite_end()
        if launched is not None and signal is not None:
            caused_by = self.launch(launched, signal) or caused_by
        return self.draft.link(
            role,
            action,
            certainty,
            process=process,
            subject=subject,
            signal=signal.sig if signal else (end.signal if end else None),
            target=self.victim,
            time_ns=signal.time_ns if signal else (end.time_ns if end else None),
            caused_by=caused_by,
            evidence=evidence,
        )

    def launch(self, process: Process, signal: SignalSent) -> int | None:
        """Adds the launch chain of the actor at `signal`; gives the link id of its nearest launcher.

        A verdict has one chain: that of the first actor.
        """
        if signal is self.signal:
            # A reader wants the send and the exit first, the launchers after them.
            self.cite_signal()
            self.cite_end()
        return self._launch(process, signal.kernel.lineage, signal.kernel.creator, signal)

    def launch_dead(self, end: ProcessExited) -> int | None:
        """The same for a process that exited by itself, from the record of its exit."""
        parents = (end.parent,) if end.parent else ()
        return self._launch(end.process, parents, end.creator, end)

    def launch_noted(self, note: Note) -> int | None:
        """The same for a process that acted through the kernel or a service manager."""
        return self._launch(note.process, note.lineage, note.creator, note)

    def _launch(
        self,
        head: Process,
        parents: tuple[Process, ...],
        creator: Creator | None,
        record: SignalSent | ProcessExited | Note,
    ) -> int | None:
        if self.head is not None:
            return None
        self.head = head
        if isinstance(record, SignalSent) and record.log.chain:
            return self._kept_chain(record)
        self.ancestry = lineage.chain(
            head, parents, creator, self.case.orphaned_by, self.case.coverage.creators_from_ns
        )
        return self._launchers(self.draft.cited(record))

    def _kept_chain(self, record: SignalSent) -> int | None:
        links = lineage.kept(record.log.chain)
        self.ancestry = tuple(ancestor for ancestor, _ in links)
        above: int | None = None
        for ancestor, seen in reversed(links):
            if ancestor.edge is not Edge.PARENT or ancestor.process.comm is None:
                continue
            says = f"{wording.name(seen.process)} {_SEEN[seen.how]}"
            above = self.draft.link(
                Role.LAUNCHER, "started", ancestor.certainty, process=ancestor.process,
                caused_by=above, evidence=(self.draft.cite(seen, says),),
            )  # fmt: skip
        return above

    # A parent is named in the record of its child: the actor's own, or the record of an orphaned
    # launcher below it in the chain.
    def _launchers(self, source: tuple[int, ...]) -> int | None:
        launchers = [
            a for a in self.ancestry if a.edge in (Edge.PARENT, Edge.CREATOR) and a.process.pid > 1
        ]
        evidence: list[tuple[int, ...]] = []
        for ancestor in launchers:
            will = (
                self.case.orphaned_by.get(ancestor.process.key)
                if ancestor.edge is Edge.CREATOR
                else None
            )
            if will:
                what = (
                    "created a sibling of its own" if will.sibling else "exited before its children"
                )
                says = f"{wording.name(will.process)} {what}"
                source = (self.draft.cite(will, says),)
            elif ancestor.process.comm is None:
                self.draft.miss(
                    f"the identity of the launcher with PID {ancestor.process.pid}", Why.LOST
                )
            evidence.append(source)
        above: int | None = None
        for ancestor, cited in zip(reversed(launchers), reversed(evidence), strict=True):
            above = self.draft.link(
                Role.LAUNCHER,
                "started",
                ancestor.certainty,
                process=ancestor.process,
                caused_by=above,
                evidence=cited,
            )
        return above

    def related(self, process: Process) -> "RuleContext | None":
        """The context of another death that this one depends on, with the same draft."""
        case = self.case.for_related(process.key)
        if case is None or self.depth >= _DEEPEST:
            return None
        return explained(case, self.draft, self.depth + 1)

    def because(self, link: int | None, whom: str) -> str:
        """`; bash (pid 7) had killed WHOM with SIGKILL`: the first part of a chain in a summary."""
        if link is None:
            return ""
        root = self.draft.links[link - 1]
        if root.process is None or root.role is not Role.SENDER or root.signal is None:
            return ""
        return f"; {wording.name(root.process)} had killed {whom} with {sg.name(root.signal)}"

    def known(self, process: Process) -> Process:
        """This process with what the record of its own death, if it is in the case, says of it."""
        facts = self.case.related.get(process.key)
        return process.merged(facts.process) if facts else process

    def why_it_ended(self, actor: Process) -> int | None:
        """Links for the death of `actor`, whose exit caused this one; gives the id of the last.

        A chain is only as long as the evidence: an actor that exited by itself adds nothing.
        """
        other = self.related(actor)
        if other is None or other.signal is None or other.sending is None:
            return None
        deeper = None
        if other.sending.actor is Actor.TRIGGER:
            deeper = other.why_it_ended(other.signal.current)
        if other.sending.actor not in (Actor.SENDER, Actor.TRIGGER):
            return None
        sender = other.sending.actor is Actor.SENDER
        evidence = other.cite_signal() + other.cite_end()
        launcher = self.launch(other.signal.current, other.signal) if sender else deeper
        mechanism = other.sending.mechanism
        return self.draft.link(
            Role.SENDER if sender else Role.TRIGGER,
            mechanism.value if mechanism and sender else "exited",
            other.certainty(),
            process=other.signal.current,
            signal=other.signal.sig,
            target=other.victim,
            time_ns=other.signal.time_ns,
            caused_by=launcher,
            evidence=evidence,
        )

    def rule_out_memory(self) -> None:
        """Rules out the OOM killer, with the reason, if that could be checked."""
        if self.facts.ooms or self.signal is None or self.signal.sig != sg.SIGKILL:
            return
        if (
            self.sending
            and self.sending.mechanism
            and self.sending.certainty is Certainty.ESTABLISHED
        ):
            self.draft.rule_out(
                Cause.OOM_KILLED,
                "the kernel stack of the signal is not that of the OOM killer, and no OOM victim "
                "was marked",
            )


def explained(case: Case, draft: VerdictDraft, depth: int = 0) -> RuleContext:
    """A context with its fatal signal found and explained."""
    found = fatal_signal.find(case.facts)
    how = explain.explain(found.signal) if found else None
    return RuleContext(case, draft, depth, found, how)
