"""Loads a light skeleton: BPF that loads BPF, so that no libbpf is needed.

`bpftool gen skeleton -L` turns an object into a loader program (BPF_PROG_TYPE_SYSCALL) plus data;
the kernel runs it and does the CO-RE relocation itself (5.17+). `bpf/build.py` packs the two into
blobs: magic, JSON head, zlib body.
"""

import ctypes
import errno
import json
import os
import struct
import zlib
from importlib import resources
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.recorder import bpf

MAGIC: Final = b"BPFLSK1\0"
_PROG_TYPE_SYSCALL, _F_SLEEPABLE, _MAP_TYPE_ARRAY = 31, 1 << 4, 2
_OPTIONAL: Final = frozenset({"on_console"})
"""Programs whose tracepoint a kernel may lack (CONFIG_PRINTK)."""
WHOLE, PLAIN = "recorder.blob", "recorder-plain.blob"
"""With the programs that need BPF trampolines, and without."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A packed skeleton."""

    maps: list[str]
    programs: list[str]
    tracepoints: dict[str, str | None]
    initial: dict[str, bytes]
    rodata_offsets: dict[str, int]
    data: bytes
    instructions: bytes


@dataclass(slots=True)
class Loaded:
    """Descriptors of what the kernel holds; `close` drops them (pinned objects stay)."""

    maps: dict[str, int] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """Closes every descriptor."""
        for fd in (*self.maps.values(), *self.programs.values(), *self.links.values()):
            os.close(fd)
        self.maps, self.programs, self.links = {}, {}, {}


def load_best(settings: dict[str, int]) -> tuple[Blob, Loaded]:
    """Loads and attaches as much of the recorder as this kernel takes.

    The kernel refuses a whole object for one program that it can't load, and whether it has BPF
    trampolines shows in no version number: so the plain blob comes second. Raises OSError with the
    errno of the plain one.
    """
    for name in (WHOLE, PLAIN):
        blob = shipped(name)
        loaded = Loaded()
        try:
            loaded = load(blob, settings)
            attach(loaded, blob)
        except OSError:
            loaded.close()
            if name == PLAIN:
                raise
        else:
            return blob, loaded
    raise AssertionError  # the loop returns or raises


def shipped(name: str) -> Blob:
    """One of the blobs of this package."""
    return read_blob(resources.files("killtrail.recorder").joinpath(name).read_bytes())


def read_blob(raw: bytes) -> Blob:
    """A packed skeleton. Raises ValueError where the bytes are none."""
    if raw[:8] != MAGIC:
        raise ValueError("not a packed BPF skeleton")
    length = struct.unpack_from("<I", raw, 8)[0]
    head = json.loads(raw[12 : 12 + length])
    body = zlib.decompress(raw[12 + length :])
    return Blob(
        maps=head["maps"],
        programs=head["progs"],
        tracepoints=head["attach"],
        initial={name: bytes.fromhex(text) for name, text in head["init"].items()},
        rodata_offsets=head["rodata"],
        data=body[: head["data"]],
        instructions=body[head["data"] :],
    )


def load(blob: Blob, settings: dict[str, int]) -> Loaded:
    """Creates the maps and loads the programs; `settings` are u32 constants of the C source.

    Raises OSError with the errno of the step that failed.
    """
    keep: list[ctypes.Array[ctypes.c_char]] = []
    context = _context(blob, settings, keep)
    data_map = bpf.syscall(
        bpf.MAP_CREATE,
        struct.pack("<IIIIIII16s", _MAP_TYPE_ARRAY, 4, len(blob.data), 1, 0, 0, 0, b"__loader.map"),
    )[0]
    try:
        bpf.update(data_map, struct.pack("<I", 0), blob.data)
        loader = _load_loader(blob, data_map)
        try:
            result = _run(loader, context)
        finally:
            os.close(loader)
    finally:
        os.close(data_map)
    return _descriptors(blob, result)


def attach(loaded: Loaded, blob: Blob) -> None:
    """Runs every program on its tracepoint; an optional one may find none on this kernel."""
    for name, fd in loaded.programs.items():
        try:
            loaded.links[name] = bpf.attach_tracepoint(fd, blob.tracepoints[name])
        except OSError as error:
            if name not in _OPTIONAL or error.errno != errno.ENOENT:
                raise


# struct bpf_loader_ctx (24 bytes), then a bpf_map_desc (16) per map and a bpf_prog_desc (4) per
# program: tools/lib/bpf/skel_internal.h.
def _context(
    blob: Blob, settings: dict[str, int], keep: list[ctypes.Array[ctypes.c_char]]
) -> bytearray:
    context = bytearray(24)
    for name in blob.maps:
        initial = 0
        if name in blob.initial:
            value = bytearray(blob.initial[name])
            if name == "rodata":
                for setting, number in settings.items():
                    struct.pack_into("<I", value, blob.rodata_offsets[setting], number)
            buffer = ctypes.create_string_buffer(bytes(value), len(value))
            keep.append(buffer)
            initial = bpf.address(buffer)
        context += struct.pack("<iIQ", 0, 0, initial)
    context += b"\0\0\0\0" * len(blob.programs)
    struct.pack_into("<II", context, 0, 0, len(context))
    return context


def _load_loader(blob: Blob, data_map: int) -> int:
    code = ctypes.create_string_buffer(blob.instructions, len(blob.instructions))
    licence = ctypes.create_string_buffer(b"GPL")
    descriptors = (ctypes.c_int * 1)(data_map)
    attr = bytearray(128)
    struct.pack_into(
        "<IIQQIIQII16s",
        attr,
        0,
        _PROG_TYPE_SYSCALL,
        len(blob.instructions) // 8,
        bpf.address(code),
        bpf.address(licence),
        0,
        0,
        0,
        0,
        _F_SLEEPABLE,
        b"__loader.prog",
    )
    struct.pack_into("<Q", attr, 120, ctypes.addressof(descriptors))
    return bpf.syscall(bpf.PROG_LOAD, attr)[0]


def _run(loader: int, context: bytearray) -> bytes:
    buffer = ctypes.create_string_buffer(bytes(context), len(context))
    attr = bytearray(80)
    struct.pack_into("<I", attr, 0, loader)
    struct.pack_into("<I", attr, 40, len(context))
    struct.pack_into("<Q", attr, 48, bpf.address(buffer))
    _, out = bpf.syscall(bpf.PROG_RUN, attr)
    verdict = struct.unpack_from("<i", out, 4)[0]
    if verdict < 0:
        raise OSError(-verdict, f"BPF loader program: {os.strerror(-verdict)}")
    return buffer.raw


def _descriptors(blob: Blob, context: bytes) -> Loaded:
    loaded, offset = Loaded(), 24
    for name in blob.maps:
        loaded.maps[name] = struct.unpack_from("<i", context, offset)[0]
        offset += 16
    for name in blob.programs:
        loaded.programs[name] = struct.unpack_from("<i", context, offset)[0]
        offset += 4
    return loaded
