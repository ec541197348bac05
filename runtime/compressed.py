"""Sections that are kept compressed: zlib, zstd, and xz.

Place in the pipeline: under `runtime.elf`.  In: the bytes of a section.  Out: what they stand for, b"" where that
cannot be told.  What a newcomer would get wrong: three headers are in use.  ELF's own names the method and has 24
bytes (Elf64_Chdr), `.zdebug_…` begins with `ZLIB` and the size in big-endian; `.gnu_debugdata` has none.
"""

from __future__ import annotations

from struct import error, unpack_from

_ZLIB, _ZSTD = 1, 2  # ELFCOMPRESS_*
_MOST = 1 << 32


def section_bytes(raw: bytes, elf_header: bool) -> bytes:
    """The bytes of a compressed section; `elf_header`: SHF_COMPRESSED is set."""
    try:
        if not elf_header:
            return _inflated(raw[12:]) if raw[:4] == b"ZLIB" else raw
        method, _, size = unpack_from("<IIQ", raw)
    except error:
        return b""
    if method == _ZLIB:
        return _inflated(raw[24:])
    return _from_zstd(raw[24:], size) if method == _ZSTD else b""


def _inflated(data: bytes) -> bytes:
    import zlib

    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def _from_zstd(data: bytes, size: int) -> bytes:
    """Through the system's libzstd, which the compiler and linker that wrote such a file use too."""
    import ctypes

    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError:
        return b""
    if size > _MOST:
        return b""
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    room = ctypes.create_string_buffer(size)
    return room.raw if library.ZSTD_decompress(room, size, data, len(data)) == size else b""


def unxz(data: bytes) -> bytes:
    """The content of an xz stream."""
    try:
        from lzma import LZMAError, decompress
    except ImportError:  # Python can be built without it
        return b""
    try:
        return decompress(data)
    except LZMAError:
        return b""
