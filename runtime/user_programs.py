"""What the compiler may ask about programs and libraries: the half of the live Target that is about user space.

Place in the pipeline: a base of `runtime.machine.Machine`.  In: paths as a user writes them, names in programs.  Out:
files that open from here, symbols, notes, what debug information says.  What a newcomer would get wrong: a file is
noted (`_note`) when it is looked at, also when it is not there, for the compile cache must see it change.
"""

from __future__ import annotations

import os

from pytrace.runtime import binaries, identity
from pytrace.target import ElfSymbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.elf import ElfFile
    from pytrace.target import Function, UsdtNote
    from pytrace.types import Type


class UserPrograms:
    """The programs and libraries of this machine.  `debuginfo`: folders of debug files, separated by colons."""

    def __init__(self, debuginfo: str) -> None:
        self._debuginfo = debuginfo
        self._identities: dict[str, None] = {}
        self._elf: dict[str, ElfFile | None] = {}
        self._functions: dict[str, list[ElfSymbol]] = {}

    def _note(self, item: str) -> None:
        self._identities[item] = None

    # files ------------------------------------------------------------------
    def resolve_binary(self, pattern: str, pid: int | None, unsafe: bool = False) -> list[str]:
        found = binaries.resolve(pattern, pid, unsafe)
        for path in found or [pattern]:
            self._note(identity.file(path))
        if "/" not in pattern:
            self._note(identity.environment("PATH"))
        elif "*" in pattern:
            self._note(identity.file(os.path.dirname(pattern.partition("*")[0]) or "."))
        return found

    def library(self, name: str, pid: int | None) -> str | None:
        self._note(identity.file("/etc/ld.so.cache"))
        return binaries.library(name, pid)

    def executable_of(self, pid: int) -> str | None:
        return binaries.executable_of(pid)

    def mapped_files(self, pid: int | None) -> list[str]:
        self._note(identity.never())
        return binaries.mapped_by_all() if pid is None else binaries.mapped(pid)

    # symbols ----------------------------------------------------------------
    def _open(self, path: str) -> Iterator[ElfFile]:
        """The file and, if its symbols were stripped off, the one that has them."""
        from pytrace.runtime import elf

        if path not in self._elf:
            member = binaries.archive_member(path)
            self._note(identity.file(member[0] if member else path))
            try:
                self._elf[path] = elf.ElfFile(path, _read_at(*member) if member else None)
            except (elf.ElfError, OSError):
                self._elf[path] = None
        found = self._elf[path]
        if found is not None:
            yield found
            if found.section(".symtab") is None:
                debug = elf.debug_file(found, self._debuginfo) or found.mini_debug_info()
                if debug is not None:
                    self._note(identity.file(debug.path))
                    yield debug

    def elf_loadable(self, path: str) -> bool:
        """Whether it is an ELF file that we can read."""
        return any(True for _ in self._open(path))

    def probed_file(self, path: str) -> tuple[str, int]:
        member = binaries.archive_member(path)
        return (member[0], member[1]) if member else (path, 0)

    def elf_offset(self, path: str, address: int) -> int | None:
        """The file offset of a virtual address, None outside every executable segment."""
        for file in self._open(path):
            return file.offset_of(address) or None
        return None

    def elf_functions(self, path: str) -> list[ElfSymbol]:
        if path not in self._functions:
            files = list(self._open(path))
            found: dict[tuple[str, int], ElfSymbol] = {}
            for file in files:
                for s in file.symbols():
                    if (s.name, s.address) not in found:
                        found[s.name, s.address] = ElfSymbol(s.name, s.address, s.size, files[0].offset_of(s.address))
            self._functions[path] = list(found.values())
        return self._functions[path]

    def elf_symbol(self, path: str, name: str) -> ElfSymbol | None:
        files = list(self._open(path))
        for file in files:
            for s in file.named(name):
                return ElfSymbol(s.name, s.address, s.size, files[0].offset_of(s.address))
        return None

    def elf_symbol_at(self, path: str, address: int) -> ElfSymbol | None:
        """The function that contains a virtual address."""
        for s in self.elf_functions(path):
            if s.address <= address < s.address + max(s.size, 1):
                return s
        return None

    def instruction_boundary(self, path: str, symbol: ElfSymbol, offset: int) -> bool | None:
        """Whether an instruction begins `offset` bytes into a function; None: could not tell."""
        from pytrace.runtime.x86 import boundary

        for file in self._open(path):
            return boundary(file.data[symbol.offset : symbol.offset + offset + 16], offset)
        return None

    def demangle(self, name: str) -> str:
        """The C++ name of a mangled one, "" if it is none."""
        from pytrace.runtime.sys.demangle import demangle

        return demangle(name)

    def usdt_notes(self, path: str) -> list[UsdtNote]:
        from pytrace.runtime.usdt import notes

        for file in self._open(path):
            return notes(file)
        return []

    # debug information ------------------------------------------------------
    def type_of_programs(self, name: str, tag: str) -> Type | None:
        """A type of one of the programs that have been looked at."""
        from pytrace.runtime import dwarf

        of_programs = (dwarf.type_named(path, name, tag, self._debuginfo) for path in self._elf)
        return next((t for t in of_programs if t is not None), None)

    def has_dwarf(self, path: str) -> bool:
        from pytrace.runtime import dwarf

        return dwarf.available(path, self._debuginfo)

    def dwarf_function(self, path: str, name: str, address: int | None = None) -> Function | None:
        from pytrace.runtime import dwarf

        return dwarf.function(path, name, self._debuginfo, address)

    def missing_debug_file(self, path: str) -> str:
        """A part of its debug information that was looked for and is not there, "" if all are."""
        from pytrace.runtime import dwarf

        return dwarf.missing_file(path, self._debuginfo)

    def dwarf_declarations(self, path: str, name: str) -> list[str] | None:
        """`int x` for each parameter; None without debug information."""
        from pytrace.runtime import dwarf

        return dwarf.declarations(path, name, self._debuginfo)

    def inlined_places(self, path: str, name: str) -> list[int]:
        """The addresses at which code of a function begins that was inlined into others."""
        from pytrace.runtime import dwarf

        return dwarf.inlined(path, name, self._debuginfo)

    def where_inlined(self, path: str, name: str, address: int) -> str:
        """What one of those places is in, for messages: `in first (inlined.c:18)`."""
        from pytrace.runtime import dwarf

        return dwarf.where_inlined(path, name, address, self._debuginfo)

    def line_address(self, path: str, file: str, line: int, column: int) -> int | str | None:
        """The address of a source line; a text that says why there is none; None without debug information."""
        from pytrace.runtime import dwarf

        return dwarf.line_address(path, file, line, column, self._debuginfo)


def _read_at(path: str, offset: int, size: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)
