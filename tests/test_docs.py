"""Documents say what the code says: links, variables, exit codes, ring buffers, names of modules."""

import re
import subprocess

import pytest

from killtrail import errors
from killtrail.recorder import layout
from tests.conftest import ROOT

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
TREE = ROOT / "src/killtrail"
PLAIN = frozenset(
    """
    api artifacts audit autopsy bait bpf cgroup cgroup_path certainty check checks cli clock columns commandline
    container containers crash daemon document dpkg elf errors events examine exits explain export fields file
    files fleet formats ftrace ftrace_sites hidden history hooks host host_logs hosts html image incident incidents
    index indicators instance journal json_lines kernel kernel_lines kernlog kmsg launch_chain limits lines logs main
    markdown memory model mounts namespaces notes oom oom_logged open_sources options origin output packages page pages
    panic parents paths patterns pipes policy_owners preload privilege probe process processes procfs query record
    recorder records reference report requesters rings rpm rpm_headers shell_messages signals socket_views sockets
    sources stack store strace strace_checks stream supervisors symbols syscall_dispatch syscall_record syscalls target
    task_iterator tasks terminals text threads time_ranges tracefs tracer_tables tracers tracing trust unknown unpack
    users verdict verdict_json wait yara_rules alive ask answers boot boots btf btf_types causes dump_file follow
    autopsy_json container_names coverage doctor find journalctl kept_files kernel_reports killsnoop manager_clients
    names newest_first next_steps question recorded renamed requests rows sigmon stale_pid status time_order trust_json
    kallsyms_scan kcore lastlog openpgp rawtrace ausearch wtmp x32
    """.split()
)
"""Names that say what they hold in plain English, or are those of a man page, a file format or a kernel facility."""


def _modules() -> set[str]:
    names = {p.stem for p in TREE.rglob("*.py")} | {p.parent.name for p in TREE.rglob("*.py")}
    return {n for n in names if not n.startswith("_") and not n.endswith("_command")} - {
        "killtrail"
    }


def _glossary() -> set[str]:
    text = (ROOT / "docs/reference/glossary.md").read_text().partition("## Names of modules")[2]
    rows = re.findall(r"^\| ([a-z0-9_, ]+) \|", text, re.MULTILINE)
    return {name for row in rows for name in row.split(", ")} - {"module"}


def test_every_module_name_is_explained():
    """A module's name is plain, or in the glossary; the glossary holds no name that is gone."""
    assert _modules() - PLAIN - _glossary() == set()
    assert _glossary() - _modules() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Every relative link of a document is a file or folder."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http", "#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_index_names_every_page():
    """docs/README.md leads to each page that is written by hand."""
    index = (ROOT / "docs/README.md").read_text()
    pages = {str(p.relative_to(ROOT / "docs")) for p in PAGES if p.is_relative_to(ROOT / "docs")}
    assert {
        p for p in pages if "/causes/" not in p and p != "README.md" and p not in index
    } == set()


def test_every_variable_is_on_its_page():
    """docs/reference/environment.md names what the code reads, and nothing else."""
    places = (
        "src",
        "tests",
        "bench",
        "bpf",
        "packaging",
        "run",
        "Makefile",
        ".ci",
        "pyproject.toml",
    )
    done = subprocess.run(
        [
            "git",
            "-C",
            ROOT,
            "grep",
            "-ohIE",
            "KILLTRAIL_[A-Z_]+[A-Z]",
            "--",
            *places,
            ":!tests/test_docs.py",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    page = (ROOT / "docs/reference/environment.md").read_text()
    assert set(re.findall(r"KILLTRAIL_[A-Z_]+[A-Z]", page)) == set(done.stdout.split())


def test_exit_codes_are_on_their_page():
    """Each exception's exit code has its row."""
    page = (ROOT / "docs/reference/exit-codes.md").read_text()
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    kinds = [errors.KilltrailError, *errors.KilltrailError.__subclasses__()]
    assert {kind.exit_code for kind in kinds} | {0, 3, 6, 7, 124, 130} == rows


def test_the_recorder_is_as_described():
    """docs/explanation/recorder.md: rings with their sizes, and the programs of bpf/."""
    page = (ROOT / "docs/explanation/recorder.md").read_text()
    rings = re.findall(r"^\| `(\w+)` \|.*\| (\d+) of (\d+) bytes \|$", page, re.MULTILINE)
    assert {(n, int(s), int(b)) for n, s, b in rings} == {
        (r.name, r.slots, r.slot_size) for r in layout.RINGS
    }
    programs = re.findall(
        r'^SEC\("(?:tp_btf|raw_tp|fexit)/(\w+)"\)',
        (ROOT / "bpf/recorder.bpf.c").read_text(),
        re.MULTILINE,
    )
    described = re.findall(r"^\| `(\w+)` \| [^|]*\|$", page, re.MULTILINE)
    assert described == sorted(programs, key=described.index) and len(described) == len(programs)


def test_readme_shows_the_demo_as_it_is():
    """Its screen is the one that a guest made of `killtrail demo`, with the other screens."""
    demo = (ROOT / "docs/screens/demo.txt").read_text().strip()
    assert f"\n{demo}\n```" in (ROOT / "README.md").read_text()
