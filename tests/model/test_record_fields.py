"""Flat records: every field of a signal has one name, and none is forgotten."""

from killtrail._slotted import fields
from killtrail.model import record_fields
from killtrail.model.events import LogContext, Provenance, SignalSent
from killtrail.model.process import Key, Process
from killtrail.model.signal_context import Basis, Disposition, KernelContext

SIGNAL = SignalSent(
    7, Provenance("bpf", "kills:1"), 9, 0, 0, True, Process(Key(9, 8)), Process(Key(5, 4)),
    basis=Basis.CALLER_PID,
    kernel=KernelContext(Disposition.HANDLED, stack=("isig", None), lineage=(Process(Key(2, 1)),)),
    call_id="kills:0",
)  # fmt: skip


def test_every_field_has_its_place():
    """The table names each field of a signal and its contexts once."""
    own = {each.name for each in fields(SignalSent)} - {"kernel", "log"}
    inner = {each.name for cls in (KernelContext, LogContext) for each in fields(cls)}
    names = [name for name, _, _ in record_fields.flat(SIGNAL)]
    assert len(names) == len(set(names))
    assert set(names) == own - {"basis", "call_id"} | inner | {"info", "act"}


def test_shown_in_the_order_of_the_table():
    """Rows are flat, in the format's order and under its names; what is not recorded is left out."""
    assert record_fields.described(SIGNAL) == (
        ("time_ns", "7"), ("sig", "9"), ("code", "0"), ("result", "0"), ("group", "True"),
        ("target.key.tgid", "9"), ("target.key.start_ns", "8"), ("target.kthread", "False"),
        ("target.exiting", "False"), ("current.key.tgid", "5"), ("current.key.start_ns", "4"),
        ("current.kthread", "False"), ("current.exiting", "False"), ("info", "number"),
        ("disposition", "handled"), ("same_task", "False"), ("same_group", "False"),
        ("stack", "isig ?"), ("lineage[0].key.tgid", "2"), ("lineage[0].key.start_ns", "1"),
        ("lineage[0].kthread", "False"), ("lineage[0].exiting", "False"), ("act", "kills:0"),
        ("truncated", "False"),
    )  # fmt: skip
