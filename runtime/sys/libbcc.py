"""libbcc's symbol look-up for processes, through ctypes (bcc: src/cc/bcc_syms.h).

Place in the pipeline: under `runtime.symbols`, imported when the first user symbol is to be printed.  In: a pid,
addresses. Out: names.  What a newcomer would get wrong: the demangled name must be freed unless it is the plain name
itself.
"""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ALL_TYPES = 0xFFFF
"""BCC_SYM_ALL_TYPES: symbols of every type."""


class _Symbol(ctypes.Structure):
    """struct bcc_symbol"""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("demangled", ctypes.c_void_p),
        ("module", ctypes.c_char_p),
        ("offset", ctypes.c_uint64),
    )


class _Option(ctypes.Structure):
    """struct bcc_symbol_option"""

    _fields_ = (
        ("use_debug_file", ctypes.c_int),
        ("check_debug_file_crc", ctypes.c_int),
        ("lazy_symbolize", ctypes.c_int),
        ("use_symbol_type", ctypes.c_uint32),
    )


class BccSymbols:
    """Symbol caches of processes.  Without libbcc on the machine nothing is found."""

    def __init__(self, demangle: bool, lazy: bool) -> None:
        self._demangle = demangle
        self._option = _Option(1, 1, int(lazy), _ALL_TYPES)
        self._free: Any = ctypes.CDLL(None).free
        self._free.argtypes = [ctypes.c_void_p]
        self._library: Any = None
        try:
            library = ctypes.CDLL("libbcc.so.0")
        except OSError:
            return
        library.bcc_symcache_new.restype = ctypes.c_void_p
        library.bcc_symcache_new.argtypes = [ctypes.c_int, ctypes.POINTER(_Option)]
        library.bcc_free_symcache.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.bcc_symcache_resolve.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(_Symbol)]
        self._library = library

    def open(self, pid: int) -> int:
        """A cache of process `pid`: its mappings as they are now; 0 when there is none."""
        return (self._library.bcc_symcache_new(pid, ctypes.byref(self._option)) or 0) if self._library else 0

    def close(self, cache: int, pid: int) -> None:
        if cache:
            self._library.bcc_free_symcache(cache, pid)

    def find(self, cache: int, address: int) -> tuple[str, int, str] | None:
        """(name, offset, file) of an address."""
        symbol = _Symbol()
        if not cache or self._library.bcc_symcache_resolve(cache, address, ctypes.byref(symbol)) != 0:
            return None
        chosen = symbol.demangled if self._demangle and symbol.demangled else symbol.name
        name = ctypes.string_at(chosen).decode("latin-1") if chosen else ""
        if symbol.demangled and symbol.demangled != symbol.name:
            self._free(symbol.demangled)
        return name, symbol.offset, (symbol.module or b"").decode("latin-1")
