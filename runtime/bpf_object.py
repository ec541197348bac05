"""Reading a BPF object that a script imports: ELF, BTF and .BTF.ext to a `BpfObject`.

Place in the pipeline: under `runtime.machine`, for `import "x.bpf.o"` and the output of `runtime.clang`.  In: the
bytes.  Out: the functions apart from each other, each with what it refers to.  Raises ObjectError naming what cannot be
linked.  What a newcomer would get wrong: a call inside of one section may have no relocation at all, its distance being
known to the assembler; once functions are taken apart it is a reference like any other.

Formats: elf(5); Documentation/bpf/{btf,llvm_reloc}.rst of the kernel.
"""

from __future__ import annotations

import os
from struct import error as StructError
from struct import iter_unpack, unpack_from

from pytrace.bpfobject import (
    BpfObject,
    CoreRelocation,
    ObjectData,
    ObjectFunction,
    ObjectLine,
    ObjectMap,
    ObjectRelocation,
)
from pytrace.runtime import btf as kinds
from pytrace.runtime.btf import BtfObject
from pytrace.runtime.sys import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


_EM_BPF = 247
_SYMTAB, _NOBITS, _REL, _EXECUTABLE, _WRITE, _ALLOC = 2, 8, 9, 4, 1, 2
_FUNCTION, _SECTION_SYMBOL, _GLOBAL, _WEAK = 2, 3, 1, 2
_PSEUDO_CALL = 1
_DEEPEST, _LARGEST = 100, 1 << 25
_KINDS = {number: name for name, number in abi.MAP_TYPES.items() if name not in ("cpu_slots", "array_of_maps")}
_NEED_BTF = frozenset(
    ("bpf_spin_lock", "bpf_timer", "bpf_wq", "bpf_list_head", "bpf_rb_root", "bpf_dynptr", "bpf_task_work")
)
"""Types of map values that the kernel only takes with the map's own BTF."""


class ObjectError(Exception):
    """Why an object cannot be imported, as a sentence."""


class _Section:
    def __init__(self, name: str, kind: int, flags: int, data: bytes, size: int, link: int, info: int) -> None:
        self.name, self.kind, self.flags = name, kind, flags
        self.data, self.size, self.link, self.info = data, size, link, info

    @property
    def is_code(self) -> bool:
        return bool(self.flags & _EXECUTABLE) and self.kind == 1

    @property
    def is_data(self) -> bool:
        return self.name.split(".")[1:2] in (["data"], ["bss"], ["rodata"])


class _Symbol:
    def __init__(self, name: str, kind: int, binding: int, section: int, value: int, size: int) -> None:
        self.name, self.kind, self.binding = name, kind, binding
        self.section, self.value, self.size = section, value, size


def read(data: bytes, path: str, notes: str = "") -> BpfObject:
    """The object in `data`.  Raises ObjectError."""
    try:
        return _Reader(data, path).object(notes)
    except (StructError, IndexError, ValueError, TypeError, RecursionError) as error:
        raise ObjectError(f"it is damaged ({error})") from None


