"""Whether this host's own word counts in full: what lowers it stands with every verdict on it."""

from killtrail._slotted import replace
from killtrail.model.absence import Absence, Why
from killtrail.model.certainty import Certainty
from killtrail.model.trust import Layer
from killtrail.model.verdict import Verdict
from killtrail.recorder.history import paths
from killtrail.trust import last_run


def lowered(verdicts: list[Verdict]) -> list[Verdict]:
    """The same verdicts, marked.

    Tools are not asked for any of our answers. But what is contradicted in the kernel or in libc may
    have told us what it liked: then nothing is more than likely.
    """
    doubts = last_run.doubts(paths.folder())
    if not doubts:
        return verdicts
    says = tuple(text for _, text in doubts)
    below = any(layer in (Layer.KERNEL, Layer.LIBC) for layer, _ in doubts)
    return [_marked(verdict, says, below=below) for verdict in verdicts]


def _marked(verdict: Verdict, says: tuple[str, ...], *, below: bool) -> Verdict:
    marked = replace(verdict, lowered_by=says)
    if not below or verdict.certainty is not Certainty.ESTABLISHED:
        return marked
    missing = Absence("certainty: what this host says of itself is contradicted", Why.UNREADABLE, "sudo killtrail trust")  # fmt: skip
    return replace(marked, certainty=Certainty.LIKELY, absent=(*verdict.absent, missing))
