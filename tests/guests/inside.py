"""Runs in the guest: arms each backend, plays the gallery, prints scores. Exit code 1 on a misname."""

import json
import os
import subprocess
import sys
from collections import Counter

from tests.gallery import lab, rows

SLOW = {"18"}
"""No at daemon in the initramfs."""


def killtrail(*words: str) -> subprocess.CompletedProcess[str]:
    """The command."""
    return subprocess.run(
        [sys.executable, "-m", "killtrail", *words], capture_output=True, text=True, check=False
    )


def say(text: str) -> None:
    """A line that the host picks out of the console."""
    print("GUEST:", text, flush=True)


def one(number: str) -> str:
    """Plays and scores one row."""
    try:
        with lab.Lab() as here:
            truth = rows.ROWS[number](here)
            done = killtrail("why", f"pid:{truth.victim}", "-n", "1", "--json")
        verdict = json.loads(done.stdout.splitlines()[-1])
    except lab.NotHere as reason:
        say(f"  {number}: not here: {reason}")
        return "not here"
    except Exception as error:  # one row must not end the run
        say(f"  {number}: {type(error).__name__}: {error}")
        return "failed"
    score, reason = lab.score(truth, verdict, lab.own_ancestors())
    if score != "right":
        say(f"  {number}: {score}: {reason}")
    return score


def play(backend: str) -> Counter[str]:
    """The whole gallery on one backend."""
    armed = killtrail("arm", "--backend", backend)
    if armed.returncode:
        say(f"{backend}: {armed.stderr.strip()}")
        return Counter(failed=1)
    scores = Counter(one(number) for number in rows.ROWS if number not in SLOW)
    killtrail("disarm")
    say(
        f"{os.uname().release} {backend}: " + ", ".join(f"{n} {s}" for s, n in scores.most_common())
    )
    return scores


def main() -> int:
    """Both backends."""
    bpf, tracefs = play("bpf"), play("tracefs")
    wrong = bpf["misnamed"] + tracefs["misnamed"] + bpf["failed"] + tracefs["failed"]
    return 1 if wrong or not bpf["right"] else 0


if __name__ == "__main__":
    sys.exit(main())
