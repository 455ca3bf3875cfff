"""The reader's layout is the writer's: compiled from the very header."""

import re
import shutil
import subprocess

import pytest

from killtrail.recorder import layout as L
from tests.conftest import ROOT, cannot

_PROGRAM = """
#include <stdio.h>
#include <stddef.h>
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32;
typedef unsigned long long u64; typedef int s32;
#include "records.h"
#define S(t) printf(#t " %zu\\n", sizeof(struct t))
#define O(t, f) printf(#t "." #f " %zu\\n", offsetof(struct t, f))
int main(void)
{
	S(big_slot); S(middle_slot); S(small_slot); S(who); S(ancestor); S(orphan); S(record_head);
	O(signal_record, sig); O(signal_record, orphan); O(signal_record, target);
	O(signal_record, sender); O(signal_record, target_thread); O(signal_record, stack);
	O(signal_record, mem_max); O(signal_record, argv_len); O(signal_record, buf);
	O(signal_record, act); S(limit_extra); S(filter_extra); S(terminal_extra); S(pipe_extra);
	O(replaced_record, who); O(replaced_record, argv);
	O(thread_record, who); O(thread_record, thread); O(thread_record, stack);
	O(exit_record, code); O(exit_record, who); O(exit_record, parent); O(exit_record, tracer);
	O(exit_record, thread); O(exit_record, creator); O(exit_record, buf);
	O(oom_record, victim); O(oom_record, trigger);
	O(process_record, target_start); O(process_record, orphan); O(process_record, who);
	O(process_record, n_ancestors); O(process_record, buf);
	printf("LAYOUT %d\\n", LAYOUT);
	return 0;
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Sizes and offsets as a compiler sees them."""
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang-14")
    if compiler is None:
        cannot("no C compiler")
    folder = tmp_path_factory.mktemp("layout")
    (folder / "x.c").write_text(_PROGRAM)
    target = ["-o", folder / "x", folder / "x.c", f"-I{ROOT / 'bpf'}"]
    done = subprocess.run([compiler, *target], capture_output=True, text=True, check=False)
    if done.returncode:
        # A compiler without a C library, as clang-14 alone is.
        cannot(f"the C compiler can't link: {done.stderr[-200:]}")
    out = subprocess.run([folder / "x"], capture_output=True, text=True, check=True).stdout
    return {name: int(number) for name, number in (line.split() for line in out.splitlines())}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("big_slot", L.KILLS.slot_size),
        ("middle_slot", L.ORPHANED.slot_size),
        ("middle_slot", L.LIMITS.slot_size),
        ("small_slot", L.DEATHS.slot_size),
        ("who", L.WHO.size),
        ("ancestor", L.ANCESTOR.size),
        ("orphan", L.ORPHAN.size),
        ("record_head", L.RECORD_HEAD.size),
        ("signal_record.sig", 16),
        ("signal_record.orphan", L.SIGNAL_ORPHAN),
        ("signal_record.target", L.SIGNAL_TARGET),
        ("signal_record.sender", L.SIGNAL_SENDER),
        ("signal_record.target_thread", L.SIGNAL_THREADS),
        ("signal_record.stack", L.SIGNAL_STACK),
        ("signal_record.mem_max", L.SIGNAL_MEMORY),
        ("signal_record.argv_len", L.SIGNAL_LENGTHS),
        ("signal_record.buf", L.SIGNAL_BUF),
        ("signal_record.act", L.SIGNAL_LENGTHS + 24),
        ("limit_extra", L.LIMIT_EXTRA.size),
        ("filter_extra", L.FILTER_EXTRA.size),
        ("terminal_extra", L.TERMINAL_EXTRA.size),
        ("pipe_extra", L.PIPE_EXTRA.size),
        ("replaced_record.who", L.REPLACED_WHO),
        ("replaced_record.argv", L.REPLACED_ARGV),
        ("thread_record.who", L.THREAD_WHO),
        ("thread_record.thread", L.THREAD_NAME),
        ("thread_record.stack", L.THREAD_STACK),
        ("exit_record.code", 16),
        ("exit_record.who", L.EXIT_WHO),
        ("exit_record.parent", L.EXIT_PARENT),
        ("exit_record.tracer", L.EXIT_TRACER),
        ("exit_record.thread", L.EXIT_THREAD),
        ("exit_record.creator", L.EXIT_CREATOR),
        ("exit_record.buf", L.EXIT_BUF),
        ("oom_record.victim", 16),
        ("oom_record.trigger", L.OOM_TRIGGER),
        ("process_record.target_start", L.PROCESS_LIMIT),
        ("process_record.orphan", L.PROCESS_ORPHAN),
        ("process_record.who", L.PROCESS_WHO),
        ("process_record.n_ancestors", L.PROCESS_LENGTHS),
        ("process_record.buf", L.PROCESS_BUF),
        ("LAYOUT", L.LAYOUT),
    ],
)
def test_same(compiled, name, value):
    """An offset in layout.py is the compiler's."""
    assert compiled[name] == value


def test_ring_sizes_are_the_header_s():
    """Slots per ring agree."""
    text = (ROOT / "bpf/records.h").read_text()
    sizes = dict(re.findall(r"#define (\w+)_SLOTS (\d+)", text))

    assert {r.name.upper(): str(r.slots) for r in L.RINGS} == sizes


def test_what_decides_is_one_list():
    """A SIGKILL is never a request; ordinary exits, orphaned and limits decide nothing."""
    assert set(L.DECISIVE) - set(L.DECISIVE_OF_SIGKILL) == {L.REQUESTS}
    assert not set(L.DECISIVE) & {L.EXITS, L.ORPHANED, L.LIMITS}
