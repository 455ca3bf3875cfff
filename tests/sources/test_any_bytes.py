"""Every parser of kept evidence: whatever is done to true records, it neither fails nor runs away."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import EXAMPLES
from tests.fuzzing import seeds

LONGEST = 1 << 14
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "twice", "insert", "drop"]),
        st.floats(0, 1),
        st.integers(1, 400),
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b"\n", b"\0", b'"', b"\x1d", b"9" * 30, b"\xff\xfe", b"\x1b[2J"]),
        ),
    ),
    max_size=8,
)


def changed(data: bytes, changes: list[tuple[str, float, int, bytes]]) -> bytes:
    """The bytes after each change at its place."""
    for how, place, size, new in changes:
        at = int(place * len(data))
        before, part, after = data[:at], data[at : at + size], data[at + size :]
        data = {
            "flip": before + bytes(byte ^ 0x20 for byte in part) + after,
            "cut": before,
            "twice": before + part + part + after,
            "insert": before + new + part + after,
            "drop": before + after,
        }[how]
    return data


@pytest.mark.parametrize("name", seeds.NAMES)
def test_any_change(name: str) -> None:
    begins = [seed[:LONGEST] for seed in seeds.inputs(name)]
    assert begins

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(begins), CHANGES)
    def run(begin: bytes, changes: list[tuple[str, float, int, bytes]]) -> None:
        seeds.one(name, changed(begin, changes))

    run()
