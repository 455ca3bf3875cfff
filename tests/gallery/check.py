"""One gallery row against one backend, through the public command."""

from tests.conftest import Command, cannot
from tests.gallery import lab, rows


def ask(command: Command, number: str) -> tuple[lab.Truth, dict, str, str]:
    """Makes the death, asks, scores: (truth, verdict, score, reason)."""
    try:
        with lab.Lab() as here:
            truth = rows.ROWS[number](here)
            found = command.verdicts("why", f"pid:{truth.victim}", "-n", "1")
    except lab.NotHere as reason:
        cannot(f"row {number}: {reason}")
    assert found, f"row {number}: no answer about pid {truth.victim}"
    return truth, found[-1], *lab.score(truth, found[-1], lab.own_ancestors())
