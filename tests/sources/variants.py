"""The real sample in the forms in which audit logs are met."""

import lzma
import re
from functools import cache

from tests.conftest import ROOT

SAMPLE = ROOT / "tests/cases/audit-real/audit-enriched.log.xz"
NUMBERS = {
    b"SYSCALL": 1300, b"PATH": 1302, b"CWD": 1307, b"EXECVE": 1309, b"OBJ_PID": 1318,
    b"PROCTITLE": 1327, b"LOGIN": 1006, b"SOCKADDR": 1306, b"BPRM_FCAPS": 1321,
}  # fmt: skip


@cache
def enriched() -> bytes:
    return lzma.decompress(SAMPLE.read_bytes())


def raw() -> bytes:
    return b"\n".join(line.split(b"\x1d")[0] for line in enriched().split(b"\n"))


def node() -> bytes:
    return re.sub(rb"(?m)^type=", b"node=web1 type=", raw())


def syslog() -> bytes:
    text = enriched().replace(b"\x1d", b"#035")
    return re.sub(rb"(?m)^type=", b"Nov 20 11:00:00 web1 audisp-syslog[812]: type=", text)


def kernel() -> bytes:
    lines = []
    for line in raw().split(b"\n"):
        match = re.match(rb"type=(\w+) msg=", line)
        if match:
            head = b"[  812.004000] audit: type=%d " % NUMBERS[match[1]]
            lines.append(head + line[match.end() :])
    return b"\n".join(lines) + b"\n"


def few_pids() -> bytes:
    """The same with numbers folded into a small range, so that many are used again and again."""

    def fold(match: re.Match[bytes]) -> bytes:
        pid = int(match[2])
        return match[1] + b"%d" % (26165 + (pid - 26165) % 300 if pid >= 26165 else pid)

    return re.sub(rb"( (?:pid|opid|ppid)=)(\d+)", fold, raw())


ALL = {
    "raw": raw,
    "enriched": enriched,
    "node": node,
    "syslog": syslog,
    "kernel": kernel,
    "few-pids": few_pids,
}
