"""Lists, trust, autopsy, doctor, status, explain, and the screen where nothing was recorded."""

import io
import time

import pytest

from killtrail._slotted import replace
from killtrail.inquiry import follow
from killtrail.model.autopsy import (
    Autopsy,
    Call,
    Class,
    Finding,
    FindingKind,
    Frame,
    Judgement,
    KernelSeen,
    Panic,
    Tier,
    Unknown,
)
from killtrail.model.causes import Cause
from killtrail.model.certainty import Certainty
from killtrail.model.trust import Check, CheckId, Layer, Result, TrustReport
from killtrail.report import text
from killtrail.report.pages import explain, rows
from killtrail.report.pages.autopsy import autopsy_page
from killtrail.report.pages.doctor import Explainable, HostState, SourceState, doctor_page
from killtrail.report.pages.no_source import LogState, no_source_page
from killtrail.report.pages.status import RecorderState, status_page
from killtrail.report.pages.trust import trust_page
from killtrail.trust import delegation
from tests.report import goldens, samples

pytestmark = pytest.mark.usefixtures("utc")
LISTED = [
    *(v for n, v in samples.CAUSES.items() if not n.startswith("host-")),
    samples.OTHERS["incident-2000"],
    samples.OTHERS["hostile"],
]


def _listed(verdicts, hidden=None, **kw) -> list[str]:
    listed, notes = rows.listing(verdicts, hidden or rows.Hidden())
    return text.lines(listed, 100, **kw) + text.lines(notes, 100)


@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_list(width):
    """As wide as the terminal, whole in a pipe; what is hidden is said."""
    lines = _listed(LISTED, rows.Hidden(ordinary=True, older=950), table_width=width)

    goldens.check(f"list-{width or 'piped'}", lines)
    assert width is None or max(map(len, lines[: len(LISTED) + 1])) <= width
    assert "2026-11-18" in lines[1] and "exit 3" in lines[1]


def test_list_of_machines_and_logs():
    """Another offset, a time without a date, no status."""
    traced = replace(
        samples.CAUSES["crashed"], host=replace(samples.HOST, boot=samples.Boot("", None))
    )
    machines = [v for n, v in samples.CAUSES.items() if n.startswith("host-")]
    logged = [v for n, v in samples.OTHERS.items() if n.startswith("logs-")]

    goldens.check("list-logs", _listed([*machines, *logged, traced], rows.Hidden(older=None)))


