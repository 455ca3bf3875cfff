"""One question, one answer: all evidence about a death is judged once."""

import json
import os
import subprocess
import sys
from itertools import product

import pytest

from killtrail._slotted import replace
from killtrail.attribution.engine import judge
from killtrail.inquiry import answers, find, recorded
from killtrail.inquiry.question import Question
from killtrail.inquiry.target import parse
from killtrail.model.causes import Cause
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS
from killtrail.model.events import (
    HostEvent,
    HostEventKind,
    LoginSeen,
    OrphanedBy,
    ProcessExited,
    Provenance,
    SignalSent,
)
from killtrail.model.process import Argv, Creator, Key, Process
from killtrail.model.query import Query
from killtrail.model.signal_context import Basis, KernelContext
from killtrail.model.wait_status import WaitStatus
from tests.attribution import make as recorder
from tests.conftest import ROOT
from tests.inquiry.make import Memory, exited, merged, refused, sent

NOW = recorder.NOW / NS


def own_fault(source: str, late: float) -> SignalSent:
    """The kernel's line about a fault, as kern.log and the journal have it."""
    victim = Process(Key(9, None), comm="p9", user="")
    return SignalSent(
        time_ns=int((NOW + late) * NS), origin=Provenance(source, f"{source}:1"), sig=11, code=1, result=0,
        group=False, target=victim, current=victim, basis=Basis.USER, same_task=True, same_group=True,
        kernel=KernelContext(doomed=True),
    )  # fmt: skip


RECORDED = (
    recorder.signal(
        11, code=1, group=False, current=recorder.process(9), si_pid=8, stack=("force_sig_fault",), doomed=True, same_task=True,
        same_group=True, basis=Basis.USER,
    ),
    recorder.exited(11),
)  # fmt: skip
TOLD = {
    "bpf": Memory("bpf", *RECORDED, exact=True),
    "auditlog": Memory("auditlog", exited(NOW + 0.004, 11, pid=9)),
    "kernlog": Memory("kernlog", own_fault("kernlog", 0.001)),
    "journal": Memory("journal", own_fault("journal", 0.002)),
}


@pytest.mark.parametrize("there", list(product((True, False), repeat=4)))
def test_one_verdict_whatever_there_is(there):
    """A crash that recorder, audit log, kernel log and journal tell of, in all combinations."""
    sources = [source for source, is_there in zip(TOLD.values(), there, strict=True) if is_there]
    one = merged(*sources)
    query = Query(pid=9)
    target = parse("9")
    drafts = list(find.on_recorder(one, target, query, ())) if one.recorders else []
    drafts = drafts or list(find.in_logs(one, target, query, None))
    verdicts = [draft.finish() for draft in drafts]
    assert len(verdicts) == bool(sources)
    for verdict in verdicts:
        cited = [e.source for e in verdict.evidence]
        assert {s.id for s in sources} == set(cited)
        assert verdict.contradictions == ()
        assert verdict.attempts == ()
        assert len({(e.source, e.where) for e in verdict.evidence}) == len(cited)
        if there[0] or there[2] or there[3]:
            assert verdict.cause is Cause.CRASHED
        sure = Certainty.ESTABLISHED if there[0] else Certainty.LIKELY
        assert verdict.certainty <= sure


def test_a_log_that_disagrees_lowers_the_certainty():
    """Beside the recorder's kill a log names another sender at that moment: both are shown."""
    kill = (recorder.signal(9, doomed=True), recorder.exited(9))
    other = replace(sent(NOW + 0.004, pid=9, by=99), basis=Basis.CALL)
    one = merged(Memory("bpf", *kill, exact=True), Memory("auditlog", other))
    (verdict,) = [d.finish() for d in find.on_recorder(one, parse("9"), Query(), ())]
    assert verdict.certainty is Certainty.LIKELY
    assert "pid 99" in verdict.contradictions[0].says


def test_logs_are_asked_around_a_recorded_death_alone():
    """A live answer reads ten seconds of the logs and a login's moment, never all of them."""
    log = Memory("auditlog", *(sent(t, pid=9) for t in range(0, 900, 10)))
    one = merged(Memory("bpf", *RECORDED, exact=True), log)
    list(find.on_recorder(one, parse("9"), Query(), ()))
    for query in log.asked:
        assert query.window.since_ns is not None and query.window.until_ns is not None
        assert query.window.until_ns - query.window.since_ns <= 11 * NS


