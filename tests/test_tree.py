"""The tree keeps its own rules."""

import ast
import subprocess
import sys

import pytest

from killtrail.model.causes import Cause, Mechanism
from killtrail.model.trust import CheckId
from killtrail.report.reference import causes, checks
from tests.conftest import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 50
LONG_TABLES = {"causes.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_small_files_and_functions(path):
    """A file holds one idea; a function fits on a screen."""
    text = path.read_text()
    if path.name not in LONG_TABLES:
        assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= LONGEST_FUNCTION, node.name


def test_every_cause_and_mechanism_is_explained():
    """Explain and the docs know each word of the contract that we use."""
    assert set(causes.CAUSES) == set(Cause)
    assert set(causes.MECHANISMS) == set(Mechanism)


def test_every_check_is_explained():
    """What each check of trust proves and can't."""
    assert set(checks.CHECKS) == set(CheckId)


def test_generated_pages_are_current():
    """docs/reference is what the code says."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs/generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_zipapp_runs_on_the_bare_library(tmp_path):
    """The single file answers with nothing else installed, and whoever gets it may run it."""
    subprocess.run([ROOT / "packaging/zipapp"], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "dist/killtrail.pyz", "explain", "137"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "137 does not mean out of memory" in done.stdout, done.stderr
    assert (ROOT / "dist/killtrail.pyz").stat().st_mode & 0o777 == 0o755


def test_an_old_python_gets_one_line(tmp_path):
    """The entry point is read by old interpreters: no syntax newer than theirs, and no traceback."""
    text = (ROOT / "src/killtrail/__main__.py").read_text()
    ast.parse(text, feature_version=(3, 4))
    old = tmp_path / "old.py"
    # No old interpreter is at hand: the running one is told that it is one.
    old.write_text(f"import sys\nsys.version_info = (3, 6, 8)\n__package__ = ''\n{text}")
    done = subprocess.run([sys.executable, "-I", old], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "killtrail: python3 >= 3.11 is needed, this is 3.6\n",
    )
