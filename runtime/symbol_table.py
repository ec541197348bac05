"""Symbols of one file, by address or by file offset.

Place in the pipeline: under `runtime.symbols`, for processes that are gone.  In: a path.  Out: (name, offset) of an
address. What a newcomer would get wrong: a process maps *file offsets*, while symbols have virtual addresses; the two
differ by segment.
"""

from __future__ import annotations

from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HIGHEST = 1 << 64
_NEAREST = 16
"""How many symbols in front of an address may be labels inside of the function that it lies in."""


class SymbolTable:
    """Functions of an ELF file and of its separate debug file, or of the vDSO; empty when it cannot be read."""

    def __init__(self, path: str, demangle: bool) -> None:
        from pytrace.runtime import vdso
        from pytrace.runtime.elf import ElfError, ElfFile, debug_file
        from pytrace.runtime.linkage_stubs import stubs

        self._demangle = demangle
        self._rows: list[tuple[int, int, str]] = []
        self._segments: list[Any] = []
        try:
            elf = ElfFile(path, vdso.image() if path == vdso.NAME else None)
            rows = {(s.address, s.size, s.name) for s in elf.symbols()}
            self._segments = [s for s in elf.segments if s.executable]
            separate = None if elf.section(".symtab") else debug_file(elf) or elf.mini_debug_info()
            if separate is not None:
                rows |= {(s.address, s.size, s.name) for s in separate.symbols()}
            rows |= set(stubs(elf))
        except (OSError, ElfError):
            return
        self._rows = sorted(rows)

    def at(self, address: int) -> tuple[str, int] | None:
        """(name, offset) of the function that virtual address `address` lies in; nothing behind its end counts."""
        at = bisect_right(self._rows, (address, _HIGHEST, "")) - 1
        for start, size, name in reversed(self._rows[max(0, at + 1 - _NEAREST) : at + 1]):
            if start == address or address < start + size:
                return (demangled(name) if self._demangle else name), address - start
        return None

    def at_offset(self, offset: int) -> tuple[str, int] | None:
        """As `at`, for a byte of the file."""
        address = self.address_of(offset)
        return None if address is None else self.at(address)

    def address_of(self, offset: int) -> int | None:
        """The virtual address of a byte of the file that is code."""
        covering = (s for s in self._segments if s.offset <= offset < s.offset + s.size)
        return next((offset - s.offset + s.address for s in covering), None)


_demangler: Any = None


def demangled(name: str) -> str:
    """A C++ name as it was written, through __cxa_demangle of the C++ library; other names as they are.  What stands
    behind an `@` (a stub's `@plt`) stays."""
    name, at, version = name.partition("@")
    return _without_suffix(name) + at + version


def _without_suffix(name: str) -> str:
    global _demangler
    if not name.startswith("_Z"):
        return name
    import ctypes

    if _demangler is None:
        try:
            _demangler = ctypes.CDLL("libstdc++.so.6").__cxa_demangle
        except (OSError, AttributeError):
            _demangler = False
        else:
            _demangler.restype = ctypes.c_void_p
            _demangler.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
    if not _demangler:
        return name
    status = ctypes.c_int()
    found = _demangler(name.encode("latin-1"), None, None, ctypes.byref(status))
    if not found or status.value != 0:
        return name
    text = ctypes.string_at(found).decode("latin-1")
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free(found)
    return text