def test_who_started_the_job_stands_in_syslog():
    """Cron's line beside a recorded kill: the sender's chain began with that job."""
    shell = replace(recorder.process(5), key=Key(5, recorder.NOW - NS))
    cron = replace(recorder.process(4, comm="cron"), key=Key(4, recorder.NOW - 2 * NS))
    kill = recorder.signal(9, doomed=True, current=shell, lineage=(cron,))
    line = LoginSeen(
        recorder.NOW - NS - NS // 2, Provenance("kernlog", "syslog:7"),
        Process(Key(4, None), comm="cron", login_user="www"), command="/usr/bin/cleanup",
    )  # fmt: skip
    one = merged(Memory("bpf", kill, recorder.exited(9), exact=True), Memory("kernlog", line))
    verdict = judge(recorded.case_of(one, Key(9, recorder.NOW - NS), recorder.exited(9)))
    assert (verdict.origin.kind, verdict.origin.name) == ("cron", "/usr/bin/cleanup")
    assert "kernlog" in {e.source for e in verdict.evidence}
    forged = replace(line, process=replace(line.process, user="bob"))
    other = replace(kill, current=replace(shell, user="mallory"))
    one = merged(Memory("bpf", other, recorder.exited(9), exact=True), Memory("kernlog", forged))
    verdict = judge(recorded.case_of(one, Key(9, recorder.NOW - NS), recorder.exited(9)))
    assert "kernlog" not in {e.source for e in verdict.evidence}
    older = replace(line, time_ns=line.time_ns - 20 * NS)
    late = merged(Memory("bpf", kill, recorder.exited(9), exact=True), Memory("kernlog", older))
    verdict = judge(recorded.case_of(late, Key(9, recorder.NOW - NS), recorder.exited(9)))
    assert verdict.origin is None or verdict.origin.name != "/usr/bin/cleanup"


