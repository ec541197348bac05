"""DWARF 4 and 5: the part that is needed to know a function's parameters and a source line's address.

Place in the pipeline: under `runtime.dwarf`.  In: an ELF file with .debug_info.  Out: `Function` with our types,
addresses. What a newcomer would get wrong: a large program has millions of entries, so nothing is read that is not
needed: the unit of a function is found by its address in .debug_aranges where there is one, and only that unit is
walked.
"""

from __future__ import annotations

from functools import cached_property
from struct import unpack_from

from pytrace import types
from pytrace.record import field, record
from pytrace.runtime import dwarf_forms as forms
from pytrace.target import Function
from pytrace.types import Bitfield, Field, StructLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.runtime.elf import ElfFile
    from pytrace.types import Type

# fmt: off
# DW_TAG_* and DW_AT_* of the standard, section 7.5
TAG_ARRAY, TAG_CLASS, TAG_ENUM, TAG_PARAMETER, TAG_MEMBER, TAG_POINTER, TAG_REFERENCE = 1, 2, 4, 5, 0xD, 0xF, 0x10
TAG_STRUCT, TAG_SUBROUTINE, TAG_TYPEDEF, TAG_UNION, TAG_INHERITANCE, TAG_SUBRANGE = 0x13, 0x15, 0x16, 0x17, 0x1C, 0x21
TAG_BASE, TAG_CONST, TAG_SUBPROGRAM, TAG_VOLATILE, TAG_RESTRICT, TAG_NAMESPACE = 0x24, 0x26, 0x2E, 0x35, 0x37, 0x39
TAG_RVALUE_REFERENCE, TAG_ATOMIC = 0x42, 0x47
AT_NAME, AT_BYTE_SIZE, AT_BIT_OFFSET, AT_BIT_SIZE, AT_LOW_PC, AT_COMP_DIR = 3, 0xB, 0xC, 0xD, 0x11, 0x1B
AT_UPPER_BOUND, AT_ABSTRACT_ORIGIN, AT_COUNT, AT_MEMBER_LOCATION, AT_DECLARATION = 0x2F, 0x31, 0x37, 0x38, 0x3C
AT_ENCODING, AT_EXTERNAL, AT_SPECIFICATION, AT_TYPE, AT_RANGES, AT_DATA_BIT_OFFSET = 0x3E, 0x3F, 0x47, 0x49, 0x55, 0x6B
AT_LINKAGE_NAME, AT_DWO_NAME, AT_GNU_DWO_NAME = 0x6E, 0x76, 0x2130
# fmt: on
_QUALIFIERS = {TAG_CONST: "const", TAG_VOLATILE: "volatile", TAG_RESTRICT: "restrict", TAG_ATOMIC: "_Atomic"}
_POINTERS = {TAG_POINTER: "*", TAG_REFERENCE: "&", TAG_RVALUE_REFERENCE: "&&"}
ABBREVIATIONS, STRING_OFFSETS = 3, 6
"""DW_SECT_* of a package's index."""
_AGGREGATES = {TAG_STRUCT: "struct", TAG_CLASS: "struct", TAG_UNION: "union"}
_NAMED = {**_AGGREGATES, TAG_ENUM: "enum", TAG_TYPEDEF: "typedef", TAG_BASE: "base"}


@record(frozen=False)
class Entry:
    """A debugging information entry; `attributes` by number, references as offsets in .debug_info."""

    offset: int
    tag: int
    attributes: dict[int, Any]
    has_children: bool
    end: int
    """Where the next entry begins."""

    def text(self, number: int) -> str:
        value = self.attributes.get(number)
        return value if isinstance(value, str) else ""

    def number(self, number: int, default: int = 0) -> int:
        value = self.attributes.get(number)
        return value if isinstance(value, int) else default


@record(frozen=False)
class Unit:
    """A compilation unit: its header's facts, and its abbreviations."""

    offset: int
    end: int
    first: int
    version: int
    offset_size: int
    abbreviations: dict[int, tuple[int, bool, list[tuple[int, int, int]]]]
    bases: dict[str, int] = field(default_factory=dict)


