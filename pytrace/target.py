"""Target: all that the compiler may ask about the machine.

Place in the pipeline: handed to sema and the rows; implemented live by `pytrace.runtime.machine` and recorded by the
tests.  In: names.  Out: types, formats, symbols.  What a newcomer would get wrong: everything that differs
between machines must come through here, or the compile cache would serve a wrong Program: each question that was
asked is noted, and its answer's identity goes into the cache key (`fingerprint`).
"""

from __future__ import annotations

from pytrace.record import record
from pytrace.types import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from pytrace.bpfobject import BpfObject
    from pytrace.location import Location
    from pytrace.types import Enum, Field, Type
else:
    Protocol = object  # the class below is for mypy; importing `typing` costs a start 5 ms


@record
class Function:
    """A function: `params` are (name, type); `module` "vmlinux", a module's name, or the program's path; `places` says
    where the parameters are (of functions in user space)."""

    name: str
    module: str
    params: tuple[tuple[str, Type], ...]
    result: Type
    declarations: tuple[str, ...] = ()
    places: tuple[Location, ...] = ()


@record
class TracepointFormat:
    """`events/CATEGORY/EVENT/format`: its id, and its own fields (the common ones in `common`), offsets in bytes of
    the record that the program gets."""

    category: str
    event: str
    id: int
    fields: tuple[Field, ...]
    common: tuple[Field, ...] = ()


@record
class ElfSymbol:
    """A function symbol: `address` virtual, `offset` in the file, sizes in bytes."""

    name: str
    address: int
    size: int
    offset: int


