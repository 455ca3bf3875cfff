"""Screens as they were agreed on, in golden/*.txt; KILLTRAIL_GOLDEN=write renews them.

A changed screen is a changed file: the diff shows what readers will see.
"""

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def check(name: str, lines: list[str]) -> None:
    """Compares a screen with its file; escape characters show as in `model.text`."""
    text = "".join(f"{line}\n" for line in lines).replace("\x1b", "\\e")
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("KILLTRAIL_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing: KILLTRAIL_GOLDEN=write makes it"
    assert text == path.read_text(encoding="utf-8")