class Reader:
    """Debug information of one file."""

    def __init__(self, elf: ElfFile, suffix: str = "", packages: dict[int, dict[int, int]] | None = None) -> None:
        """`suffix`: ".dwo" for a split file; `packages`: of a .dwp, by unit (see `dwarf_split`)."""
        self.elf = elf
        self.suffix = suffix
        self.packages = packages or {}
        self.info = self.section(".debug_info")
        self._abbreviation_tables: dict[int, dict[int, tuple[int, bool, list[tuple[int, int, int]]]]] = {}
        self._types: dict[int, Type] = {}
        self._splits: dict[str, Reader | None] = {}
        names = (".debug_str", ".debug_line_str", ".debug_str_offsets", ".debug_addr")
        self.strings = forms.Strings(*map(self.section, names))

    def section(self, name: str) -> bytes:
        section = self.elf.section(name + self.suffix)
        return self.elf.bytes_of(section, decompress=True) if section else b""

    # units ------------------------------------------------------------------
    @cached_property
    def units(self) -> list[Unit]:
        """Every unit of .debug_info, headers only."""
        found, at = [], 0
        while at + 11 <= len(self.info):
            unit = self._unit(at)
            found.append(unit)
            at = unit.end
        return found

    def _unit(self, start: int) -> Unit:
        length, at, size = unpack_from("<I", self.info, start)[0], start + 4, 4
        if length == 0xFFFFFFFF:
            length, at, size = unpack_from("<Q", self.info, at)[0], at + 8, 8
        end = at + length
        version = unpack_from("<H", self.info, at)[0]
        at += 2
        kind = 1
        if version >= 5:
            kind = self.info[at]
            at += 2
        table = int.from_bytes(self.info[at : at + size], "little")
        at += size + (0 if version >= 5 else 1)
        at += {4: 8, 5: 8, 2: 8 + size, 6: 8 + size}.get(kind, 0)  # skeleton and type units have more in their header
        package = self.packages.get(start, {})
        unit = Unit(start, end, at, version, size, self._abbreviations(table + package.get(ABBREVIATIONS, 0)))
        header = 2 * size if version >= 5 else 0
        unit.bases = {"str_offsets": header + package.get(STRING_OFFSETS, 0), "addr": header}
        root = self.entry(unit, at)
        if root is not None:
            unit.bases["str_offsets"] = root.number(0x72, unit.bases["str_offsets"])
            unit.bases["addr"] = root.number(0x73, unit.bases["addr"])
        return unit

    def _abbreviations(self, start: int) -> dict[int, tuple[int, bool, list[tuple[int, int, int]]]]:
        """code -> (tag, has children, [(attribute, form, implicit constant)])."""
        known = self._abbreviation_tables.get(start)
        if known is not None:
            return known
        data, at = self._abbreviation_section, start
        table: dict[int, tuple[int, bool, list[tuple[int, int, int]]]] = {}
        while True:
            code, at = forms.uleb(data, at)
            if not code:
                break
            tag, at = forms.uleb(data, at)
            children = bool(data[at])
            at += 1
            rows = []
            while True:
                attribute, at = forms.uleb(data, at)
                form, at = forms.uleb(data, at)
                constant = 0
                if form == forms.IMPLICIT_CONST:
                    constant, at = forms.sleb(data, at)
                if not attribute and not form:
                    break
                rows.append((attribute, form, constant))
            table[code] = (tag, children, rows)
        self._abbreviation_tables[start] = table
        return table

    @cached_property
    def _abbreviation_section(self) -> bytes:
        return self.section(".debug_abbrev")

    def entry(self, unit: Unit, at: int) -> Entry | None:
        """The entry at `at`, None for the null entry that ends a list of siblings."""
        start = at
        code, at = forms.uleb(self.info, at)
        if not code:
            return None
        tag, children, rows = unit.abbreviations[code]
        attributes: dict[int, Any] = {}
        for attribute, form, constant in rows:
            value, at = forms.read(self.info, at, form, unit, self.strings, constant)
            attributes[attribute] = value
        return Entry(start, tag, attributes, children, at)

    def children(self, unit: Unit, parent: Entry) -> Iterator[Entry]:
        """The entries directly below `parent`."""
        if not parent.has_children:
            return
        at = parent.end
        while at < unit.end:
            entry = self.entry(unit, at)
            if entry is None:
                return
            yield entry
            at = self._behind(unit, entry)

    def _behind(self, unit: Unit, entry: Entry) -> int:
        """Where the next sibling begins."""
        if not entry.has_children:
            return entry.end
        sibling = entry.attributes.get(1)
        if isinstance(sibling, int):
            return sibling
        at, depth = entry.end, 1
        while depth and at < unit.end:
            inner = self.entry(unit, at)
            if inner is None:
                depth -= 1
                at += 1
            else:
                depth += inner.has_children
                at = inner.end
        return at

    def _unit_of(self, offset: int) -> Unit:
        low, high = 0, len(self.units)
        while high - low > 1:
            middle = (low + high) // 2
            if self.units[middle].offset <= offset:
                low = middle
            else:
                high = middle
        return self.units[low]

    def at(self, offset: int) -> tuple[Unit, Entry] | None:
        unit = self._unit_of(offset)
        entry = self.entry(unit, offset)
        return None if entry is None else (unit, entry)

    # functions ----------------------------------------------------------------
    def function(self, name: str) -> Function | None:
        """Parameters and result of the function with that symbol name; None if it is not described."""
        for unit in self._candidates(name):
            root = self.entry(unit, unit.first)
            if root is None:
                continue
            split = self._split(root)
            if split is not None:
                described = split.function(name)
                if described is not None:
                    return described
            found = self._find(unit, root, name)
            if found is not None:
                return self._describe(unit, found, name)
        return None

    def _split(self, root: Entry) -> Reader | None:
        """The reader of the file that holds the rest of a skeleton unit."""
        name = root.text(AT_DWO_NAME) or root.text(AT_GNU_DWO_NAME)
        if not name:
            return None
        if name not in self._splits:
            from pytrace.runtime.dwarf_split import open_split

            self._splits[name] = open_split(self.elf.path, name, root.text(AT_COMP_DIR))
        return self._splits[name]

    def type_named(self, name: str, tag: str = "") -> Type | None:
        """The first definition of a struct, union, enum, typedef or basic type of that name; "" is any of them."""
        wanted = {t for t, word in _NAMED.items() if word == tag or not tag}
        for unit in self.units:
            root = self.entry(unit, unit.first)
            if root is None:
                continue
            split = self._split(root)
            found = split.type_named(name, tag) if split else None
            if found is not None:
                return found
            for entry in self.children(unit, root):
                if entry.tag in wanted and entry.text(AT_NAME) == name and AT_DECLARATION not in entry.attributes:
                    return self.type(entry.offset)
        return None

    def _candidates(self, name: str) -> list[Unit]:
        """The unit that has the symbol's address, or all."""
        addresses = [s.address for s in self.elf.named(name)]
        for address in addresses:
            offset = self._range_of(address)
            if offset is not None:
                return [self._unit_of(offset)]
        return self.units

    def _range_of(self, address: int) -> int | None:
        """The offset of the unit that covers an address, by .debug_aranges."""
        data, at = self.section(".debug_aranges"), 0
        while at + 16 <= len(data):
            length = unpack_from("<I", data, at)[0]
            offset = unpack_from("<I", data, at + 6)[0]
            for pair in range(at + 16, at + 4 + length, 16):
                begin, size = unpack_from("<QQ", data, pair)
                if begin <= address < begin + size:
                    return int(offset)
            at += 4 + length
        return None

    def _find(self, unit: Unit, parent: Entry, name: str) -> Entry | None:
        for entry in self.children(unit, parent):
            if entry.tag == TAG_SUBPROGRAM and (AT_LOW_PC in entry.attributes or AT_RANGES in entry.attributes):
                if name in (self._inherited(entry, AT_LINKAGE_NAME), self._inherited(entry, AT_NAME)):
                    return entry
            elif entry.tag == TAG_NAMESPACE:
                found = self._find(unit, entry, name)
                if found is not None:
                    return found
        return None

    def _inherited(self, entry: Entry, number: int) -> Any:
        """An attribute, or that of the declaration or abstract instance that the entry refers to."""
        for _ in range(8):
            if number in entry.attributes:
                return entry.attributes[number]
            origin = entry.attributes.get(AT_ABSTRACT_ORIGIN, entry.attributes.get(AT_SPECIFICATION))
            found = self.at(origin) if isinstance(origin, int) else None
            if found is None:
                return None
            entry = found[1]
        return None

    def _describe(self, unit: Unit, entry: Entry, name: str) -> Function:
        params, declarations = [], []
        for child in self.children(unit, entry):
            if child.tag == TAG_PARAMETER:
                reference = self._inherited(child, AT_TYPE)
                params.append((str(self._inherited(child, AT_NAME) or ""), self.type(reference)))
                declarations.append(self.declaration(reference))
        result = self._inherited(entry, AT_TYPE)
        return Function(
            name, self.elf.path, tuple(params), self.type(result), (*declarations, self.declaration(result))
        )

    # types --------------------------------------------------------------------
    def type(self, offset: int | None) -> Type:
        """The type at an offset, qualifiers and typedefs resolved; None is void."""
        if not isinstance(offset, int):
            return types.VOID
        known = self._types.get(offset)
        if known is None:
            known = self._types[offset] = self._convert(offset)
        return known

    def _convert(self, offset: int) -> Type:
        found = self.at(offset)
        if found is None:
            return types.NONE
        unit, entry = found
        reference, size = entry.attributes.get(AT_TYPE), entry.number(AT_BYTE_SIZE)
        if entry.tag == TAG_TYPEDEF or entry.tag in _QUALIFIERS:
            return self.type(reference)
        if entry.tag in _POINTERS:
            return types.Pointer(self.type(reference))
        if entry.tag == TAG_BASE:
            return _base(entry.number(AT_ENCODING), size)
        if entry.tag in _AGGREGATES:
            name = entry.text(AT_NAME) or f"(anonymous {self.elf.path} {offset})"
            if AT_DECLARATION in entry.attributes:
                return types.Struct(_AGGREGATES[entry.tag], name, None)
            return types.Struct(_AGGREGATES[entry.tag], name, lambda: self._layout(unit, entry))
        if entry.tag == TAG_ARRAY:
            return self._array(unit, entry)
        if entry.tag == TAG_ENUM:
            # the reference reads enumerations of programs as plain numbers (spec 03 §4)
            return types.Int(8 * size, entry.number(AT_ENCODING, 7) == 5) if size in (1, 2, 4, 8) else types.UINT32
        return types.VOID

    def _array(self, unit: Unit, entry: Entry) -> Type:
        lengths = []
        for child in self.children(unit, entry):
            if child.tag == TAG_SUBRANGE:
                bound = child.attributes.get(AT_UPPER_BOUND)
                length = child.number(AT_COUNT, bound + 1 if isinstance(bound, int) and bound < 1 << 62 else 0)
                lengths.append(length)
        t = self.type(entry.attributes.get(AT_TYPE))
        if len(lengths) == 1 and isinstance(t, types.Int) and t.bits == 8:
            return types.String(lengths[0])
        for length in reversed(lengths):
            t = types.Array(t, length)
        return t

    def _layout(self, unit: Unit, entry: Entry) -> StructLayout:
        fields = []
        for child in self.children(unit, entry):
            if child.tag in (TAG_MEMBER, TAG_INHERITANCE) and AT_EXTERNAL not in child.attributes:  # no static members
                fields.append(self._member(child))
        size = entry.number(AT_BYTE_SIZE)
        align = max((f.type.align for f in fields if not f.bitfield), default=1)
        return StructLayout(size, align if size % align == 0 else 1, tuple(fields))

    def _member(self, child: Entry) -> Field:
        t = self.type(child.attributes.get(AT_TYPE))
        offset, bits = child.number(AT_MEMBER_LOCATION), child.number(AT_BIT_SIZE)
        bitfield = None
        if bits:
            unit = t.size or 4
            if AT_DATA_BIT_OFFSET in child.attributes:
                first = child.number(AT_DATA_BIT_OFFSET)
            else:  # DWARF 2: counted from the most significant bit of the storage unit
                first = offset * 8 + unit * 8 - child.number(AT_BIT_OFFSET) - bits
            offset = first // 8 // unit * unit
            bitfield = Bitfield(first - offset * 8, bits)
        return Field(child.text(AT_NAME), t, offset, bitfield)

    def declaration(self, offset: int | None) -> str:
        """The type in C, as elfutils and the reference write it: `const char*`, `struct foo*`, `long int`."""
        found = self.at(offset) if isinstance(offset, int) else None
        if found is None:
            return "void"
        unit, entry = found
        inner = entry.attributes.get(AT_TYPE)
        if entry.tag in _POINTERS:
            return self.declaration(inner) + _POINTERS[entry.tag]
        if entry.tag in _QUALIFIERS:
            text, word = self.declaration(inner), _QUALIFIERS[entry.tag]
            return f"{text} {word}" if text.endswith("*") else f"{word} {text}"
        if entry.tag == TAG_ARRAY:
            lengths = [c.number(AT_COUNT, c.number(AT_UPPER_BOUND, -1) + 1) for c in self.children(unit, entry)]
            return self.declaration(inner) + "".join(f"[{n}]" for n in lengths)
        tag = {**_AGGREGATES, TAG_CLASS: "class", TAG_ENUM: "enum"}.get(entry.tag, "")
        name = entry.text(AT_NAME)
        if entry.tag == TAG_SUBROUTINE:
            return "<unknown type>"
        return f"{tag} {name or '{...}'}" if tag else name or "void"

    # lines -----------------------------------------------------------------------
    def line_address(self, file: str, line: int, column: int) -> int | str:
        """The lowest address at which a statement of that line begins; or why there is none."""
        from pytrace.runtime.dwarf_lines import addresses

        return addresses(self, file, line, column)


def _base(encoding: int, size: int) -> Type:
    """DW_ATE_*: 2 boolean, 4 float, 5 signed, 6 signed char, 7 unsigned, 8 unsigned char, 0x10 UTF."""
    if encoding == 2:
        return types.BOOL
    if encoding in (5, 6, 7, 8, 0x10) and size in (1, 2, 4, 8):
        return types.Int(8 * size, encoding in (5, 6))
    if encoding in (5, 7) and size == 16:
        return types.Array(types.UINT64, 2)
    return types.NONE
