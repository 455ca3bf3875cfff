"""--evidence: the observations behind a verdict, field by field, as they were recorded."""

from collections.abc import Iterator

from killtrail.model.text import visible
from killtrail.model.verdict import Verdict
from killtrail.report import when


def raw_records(verdict: Verdict) -> Iterator[str]:
    """Lines for each cited record."""
    boot = verdict.host.boot
    yield ""
    for cited in verdict.evidence:
        at = when.full(cited.time_ns, boot) or when.short(cited.time_ns, boot)
        yield f"record {cited.id}: {cited.source} {visible(cited.where)} at {at}"
        for name, value in cited.record:
            yield f"  {name:<24}  {visible(value)}"
