"""libbpf's BTF functions through ctypes: parsing, look-up by name, and C declarations.

Place in the pipeline: below `runtime.btf`, the only module that uses it.  In: nothing.  Out: a `Library` with the
prototypes that are needed, loaded once.  What a newcomer would get wrong: declarations are written by libbpf's dumper
straight into a C memory stream (`vfprintf` is its print callback), because a Python callback would be called for
every word of a dump.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_SONAMES = ("libbpf.so.1", "libbpf.so.0")


class _EmitOptions(ctypes.Structure):
    """struct btf_dump_emit_type_decl_opts of libbpf's btf.h."""

    _fields_ = (
        ("sz", c_size_t),
        ("field_name", c_char_p),
        ("indent_level", c_int),
        ("strip_mods", ctypes.c_bool),
    )


class Library:
    """libbpf, its prototypes declared.  Raises OSError when it is not installed."""

    def __init__(self) -> None:
        self.lib = _load()
        for name, result, arguments in (
            ("btf__load_vmlinux_btf", c_void_p, ()),
            ("btf__parse_raw", c_void_p, (c_char_p,)),
            ("btf__parse", c_void_p, (c_char_p, c_void_p)),
            ("btf__parse_split", c_void_p, (c_char_p, c_void_p)),
            ("btf__load_from_kernel_by_id_split", c_void_p, (c_uint32, c_void_p)),
            ("btf__type_cnt", c_uint32, (c_void_p,)),
            ("btf__type_by_id", c_void_p, (c_void_p, c_uint32)),
            ("btf__raw_data", c_void_p, (c_void_p, POINTER(c_uint32))),
            ("btf__resolve_size", ctypes.c_int64, (c_void_p, c_uint32)),
            ("btf_dump__new", c_void_p, (c_void_p, c_void_p, c_void_p, c_void_p)),
            ("btf_dump__free", None, (c_void_p,)),
            ("btf_dump__dump_type", c_int, (c_void_p, c_uint32)),
            ("btf_dump__emit_type_decl", c_int, (c_void_p, c_uint32, c_void_p)),
        ):
            function = getattr(self.lib, name)
            function.restype = result
            function.argtypes = arguments
        self.lib.libbpf_set_print.restype = c_void_p
        self.lib.libbpf_set_print.argtypes = (c_void_p,)
        self.lib.libbpf_set_print(None)  # what goes wrong is reported by us

    def load_vmlinux(self) -> int | None:
        return self._handle(self.lib.btf__load_vmlinux_btf())

    def parse(self, path: str) -> int | None:
        """Raw BTF, or the .BTF section of an ELF file."""
        return self._handle(self.lib.btf__parse(path.encode(), None))

    def parse_split(self, path: str, base: int) -> int | None:
        return self._handle(self.lib.btf__parse_split(path.encode(), base))

    def load_split(self, object_id: int, base: int | None) -> int | None:
        """The BTF that the kernel has under `object_id`, on top of `base`."""
        return self._handle(self.lib.btf__load_from_kernel_by_id_split(object_id, base))

    @staticmethod
    def _handle(value: int | None) -> int | None:
        """libbpf before 1.0 returns a negative errno as a pointer, later ones NULL."""
        return None if not value or value > 0xFFFFFFFFFFFFF000 else value

    def raw(self, btf: int) -> tuple[int, bytes]:
        """(address of the blob inside libbpf, a copy of it)."""
        size = c_uint32()
        address = self.lib.btf__raw_data(btf, byref(size))
        return address, ctypes.string_at(address, size.value)

    def type_count(self, btf: int) -> int:
        """One more than the highest type id."""
        return int(self.lib.btf__type_cnt(btf))

    def dumper(self, btf: int) -> Dumper:
        return Dumper(self.lib, btf)


class Dumper:
    """Writes types as C.  Definitions come out once in its life, preceded by what they need."""

    def __init__(self, lib: Any, btf: int) -> None:
        self._lib = lib
        self._libc = libc = ctypes.CDLL(None)
        libc.open_memstream.restype = c_void_p
        libc.open_memstream.argtypes = (c_void_p, c_void_p)
        libc.fflush.argtypes = libc.fclose.argtypes = (c_void_p,)
        libc.ftell.argtypes = (c_void_p,)
        libc.ftell.restype = ctypes.c_long
        libc.free.argtypes = (c_void_p,)
        self._buffer = c_void_p()
        self._size = c_size_t()
        self._stream: int | None = libc.open_memstream(byref(self._buffer), byref(self._size))
        vfprintf = ctypes.cast(libc.vfprintf, c_void_p)
        self._dump: int | None = lib.btf_dump__new(btf, vfprintf, self._stream, None)
        self._taken = 0
        self._declarations: dict[tuple[int, str], str] = {}

    def declaration(self, type_id: int, name: str = "") -> str:
        """`struct task_struct *` (with `name` the whole declarator)."""
        key = type_id, name
        if key not in self._declarations:
            options = _EmitOptions(ctypes.sizeof(_EmitOptions), name.encode(), 0, False)
            self._lib.btf_dump__emit_type_decl(self._dump, type_id, byref(options))
            self._declarations[key] = self._take()
        return self._declarations[key]

    def definition(self, type_id: int) -> str:
        """The definition, and those of the types that it contains, as far as not written before."""
        self._lib.btf_dump__dump_type(self._dump, type_id)
        return self._take()

    def definitions(self, type_ids: Iterable[int]) -> str:
        """The definitions of many types, with what they need."""
        dump = self._lib.btf_dump__dump_type
        for type_id in type_ids:
            dump(self._dump, type_id)
        return self._take()

    def _take(self) -> str:
        self._libc.fflush(self._stream)
        text = ctypes.string_at((self._buffer.value or 0) + self._taken, self._size.value - self._taken)
        self._taken = self._size.value
        return text.decode("latin-1").replace(")()", ")(void)")  # as newer ones write it

    def close(self) -> None:
        if self._stream is not None:
            self._lib.btf_dump__free(self._dump)
            self._libc.fclose(self._stream)
            self._libc.free(self._buffer)
            self._stream = self._dump = None


def _load() -> ctypes.CDLL:
    for name in _SONAMES[:-1]:
        try:
            return ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
    return ctypes.CDLL(_SONAMES[-1], use_errno=True)
