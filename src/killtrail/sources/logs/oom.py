"""OOM reports in the kernel's log: a block of lines, of which any may be missing or cut.

mm/oom_kill.c dump_header(), dump_oom_victim(), __oom_kill_process(); mm/memcontrol.c. Wording from 3.x
on: `Kill process`, `Killed process`, `Memory cgroup out of memory`, `oom-kill:constraint=`.
"""

import re
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.model.events import OomKilled, OomScope, Provenance
from killtrail.model.process import Key, Process

_INVOKED: Final = re.compile(r"(?P<comm>.{1,16}) invoked oom-killer: ")
_TASK: Final = re.compile(
    r"CPU: \d+ (?:UID: \d+ )?PID: (?P<pid>\d{1,18}) Comm: (?P<comm>.{1,16}?) (?:Not tainted|Tainted|Kdump)"
)
_SUMMARY: Final = re.compile(
    r"oom-kill:constraint=CONSTRAINT_(?P<what>\w+),.*?(?:,oom_memcg=(?P<memcg>[^,]*))?"
    r"(?:,global_oom)?(?:,task_memcg=(?P<group>.*?))?,task=(?P<comm>.{0,16}),pid=(?P<pid>\d{1,18}),uid=(?P<uid>\d{1,18})$"
)
KILLED: Final = re.compile(
    r"(?P<what>(?:Memory cgroup o|O)ut of memory(?: \([\w.]+\))?: )?"
    r"(?:Killed|Kill) process (?P<pid>\d{1,18}) \((?P<comm>.{0,16})\)(?:,? (?P<rest>.*))?$"
)
_LIMIT: Final = re.compile(r"memory: usage (?P<used>\d{1,18})kB, limit (?P<limit>\d{1,18})kB")
_OLD_LIMIT: Final = re.compile(
    r"(?:Task in (?P<task>\S+) killed as a result of limit of|Memory limit reached of cgroup) (?P<memcg>\S+)"
)
_GROUP: Final = re.compile(
    r"Tasks in (?P<memcg>\S+) are going to be killed due to memory\.oom\.group set"
)
_MANUAL: Final = re.compile(r"(?:sysrq: )?(?:SysRq : )?Manual OOM execution")
_ROW: Final = re.compile(r"\[ *\d+\] +\d+ +\d+ +\d+ +\d+ ")
_SCOPES: Final = {
    "NONE": OomScope.HOST, "MEMCG": OomScope.CGROUP, "CPUSET": OomScope.CPUSET,
    "MEMORY_POLICY": OomScope.POLICY,
}  # fmt: skip
HEAD_REACH: Final = 4 << 20
"""How many bytes a report may be long: a row for each of 20,000 processes."""
CUT_REACH: Final = 1 << 16
"""The same where it begins without its head: what a rate limit or a rotation left of it."""
GROUP_REACH: Final = 1 << 20
"""How far behind the line that announces them the last sibling may stand."""


@dataclass(slots=True)
class Report:
    """What was read of a report so far; give it every kernel line.

    It ends with its kill, or with the last sibling that an oom.group line announced: what follows
    belongs to another one, though its head may be lost.
    """

    invoker: Process | None = None
    scope: OomScope = OomScope.UNKNOWN
    memcg: str | None = None
    limit: int | None = None
    group: bool = False
    sysrq: bool = False
    candidates: int = 0
    uid: int | None = None
    task_group: str | None = None
    _start: int | None = None
    _group_start: int = 0
    _ended: bool = False
    _taken: set[int] = field(default_factory=set)

    def line(self, text: str, time_ns: int, origin: Provenance, offset: int) -> OomKilled | None:
        """The kill that this line reports, if it does. `offset`: where in the log it stands."""
        reach = CUT_REACH if self.invoker is None else HEAD_REACH
        late = self.group and offset - self._group_start > GROUP_REACH
        if late or (self._start is not None and offset - self._start > reach):
            self._reset()
        if _MANUAL.search(text):
            self._begin(offset)
            self.sysrq = True
        elif match := _INVOKED.match(text):
            sysrq = self.sysrq and self.invoker is None
            self._begin(offset)
            self.sysrq = sysrq
            self.invoker = Process(Key(0, None), comm=match["comm"], user="")
        elif match := KILLED.search(text):
            return self._killed(match, time_ns, origin, offset)
        else:
            self._context(text, offset)
        return None

    def _reset(self) -> None:
        self.__init__()  # type: ignore[misc]  # every field to its default

    def _begin(self, offset: int) -> None:
        self._reset()
        self._start = offset

    def _own(self, offset: int) -> None:
        if self._ended:
            self._reset()
        if self._start is None:
            self._start = offset

    def _context(self, text: str, offset: int) -> None:
        if match := _GROUP.search(text):
            self._ended = False
            self._own(offset)
            self.group, self.memcg = True, self.memcg or match["memcg"]
            self._group_start = offset
        elif self.invoker is not None and self.invoker.pid == 0 and (match := _TASK.search(text)):
            self.invoker = Process(Key(int(match["pid"]), None), comm=match["comm"], user="")
        elif match := _SUMMARY.search(text):
            self._own(offset)
            self.scope = _SCOPES.get(match["what"], OomScope.UNKNOWN)
            self.memcg = match["memcg"] or self.memcg
            self.task_group, self.uid = match["group"], int(match["uid"])
        elif match := _LIMIT.search(text):
            self._own(offset)
            self.limit = int(match["limit"]) * 1024
        elif match := _OLD_LIMIT.search(text):
            self._own(offset)
            self.memcg, self.scope = match["memcg"], OomScope.CGROUP
        elif _ROW.match(text):
            self._own(offset)
            self.candidates += 1

    # `Kill process ... or sacrifice child` announces what `Killed process` then says of the one that
    # really went; with oom.group the first victim is reported twice.
    def _killed(
        self, match: re.Match[str], time_ns: int, origin: Provenance, offset: int
    ) -> OomKilled | None:
        pid = int(match["pid"])
        if announces(match):
            return None
        if not self.group:
            self._own(offset)
        self._ended = not self.group
        if pid in self._taken:
            return None
        self._taken.add(pid)
        memcg = OomScope.CGROUP if (match["what"] or "").startswith("Memory cgroup") else None
        first = len(self._taken) == 1
        return OomKilled(
            time_ns=time_ns,
            origin=origin,
            victim=Process(
                Key(pid, None), comm=match["comm"], uid=self.uid if first else None, user="",
                cgroup=self.task_group if first else None,
            ),
            invoker=self.invoker if self.invoker is not None and self.invoker.pid else None,
            scope=memcg or self.scope,
            cgroup=self.memcg,
            limit_bytes=self.limit,
            group=self.group,
            sysrq=self.sysrq,
            candidates=self.candidates,
            details=(match["rest"] or "")[:200],
        )  # fmt: skip


def announces(match: re.Match[str]) -> bool:
    """Whether a match of `KILLED` is only the announcement of a kill."""
    return " process " in match[0] and match[0].partition(" process ")[0].endswith("Kill")


def begins(text: str) -> bool:
    """Whether nothing before this kernel line bears on a kill after it."""
    return _INVOKED.match(text) is not None


def announces_group(text: str) -> bool:
    """Whether more kills of the same report follow."""
    return _GROUP.search(text) is not None
