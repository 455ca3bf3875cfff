"""One small pure function per way to die.

Each takes the case, the effective signal explained, and the draft to write into; it returns a
conclusion, or None if the case is of another kind. The docstring states its claim, the evidence it
needs, and what would refute it.
"""

from collections.abc import Callable

from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.rules import (
    asked,
    cgroup,
    crash,
    exits,
    injected,
    kernel,
    launching,
    limits,
    memory,
    namespaces,
    oom_logged,
    parents,
    pipes,
    processes,
    stale_pid,
    terminals,
    unknown,
    wakeups,
)

Rule = Callable[[RuleContext], Conclusion | None]

RULES: tuple[Rule, ...] = (
    asked.reraised,
    memory.oom_killed,
    oom_logged.oom_killed,
    cgroup.cgroup_killed,
    parents.parent_died,
    namespaces.namespace_ended,
    terminals.terminal,
    injected.traced_to_death,
    injected.bpf_killed,
    limits.seccomp_killed,
    limits.limit_exceeded,
    limits.timer_expired,
    pipes.broken_pipe,
    wakeups.requested_notification,
    kernel.operator,
    launching.exec_struck,
    kernel.driver,
    memory.by_oomd,
    crash.hardware_error,
    crash.crashed,
    crash.aborted,
    processes.killed_by_self,
    processes.killed_by_process,
    limits.seccomp_strict,
    kernel.bug,
    injected.injected,
    injected.made_to_exit,
    asked.asked_to_stop,
    launching.exec_failed,
    exits.exited,
    stale_pid.keeps_signalling,
    unknown.not_established,
)
"""Tried in this order; the last one always returns a conclusion."""
