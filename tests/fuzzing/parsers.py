"""One parser under atheris: `python -m tests.fuzzing.parsers auditlog [seconds]`; `all` takes them in turn.

Whatever the bytes: no exception, no hang (a single input may take five seconds), no memory beyond 512
MiB. Seeds are the real records in tests/cases; `make fuzz-parsers` runs ten minutes each.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["killtrail"]):
    from tests.fuzzing import seeds


def main() -> None:
    """The command line."""
    name, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "600"
    if name == "all":
        for each in seeds.NAMES:
            words = [sys.executable, "-m", "tests.fuzzing.parsers", each, seconds]
            print(f"== {each}", flush=True)
            if subprocess.run(words, check=False).returncode:
                sys.exit(f"{each}: a finding")
        return
    with tempfile.TemporaryDirectory(prefix="kt-fuzz-") as corpus:
        for number, seed in enumerate(seeds.inputs(name)):
            Path(corpus, f"seed{number}").write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            "-timeout=5",
            "-rss_limit_mb=512",
            "-max_len=16384",
        ]
        atheris.Setup(
            [sys.argv[0], corpus, "-verbosity=0", "-print_final_stats=1", *options],
            lambda data: seeds.one(name, data),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