class _Reader:
    def __init__(self, data: bytes, path: str) -> None:
        self.path = path
        self.sections = _sections(data)
        self.by_name = {s.name: n for n, s in enumerate(self.sections)}
        self.symbols = self._symbols()
        self.functions = self._functions()
        self.btf = self._btf(data)
        self.strings = self._strings()

    # ELF -------------------------------------------------------------------
    def _symbols(self) -> list[_Symbol]:
        for section in self.sections:
            if section.kind == _SYMTAB:
                names = self.sections[section.link].data
                return [
                    _Symbol(_text(names, name), info & 15, info >> 4, shndx, value, size)
                    for name, info, _, shndx, value, size in iter_unpack("<IBBHQQ", section.data)
                ]
        raise ObjectError("it has no symbols")

    def _functions(self) -> dict[int, list[_Symbol]]:
        """The functions of each section of code, in order."""
        found: dict[int, list[_Symbol]] = {}
        for symbol in self.symbols:
            if symbol.kind == _FUNCTION and 0 < symbol.section < len(self.sections):
                found.setdefault(symbol.section, []).append(symbol)
        for row in found.values():
            row.sort(key=lambda s: s.value)
        return found

    def _relocations(self, number: int) -> Iterator[tuple[int, _Symbol]]:
        """(byte offset, symbol) of a section."""
        for section in self.sections:
            if section.kind == _REL and section.info == number:
                for offset, info in iter_unpack("<QQ", section.data):
                    yield offset, self.symbols[info >> 32]

    def _function_at(self, section: int, offset: int) -> str:
        for symbol in self.functions.get(section, ()):
            if symbol.value == offset:
                return self._name(symbol)
        raise ObjectError(f"it refers to byte {offset} of section {self.sections[section].name}, where no function is")

    def _name(self, symbol: _Symbol) -> str:
        """Unique in the object: static functions of linked objects may share a name."""
        same = [s for rows in self.functions.values() for s in rows if s.name == symbol.name]
        return symbol.name if len(same) == 1 or symbol.binding else f"{symbol.name}.{symbol.section}.{symbol.value}"

    # BTF -------------------------------------------------------------------
    def _btf(self, data: bytes) -> BtfObject:
        from pytrace.runtime.sys.libbpf import Library

        if ".BTF" not in self.by_name:
            raise ObjectError("it has no type information (BTF): compile it with 'clang -target bpf -g -O2'")
        try:
            library = Library()
        except OSError:
            raise ObjectError("reading its type information needs the library libbpf.so.1") from None
        fd = os.memfd_create("pytrace-object")
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            handle = library.parse(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        if handle is None:
            raise ObjectError("its type information (BTF) cannot be read")
        return BtfObject(library, handle, os.path.basename(self.path))

    def _strings(self) -> bytes:
        header, _, _, at, size = unpack_from("<5I", self.btf.data, 4)
        return self.btf.data[header + at : header + at + size]

    def _ids(self, wanted: int) -> Iterator[tuple[int, str]]:
        for type_id, kind, name, _ in self.btf.walk():
            if kind == wanted:
                yield type_id, self.btf.string(name)

    def _extension(self) -> tuple[dict[str, list[bytes]], ...]:
        """The tables of .BTF.ext by section: func_info, line_info, core relocations."""
        if ".BTF.ext" not in self.by_name:
            return ({}, {}, {})
        ext = self.sections[self.by_name[".BTF.ext"]].data
        (header,) = unpack_from("<I", ext, 4)
        places = list(unpack_from("<4I", ext, 8)) + (list(unpack_from("<2I", ext, 24)) if header >= 32 else [0, 0])
        return tuple(self._table(ext, header + places[n], places[n + 1]) for n in (0, 2, 4))

    def _table(self, ext: bytes, start: int, length: int) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        if not length:
            return found
        (size,), at, end = unpack_from("<I", ext, start), start + 4, start + length
        while at < end:
            name, count = unpack_from("<II", ext, at)
            at += 8
            found.setdefault(_text(self.strings, name), []).extend(
                ext[at + size * n : at + size * (n + 1)] for n in range(count)
            )
            at += size * count
        return found

    # the object ---------------------------------------------------------------
    def object(self, notes: str) -> BpfObject:
        infos, lines, core = self._extension()
        described: dict[tuple[str, int], int] = {}
        for name, rows in infos.items():
            for offset, type_id in (unpack_from("<II", row) for row in rows):
                described[name, offset] = type_id
        functions: dict[str, ObjectFunction] = {}
        programs = []
        for number, symbols in self.functions.items():
            section = self.sections[number]
            references = dict(self._relocations(number))
            for symbol in symbols:
                own = section.name == ".text"
                if not own:
                    programs.append(symbol.name)
                    continue
                type_id = described.get((section.name, symbol.value), 0)
                functions[self._name(symbol)] = self._function(
                    symbol, number, references, type_id, lines.get(section.name, []), core.get(section.name, [])
                )
        return BpfObject(
            self.path, functions, tuple(self._maps()), tuple(self._data()), self.btf.data,
            self.btf.named, self.btf.enumerator, tuple(programs), notes,
        )  # fmt: skip

    def _function(
        self, symbol: _Symbol, number: int, references: dict[int, _Symbol], type_id: int, lines: list[bytes],
        core: list[bytes],
    ) -> ObjectFunction:  # fmt: skip
        start, end = symbol.value, symbol.value + symbol.size
        if not type_id:
            raise ObjectError(f"its function {symbol.name} has no type information: compile it with -g")
        code = self.sections[number].data[start:end]
        signature = self.btf.function_at(type_id)
        return ObjectFunction(
            self._name(symbol),
            symbol.binding in (_GLOBAL, _WEAK),
            code,
            tuple(self._references(code, number, start, references, symbol.name)),
            tuple(self._line(row, start) for row in _within(lines, start, end)),
            tuple(_core(row, start) for row in _within(core, start, end)),
            type_id,
            signature.params,
            signature.result,
        )

    def _line(self, row: bytes, start: int) -> ObjectLine:
        offset, file, text, position = unpack_from("<4I", row)
        said = _text(self.strings, text)
        return ObjectLine(
            (offset - start) // 8, _text(self.strings, file), position >> 10, position & 1023, said.replace("\t", " ")
        )

    def _references(
        self, code: bytes, number: int, start: int, relocations: dict[int, _Symbol], function: str
    ) -> Iterator[ObjectRelocation]:
        skip = False
        for index, (opcode, registers, _, value) in enumerate(iter_unpack("<BBhi", code)):
            if skip:
                skip = False
                continue
            skip = opcode == abi.LD_IMM64
            symbol = relocations.get(start + index * 8)
            if symbol is not None:
                yield self._reference(index, opcode, symbol, value, function)
            elif opcode == abi.CALL and registers >> 4 == _PSEUDO_CALL:
                yield ObjectRelocation(index, "function", self._function_at(number, start + (index + value + 1) * 8))

    def _reference(self, index: int, opcode: int, symbol: _Symbol, value: int, function: str) -> ObjectRelocation:
        if not symbol.section:
            if opcode == abi.CALL:
                of_kernel = symbol.name in self._in_section(".ksyms")
                return ObjectRelocation(index, "kfunc" if of_kernel else "extern", symbol.name)
            if symbol.name in self._in_section(".ksyms"):
                return ObjectRelocation(index, "ksym", symbol.name)
            what = "the kernel's configuration" if symbol.name in self._in_section(".kconfig") else "no part of it"
            raise ObjectError(f"{function}() refers to {symbol.name}, which is {what}")
        section = self.sections[symbol.section]
        if section.is_code:
            if opcode == abi.CALL:
                return ObjectRelocation(
                    index, "function", self._function_at(symbol.section, symbol.value + (value + 1) * 8)
                )
            return ObjectRelocation(index, "callback", self._function_at(symbol.section, symbol.value + value))
        if section.name == ".maps":
            return ObjectRelocation(index, "map", self._map_at(symbol.section, symbol.value + value))
        if section.is_data:
            return ObjectRelocation(index, "data", section.name, symbol.value + value)
        raise ObjectError(f"{function}() refers to section {section.name}")

    def _in_section(self, name: str) -> set[str]:
        """The names of the variables and functions in a section that exists in BTF only."""
        for type_id, found in self._ids(kinds.DATASEC):
            if found == name:
                _, _, count, _, tail = self.btf.record(type_id)
                members = (unpack_from("<I", self.btf.data, tail + 12 * n)[0] for n in range(count))
                return {self.btf.record(member)[1] for member in members}
        return set()

    def _map_at(self, section: int, offset: int) -> str:
        for symbol in self.symbols:
            if symbol.section == section and symbol.value == offset and symbol.kind != _SECTION_SYMBOL:
                return symbol.name
        raise ObjectError(f"it refers to byte {offset} of section .maps, where no map is")

    # maps and data --------------------------------------------------------------
    def _data(self) -> Iterator[ObjectData]:
        for number, section in enumerate(self.sections):
            if section.is_data and section.flags & _ALLOC and section.size:
                for offset, symbol in self._relocations(number):
                    raise ObjectError(
                        f"byte {offset} of section {section.name} is the address of {symbol.name or 'other data'}: "
                        "data with addresses in them cannot be linked"
                    )
                if section.size > _LARGEST:
                    raise ObjectError(f"its section {section.name} has {section.size} bytes; {_LARGEST} are possible")
                content = section.data or bytes(section.size)
                yield ObjectData(section.name, content, not section.flags & _WRITE)

    def _maps(self) -> Iterator[ObjectMap]:
        if "maps" in self.by_name:
            raise ObjectError("its maps are of the old kind (section maps), which nothing supports any more")
        if ".maps" in self.by_name:
            for _, symbol in self._relocations(self.by_name[".maps"]):
                raise ObjectError(f"a map is initialised with {symbol.name or 'other objects'}, which is not supported")
        wanted = self._in_section(".maps")
        for type_id, name in self._ids(kinds.VAR):
            if name in wanted:
                yield self._map(name, self.btf.record(type_id)[3])

    def _map(self, name: str, type_id: int) -> ObjectMap:
        values = {"type": 0, "key_size": 0, "value_size": 0, "max_entries": 0, "map_flags": 0}
        kind, _, count, _, tail = self.btf.record(self._plain(type_id))
        if kind != kinds.STRUCT:
            raise ObjectError(f"its map {name} has a definition that is not understood")
        for n in range(count):
            text, member, _ = unpack_from("<3I", self.btf.data, tail + 12 * n)
            field = self.btf.string(text)
            if field in ("key", "value"):
                pointee = self._plain(self._target(member))
                self._check_value(name, pointee)
                values[field + "_size"] = self._size(pointee)
            elif field in values:
                values[field] = self._count(self._target(member))
            else:
                raise ObjectError(f"its map {name} has the attribute '{field}', which is not supported")
        number = values["type"]
        if number not in _KINDS:
            raise ObjectError(f"its map {name} is of type {number} of enum bpf_map_type, which is not supported")
        return ObjectMap(
            name, _KINDS[number], values["key_size"], values["value_size"], values["max_entries"], values["map_flags"]
        )

    def _plain(self, type_id: int) -> int:
        """The type behind qualifiers and typedefs."""
        for _ in range(_DEEPEST):
            kind, _, _, target, _ = self.btf.record(type_id)
            if kind not in kinds.MODIFIERS:
                return type_id
            type_id = target
        raise ObjectError("its types go in a circle")

    def _target(self, type_id: int) -> int:
        """What a pointer points to: `__uint` and `__type` of bpf_helpers.h are pointers."""
        return int(self.btf.record(self._plain(type_id))[3])

    def _count(self, type_id: int) -> int:
        """The length of an array type, which is how definitions of maps hold numbers."""
        return int(unpack_from("<3I", self.btf.data, self.btf.record(self._plain(type_id))[4])[2])

    def _size(self, type_id: int) -> int:
        return int(self.btf.lib.lib.btf__resolve_size(self.btf.handle, type_id))

    def _check_value(self, name: str, type_id: int) -> None:
        kind, _, count, _, tail = self.btf.record(type_id)
        for n in range(count if kind == kinds.STRUCT else 0):
            member: Any = self.btf.record(self._plain(unpack_from("<3I", self.btf.data, tail + 12 * n)[1]))
            if member[1] in _NEED_BTF:
                raise ObjectError(f"its map {name} has a struct {member[1]} in its values, which is not supported")


def _within(rows: list[bytes], start: int, end: int) -> list[bytes]:
    return [row for row in rows if start <= unpack_from("<I", row)[0] < end]


def _core(row: bytes, start: int) -> CoreRelocation:
    offset, type_id, access, kind = unpack_from("<4I", row)
    return CoreRelocation((offset - start) // 8, type_id, access, kind)


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode("latin-1")


def _sections(data: bytes) -> list[_Section]:
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64 or unpack_from("<H", data, 18)[0] != _EM_BPF:
        raise ObjectError("it is no object of little-endian BPF")
    table, count, names_at = unpack_from("<Q", data, 40)[0], *unpack_from("<HH", data, 60)
    raw = [unpack_from("<IIQQQQII", data, table + 64 * n) for n in range(count)]
    _, _, _, _, offset, size, _, _ = raw[names_at]
    names = data[offset : offset + size]
    return [
        _Section(
            _text(names, name), kind, flags, b"" if kind == _NOBITS else data[at : at + length], length, link, info
        )
        for name, kind, flags, _, at, length, link, info in raw
    ]
