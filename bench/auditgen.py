#!/usr/bin/env python3
"""Makes big audit logs out of the real sample: `auditgen.py OUT MEGABYTES [--enriched]`.

Each repetition shifts times, serials and process numbers (also in a0= of signal calls, in OBJ_PID and
as words of EXECVE), and keeps the real interleaving and disorder. At the very beginning stand the
execs of the sessions' ancestors, so that a launch chain has to be followed to byte 0.
"""

import argparse
import lzma
import re
from collections.abc import Iterator
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "tests/cases/audit-real/audit-enriched.log.xz"
GS = b"\x1d"
HEAD = re.compile(rb"type=(\S+) msg=audit\((\d+)\.(\d+):(\d+)\)")
NUMBER = re.compile(rb" (?:pid|ppid|opid)=(\d+)")
CALL = re.compile(rb": arch=(\w+) syscall=(\d+) success=\S+ exit=\S+ a0=(\w+) a1=(\w+)")
WORD = re.compile(rb' a\d+="(\d+)"')
SIGNALS = {(b"c000003e", n) for n in (b"62", b"200", b"234", b"129", b"297")} | {
    (b"40000003", n) for n in (b"37", b"238", b"270", b"178", b"335")
}
WORKERS = (26161, 26162, 26163, 26164)
FIRST_PID = 26165
PID_MAX = 4_194_304
START = 1_794_000_000


class Template:
    """The sample as one format string and the numbers that go into it."""

    def __init__(self, *, enriched: bool) -> None:
        lines = lzma.decompress(SAMPLE.read_bytes()).split(b"\n")[:-1]
        heads = [HEAD.match(line) for line in lines]
        logins = {h[4] for h in heads if h[1] == b"LOGIN"}
        self.seconds = min(int(h[2]) for h in heads)
        self.serial = min(int(h[4]) for h in heads)
        self.period = max(int(h[2]) for h in heads) - self.seconds + 2
        self.serials = max(int(h[4]) for h in heads) - self.serial + 20
        self.span = max(int(m[1]) for line in lines for m in NUMBER.finditer(line)) - FIRST_PID + 1
        self.holes: list[tuple[str, int]] = []
        parts = []
        for line, head in zip(lines, heads, strict=True):
            if head[4] not in logins:
                parts.append(self._line(line if enriched else line.split(GS, 1)[0], head))
        self.text = b"".join(parts)

    def _line(self, line: bytes, head: re.Match[bytes]) -> bytes:
        found, at = b"", 0
        for start, end, form, kind, value in sorted(_numbers(line, head)):
            if kind == "pid" and not FIRST_PID <= value < FIRST_PID + self.span:
                continue
            found += line[at:start].replace(b"%", b"%%") + form
            self.holes.append((kind, value))
            at = end
        return found + line[at:].replace(b"%", b"%%") + b"\n"

    def repetition(self, number: int) -> bytes:
        """The sample once more, shifted."""
        seconds = START + 30 + number * self.period - self.seconds
        serial = 100 + number * self.serials - self.serial
        values = []
        for kind, value in self.holes:
            if kind == "sec":
                values.append(value + seconds)
            elif kind == "ser":
                values.append(value + serial)
            else:
                values.append(self.pid(value, number))
        return self.text % tuple(values)

    def pid(self, value: int, number: int) -> int:
        """A PID of that repetition."""
        return FIRST_PID + (value - FIRST_PID + number * self.span) % (PID_MAX - FIRST_PID)


def _numbers(line: bytes, head: re.Match[bytes]) -> Iterator[tuple[int, int, bytes, str, int]]:
    yield head.start(2), head.end(2), b"%d", "sec", int(head[2])
    yield head.start(4), head.end(4), b"%d", "ser", int(head[4])
    words = WORD.finditer(line) if head[1] == b"EXECVE" else ()
    for match in (*NUMBER.finditer(line), *words):
        yield match.start(1), match.end(1), b"%d", "pid", int(match[1])
    call = CALL.match(line, head.end())
    if call and (call[1], call[2]) in SIGNALS:
        for group in (3, 4) if call[2] == b"234" else (3,):
            yield call.start(group), call.end(group), b"%x", "pid", int(call[group], 16)


def beginning() -> bytes:
    """The execs of the four sessions' ancestors: cron, an agent, a worker each."""
    chain = [
        (1, 700, "cron", "/usr/sbin/cron"),
        (700, 750, "night-agent", "/opt/agent/night-agent"),
    ]
    chain += [(750, w, "python3", "/opt/runtimes/cpython-3.11.7/bin/python3.11") for w in WORKERS]
    lines = []
    for number, (ppid, pid, comm, exe) in enumerate(chain):
        stamp = f"audit({START + number}.004:{10 + number})"
        auid = 1001 + WORKERS.index(pid) if pid in WORKERS else 4294967295
        session = auid - 1000 if pid in WORKERS else auid
        lines.append(
            f"type=SYSCALL msg={stamp}: arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3"
            f" a3=8 items=2 ppid={ppid} pid={pid} auid={auid} uid=0 gid=0 euid=0 suid=0 fsuid=0"
            f' egid=0 sgid=0 fsgid=0 tty=(none) ses={session} comm="{comm}" exe="{exe}" key="exec"'
        )
        lines.append(f'type=EXECVE msg={stamp}: argc=1 a0="{exe}"')
    return ("\n".join(lines) + "\n").encode()


def write(path: Path, size: int, *, enriched: bool) -> None:
    """Writes at most `size` bytes, whole lines only."""
    template = Template(enriched=enriched)
    with path.open("wb") as out:
        left = size - out.write(beginning())
        number = 0
        while left > 0:
            block = template.repetition(number)
            if len(block) > left:
                block = block[: block.rfind(b"\n", 0, left) + 1]
                out.write(block)
                return
            left -= out.write(block)
            number += 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("megabytes", type=float)
    parser.add_argument("--enriched", action="store_true")
    args = parser.parse_args()
    write(args.out, int(args.megabytes * 1e6), enriched=args.enriched)


if __name__ == "__main__":
    main()
