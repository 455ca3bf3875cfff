"""What the last `trust` run found on this host, for every `why`; and what is cheap to check again.

Root's `killtrail trust` saves its contradictions in a small file that only root can write. A
finding holds until another run no longer finds it: a replaced ps does not repair itself.
"""

import os
import stat
from pathlib import Path
from typing import Any, Final

from killtrail.host import procfs
from killtrail.model.clock import rfc3339
from killtrail.model.text import visible
from killtrail.model.trust import Layer, TrustReport
from killtrail.trust import mounts

_FILE: Final = "trust.json"
_MOST: Final = 1 << 20
_NAMED_MOST: Final = 20
_TEXT_MOST: Final = 300


def keep(report: TrustReport, folder: Path, now_ns: int) -> None:
    """Saves the findings for `why`; does nothing if the folder can't be written."""
    import json  # noqa: PLC0415 -- every `why` imports this module, few find the file

    found: dict[str, dict[str, str]] = {}
    for check in report.checks:
        if check.off and check.layer is not None:
            says = check.consequence or check.says
            found.setdefault(check.subject, {"layer": check.layer.value, "says": says})
    text = json.dumps({"time_ns": now_ns, "found": dict(list(found.items())[:_NAMED_MOST])})
    temporary = folder / f"{_FILE}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(text)
        temporary.replace(folder / _FILE)
    except OSError:
        temporary.unlink(missing_ok=True)


def doubts(folder: Path) -> tuple[tuple[Layer, str], ...]:
    """Layers with lowered trust, and the findings: of the last `trust` run, and of now."""
    return (*_kept(folder / _FILE), *_now())


def _kept(path: Path) -> list[tuple[Layer, str]]:
    try:
        about = path.stat()
        if about.st_uid not in (0, os.geteuid()) or not stat.S_ISREG(about.st_mode):
            return []
        import json  # noqa: PLC0415

        raw = json.loads(procfs.read_bytes(path, _MOST) or b"{}")
        when = rfc3339(int(raw["time_ns"]))[:19]
        rows = [(subject, row) for subject, row in raw["found"].items()]
        return [_row(subject, row, when) for subject, row in rows[:_NAMED_MOST]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return []


def _row(subject: str, row: Any, when: str) -> tuple[Layer, str]:  # noqa: ANN401 -- JSON
    says = visible(str(row["says"]))[:_TEXT_MOST]
    return Layer(row["layer"]), f"{visible(subject)}: {says} (killtrail trust, {when})"


def _now() -> list[tuple[Layer, str]]:
    found = [
        (Layer.TOOLS, f"PID {m.over}: something is mounted over {visible(m.point)}")
        for m in mounts.read()
        if m.over is not None
    ]
    raw = procfs.read_bytes(Path("/etc/ld.so.preload"), 4096) or b""
    lines = [line for line in raw.splitlines() if line.split(b"#", 1)[0].strip()]
    if lines:
        named = visible(lines[0].decode("utf-8", "replace"))
        says = (
            f"/etc/ld.so.preload: {named} is loaded into every program (killtrail trust shows "
            "its owner)"
        )
        # Some packages do this as well: finding the owner needs their file lists.
        found.append((Layer.TOOLS, says))
    return found
