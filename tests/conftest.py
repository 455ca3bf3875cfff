"""What tests share: the command as a user runs it, and a live kernel where there is one."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "docs/schema/killtrail.verdict-1.json").read_text())
REQUIRED = os.environ.get("KILLTRAIL_REQUIRE_LIVE") == "1"


def cannot(reason: str) -> None:
    """Skips, or fails where live tests are required to run."""
    if REQUIRED:
        pytest.fail(f"KILLTRAIL_REQUIRE_LIVE=1, but: {reason}")
    pytest.skip(reason)


class Command:
    """`killtrail ...` in a process of its own, as users run it.

    `public` is a copy of the source that everybody may read: a checkout below /root is none.
    """

    def __init__(self, public: Path) -> None:
        self.public = public

    def __call__(
        self,
        *words: str,
        env: dict[str, str] | None = None,
        user: int | None = None,
        groups: tuple[int, ...] = (),
        wait: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command line; `user` runs it as that uid, in those groups only."""
        more: dict = {}
        python, source = sys.executable, ROOT / "src"
        if user is not None:
            more = {"user": user, "group": user, "extra_groups": groups}
            python, source = public_python(), self.public
        return subprocess.run(
            [python, "-m", "killtrail", *words],
            capture_output=True,
            text=True,
            timeout=wait,
            check=False,
            env={**_environment(), "PYTHONPATH": str(source), **(env or {})},
            cwd="/",
            **more,
        )

    def verdicts(self, *words: str, **kw) -> list[dict]:
        """The verdicts of a command with --json, each checked against the published schema."""
        done = self(*words, "--json", **kw)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        for verdict in found:
            jsonschema.validate(verdict, SCHEMA)
        assert found or done.returncode, done.stderr
        return found


def _environment() -> dict[str, str]:
    keep = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**keep, "KILLTRAIL_DEBUG": "", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}


def public_python() -> str:
    """An interpreter that an unprivileged user may run."""
    for path in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if os.path.exists(path) and sys.version_info[:2] == _version(path):
            return path
    cannot("no system-wide python3 for an unprivileged user")
    raise AssertionError


def _version(path: str) -> tuple[int, ...]:
    code = "import sys; print(*sys.version_info[:2])"
    out = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False).stdout
    return tuple(int(x) for x in out.split())


@pytest.fixture(scope="session")
def killtrail(tmp_path_factory) -> Iterator[Command]:
    """The command; its history lives in a folder of the test run."""
    os.environ["KILLTRAIL_HISTORY"] = str(tmp_path_factory.mktemp("history") / "history.db")
    with tempfile.TemporaryDirectory(prefix="killtrail-public-") as folder:
        public = Path(folder)
        shutil.copytree(ROOT / "src", public / "src", ignore=shutil.ignore_patterns("__pycache__"))
        public.chmod(0o755)
        yield Command(public / "src")


def _armed(killtrail: Command, *options: str) -> Iterator[Command]:
    if os.geteuid() != 0:
        cannot("arming needs root")
    before = killtrail("status").stdout
    if "armed\n" in before.replace("not armed\n", "").replace("no tracefs instance is armed\n", ""):
        cannot("a recorder is armed already; disarm it for the tests")
    done = killtrail("arm", *options)
    if done.returncode:
        cannot(done.stderr)
    yield killtrail
    killtrail("disarm")


@pytest.fixture(scope="module")
def bpf(killtrail: Command) -> Iterator[Command]:
    """The command, with the BPF recorder armed for this module."""
    yield from _armed(killtrail)


@pytest.fixture(scope="module")
def tracefs(killtrail: Command) -> Iterator[Command]:
    """The command, with the tracefs recorder armed for this module."""
    yield from _armed(killtrail, "--backend", "tracefs")


@pytest.fixture
def unarmed(killtrail: Command) -> Iterator[Command]:
    """The command, with nothing armed before and after."""
    if os.geteuid() != 0:
        cannot("needs root")
    killtrail("disarm")
    yield killtrail
    killtrail("disarm")
