"""The library that the kernel maps into each process (vdso(7)), which is in no file.

Place in the pipeline: under `runtime.symbol_table`.  In: nothing.  Out: its bytes.  What a newcomer would get wrong:
this process has the same image as every other of its word size, so its own memory is where the symbols are.
"""

from __future__ import annotations

NAME = "[vdso]"
"""As /proc/PID/maps and the kernel's records of mappings call it."""
_OF_32_BITS = 1 << 32


def is_ours(name: str, start: int) -> bool:
    """Whether a mapping of a process is the library of 64-bit processes."""
    return name == NAME and start >= _OF_32_BITS


def image() -> bytes:
    """Its bytes, an ELF file.  Raises OSError where this process has none."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        line = next((line for line in maps if line.rstrip().endswith(NAME)), "")
    if not line:
        raise OSError("no vDSO")
    start, end = (int(part, 16) for part in line.split(None, 1)[0].split("-"))
    with open("/proc/self/mem", "rb") as memory:
        memory.seek(start)
        return memory.read(end - start)
