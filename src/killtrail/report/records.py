"""--evidence: the observations behind a verdict, field by field, as they were recorded."""

from collections.abc import Iterator

from killtrail.model.clock import rfc3339
from killtrail.model.text import visible
from killtrail.model.verdict import Verdict


def raw_records(verdict: Verdict) -> Iterator[str]:
    """Lines for each cited record."""
    boot = verdict.host.boot
    yield ""
    for cited in verdict.evidence:
        when = rfc3339(boot.wall(cited.time_ns)) if cited.time_ns is not None else "-"
        yield f"record {cited.id}: {cited.source} {visible(cited.where)} at {when}"
        for name, value in cited.record:
            yield f"  {name:<24}  {visible(value)}"
