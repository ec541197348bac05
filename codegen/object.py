"""Reading the BPF object back, and linking each program with the functions that it calls.

Place in the pipeline: between the backend and `codegen.assemble`.  In: ELF bytes with one function per section.  Out:
`Linked` programs: instructions, relocations, func_info and line_info.  What a newcomer would get wrong: all numbers
of `Linked` count from the start of the *linked* program, in 8-byte instructions, and an ld_imm64 takes two of them.

Why not pyelftools: its import alone takes as long as everything in this file does for a whole object; what is needed
here is five fixed structures of elf(5) and two of the kernel's Documentation/bpf/btf.rst.
"""

from __future__ import annotations

from struct import iter_unpack, pack_into, unpack_from

from pytrace.diagnostics import InternalError
from pytrace.program import Relocation
from pytrace.record import field, record

CALL, LD_IMM64 = 0x85, 0x18
PSEUDO_CALL, PSEUDO_KFUNC, PSEUDO_FUNC = 1, 2, 4
_SYMTAB, _REL, _EXECUTABLE = 2, 9, 4


@record(frozen=False)
class _Section:
    name: str
    kind: int
    flags: int
    data: bytes
    link: int
    info: int


@record
class _Symbol:
    name: str
    section: int
    value: int
    is_section: bool


@record
class Line:
    """`index` instructions into the program: line and column of the file."""

    index: int
    file: str
    line: int
    column: int
    text: str = ""
    """What it says, where it is not a line of the script."""