def test_list_across_a_change_of_offset(monkeypatch):
    """Where one list has two offsets, each row states its own."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    samples_ = [samples.CAUSES["exited"], replace(samples.CAUSES["crashed"], host=_in_summer())]
    time.tzset()
    lines = _listed(samples_)

    assert lines[0].startswith("TIME  ")
    assert [line[19:25] for line in lines[1:]] == ["+01:00", "+02:00"]


def _in_summer():
    boot = samples.Boot("", (1_795_000_000 - 180 * 86_400) * samples.NS)
    return replace(samples.HOST, boot=boot)


def test_nothing_to_list():
    """No header without rows; what is hidden is said all the same."""
    assert _listed([], rows.Hidden(ordinary=True)) == [
        "no deaths found",
        "ordinary exits are not shown: --all",
    ]


@pytest.mark.parametrize("width", [60, 120])
def test_list_in_ascii(width):
    """Dots instead of the ellipsis, and never wider for it."""
    lines = _listed(LISTED, table_width=width, encoding="ascii")[: len(LISTED) + 1]

    assert all(line.isascii() and len(line) <= width for line in lines)
    assert lines[1].endswith("...") or width > 60


def test_watch_signals():
    """Sender or kernel, receiver, signal, how: as `watch --signals` prints them."""
    sent = [
        samples.sent(15),
        samples.sent(14, stack=("it_real_fn",), code=0x80),
        samples.sent(9, result=1),
        samples.sent(1, stack=("tty_release",), code=0x80),
        replace(samples.sent(10), current=replace(samples.KILLER, comm=samples.HOSTILE, argv=None)),
    ]
    out = io.StringIO()
    text.show_row(rows.SIGNAL_COLUMNS, None, out)
    for each in map(follow.explained, sent):
        row = rows.signal_row(each.signal, each.sender, each.mechanism, samples.HOST.boot)
        text.show_row(rows.SIGNAL_COLUMNS, row, out)

    goldens.check("watch-signals", out.getvalue().splitlines())


def test_watch_rows_stand_below_their_header():
    """Rows that come one by one keep the columns."""
    out = io.StringIO()
    columns = rows.death_columns("+00:00")
    text.show_row(columns, None, out)
    for verdict in LISTED[:6]:
        text.show_row(columns, rows.row(verdict, "+00:00"), out)

    goldens.check("watch-deaths", out.getvalue().splitlines())


def _check(id_: CheckId, subject: str, result: Result, says: str, **more) -> Check:
    return Check(id_, subject, result, more.pop("by", ""), says, **more)


LIAR = TrustReport(
    (
        _check(
            CheckId.TOOL_BEHAVIOUR, "/bin/ps", Result.CONTRADICTED, "it says 0 for a PID that can't exist",
            by="ps -p 4194305", consequence=delegation.follows("/bin/ps", ("-p", "4194305"), "0"),
            moved_to="/usr/bin/dpkgd/ps", layer=Layer.TOOLS,
        ),
        _check(CheckId.PACKAGE_DIGEST, "/bin/ps", Result.CONTRADICTED, "not procps's", by="dpkg", layer=Layer.TOOLS),
        _check(CheckId.KERNEL, "a\x1b[2Jmodule", Result.CONTRADICTED, "in /sys/module, not in /proc/modules", layer=Layer.KERNEL),
        *(
            _check(CheckId.TOOL_BEHAVIOUR, f"/usr/bin/tool{n}", Result.CONSISTENT, "gave the known answers", layer=Layer.TOOLS)
            for n in range(12)
        ),
        _check(CheckId.HIDDEN_PROCESS, "processes", Result.NOT_CHECKABLE, "needs root", layer=Layer.KERNEL),
    )
)  # fmt: skip


@pytest.mark.parametrize("columns", [60, 100])
def test_trust(columns):
    """What follows first; one line for tools that agree."""
    goldens.check(f"trust-contradicted-{columns}", text.lines(trust_page(LIAR), columns))


def test_trust_that_found_nothing():
    """Never the word clean."""
    calm = TrustReport(tuple(c for c in LIAR.checks if not c.off), "/mnt/image")
    lines = text.lines(trust_page(calm), 100)

    goldens.check("trust-consistent", lines)
    assert "clean" not in "\n".join(lines).lower()


DEAD = Autopsy(
    tier=Tier.BTF,
    kernel=KernelSeen("6.1.0-56-amd64", "ab12", "O", 5.2, 5, "switch"),
    panic=Panic("stack-protector: Kernel stack is corrupted in: 0xffffffffc02224eb", "stack-protector", 0xFFFFFFFFC02224EB, "nobody"),
    task=replace(samples.KILLER, user="", login_user=""),
    ancestry=(replace(samples.SHELL, user=""),),
    call=Call(0, "read", (0, 0x3376E40, 0x40)),
    stack=(
        Frame(0xFFFFFFFFAE5C3643, "delay_tsc+0x33", "kernel", "unwound"),
        Frame(0xFFFFFFFFC02224EB, None, "nobody", "recovered"),
        *(Frame(0xFFFFFFFFAE603F59 + n, f"do_syscall_64+{n:#x}", "kernel", "stale") for n in range(20)),
    ),
    findings=(
        Finding(1, FindingKind.SYSCALL_TABLE, "sys_call_table[0]", "0xffffffffc02224b0", "leads to memory in no known module", "__x64_sys_read", effective=False),
        Finding(2, FindingKind.STRINGS, "0xffffffffc0222000", "", "text beside it: hack_open \x1b[31m"),
    ),
    verdict=Judgement(Class.ROOTKIT, Certainty.ESTABLISHED, "this kernel was tampered with", (1,)),
    unknown=(Unknown("LSM hooks", "its pages are not in the dump"),),
    log=tuple(f"[    5.0810{n}]  ? do_user_addr_fault" for n in range(9)),
    looked_at=("256 interrupt gates", "1001 pages of module space"),
)  # fmt: skip


@pytest.mark.parametrize("columns", [60, 100])
def test_autopsy(columns):
    """The verdict on the kernel first, the panic below it."""
    goldens.check(f"autopsy-{columns}", text.lines(autopsy_page(DEAD), columns))


def test_autopsy_without_a_panic():
    """A dump of a running machine."""
    calm = replace(
        DEAD, panic=None, task=None, ancestry=(), call=None, stack=(), findings=(), log=(),
        verdict=Judgement(Class.UNKNOWN, Certainty.NOT_ESTABLISHED, "the dump holds no panic"),
    )  # fmt: skip
    goldens.check("autopsy-no-panic", text.lines(autopsy_page(calm), 100))


def test_doctor():
    """Class by class, then sources and host."""
    sources = (
        SourceState("bpf", True, "armed", "ring buffers", "signals, exits", "root"),
        SourceState("tracefs", False, "not armed", "an instance", "signals", "root", "sudo killtrail arm"),
    )  # fmt: skip
    classes = (
        Explainable("kills: sender, launchers, user", ("bpf",), "sudo killtrail arm"),
        Explainable("systemd units: stop, timeout", (), "sudo killtrail arm"),
    )
    host = HostState("6.12.9", False, "confidentiality", False, "readable", ("/var/log/syslog",))
    page = doctor_page(
        "Deaths from now on can be explained: sender, mechanism, launchers, user, cgroup.",
        classes,
        sources,
        (("auditlog", "the audit log"),),
        host,
    )

    goldens.check("doctor", text.lines(page, 100))
    goldens.check("doctor-60", text.lines(page, 60))


def test_status():
    """Ring buffers by what they hold, not by their own names."""
    rings = tuple(
        (name, "3 of 64 slots used")
        for name in ("kills", "deaths", "exits", "orphaned", "requests")
    )
    states = (
        RecorderState("bpf", True, "armed", ("since 2026-11-18 11:06:40.000+00:00",), rings),
        RecorderState("history", True, "2 boots recorded"),
    )
    goldens.check("status", text.lines(status_page(states), 100))
    goldens.check("status-nothing", text.lines(status_page(states[1:]), 100))


def test_no_source():
    """The verdict first, then what was looked at, then what to enable."""
    logs = (
        LogState("audit log", (), ("/var/log/audit/audit.log",), "sudo killtrail why 4242"),
        LogState("kernel log", ("/dev/kmsg",), (), None),
    )
    page = no_source_page(
        "4242\x1b", ("bpf: the recorder is not armed",), "sudo killtrail arm", logs
    )
    goldens.check("no-source", text.lines(page, 80))

    none = LogState("audit log", (), (), "sudo killtrail rules --install")
    page = no_source_page(
        "4242", ("bpf: the recorder is not armed",), "sudo killtrail arm", (none,)
    )
    goldens.check("no-source-root", text.lines(page, 80))


@pytest.mark.parametrize("number", [0, 3, 9, 124, 127, 137, 143, 255])
def test_explained_statuses(number):
    """What a shell or a log shows as a status."""
    goldens.check(f"explain-{number}", text.lines(explain.exit_status(number), 100))


def test_explained_words():
    """A signal, a cause, all of them."""
    goldens.check("explain-sigterm", text.lines(explain.signal(15), 100))
    goldens.check("explain-cause", text.lines(explain.cause(Cause.OOM_KILLED), 100))
    goldens.check("explain-all", text.lines(explain.overview(), 100))


def test_colour_is_asked_for():
    """A pipe gets none, FORCE_COLOR some; tables fit COLUMNS alone."""
    out = io.StringIO()
    text.show(trust_page(LIAR), out)
    assert "\x1b" not in out.getvalue()


def test_columns(monkeypatch):
    """COLUMNS decides, within 40 and 120 for prose."""
    for asked, given in (("10", 40), ("80", 80), ("500", 120)):
        monkeypatch.setenv("COLUMNS", asked)
        assert text.width() == given
