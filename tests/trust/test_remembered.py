"""What `trust` left behind, and what a verdict makes of it."""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.attribution.engine import judge
from killtrail.inquiry import trust_caveats
from killtrail.model.certainty import Certainty
from killtrail.model.trust import Check, CheckId, Layer, Result, TrustReport
from killtrail.trust import last_run
from tests.attribution import make


def off(layer: Layer) -> Check:
    return Check(
        CheckId.KERNEL, "module x\x1b", Result.CONTRADICTED, "sysfs", "hidden", layer=layer
    )


def test_kernel_s_word_lowers_certainty(tmp_path, monkeypatch):
    """A contradicted kernel may have told us what it liked; a contradicted tool was never asked."""
    monkeypatch.setenv("KILLTRAIL_HISTORY", str(tmp_path / "history.db"))

    def found():
        distrust = trust_caveats.of_this_host()
        return judge(make.case(make.exited(9), make.signal(doomed=True), distrust=distrust))

    assert (found().certainty, found().lowered_by) == (Certainty.ESTABLISHED, ())
    last_run.keep(TrustReport((off(Layer.KERNEL),), "/"), tmp_path, 1_763_640_000 * 10**9)
    assert found().certainty is Certainty.LIKELY
    assert found().lowered_by == ("module x\\e: hidden (killtrail trust, 2025-11-20T12:00:00)",)
    last_run.keep(TrustReport((off(Layer.TOOLS),), "/"), tmp_path, 0)
    assert found().certainty is Certainty.ESTABLISHED and found().lowered_by
    last_run.keep(TrustReport((), "/"), tmp_path, 0)
    assert found().lowered_by == ()


def test_somebody_else_s_file(tmp_path):
    """Only root's word, or one's own, about root's host."""
    last_run.keep(TrustReport((off(Layer.KERNEL),), "/"), tmp_path, 0)
    if os.geteuid() == 0:
        os.chown(tmp_path / "trust.json", 65534, 65534)
        assert last_run.doubts(tmp_path) == ()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path, junk):
    """Whatever the file holds."""
    (tmp_path / "trust.json").write_bytes(junk)
    assert last_run.doubts(tmp_path) == ()
