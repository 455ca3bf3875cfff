"""The public names: there, typed, lazy, and never hidden by a module."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import killtrail
from tests.conftest import ROOT

SRC = str(ROOT / "src")
NAMES = (
    "why", "deaths", "watch", "check_host", "read_dump", "page", "Verdict", "Process", "Link", "Evidence",
    "Cause", "Mechanism", "Role", "Certainty", "Absence", "KilltrailError", "UsageError",
    "NoSuchDeathError", "UnavailableError", "IncompleteError", "__version__",
)  # fmt: skip
"""Promised: none of them is ever taken away within a major version."""


def python(program: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": SRC, "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def modules() -> list[str]:
    found = pkgutil.walk_packages(killtrail.__path__, "killtrail.")
    return [each.name for each in found if not each.name.endswith("__main__")]


def test_exported_names_are_the_promised_ones():
    assert sorted(killtrail.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(killtrail))
    for name in NAMES:
        assert getattr(killtrail, name) is not None
    homes = {name for names in killtrail._HOMES.values() for name in names}
    assert homes | {"__version__"} == set(NAMES)


def test_a_name_that_is_none():
    with pytest.raises(AttributeError, match="module 'killtrail' has no attribute 'how'"):
        _ = killtrail.how  # type: ignore[attr-defined]


def test_the_import_imports_nothing_more():
    program = "import sys; old = set(sys.modules); import killtrail; print(set(sys.modules) - old)"
    assert python(program) == "{'killtrail'}"


def test_a_star_import_gives_all_names():
    assert python("from killtrail import *; print(why.__module__, Verdict.__module__)") == (
        "killtrail.api killtrail.model.verdict"
    )


def test_a_question_to_a_file_imports_no_screen_and_no_command():
    program = (
        f"import os, sys; os.chdir({str(ROOT)!r})\n"
        "import killtrail; killtrail.why(26880, evidence='tests/cases/roxen')\n"
        "print([m for m in sys.modules if m.startswith(('killtrail.cli', 'killtrail.report',"
        " 'killtrail.autopsy', 'killtrail.observe')) or m in ('asyncio', 'dataclasses', 'pickle')])"
    )
    assert python(program) == "[]"


def test_no_name_is_that_of_a_module():
    """Importing `killtrail.trust` sets the attribute `trust` of the package, whatever it was."""
    inside = {each.name for each in pkgutil.iter_modules(killtrail.__path__)}
    assert not inside & set(NAMES)


def test_names_survive_the_import_of_every_module(tmp_path):
    before = {name: getattr(killtrail, name) for name in NAMES}
    for name in modules():
        importlib.import_module(name)
    for name, value in before.items():
        found = getattr(killtrail, name)
        assert found is value
        assert not isinstance(found, ModuleType)


def test_every_function_answers_after_that():
    """Each is called, in an interpreter in which every module was imported first."""
    program = f"""
import importlib, os
os.chdir({str(ROOT)!r})
for name in {modules()!r}:
    importlib.import_module(name)
import killtrail as k
found = k.why(26880, evidence="tests/cases/roxen")
assert found[-1].links and len(found) == 6
assert len(list(k.deaths(evidence="tests/cases/ftrace-raw"))) == 2
assert "roxen" in k.page(found[-1]).text(width=100)
assert not k.check_host(root="tests/cases/trojan-ps", execute=False).found
assert k.read_dump("tests/dumps/incident-6.1.192.elf.xz").panic
try:
    assert list(k.watch("no-such-name", idle=0.1)) == []
except k.UnavailableError as error:
    assert "can't follow deaths" in str(error)
print("answered")
"""
    assert python(program) == "answered"


def test_functions_are_documented_and_typed():
    for name in ("why", "deaths", "watch", "check_host", "read_dump", "page"):
        function = getattr(killtrail, name)
        assert inspect.getdoc(function)
        signature = inspect.signature(function)
        assert signature.return_annotation is not signature.empty
        for parameter in signature.parameters.values():
            assert parameter.annotation is not parameter.empty
    reference = (ROOT / "docs/reference/python-api.md").read_text()
    assert all(f"`{name}" in reference for name in NAMES if name != "__version__")


def test_pyright_knows_every_type():
    """As a user's checker sees the package; needs node, which pyright brings or finds."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pyright", "--verifytypes", "killtrail", "--ignoreexternal",
            "--pythonpath", sys.executable,
        ],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": SRC, "PATH": "/usr/bin:/bin", "HOME": "/tmp"},
    )  # fmt: skip
    if "Symbols exported" not in done.stdout:
        pytest.skip(f"pyright can't run here: {(done.stdout + done.stderr)[-200:]}")
    assert "Type completeness score: 100%" in done.stdout, done.stdout[-3000:]
    assert done.returncode == 0