@record(frozen=False)
class Linked:
    """A program with its functions behind it."""

    code: bytearray = field(default_factory=bytearray)
    relocations: list[Relocation] = field(default_factory=list)
    functions: list[tuple[int, int]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    externs: list[tuple[int, str]] = field(default_factory=list)
    """Calls of imported functions: (index, symbol)."""
    core: list[tuple[int, int, int, int]] = field(default_factory=list)


class ObjectFile:
    """The sections, symbols and debug records of one object."""

    def __init__(self, data: bytes) -> None:
        self._sections = _read_sections(data)
        self._by_name = {s.name: n for n, s in enumerate(self._sections)}
        self._symbols = self._read_symbols()
        self._relocations = self._read_relocations()
        self.btf = self._data(".BTF")
        self._functions: dict[str, list[tuple[int, int]]] = {}
        self._lines: dict[str, list[tuple[int, str, int, int]]] = {}
        self._read_debug()
        self.rodata = bytearray()
        """Constant tables that LLVM made (switches); referred to as `data` of map `constants`."""
        self._rodata_at: dict[int, int] = {}

    def _data(self, name: str) -> bytes:
        return self._sections[self._by_name[name]].data if name in self._by_name else b""

    def _read_symbols(self) -> list[_Symbol]:
        for section in self._sections:
            if section.kind == _SYMTAB:
                names = self._sections[section.link].data
                return [
                    _Symbol(_text(names, name), shndx, value, info & 15 == 3)
                    for name, info, _, shndx, value, _ in iter_unpack("<IBBHQQ", section.data)
                ]
        return []

    def _read_relocations(self) -> dict[int, list[tuple[int, _Symbol]]]:
        found: dict[int, list[tuple[int, _Symbol]]] = {}
        for section in self._sections:
            if section.kind == _REL:
                rows = [(offset // 8, self._symbols[info >> 32]) for offset, info in iter_unpack("<QQ", section.data)]
                found[section.info] = rows
        return found

    # .BTF.ext -----------------------------------------------------------
    def _read_debug(self) -> None:
        ext = self._data(".BTF.ext")
        if not ext or not self.btf:
            return
        header, type_length = unpack_from("<I", self.btf, 4)[0], unpack_from("<I", self.btf, 12)[0]
        strings = self.btf[header + type_length :]
        start, functions, function_length, lines, line_length = unpack_from("<5I", ext, 4)
        for name, data in _records(ext, start + functions, function_length, strings):
            offset, type_id = unpack_from("<II", data)
            self._functions.setdefault(name, []).append((offset // 8, type_id))
        for name, data in _records(ext, start + lines, line_length, strings):
            offset, file, _, position = unpack_from("<4I", data)
            row = (offset // 8, _text(strings, file), position >> 10, position & 1023)
            self._lines.setdefault(name, []).append(row)

    # linking ------------------------------------------------------------
    def link(self, section: str) -> Linked:
        """The program in `section` with every function that it reaches, each once."""
        linked = Linked()
        starts: dict[int, int] = {}
        waiting = [self._by_name[section]]
        order: list[int] = []
        while waiting:
            number = waiting.pop(0)
            if number in starts:
                continue
            starts[number] = len(linked.code) // 8
            order.append(number)
            linked.code += self._sections[number].data
            for _, symbol in self._relocations.get(number, ()):
                if self._is_code(symbol):
                    waiting.append(symbol.section)
        for number in order:
            self._place(linked, number, starts)
        return linked

    def _is_code(self, symbol: _Symbol) -> bool:
        return 0 < symbol.section < len(self._sections) and bool(self._sections[symbol.section].flags & _EXECUTABLE)

    def _place(self, linked: Linked, number: int, starts: dict[int, int]) -> None:
        start, name = starts[number], self._sections[number].name
        for index, symbol in self._relocations.get(number, ()):
            self._apply(linked, start + index, symbol, starts)
        linked.functions += [(start + at, type_id) for at, type_id in self._functions.get(name, ())]
        known = 0
        for at, file, line, column in self._lines.get(name, ()):
            known = line or known
            linked.lines.append(Line(start + at, file, known, column))

    def _apply(self, linked: Linked, index: int, symbol: _Symbol, starts: dict[int, int]) -> None:
        code = linked.code
        opcode, registers, _, addend = unpack_from("<BBhi", code, index * 8)
        if self._is_code(symbol):
            target = starts[symbol.section] - index - 1
            source = PSEUDO_CALL if opcode == CALL else PSEUDO_FUNC
            pack_into("<B", code, index * 8 + 1, registers & 15 | source << 4)
            pack_into("<i", code, index * 8 + 4, target)
            if opcode == LD_IMM64:
                linked.relocations.append(Relocation(index, "func", self._sections[symbol.section].name))
        elif symbol.section:
            base = self._constants(symbol.section) + symbol.value + addend
            linked.relocations.append(Relocation(index, "data", "constants", base))
        elif opcode == CALL and symbol.name.startswith("extern:"):
            linked.externs.append((index, symbol.name))
        elif opcode == CALL:
            pack_into("<B", code, index * 8 + 1, registers & 15 | PSEUDO_KFUNC << 4)
            linked.relocations.append(Relocation(index, "kfunc", symbol.name))
        else:
            kind, _, name = symbol.name.partition(":")
            if kind not in ("map", "data", "ksym"):
                raise InternalError("codegen", f"relocation to {symbol.name!r}")
            linked.relocations.append(Relocation(index, kind, name, addend))

    def _constants(self, section: int) -> int:
        """Offset in `rodata` of a data section."""
        if section not in self._rodata_at:
            self.rodata += bytes(-len(self.rodata) % 8)
            self._rodata_at[section] = len(self.rodata)
            self.rodata += self._sections[section].data
        return self._rodata_at[section]


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode("latin-1")


def _read_sections(data: bytes) -> list[_Section]:
    if data[:4] != b"\x7fELF":
        raise InternalError("codegen", "not an ELF object")
    table, count, names_at = unpack_from("<Q", data, 40)[0], *unpack_from("<HH", data, 60)
    raw = [unpack_from("<IIQQQQII", data, table + 64 * n) for n in range(count)]
    _, _, _, _, offset, size, _, _ = raw[names_at]
    names = data[offset : offset + size]
    return [
        _Section(_text(names, name), kind, flags, b"" if kind == 8 else data[at : at + length], link, info)
        for name, kind, flags, _, at, length, link, info in raw
    ]


def _records(ext: bytes, start: int, length: int, strings: bytes) -> list[tuple[str, bytes]]:
    """(section name, record) of one of .BTF.ext's tables."""
    found: list[tuple[str, bytes]] = []
    if not length:
        return found
    size, at, end = unpack_from("<I", ext, start)[0], start + 4, start + length
    while at < end:
        name, count = unpack_from("<II", ext, at)
        at += 8
        for _ in range(count):
            found.append((_text(strings, name), ext[at : at + size]))
            at += size
    return found
