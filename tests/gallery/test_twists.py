"""Killings with everything about them drawn at random: nobody innocent is ever named.

KILLTRAIL_TWISTS says how many (`make twists`: 500).
"""

import json
import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.gallery import lab
from tests.gallery.rows.recipes import range_between

pytestmark = pytest.mark.live

RUNS = int(os.environ.get("KILLTRAIL_TWISTS", "25"))
ASKING = {1, 2, 3, 15}
NAMES = st.one_of(
    st.sampled_from(
        ["a b", "(x)", ") 1 (", "a\nb", "\x1b[31m", "sh -c", "[kworker]", "\u202etxt", "]0;t\x07"]
    ),
    st.text(
        st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]),
        min_size=1,
        max_size=8,
    ),
)
TWISTS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "launchers": st.lists(st.booleans(), max_size=6),
        "threads": st.integers(0, 3),
        "from_thread": st.booleans(),
        "signal": st.sampled_from([9, 9, 15, 15, 2, 1, 10, 40, 11, 6]),
        "disposition": st.sampled_from(["default", "default", "blocked", "handled", "ignored"]),
        "code": st.sampled_from([0, 3, 143, 137]),
        "call": st.sampled_from(["kill", "group", "tgkill", "pidfd", "sigqueue", "sh"]),
        "claims": st.sampled_from([0, 1, 2, 4242]),
        "fate": st.sampled_from(["exits", "lives", "dies hard"]),
        "early": st.booleans(),
        "late": st.booleans(),
        "victims": st.one_of(
            st.just(1), st.just(1), st.integers(2, 40), st.sampled_from([300, 2000])
        ),
        "namespaces": st.integers(0, 2),
    }
)


def play(here: lab.Lab, twist: dict) -> tuple[lab.Truth, set[int]]:
    """Makes it happen; the truth about one of the victims, and all of them."""
    if twist["signal"] == 9:
        twist["disposition"] = "default"
    if twist["victims"] > 40:
        twist["threads"] = 0
    prefix = ("unshare", "--pid", "--fork", "--kill-child") * twist["namespaces"]
    process = here.action("twist", json.dumps(twist), prefix=prefix)
    said: dict[str, list[int]] = {}
    for line in process.stdout:
        words = line.split()
        said.setdefault(words[0], []).append(int(words[1]))
    process.wait(30)
    victims = said["victim"]
    assert said["gone"] == [len(victims)], twist
    around = {process.pid, *said.get("launcher", ())}
    # The outermost process and the namespaces' inits lie between what we started and the first victim.
    around |= range_between(process.pid, victims[0])
    killer = said["killer"][0]
    truth = lab.Truth(
        victims[len(victims) // 2],
        causes(twist),
        killer if died_of_it(twist) else None,
        {killer: ("sender",), victims[len(victims) // 2]: ("sender",)}
        if not died_of_it(twist)
        else {killer: ("sender",)},
        launchers=frozenset(around),
    )
    return truth, set(victims)


def died_of_it(twist: dict) -> bool:
    """Whether the signal's default action ended it, or it was one to comply with."""
    if twist["disposition"] in ("default", "blocked"):
        return True
    return twist["disposition"] == "handled" and twist["signal"] in ASKING


def causes(twist: dict) -> tuple[str, ...]:
    """What may be called the cause."""
    if twist["disposition"] in ("default", "blocked"):
        return ("killed-by-process",)
    if twist["disposition"] == "handled":
        return ("asked-to-stop", "exited")
    return ("exited",)


@settings(
    max_examples=RUNS,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(twist=TWISTS)
def test_nobody_innocent_is_named(bpf, twist):
    """Whatever the circumstances: the true killer or nobody."""
    with lab.Lab() as here:
        truth, victims = play(here, twist)
        found = bpf.verdicts("why", f"pid:{truth.victim}", "-n", "1")
    assert found, twist
    score, reason = lab.score(truth, found[-1], lab.own_ancestors())
    assert score in ("right", "partly"), (score, reason, twist, found[-1]["links"])
    if len(victims) > 1 and twist["disposition"] == "default":
        incident = found[-1]["incident"]
        assert incident, (reason, twist)
        assert incident["victims"] <= len(victims), twist
