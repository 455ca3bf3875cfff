"""killtrail rules."""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from killtrail._slotted import replace
from killtrail.cli import options
from killtrail.errors import UnavailableError, UsageError
from killtrail.host.audit import advice, check, rules, x32
from killtrail.host.privilege import is_root
from killtrail.model.text import visible

_FOUND = 6
_BYTES_PER_EXEC = 1400
"""Six records of some 230 bytes (SYSCALL, EXECVE, CWD, two PATHs, PROCTITLE)."""
_EXAMPLES = """  killtrail rules                       print the rules, each with its reason
  sudo killtrail rules --install        write and load them
  sudo killtrail rules --check          what the loaded rules miss
  killtrail rules --check FILE...       the same for files
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser("rules", "Audit rules that record who killed.", _EXAMPLES)
    p.add_argument("--install", action="store_true", help="write the rules file and load it (root)")
    p.add_argument(
        "--check",
        nargs="*",
        metavar="FILE",
        help="what rules miss: the loaded ones, or those in files",
    )
    p.add_argument(
        "--forks", action="store_true", help="record every fork too (launchers without exec)"
    )
    p.add_argument(
        "--immutable", action="store_true", help="lock the rules until the next boot (-e 2)"
    )
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    if args.check is not None:
        return _check(args.check)
    found = advice.lines(forks=args.forks, immutable=args.immutable)
    if args.install:
        return _install(advice.text(found))
    sys.stdout.write(advice.text(found))
    sys.stdout.write(_notes())
    return 0


def _notes() -> str:
    lines = [
        "",
        f"# Kernel command line, so that processes started before auditd are seen: {advice.BOOT_PARAMETERS}",
        f"# What it costs here: {_cost()}",
        "# What no rule records: cgroup.kill, sysrq, timers, terminals, tracers, calls of x32 programs, exit",
        "# programs, or exit statuses. `sudo killtrail arm` records them, at lower cost.",
        "",
    ]
    return "\n".join(lines)


# Nearly every record is an exec's; forks of this second are the best guess at execs.
def _cost() -> str:
    try:
        before, start = _forks(), time.monotonic()
        time.sleep(0.5)
        rate = (_forks() - before) / (time.monotonic() - start)
    except (OSError, ValueError, StopIteration):
        return "unknown (no /proc/stat)"
    megabytes = rate * _BYTES_PER_EXEC * 86_400 / 1e6
    return (
        f"{rate:.0f} new processes a second now, at most {megabytes:,.0f} MB of log a day if each"
        " starts a program"
    )


def _forks() -> int:
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("processes ")).split()[1])


def _check(paths: list[str]) -> int:
    found = rules.parse("\n".join(_read(path) for path in paths) if paths else _in_force())
    holes = check.holes(found)
    for hole in holes:
        text = f"not recorded: {visible(hole.what)}: {visible(hole.because)}"
        sys.stdout.write(textwrap.fill(text, options.width(), subsequent_indent="  ") + "\n")
    if not holes:
        sys.stdout.write("every signal call on both ABIs and every exec are recorded\n")
    if not paths and x32.usable():
        sys.stdout.write("note: x32 programs can run here, and no rule matches their calls\n")
        sys.stdout.write("  try: boot with syscall.x32=n\n")
    if not check.locked(found):
        sys.stdout.write("note: root can change the rules at any time (no -e 2)\n")
    if holes:
        off_alone = found.enabled == 0 and not check.holes(replace(found, enabled=1))
        what = (
            "sudo auditctl -e 1" if off_alone else "killtrail rules, sudo killtrail rules --install"
        )
        sys.stdout.write(f"  try: {what}\n")
    return _FOUND if holes else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _in_force() -> str:
    program = shutil.which("auditctl", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if program is None:
        raise UnavailableError("auditctl was not found", "apt-get install auditd")
    if not is_root():
        raise UnavailableError(
            "only root may list the loaded rules", "sudo killtrail rules --check"
        )
    listed = _auditctl(program, "-l")
    status = _auditctl(program, "-s")
    enabled = next((x.split()[1] for x in status.splitlines() if x.startswith("enabled ")), "")
    return f"{listed}\n-e {enabled}\n" if enabled else listed


def _auditctl(program: str, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 -- auditctl itself
        [program, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnavailableError(f"auditctl {' '.join(words)}: {done.stderr.strip()[:200]}")
    return done.stdout


def _install(text: str) -> int:
    if not is_root():
        raise UnavailableError("only root may install rules", "sudo killtrail rules --install")
    folder = Path(advice.FILE).parent
    loader = shutil.which("augenrules", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if not folder.is_dir() or loader is None:
        raise UnavailableError("auditd was not found", "apt-get install auditd")
    draft = Path(f"{advice.FILE}.new")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o640)
    draft.replace(advice.FILE)
    _auditctl(loader, "--load")
    sys.stderr.write(f"wrote {advice.FILE} and loaded it\n")
    found = rules.parse(_in_force())
    if found.enabled == 0:
        sys.stderr.write("auditing is off: systemctl start auditd, or auditctl -e 1\n")
    return (
        _FOUND if [h for h in check.holes(found) if found.enabled or h.what != "everything"] else 0
    )