@record
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

    ahead: bool
    """Whether the Program is to run later or elsewhere (`--aot`): then nothing that only holds for now may enter it."""

    @property
    def is_momentary(self) -> bool:
        """Whether an answer depended on what runs at the moment."""

    def note_file(self, path: str) -> None:
        """A file or folder that the compiler itself has read or looked for, so that its identity is part of the
        fingerprint."""

    # types
    def type_named(self, name: str, tag: str = "") -> Type | None:
        """`task_struct` with tag "struct", `pid_t` with "", from BTF."""

    def enumerator(self, name: str) -> tuple[Enum, int] | None: ...

    def has_btf(self) -> bool: ...

    def types_matching(self, search: str, definitions: bool) -> Iterable[tuple[str, str]]:
        """(module, `struct X` or its definition in C) of the BTF types that match `struct X*`, sorted."""

    def bpf_object(self, path: str, folders: tuple[str, ...]) -> BpfObject:
        """The BPF object in a file, or of a C source compiled with `folders` to search.  Raises ObjectRefused."""

    # kernel functions and events
    def function(self, name: str, module: str = "") -> list[Function]:
        """The BTF functions of that name, in `module` or in all."""

    def function_declarations(self, name: str, module: str = "") -> list[Function]:
        """As `function`, with the types of parameters and result in C, for listings."""

    def functions(self, prefix: str = "") -> Iterable[tuple[str, str]]:
        """(module, name) of every traceable function (available_filter_functions, --traceable-functions) whose name
        begins with `prefix`."""

    def listed_by_types(self) -> bool:
        """Whether kernel functions are listed for fentry only if BTF has their types."""

    def parameter_count(self, name: str, module: str) -> int | None:
        """How many parameters BTF says that a module's kernel function has; None if it has none of that name."""

    def traceable_modules(self, name: str) -> list[str]:
        """The modules ("vmlinux" too) in which a function of that name can be traced, sorted."""

    def bpf_programs(self) -> Iterable[tuple[int, str]]:
        """(id, name) of the loaded BPF programs that have BTF, subprograms included."""

    def traceable_problem(self, instead: str = "") -> str:
        """The warning to print when that list cannot be read, "" if it can."""

    def btf_functions(self) -> Iterable[tuple[str, str]]:
        """(module, name) of every function of BTF."""

    def kfunc_allowed(self, name: str, program_type: str) -> bool: ...

    def modules(self) -> Iterable[str]: ...

    def tracepoints(self) -> Iterable[tuple[str, str]]: ...

    def tracepoint(self, category: str, event: str) -> TracepointFormat | None:
        """Its record, all types looked up."""

    def tracepoint_declarations(self, category: str, event: str) -> list[str]:
        """Its own fields in C, as the kernel writes them."""

    def tracepoint_id(self, category: str, event: str) -> int | None:
        """The number that perf_event_open(2) knows it by; None where there is no such event."""

    def raw_tracepoints(self) -> Iterable[tuple[str, str]]:
        """(module, name)."""

    def raw_tracepoint(self, name: str, module: str = "") -> Function | None:
        """Its parameters, the leading `void *__data` left out."""

    def iterators(self) -> Iterable[str]:
        """Those that the kernel has types for."""

    def kernel_symbol(self, name: str) -> int | None:
        """The address of a kernel symbol."""

    def has_kernel_variable(self, name: str) -> bool:
        """Whether BTF has a variable of that name (it has the per-CPU ones)."""

    def cgroup_id(self, path: str) -> int | None:
        """The id of the cgroup (version 2) at a path."""

    def feature(self, name: str) -> bool | None:
        """A kernel feature: kprobe_multi, kprobe_session, uprobe_multi, bpf_loop, get_func_ip, map_lookup_percpu_elem,
        get_tai_ns, dpath, iter, cpu_v4 … None: could not tell."""

    def bpf_cpu(self) -> str:
        """LLVM's name of the BPF instruction set to generate."""

    # user space
    def resolve_binary(self, pattern: str, pid: int | None, unsafe: bool = False) -> list[str]:
        """Paths of the executables and libraries that a uprobe/usdt target means: path, PATH, glob (spec 03 §4).
        `unsafe`: any file that exists."""

    def library(self, name: str, pid: int | None) -> str | None:
        """The path of `libc`, `libssl.so.3` in the dynamic linker's cache (or mapped by `pid`)."""

    def executable_of(self, pid: int) -> str | None:
        """What `pid` runs, as a path that opens from here."""

    def mapped_files(self, pid: int | None) -> list[str]:
        """The executable mappings' files of a process, or of all."""

    def elf_functions(self, path: str) -> list[ElfSymbol]: ...

    def elf_symbol(self, path: str, name: str) -> ElfSymbol | None: ...

    def elf_symbol_at(self, path: str, address: int) -> ElfSymbol | None:
        """The function that contains a virtual address."""

    def probed_file(self, path: str) -> tuple[str, int]:
        """(file, offset in it) behind a path: `archive!/member` lies in its archive, other paths are files at 0."""

    def elf_offset(self, path: str, address: int) -> int | None:
        """The file offset of a virtual address, None outside every executable segment."""

    def elf_loadable(self, path: str) -> bool:
        """Whether it is an ELF file that can be read."""

    def instruction_boundary(self, path: str, symbol: ElfSymbol, offset: int) -> bool | None:
        """Whether an instruction begins `offset` bytes into a function; None: could not tell."""

    def demangle(self, name: str) -> str:
        """The C++ name of a mangled one, "" if it is none."""

    def usdt_notes(self, path: str) -> list[UsdtNote]: ...

    def has_dwarf(self, path: str) -> bool:
        """Whether there is debug information for a program, looking at its sections only."""

    def dwarf_function(self, path: str, name: str, address: int | None = None) -> Function | None:
        """Parameters and types from debug information, None without it.  `places` are those on entry, or at an address
        in the function; the address of one of `inlined_places` means what was inlined there."""

    def missing_debug_file(self, path: str) -> str:
        """A file with a part of a program's debug information that was looked for and is not there, "" if all are."""

    def dwarf_declarations(self, path: str, name: str) -> list[str] | None:
        """`int x` for each parameter of a function; None without debug information."""

    def inlined_places(self, path: str, name: str) -> list[int]:
        """The addresses at which code of a function begins that was inlined into others."""

    def where_inlined(self, path: str, name: str, address: int) -> str:
        """What one of those places is in, for messages: `in first (inlined.c:18)`."""

    def line_address(self, path: str, file: str, line: int, column: int) -> int | str | None:
        """The address of a source line; a text that says why there is none; None without debug information."""

    def fingerprint(self) -> tuple[str, ...]:
        """Identities of everything asked so far: kernel build id, formats, files (path, size, mtime)."""


__all__ = ["ElfSymbol", "Function", "Struct", "Target", "TracepointFormat", "UsdtNote"]
