"""The page of status: what is recording, since when, how full it is, what was lost."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.report.page import Field, Page, Paragraph, Section, page

RING_WORDS: Final = {
    "orphaned": "orphaned-by",
    "deaths": "killed",
    "exits": "exited",
}
"""What ring buffers hold, where their own names don't say it."""


@dataclass(frozen=True, slots=True)
class RecorderState:
    """One recorder or store: its state, details, and (name, use) of its ring buffers."""

    id: str
    usable: bool
    says: str
    details: tuple[str, ...] = ()
    rings: tuple[tuple[str, str], ...] = ()


def status_page(states: tuple[RecorderState, ...]) -> Page:
    """One section each; the title says whether anything records."""
    recording = [s.id for s in states if s.usable and s.id != "history"]
    title = f"recording: {', '.join(recording)}" if recording else "nothing is recording"
    return page(title, None, tuple(_section(state) for state in states))


def _section(state: RecorderState) -> Section:
    details = tuple(Paragraph(text) for text in state.details)
    rings = tuple(Field(RING_WORDS.get(name, name), use, depth=1) for name, use in state.rings)
    return Section(state.id, (Paragraph(state.says), *details, *rings))
