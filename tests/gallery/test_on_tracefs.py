"""On tracefs nobody is misnamed; what can't be known is said."""

import pytest

from tests.gallery import check, rows

pytestmark = pytest.mark.live

# What a tracefs instance can't tell, and why.
LESS_THAN_RIGHT = {
    "17": "argv of the dead needs event probes",
    "17r": "argv of the dead needs event probes",
    "17s": "argv of the dead needs event probes",
    "18s": "argv of the dead needs event probes",
    "20m": "that the child died of the same signal needs its wait status",
    "31": "the full cgroup is not in the record",
    "32": "the full cgroup is not in the record",
    "36": "the full cgroup is not in the record",
    "47": "who holds the terminal's other end is not in the record",
    "47h": "who holds the terminal's other end is not in the record",
    "47s": "who holds the terminal's other end is not in the record",
    "47t": "ioctl of a terminal shows only where its function is not inlined",
    "53r": "who adopted it is not in the record",
    "47w": "who holds the terminal's other end is not in the record",
    "61": "who traced it is not in the record",
    "61d": "without a wait status a signal that nobody sent is no signal",
    "62": "the return address of the exit is not in the record",
    "72": "which of its limits it ran into is not in the record",
    "73r": "what its readers had open is not in the record",
    "85": "strict mode leaves no trace but the exit's stack",
    "86": "who carries filters is not in the record",
    "86p": "who carries filters is not in the record",
    "98": "the exit code is not in the record",
    "98c": "the exit code is not in the record",
}
NO_DEATH = {"95"}


@pytest.mark.parametrize("number", rows.ROWS)
def test_nobody_misnamed(tracefs, number):
    """No innocent is named, and all but the argued rows are right."""
    _, verdict, score, reason = check.ask(tracefs, number)

    assert score != "misnamed", reason
    assert verdict["certainty"] != "established" or number in NO_DEATH
    if number not in LESS_THAN_RIGHT:
        assert (score, number) == ("right", number), reason
