"""What a host says of itself, held against independent views: one check per statement."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """What a check gave. There is no *clean*: a view that agrees proves only that it agrees."""

    CONSISTENT = "consistent"
    CONTRADICTED = "contradicted"
    NOT_CHECKABLE = "not-checkable"


class CheckId(StrEnum):
    """The checks of the contract that this version has."""

    TOOL_BEHAVIOUR = "tool-behaviour"
    TOOL_EXECUTES = "tool-executes"
    ELF_SHAPE = "elf-shape"


@dataclass(frozen=True, slots=True)
class Check:
    """One statement put to the test: what it was about, what spoke for or against it, what follows."""

    id: CheckId
    subject: str
    result: Result
    by: str
    says: str
    consequence: str | None = None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class TrustReport:
    """All checks on one host or its files. `root`: whose files; None = a record of a tool's run."""

    checks: tuple[Check, ...]
    root: str | None = None

    @property
    def tools(self) -> Result:
        """The layer of tools: contradicted where one check is."""
        results = {check.result for check in self.checks}
        if Result.CONTRADICTED in results:
            return Result.CONTRADICTED
        return Result.CONSISTENT if Result.CONSISTENT in results else Result.NOT_CHECKABLE
