"""killtrail-gallery: real deaths, the truth about each, our answer, and what other tools say.

Needs root and about ten minutes for all of it; ends only processes that it started.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.gallery import lab, peers, rows

ROOT = Path(__file__).resolve().parents[2]
SCORES = ("right", "partly", "silent", "misnamed", "not here")


@dataclass(slots=True)
class Played:
    """One death and what each tool made of it."""

    number: str
    title: str
    truth: str = ""
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    screen: str = ""


def killtrail(*words: str) -> subprocess.CompletedProcess[str]:
    """The command from this tree."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "killtrail", *words],
        capture_output=True, text=True, check=False, env=env,
    )  # fmt: skip


def title(number: str) -> str:
    """A row's name in words."""
    return (rows.ROWS | rows.GUEST_ROWS)[number].__name__.replace("_", " ")


def told(truth: lab.Truth) -> str:
    """The truth in a few words."""
    actors = ", ".join(f"pid {pid} as {' or '.join(roles)}" for pid, roles in truth.actors.items())
    return f"{' or '.join(truth.causes)}; {actors or 'nobody to name'}"


def play(number: str, ours: str | None, others: list[peers.Peer], into: Played) -> None:
    """Makes one death; asks killtrail (as `ours`) and the others."""
    here = lab.Lab(watch=lambda pid: [peer.watch(pid) for peer in others])
    try:
        with here:
            truth = rows.ROWS[number](here)
            answer = killtrail("why", f"pid:{truth.victim}", "-n", "1", "--json") if ours else None
    except lab.NotHere as reason:
        for name in (*([ours] if ours else []), *(p.name for p in others)):
            into.answers[name] = ("not here", str(reason))
        return
    except (KeyError, IndexError, OSError, subprocess.TimeoutExpired) as error:
        for name in (*([ours] if ours else []), *(p.name for p in others)):
            into.answers[name] = ("not here", f"the death went otherwise: {error!r}")
        return
    into.truth = into.truth or told(truth)
    sig = None
    if ours and answer and answer.stdout:
        verdict = json.loads(answer.stdout.splitlines()[-1])
        sig = verdict["death"]["signal"]
        into.answers[ours] = lab.score(truth, verdict, lab.own_ancestors())
        into.screen = into.screen or killtrail("why", f"pid:{truth.victim}", "-n", "1").stdout
    for peer in others:
        into.answers[peer.name] = judged(truth, peer.names(truth.victim, sig))


def judged(truth: lab.Truth, named: int | None) -> tuple[str, str]:
    """A peer's answer, by the same rules as ours: it can only name a sender."""
    if named is None:
        return "silent", "says nothing"
    if "sender" not in truth.actors.get(named, ()):
        return "misnamed", f"names pid {named} as sender"
    return "right" if named == truth.must else "partly", f"names pid {named}"


def table(played: list[Played], columns: list[str]) -> str:
    """Markdown: one row a death, one column a tool."""
    lines = [f"| # | death | {' | '.join(columns)} |", f"| --- | --- |{' --- |' * len(columns)}"]
    for p in played:
        cells = " | ".join(p.answers.get(c, ("-", ""))[0] for c in columns)
        lines.append(f"| {p.number} | {p.title} | {cells} |")
    lines.append("")
    for column in columns:
        count = Counter(p.answers[column][0] for p in played if column in p.answers)
        total = sum(n for s, n in count.items() if s != "not here")
        score = ", ".join(f"{count[s]} {s}" for s in SCORES if count[s])
        lines.append(f"- **{column}**: of {total}: {score}")
    return "\n".join(lines) + "\n"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="killtrail-gallery", description=__doc__)
    parser.add_argument("--rows", help="only these, comma-separated")
    parser.add_argument("--backends", default="bpf", help="bpf, tracefs or both: bpf,tracefs")
    parser.add_argument("--peers", action="store_true", help="ask the other tools as well")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    parser.add_argument("--screens", type=Path, help="write a screen per cause into this folder")
    return parser.parse_args()


def main() -> int:
    """Plays what was asked for; 1 where killtrail misnamed anybody."""
    args = options()
    if os.geteuid() != 0:
        sys.exit("killtrail-gallery: needs root (sudo), to arm the recorder and make some deaths")
    numbers = args.rows.split(",") if args.rows else list(rows.ROWS)
    played = {n: Played(n, title(n)) for n in numbers}
    columns: list[str] = []
    for backend in args.backends.split(","):
        columns.append(f"killtrail ({backend})")
        armed = killtrail("arm", "--backend", backend)
        if armed.returncode:
            sys.exit(armed.stderr)
        try:
            with peers.running(peers.BESIDE if args.peers and backend == "bpf" else {}) as beside:
                columns.extend(p.name for p in beside)
                for number in numbers:
                    play(number, f"killtrail ({backend})", beside, played[number])
                    report(played[number], f"killtrail ({backend})")
        finally:
            killtrail("disarm")
    if args.peers:
        with peers.running(peers.ATTACHED) as attached:
            columns.extend(p.name for p in attached)
            for number in numbers if attached else ():
                play(number, None, attached, played[number])
    columns.sort(key=lambda name: "killtrail" not in name)
    finish(args, list(played.values()), columns)
    return int(
        any(
            a[0] == "misnamed"
            for p in played.values()
            for n, a in p.answers.items()
            if "killtrail" in n
        )
    )


def report(p: Played, column: str) -> None:
    """One line as it goes."""
    score, reason = p.answers.get(column, ("-", ""))
    print(f"{p.number:>5}  {score:<9} {p.title:<36} {reason[:120]!r}", flush=True)


def finish(args: argparse.Namespace, played: list[Played], columns: list[str]) -> None:
    """The table, and the screens."""
    text = table(played, columns)
    if args.markdown:
        args.markdown.write_text(f"Kernel {os.uname().release}.\n\n{text}")
    print(text)
    if args.screens:
        args.screens.mkdir(parents=True, exist_ok=True)
        for p in played:
            (args.screens / f"{p.number}.txt").write_text(p.screen)


if __name__ == "__main__":
    sys.exit(main())
