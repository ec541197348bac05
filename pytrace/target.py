"""Target: all that the compiler may ask about the machine.

Place in the pipeline: handed to sema and the rows; implemented live by `pytrace.runtime.machine` and recorded by the
tests.  In: names.  Out: types, formats, symbols.  What a newcomer would get wrong: everything that differs
between machines must come through here, or the compile cache would serve a wrong Program: each question that was
asked is noted, and its answer's identity goes into the cache key (`fingerprint`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pytrace.types import Enum, Field, Struct, Type


@dataclass(frozen=True, slots=True)
class Function:
    """A kernel function of BTF: `params` are (name, type); `id` its BTF id; `module` "vmlinux" or a module's name."""

    name: str
    module: str
    params: tuple[tuple[str, Type], ...]
    result: Type
    declarations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TracepointFormat:
    """`events/CATEGORY/EVENT/format`: its id, and its own fields (the common ones in `common`), offsets in bytes of
    the record that the program gets."""

    category: str
    event: str
    id: int
    fields: tuple[Field, ...]
    common: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class ElfSymbol:
    """A function symbol: `address` virtual, `offset` in the file, sizes in bytes."""

    name: str
    address: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class UsdtNote:
    """A USDT probe: `location` and `semaphore` as file offsets (0 = none), `arguments` as written in the note."""

    provider: str
    name: str
    address: int
    location: int
    semaphore: int
    arguments: str


class Target(Protocol):
    """Unknown names give None or nothing; a part of the machine that cannot be read raises MachineError with advice."""

    # types
    def type_named(self, name: str, tag: str = "") -> Type | None:
        """`task_struct` with tag "struct", `pid_t` with "", from BTF."""
        ...

    def enumerator(self, name: str) -> tuple[Enum, int] | None: ...

    def has_btf(self) -> bool: ...

    def types_matching(self, tag: str, pattern: str) -> Iterable[tuple[str, str]]:
        """(name, definition in C) of the BTF types for `-l 'struct X'`."""
        ...

    # kernel functions and events
    def function(self, name: str, module: str = "") -> list[Function]:
        """The BTF functions of that name, in `module` or in all."""
        ...

    def functions(self) -> Iterable[tuple[str, str]]:
        """(module, name) of every traceable function (available_filter_functions, --traceable-functions)."""
        ...

    def btf_functions(self) -> Iterable[tuple[str, str]]:
        """(module, name) of every function of BTF."""
        ...

    def kfunc_allowed(self, name: str, program_type: str) -> bool: ...

    def modules(self) -> Iterable[str]: ...

    def tracepoints(self) -> Iterable[tuple[str, str]]: ...

    def tracepoint(self, category: str, event: str) -> TracepointFormat | None: ...

    def raw_tracepoints(self) -> Iterable[tuple[str, str]]:
        """(module, name)."""
        ...

    def raw_tracepoint(self, name: str, module: str = "") -> Function | None:
        """Its parameters, the leading `void *__data` left out."""
        ...

    def iterators(self) -> Iterable[str]: ...

    def kernel_symbol(self, name: str) -> int | None:
        """The address of a kernel symbol."""
        ...

    def feature(self, name: str) -> bool | None:
        """A kernel feature: kprobe_multi, kprobe_session, uprobe_multi, bpf_loop, get_func_ip, map_lookup_percpu_elem,
        get_tai_ns, dpath, iter, cpu_v4 … None: could not tell."""
        ...

    # user space
    def resolve_binary(self, pattern: str, pid: int | None) -> list[str]:
        """Absolute or as-given paths for a uprobe/usdt target: path, PATH, glob, library name (spec 03 §4)."""
        ...

    def elf_functions(self, path: str) -> list[ElfSymbol]: ...

    def elf_symbol(self, path: str, name: str) -> ElfSymbol | None: ...

    def usdt_notes(self, path: str) -> list[UsdtNote]: ...

    def dwarf_function(self, path: str, name: str) -> Function | None:
        """Parameters and types from debug information, None without it."""
        ...

    def fingerprint(self) -> tuple[str, ...]:
        """Identities of everything asked so far: kernel build id, formats, files (path, size, mtime)."""
        ...


__all__ = ["ElfSymbol", "Function", "Struct", "Target", "TracepointFormat", "UsdtNote"]
