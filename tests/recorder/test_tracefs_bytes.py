"""Pages and spool of the tracefs recorder: any bytes in, no exception."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from killtrail.recorder.symbols import from_rows
from killtrail.recorder.tracefs import formats, pages
from killtrail.recorder.tracefs.reconstruct import Record, Story
from tests.fuzz import EXAMPLES

GENERATE = """name: signal_generate
ID: 261
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:int sig;\toffset:8;\tsize:4;\tsigned:1;
\tfield:char comm[16];\toffset:20;\tsize:16;\tsigned:0;
\tfield:pid_t pid;\toffset:36;\tsize:4;\tsigned:1;
"""


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=4096))
def test_any_bytes_of_a_page(raw):
    """A page gives records and says whether it is damaged."""
    page = pages.parse(raw)

    assert sum(len(record) for _, record in page.records) <= len(raw)


@given(st.text())
def test_any_text_as_format(text):
    """A format file that is none is a ValueError."""
    try:
        formats.parse(text)
    except ValueError:
        pass


def test_format_fields():
    """Numbers and texts are cut where the kernel says."""
    form = formats.parse(GENERATE)
    raw = (
        struct.pack("<HHiii", 261, 0, 42, 9, 0).ljust(20, b"\0")
        + b"sleep".ljust(16, b"\0")
        + struct.pack("<i", 7)
    )

    assert form.value(raw, "sig") == 9
    assert form.value(raw, "comm") == "sleep"
    assert form.value(raw, "pid") == 7
    assert form.value(raw[:38], "pid") is None
    assert form.value(raw, "nothing") is None


@settings(max_examples=EXAMPLES)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                "task_newtask sched_process_exec sched_process_exit signal_generate signal_deliver"
                " mark_victim kernel_stack".split()
            ),
            st.binary(max_size=64),
        ),
        max_size=20,
    )
)
def test_any_bytes_as_records(rows):
    """A story takes any record, also about processes it never heard of."""
    story = Story(from_rows([]))
    form = formats.parse(GENERATE)
    for i, (name, raw) in enumerate(rows):
        told = formats.Format(name, 1, form.fields)
        story.tell(Record(i, f"cpu0:{i}", told, raw))
