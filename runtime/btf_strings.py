"""Names out of the kernel's type information, without reading the types.

Place in the pipeline: beside `btf.py`, for listings.  In: how a name begins.  Out: (module, name) of the names that
do.  Why: BTF holds each name once, in one block of 2 MiB, which is read in 2 ms and searched in less, while libbpf
needs 25 ms to load the whole and a walk over all types 60.  What a newcomer would get wrong: nothing here says
of what a name is one, so this is only for prefixes that the kernel gives to one kind of thing.
Source: Documentation/bpf/btf.rst, "BTF Type and String Encoding".
"""

from __future__ import annotations

import os
from struct import unpack_from

_FOLDER = "/sys/kernel/btf"
_HEADER = "<HBB5I"  # magic, version, flags; hdr_len, type_off, type_len, str_off, str_len
_MAGIC = 0xEB9F


class BtfNames:
    """The names in the BTF of vmlinux and of the modules: (module, its names, each between two NULs)."""

    def __init__(self, blocks: list[tuple[str, bytes]]) -> None:
        self._blocks = blocks

    @classmethod
    def load(cls) -> BtfNames:
        """Those of the running kernel; none where it has no BTF."""
        return cls(_blocks())

    def beginning_with(self, prefix: str) -> list[tuple[str, str]]:
        """(module, the rest of the name), vmlinux first."""
        found = []
        needle = b"\0" + prefix.encode("ascii")
        for module, block in self._blocks:
            at = block.find(needle)
            while at >= 0:
                begin = at + len(needle)
                end = block.index(b"\0", begin)
                found.append((module, block[begin:end].decode("latin-1")))
                at = block.find(needle, end)
        return found


def _blocks() -> list[tuple[str, bytes]]:
    """(module, its strings, each between two NULs) of vmlinux and of the modules."""
    given = os.environ.get("BPFTRACE_BTF")
    try:
        modules = sorted(name for name in os.listdir(_FOLDER) if name != "vmlinux")
    except OSError:
        modules = []
    rows = [("vmlinux", given or f"{_FOLDER}/vmlinux"), *((name, f"{_FOLDER}/{name}") for name in modules)]
    return [(module, _strings(path)) for module, path in rows]


def _strings(path: str) -> bytes:
    """The string section; empty where there is none to be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(24)
            magic, _, _, length, _, _, offset, size = unpack_from(_HEADER, head) if len(head) == 24 else (0,) * 8
            if magic != _MAGIC:
                return b""
            file.seek(length + offset)
            return b"\0" + file.read(size)
    except OSError:
        return b""
