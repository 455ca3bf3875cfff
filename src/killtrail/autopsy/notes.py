"""Findings in order, numbered; addresses without an owner are kept for the checks around them."""

from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.model.autopsy import Finding, FindingKind

_MOST: Final = 200
"""Of one kind; a dump that was made to bury the reader says so with the last of them."""


@dataclass(slots=True)
class Notes:
    """The findings of one autopsy."""

    findings: list[Finding] = field(default_factory=list)
    strange: dict[int, str] = field(default_factory=dict)
    """Addresses outside the kernel that findings lead to, and their owners."""
    _counts: dict[FindingKind, int] = field(default_factory=dict)

    def add(  # noqa: PLR0913 -- a finding has this many sides
        self,
        kind: FindingKind,
        where: str,
        value: int | str,
        says: str,
        *,
        expected: str | None = None,
        effective: bool | None = None,
        owner: str | None = None,
    ) -> None:
        """Enters one; beyond the most of its kind it is only counted."""
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if isinstance(value, int) and owner not in (None, "kernel"):
            self.strange.setdefault(value, owner or "nobody")
        if count > _MOST:
            return
        if count == _MOST:
            says += "; more of this kind are not listed"
        text = f"{value:#018x}" if isinstance(value, int) else value
        self.findings.append(
            Finding(len(self.findings) + 1, kind, where, text, says, expected, effective)
        )
