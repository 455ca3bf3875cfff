"""`./run` and the installs behind it: nothing is resolved, nothing is imported from where one stands."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

_BACKEND = """\
import base64, hashlib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "killtrail-0.1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as file:
        file.writestr("killtrail-0.1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: killtrail\\nVersion: 0.1\\nRequires-Dist: beta\\n")
        file.writestr("killtrail-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr("killtrail-0.1.dist-info/entry_points.txt", "[console_scripts]\\nkilltrail = beta:main\\n")
        file.writestr("killtrail-0.1.dist-info/RECORD", "")
    return name
"""


def _wheel(folder: Path, name: str, version: str, needs: str = "") -> str:
    """A wheel in a local index; gives its SHA-256."""
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-{version}.dist-info/RECORD"
    rows = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
    place = folder / name / f"{name}-{version}-py3-none-any.whl"
    place.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(place, "w") as file:
        for path, text in files.items():
            file.writestr(path, text)
        file.writestr(record, "\n".join([*rows, f"{record},,"]) + "\n")
    links = "".join(f'<a href="{p.name}">{p.name}</a>' for p in sorted(place.parent.glob("*.whl")))
    (place.parent / "index.html").write_text(links)
    return hashlib.sha256(place.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture
def checkout(tmp_path):
    """A checkout with our own `run`, a lock of two packages, and an index where one has a newer release."""
    index = tmp_path / "index"
    alpha = _wheel(index, "alpha", "1.0", "Requires-Dist: beta[toml]>=1\n")
    beta = _wheel(index, "beta", "1.0")
    _wheel(index, "beta", "2.0")
    _wheel(index, "pytest", "1.0")
    here = tmp_path / "checkout"
    here.mkdir()
    shutil.copy(ROOT / "run", here / "run")
    (here / "backend.py").write_text(_BACKEND)
    (here / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["beta"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "killtrail"\nversion = "0.1"\n'
    )
    (here / "requirements-dev.lock").write_text(
        f"alpha==1.0 --hash=sha256:{alpha}\nbeta==1.0 --hash=sha256:{beta}\n"
    )
    return here, {"PIP_INDEX_URL": f"file://{index}", "PIP_CONFIG_FILE": os.devnull}


def test_a_newer_release_changes_nothing_that_is_installed(checkout):
    """`./run test` installs the lock's releases, though the index has a newer one that fits as well."""
    here, env = checkout
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    subprocess.run(
        [here / "run", "test", "--version"], env=clean | env, capture_output=True, check=False
    )
    done = subprocess.run(
        [here / ".venv/bin/python", "-c", "import alpha, beta; print(alpha.version, beta.version)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "1.0 1.0\n", done.stderr
    assert (here / ".venv/bin/killtrail").exists()
    assert (here / ".venv/dev.lock").read_text() == (here / "requirements-dev.lock").read_text()


def test_no_install_of_ours_resolves_anything():
    """Wherever pip is called, it is told to resolve nothing and what it installs is pinned."""
    files = ["run", "Makefile", ".ci/run", *map(str, (ROOT / "packaging").rglob("*"))]
    for path in (ROOT / name for name in files):
        if not path.is_file():
            continue
        for line in path.read_text().splitlines():
            if re.search(r"pip\"? install", line) and not line.lstrip().startswith("#"):
                assert "--no-deps" in line, line
                assert re.search(r"--require-hashes|--no-index|==", line), line


def test_commands_install_nothing_and_import_nothing_from_here(tmp_path):
    """No .venv appears, and files named like ours or like the standard library's stay unread."""
    here = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", here / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run", here / "run")
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("killtrail", "argparse", "json", "textwrap", "re", "sitecustomize"):
        (trap / f"{name}.py").write_text(
            "raise SystemExit('imported from the folder one stands in')"
        )
    for words in (["--help"], ["explain", "137"], ["list", "--help"]):
        done = subprocess.run(
            [here / "run", *words], cwd=trap, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(trap)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert not (here / ".venv").exists()