def test_an_orphan_has_the_command_line_of_its_creator():
    """Its record holds the reaper's, as one that never exec'd; an unknown creator leaves none."""
    key = Key(9, recorder.NOW - NS)
    creator = replace(recorder.process(5), argv=Argv(("app", "--serve")))
    reapers = replace(recorder.process(9), argv=Argv(("/sbin/init",), inherited=True))
    end = replace(recorder.exited(9), process=reapers, creator=Creator(0, creator.key))
    orphaned = OrphanedBy(recorder.NOW - NS // 2, Provenance("bpf", "orphaned:1"), creator, ())
    known = recorded.case_of(merged(Memory("bpf", end, orphaned, exact=True)), key, end)
    alone = recorded.case_of(merged(Memory("bpf", end, exact=True)), key, end)
    assert known.facts.process.argv == Argv(("app", "--serve"), inherited=True)
    assert alone.facts.process.argv is None


def test_the_kernels_report_of_a_bug_is_evidence():
    """The oops in the kernel log counts where it names this PID."""
    end = replace(recorder.exited(11), stack=("oops_end", "make_task_dead"))
    report = HostEvent(
        recorder.NOW, Provenance("kernlog", "kmsg:612"), HostEventKind.OOPS,
        "BUG: unable to handle page fault for address: 0000000000001234", Process(Key(9, None)),
    )  # fmt: skip
    other = replace(report, process=Process(Key(10, None)))
    for told, sources in ((report, {"bpf", "kernlog"}), (other, {"bpf"})):
        one = merged(Memory("bpf", end, exact=True), Memory("kernlog", told))
        verdict = judge(recorded.case_of(one, Key(9, recorder.NOW - NS), end))
        assert verdict.cause is Cause.KERNEL_BUG
        assert {e.source for e in verdict.evidence} == sources
        assert ("unable to handle page fault" in verdict.summary) == (told is report)


def test_a_wrapper_in_a_log_passes_a_signal_on():
    """timeout(1) got a TERM and sent it to its child at once: behind it stands who asked."""
    got = sent(10, 15, pid=7, by=3)
    on = replace(
        sent(10.01, 15, pid=42, by=7), target=Process(Key(42, None), comm="job", ppid=7, user="")
    )
    one = merged(Memory("auditlog", got, on))
    (verdict,) = [d.finish() for d in find.in_logs(one, parse("42"), Query(), None)]
    roles = {(x.role.value, x.process.pid) for x in verdict.links if x.process}
    assert ("requester", 3) in roles and ("sender", 7) in roles


def test_a_name_gives_its_pids_other_deaths_the_newest_first():
    """Three processes named job, one after the other; one question for one answer reads one."""
    log = Memory("auditlog", *(sent(1000 * n, pid=100 + n) for n in range(1, 50)))
    drafts = find.in_logs(merged(log), parse("comm:job"), Query(newest=1), None)
    first = next(drafts)
    assert first.death.process.pid == 149
    assert log.taken < 30


def test_a_list_is_judged_in_chunks_and_keeps_the_order():
    """However many there are: newest first, each process once, requests joined to their kills."""
    events = []
    for n in range(500):
        events += [sent(20 * n, 15, pid=1000 + n), sent(20 * n + 0.5, 9, pid=1000 + n)]
    found = list(find.in_logs(merged(Memory("auditlog", *events)), None, Query(newest=5), None))
    pids = [d.death.process.pid for d in found]
    assert pids == list(range(1499, 999, -1))


def test_a_name_is_answered_before_the_death_before_it_is_found():
    """A question for one does not pay for a search that goes on to the next one."""
    log = Memory("auditlog", sent(1e6, pid=101), *(sent(10 * n, pid=100) for n in range(50)))
    first = next(find.in_logs(merged(log), parse("comm:job"), Query(newest=1), None))
    assert first.death.process.pid == 101
    # By its name, and by its PID.
    assert log.taken == 2


def test_a_list_of_a_host_where_signals_are_refused_all_day():
    """Refused signals are no deaths: what happened between them is listed as it is found."""
    events = [sent(20 * n, pid=1000 + n) for n in range(2000)]
    log = Memory("auditlog", *events, *(refused(5 * n, pid=1) for n in range(8000)))
    found = find.in_logs(merged(log), None, Query(newest=5), None)
    assert [next(found).death.process.pid for _ in range(5)] == list(range(2999, 2994, -1))
    assert log.taken < 1000


def test_a_long_list_takes_no_more_at_once():
    """A question for a thousand gives the first as soon as one for a hundred."""
    log = Memory("auditlog", *(sent(20 * n, pid=1000 + n) for n in range(10_000)))
    next(find.in_logs(merged(log), None, Query(newest=1000), None))
    assert log.taken < 3000


def test_refused_signals_around_a_death():
    """Attempts that found no process stand with the death that they were about."""
    one = merged(Memory("auditlog", sent(10), refused(13), refused(16), sent(19)))
    verdicts = [d.finish() for d in find.in_logs(one, parse("42"), Query(), None)]
    assert [p.kind for p in verdicts[0].patterns][:1] == ["stale-pid"]


def test_a_pid_that_was_reused_names_both(tmp_path):
    """Files: both processes that had the PID, the oldest first, and what they share."""
    case = ROOT / "tests/cases/roxen"
    answer = answers.ask(Question((parse("26880"),), evidence=(str(case),)))
    assert len(answer.verdicts) > 1
    assert answer.shared is not None and answer.shared.signal == 9
    times = [v.death.time_ns for v in answer.verdicts]
    assert times == sorted(times)
    one = answers.ask(Question((parse("26880"),), newest=1, evidence=(str(case),)))
    assert one.verdicts == answer.verdicts[-1:]


def test_a_format_is_one_module_and_one_line(tmp_path, monkeypatch, killtrail):
    """A new log format: its module in a folder, its name in the tuple; doctor, docs and why know it."""
    (tmp_path / "oddlog.py").write_text(
        '''"""Lines such as `odd 1795000000 42 9 job`."""
from killtrail.model.clock import NS
from killtrail.model.events import ProcessExited, Provenance
from killtrail.model.process import Key, Process
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.logs.stream import WALL, text_format

def looks(sample):
    return sample.startswith(b"odd ")

def parse(piece):
    for offset, line in piece.lines():
        _, at, pid, status, name = line.split()
        process = Process(Key(int(pid), None), comm=name.decode(), user="")
        yield ProcessExited(int(at) * NS, Provenance("odd", piece.place(offset)), process, WaitStatus(int(status)), second_hand=True)

DESCRIPTOR = text_format(
    "odd", looks, parse, WALL, what="the odd log", yields="exits", silent_about="senders",
    says_of_clock="wall clock", places=("/var/log/odd.log",),
)
'''
    )
    (tmp_path / "odd.log").write_text("odd 1795000000 42 9 job\n")
    (tmp_path / "ask.py").write_text(
        "import sys\nfrom killtrail.sources import catalogue\n"
        "catalogue.FORMATS = ('oddlog', *catalogue.FORMATS)\n"
        "from killtrail.cli.main import main\nsys.exit(main())\n"
    )
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"}

    def ask(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, tmp_path / "ask.py", *words],
            capture_output=True, text=True, check=False, env=os.environ | env,
        )  # fmt: skip
        return done.stdout + done.stderr

    verdict = json.loads(ask("why", "42", "--from", str(tmp_path / "odd.log"), "--json"))
    assert verdict["evidence"][0]["source"] == "odd"
    assert "the odd log" in ask("doctor")


def test_an_exit_that_only_its_parent_knows():
    """A wait status is all there is: the cause is open, and what would have told is said."""
    end = answers.of_wait_status(Process(Key(7, 1)), WaitStatus(9), Provenance("waitpid", "x"), 5)
    assert end.cause is Cause.NOT_ESTABLISHED
    assert isinstance(end.evidence[0].event, ProcessExited)
