"""The tree keeps its own rules."""

import ast
import subprocess
import sys

import pytest

from killtrail.model.causes import Cause, Mechanism
from killtrail.model.trust import CheckId
from killtrail.report import check_pages, explanations
from tests.conftest import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 50
LONG_TABLES = {"explanations.py"}


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
    assert set(explanations.CAUSES) == set(Cause)
    assert set(explanations.MECHANISMS) == set(Mechanism)


def test_every_check_is_explained():
    """What each check of trust proves and can't."""
    assert set(check_pages.CHECKS) == set(CheckId)


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
    """The single file answers without rich or anything else installed."""
    subprocess.run([ROOT / "packaging/zipapp"], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "dist/killtrail.pyz", "explain", "137"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "137 does not mean out of memory" in done.stdout, done.stderr
