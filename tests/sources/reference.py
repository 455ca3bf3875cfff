"""A slow, plain reader of audit logs: every line to a dictionary, every process to a table."""

import re

KILLS = {
    "c000003e": {"62": 1, "200": 1, "234": 2, "129": 1, "297": 2, "424": 1},
    "40000003": {"37": 1, "238": 1, "270": 2, "178": 1, "335": 2, "424": 1},
}
EXECS = {"c000003e": {"59", "322"}, "40000003": {"11", "358"}}
LINE = re.compile(r"type=(\w+) msg=audit\((\d+\.\d+:\d+)\): ?(.*)")


def records(text: str) -> list[tuple[str, str, dict[str, str]]]:
    """(type, event, fields) of each line, enrichment cut off."""
    found = []
    for line in re.split(r"\n", text):
        match = LINE.search(line)
        if match:
            body = re.split("\x1d|#035", match[3])[0]
            found.append((match[1], match[2], dict(re.findall(r'(\w+)=("[^"]*"|\S+)', body))))
    return found


def kills(text: str) -> list[tuple[str, int, int, int]]:
    """(event, sender, victim, signal) of every successful kill, in the order of the log."""
    calls: dict[str, dict[str, str]] = {}
    found = []
    for kind, event, fields in records(text):
        if kind == "SYSCALL":
            calls[event] = fields
        elif kind == "OBJ_PID" and event in calls:
            call = calls[event]
            which = KILLS.get(call["arch"], {}).get(call["syscall"])
            if which and call.get("success") == "yes":
                sig = int(call[f"a{which}"], 16)
                if sig:
                    found.append((event, int(call["pid"]), int(fields["opid"]), sig))
    return found


def launchers(text: str, event: str) -> list[tuple[int, str]]:
    """(pid, exec event or `-`) from the sender of a kill upwards, by execs alone."""
    rows = [
        (
            e,
            f["pid"],
            f["ppid"],
            f["exe"],
            f["syscall"] in EXECS.get(f["arch"], ()) and f.get("success") == "yes",
        )
        for kind, e, f in records(text)
        if kind == "SYSCALL"
    ]
    at = next(i for i, row in enumerate(rows) if row[0] == event)
    _, pid, _, exe, _ = rows[at]
    found = []
    while True:
        start = next((i for i in range(at, -1, -1) if rows[i][1] == pid and rows[i][4]), None)
        if start is None or (exe is not None and rows[start][3] != exe):
            found.append((int(pid), "-"))
            return found
        found.append((int(pid), rows[start][0]))
        at, pid, exe = start - 1, rows[start][2], None
        if int(pid) <= 1 or at < 0:
            return found


def decoded(raw: str | None) -> str | None:
    """A name as the kernel wrote it."""
    if raw is None or raw.startswith('"'):
        return raw and raw.strip('"')
    try:
        return bytes.fromhex(raw).decode("utf-8", "surrogateescape")
    except ValueError:
        return None


def named(text: str, kind: str, name: str) -> list[tuple[str, int, str]]:
    """(event, pid, `kill`, `exit` or `crash`) of each process of that name, by a table of all records.

    `kind`: `comm`, `exe`, or `name` for these and the first word of its command line. A process that
    was hit under another name counts by the exec it had, if all that it did since shows its program.
    """
    found, calls = [], {}
    programs: dict[str, tuple[bool, str | None]] = {}
    rows = records(text)
    words = {e: decoded(f["a0"]) for r, e, f in rows if r == "EXECVE" and "a0" in f}
    for record, event, f in rows:
        comm, exe = decoded(f.get("comm")), decoded(f.get("exe"))
        if record == "SYSCALL":
            calls[event] = f
            _run(programs, f, exe, _is(kind, name, None, exe, words.get(event)))
            if f["syscall"] == "231" and _is(kind, name, comm, exe, None):
                found.append((event, int(f["pid"]), "exit"))
        elif record == "OBJ_PID" and event in calls and _kills(calls[event]):
            hit = _is(kind, name, decoded(f.get("ocomm")), None, None)
            if hit or (kind != "comm" and programs.get(f["opid"], (False,))[0]):
                found.append((event, int(f["opid"]), "kill"))
        elif record == "ANOM_ABEND" and _is(kind, name, comm, exe, None):
            found.append((event, int(f["pid"]), "crash"))
    return found


def _run(
    programs: dict[str, tuple[bool, str | None]], f: dict[str, str], exe: str | None, has: bool
) -> None:
    pid, started = f["pid"], f["syscall"] in EXECS.get(f["arch"], ())
    if started and f.get("success") == "yes":
        programs[pid] = (has, exe)
    elif not started and pid in programs and programs[pid][1] != exe:
        programs[pid] = (False, None)


def _kills(call: dict[str, str]) -> bool:
    which = KILLS.get(call["arch"], {}).get(call["syscall"])
    return bool(which and call.get("success") == "yes" and int(call[f"a{which}"], 16))


def _is(kind: str, name: str, comm: str | None, exe: str | None, word: str | None) -> bool:
    by_exe = exe is not None and (exe if "/" in name else exe.rpartition("/")[2]) == name
    if kind == "exe":
        return by_exe
    by_comm = comm == name[:15]
    if kind == "comm":
        return by_comm
    return by_comm or by_exe or (word is not None and word.rpartition("/")[2] == name)
