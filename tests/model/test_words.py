"""Paths, clocks and identities."""

import pytest

from killtrail.model.certainty import Certainty
from killtrail.model.cgroup_path import container_of, login_session_of, unit_of
from killtrail.model.clock import Boot, rfc3339
from killtrail.model.process import Key, Process

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "unit", "container", "session"),
    [
        (None, None, None, None),
        ("/", None, None, None),
        ("/system.slice/nginx.service", "nginx.service", None, None),
        ("/system.slice/nginx.service/worker", "nginx.service", None, None),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", None, "3"),
        (f"/system.slice/docker-{ID}.scope", f"docker-{ID}.scope", f"docker:{ID}", None),
        (f"/docker/{ID}", None, ID, None),
        (
            f"/kubepods/besteffort/podx/cri-containerd-{ID}.scope",
            f"cri-containerd-{ID}.scope",
            f"cri-containerd:{ID}",
            None,
        ),
        ("/system.slice/app\\x2dx.service", "app-x.service", None, None),
        ("/user.slice", None, None, None),
    ],
)
def test_cgroup_paths(path, unit, container, session):
    """Unit, container and login session are read off the path."""
    assert (unit_of(path), container_of(path), login_session_of(path)) == (unit, container, session)


def test_same_life():
    """Exact times match exactly; procfs's ticks match whatever started within them."""
    tick = 10_000_000
    exact = Key(7, 5 * tick + 1234)

    assert exact.same_life(Key(7, 5 * tick + 1234))
    assert exact.same_life(Key(7, 5 * tick))
    assert not exact.same_life(Key(7, 5 * tick + 1235))
    assert not exact.same_life(Key(7, 4 * tick - tick))
    assert not exact.same_life(Key(8, 5 * tick + 1234))
    assert not exact.same_life(Key(7, None))


def test_merged_fills_gaps_only():
    """What is known stays; what is missing comes from the other sighting."""
    one = Process(Key(1, 2), comm="a")
    two = Process(Key(1, 2), comm="b", exe="/b", uid=5)

    assert one.merged(two) == Process(Key(1, 2), comm="a", exe="/b", uid=5)
    assert two.merged(one) is two


def test_times():
    """RFC 3339 with offset and nanoseconds; an absurd moment is still printed."""
    text = rfc3339(Boot("b", 1_700_000_000_000_000_000).wall(123_456_789))

    assert text[19:29] == ".123456789"
    assert text[29] in "+-"
    assert rfc3339(1 << 80).startswith("@")


def test_certainty_orders():
    """The weaker of two is the minimum."""
    assert min(Certainty.LIKELY, Certainty.ESTABLISHED).label == "likely"
    assert Certainty.NOT_ESTABLISHED.label == "not-established"
