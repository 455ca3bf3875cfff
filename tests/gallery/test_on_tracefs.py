"""On tracefs nobody is misnamed; what can't be known is said."""

import pytest

from tests.gallery import check, rows

pytestmark = pytest.mark.live

# What a tracefs instance can't tell, and why.
LESS_THAN_RIGHT = {
    "17": "argv of the dead needs event probes",
    "31": "the full cgroup is not in the record",
    "32": "the full cgroup is not in the record",
    "61": "who traced it is not in the record",
    "85": "strict mode leaves no trace but the exit's stack",
}


@pytest.mark.parametrize("number", rows.ROWS)
def test_nobody_misnamed(tracefs, number):
    """No innocent is named, and all but the argued rows are right."""
    _, verdict, score, reason = check.ask(tracefs, number)

    assert score != "misnamed", reason
    assert verdict["certainty"] != "established"
    if number not in LESS_THAN_RIGHT:
        assert (score, number) == ("right", number), reason
