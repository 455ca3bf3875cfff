#!/usr/bin/env python3
"""What a question costs: reading full ring buffers, `why` as a whole process, start-up of --help.

Ratios against a bare interpreter of the same run; medians. Run as root; arms its own recorder.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from killtrail.recorder import arming  # noqa: E402
from killtrail.recorder import layout as L  # noqa: E402, N812
from killtrail.recorder.pins import Pins  # noqa: E402
from killtrail.recorder.rings import RingBuffers  # noqa: E402

FILL = "import os,signal\nfor _ in range(4200):\n p=os.fork()\n if not p: signal.pause()\n os.kill(p,9); os.waitpid(p,0)\nprint(p)"


def median_ms(work: Callable[[], object], rounds: int = 15) -> float:
    """Median wall milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def process(*words: str) -> Callable[[], object]:
    """A whole process."""
    # Bytecode is kept, as it is where killtrail is installed.
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": ""}
    return lambda: subprocess.run(
        [sys.executable, *words], capture_output=True, check=False, env=env
    )


def read_box() -> int:
    """Copies every valid slot of the ring buffers."""
    box = RingBuffers(Pins())
    count = sum(1 for ring in L.RINGS for _ in box.slots(ring))
    box.close()
    return count


def main() -> int:
    """Fills, measures, prints."""
    arming.arm()
    try:
        last = subprocess.run(
            [sys.executable, "-c", FILL], capture_output=True, text=True, check=True
        ).stdout.strip()
        bare = median_ms(process("-c", "pass"))
        rows = {
            "bare interpreter": bare,
            "killtrail --help": median_ms(process("-m", "killtrail", "--help")),
            f"read {read_box()} slots": median_ms(read_box),
            "why, full rings": median_ms(process("-m", "killtrail", "why", last)),
            "why --json, full rings": median_ms(process("-m", "killtrail", "why", last, "--json")),
            "list, full rings": median_ms(process("-m", "killtrail", "list"), 5),
        }
    finally:
        arming.disarm()
    for name, value in rows.items():
        print(f"{name:<26}{value:>9.1f} ms   x{value / bare:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
