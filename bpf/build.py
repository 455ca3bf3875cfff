#!/usr/bin/env python3
"""Builds src/killtrail/recorder/*.blob from the C beside this file.

`recorder.blob` is for kernels with BPF trampolines, `recorder-plain.blob` for those without: a
kernel refuses the whole object for one program that it can't load.

Needs Debian 12's clang-14 and bpftool (the pinned tools; other versions give other bytes) and the
libbpf headers. The result depends on no path and no host kernel. `--check` compares instead of
writing and exits 1 where a committed blob is not what the source gives.
"""

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "src/killtrail/recorder"
BLOBS = {"recorder.blob": ["-DTRAMPOLINES"], "recorder-plain.blob": []}
CLANG = (
    "clang-14 -g -O2 -target bpf -mcpu=v3 -I. -fdebug-prefix-map={here}=. -fdebug-compilation-dir=."
)


def c_string(text: str) -> bytes:
    r"""The bytes of a C string literal as bpftool writes them (\\xNN escapes, continued lines)."""
    return text.replace("\\\n", "").encode("latin1").decode("unicode_escape").encode("latin1")


def literal_after(source: str, marker: str) -> bytes:
    """The first string literal behind `marker`."""
    start = source.index('"', source.index(marker) + len(marker)) + 1
    return c_string(source[start : source.index('"', start)])


def tracepoints(source: str, programs: list[str]) -> dict[str, str | None]:
    """Program -> name of its raw tracepoint; None where BTF says what it is attached to."""
    found: dict[str, str | None] = {}
    for program in programs:
        body = re.search(rf"__{program}__attach\(.*?\n\tint fd = ([^;]+);", source, re.DOTALL)
        call = body and re.search(r'raw_tracepoint_open\((NULL|"\w+"), prog_fd\)', body[1])
        if not call:
            sys.exit(f"no attach call for {program}: is it a tp_btf, raw_tp or fexit program?")
        found[program] = None if call[1] == "NULL" else call[1].strip('"')
    return found


def initial_values(source: str) -> dict[str, str]:
    """Map -> hex of its initial contents (.rodata, .bss, .data)."""
    pattern = r'skel->(\w+) = skel_prep_map_data\(\(void \*\)"(.*?)", (\d+), (\d+)\)'
    return {m[1]: c_string(m[2]).hex() for m in re.finditer(pattern, source, re.DOTALL)}


def rodata_offsets(source: str) -> dict[str, int]:
    """Setting -> offset in .rodata; all settings are u32 in declaration order."""
    block = re.search(r"struct \w+__rodata \{(.*?)\} \*rodata", source, re.DOTALL)
    names = re.findall(r"(?:__u32|u32) (cfg_\w+);", block[1]) if block else []
    return {name: 4 * i for i, name in enumerate(names)}


def pack(source: str) -> bytes:
    """A light skeleton header as one file that `recorder/skeleton.py` loads."""
    programs = re.findall(r"struct bpf_prog_desc (\w+);", source)
    data = literal_after(source, "opts.data = (void *)")
    instructions = literal_after(source, "opts.insns = (void *)")
    head = {
        "maps": re.findall(r"struct bpf_map_desc (\w+);", source),
        "progs": programs,
        "attach": tracepoints(source, programs),
        "init": initial_values(source),
        "rodata": rodata_offsets(source),
        "data": len(data),
    }
    text = json.dumps(head, sort_keys=True).encode()
    body = zlib.compress(data + instructions, 9)
    return b"BPFLSK1\0" + struct.pack("<I", len(text)) + text + body


def build(options: list[str]) -> bytes:
    """Compiles and packs."""
    with tempfile.TemporaryDirectory() as folder:
        # The object's name becomes the skeleton's, hence a fixed one.
        obj = Path(folder) / "recorder.bpf.o"
        clang = CLANG.format(here=HERE).split()
        subprocess.run([*clang, *options, "-c", "recorder.bpf.c", "-o", obj], cwd=HERE, check=True)  # noqa: S603
        skeleton = subprocess.run(  # noqa: S603
            ["bpftool", "gen", "skeleton", "-L", obj],
            check=True,
            capture_output=True,
            text=True,
        )
    return pack(skeleton.stdout)


def main() -> int:
    """Writes or checks the blob."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, don't write")
    args = parser.parse_args()
    return max([settle(name, build(options), args.check) for name, options in BLOBS.items()])


def settle(name: str, blob: bytes, check: bool) -> int:  # noqa: FBT001 -- a command's own switch
    """Writes one blob, or compares it: 1 where it differs."""
    path = FOLDER / name
    if not check:
        path.write_bytes(blob)
        print(f"{name}: {len(blob)} bytes")
        return 0
    same = path.exists() and path.read_bytes() == blob
    print(f"{name} is what its source gives" if same else f"{name} DIFFERS from its source")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
