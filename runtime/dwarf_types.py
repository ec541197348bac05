"""Types of a program from its debug information, as the language's and as text.

Place in the pipeline: under `runtime.dwarf`, owned by a `Reader`.  In: offsets of entries.  Out: types, sizes,
declarations in C.  What a newcomer would get wrong: a struct may be declared here and defined in another unit, or in a
type unit that is found by its signature; layouts are read when somebody asks for a member.
"""

from __future__ import annotations

from pytrace import types
from pytrace.runtime import dwarf_reader as dw
from pytrace.types import Bitfield, Field, StructLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit
    from pytrace.types import Type

_NAMED = {**dw.AGGREGATES, dw.TAG_ENUM: "enum", dw.TAG_TYPEDEF: "typedef", dw.TAG_BASE: "base"}


class Types:
    """The types of one reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[int, Type] = {}

    def type(self, offset: int | None) -> Type:
        """The type at an offset, qualifiers and typedefs resolved; None is void."""
        if not isinstance(offset, int):
            return types.VOID
        known = self._known.get(offset)
        if known is None:
            self._known[offset] = types.NONE  # a type that is made of itself is damage
            known = self._known[offset] = self._convert(offset)
        return known

    def size(self, offset: int | None) -> int:
        """Bytes of the type at an offset, also of one that the language does not have; 0 for void."""
        found = self._reader.at(offset) if isinstance(offset, int) else None
        if found is None:
            return 0
        unit, entry = found
        if dw.AT_BYTE_SIZE in entry.attributes:
            return entry.number(dw.AT_BYTE_SIZE)
        if entry.tag in dw.POINTERS:
            return 8
        if entry.tag != dw.TAG_ARRAY:
            return self.size(entry.attributes.get(dw.AT_TYPE))
        total = self.size(entry.attributes.get(dw.AT_TYPE))
        for length in self._lengths(unit, entry):
            total *= length
        return total

    def _convert(self, offset: int) -> Type:
        found = self._reader.at(offset)
        if found is None:
            return types.NONE
        unit, entry = found
        reference, size = entry.attributes.get(dw.AT_TYPE), entry.number(dw.AT_BYTE_SIZE)
        if entry.tag == dw.TAG_TYPEDEF or entry.tag in dw.QUALIFIERS:
            return self.type(reference)
        if entry.tag in dw.POINTERS:
            return types.Pointer(self.type(reference))
        if entry.tag == dw.TAG_BASE:
            return _base(entry.number(dw.AT_ENCODING), size)
        if entry.tag in dw.AGGREGATES:
            name = entry.text(dw.AT_NAME) or f"(anonymous {self._reader.elf.path} {offset})"
            if dw.AT_DECLARATION in entry.attributes:
                return types.Struct(dw.AGGREGATES[entry.tag], name, lambda: self._defined(name, entry.tag))
            return types.Struct(dw.AGGREGATES[entry.tag], name, lambda: self._layout(unit, entry))
        if entry.tag == dw.TAG_ARRAY:
            return self._array(unit, entry)
        if entry.tag == dw.TAG_ENUM:
            # the reference reads enumerations of programs as plain numbers (spec 03 §4)
            return types.Int(8 * size, entry.number(dw.AT_ENCODING, 7) == 5) if size in (1, 2, 4, 8) else types.UINT32
        return types.VOID

    def _defined(self, name: str, tag: int) -> StructLayout | None:
        """The layout of what this unit only declares, from the unit that defines it."""
        for unit, entry in self._reader.definitions(name, (tag,)):
            return self._layout(unit, entry)
        return None

    def _array(self, unit: Unit, entry: Entry) -> Type:
        lengths = list(self._lengths(unit, entry))
        t = self.type(entry.attributes.get(dw.AT_TYPE))
        if len(lengths) == 1 and isinstance(t, types.Int) and t.bits == 8:
            return types.String(lengths[0])
        for length in reversed(lengths):
            t = types.Array(t, length)
        return t

    def _lengths(self, unit: Unit, entry: Entry) -> Iterator[int]:
        """The dimensions of an array; 0 for one without end."""
        for child in self._reader.children(unit, entry):
            if child.tag == dw.TAG_SUBRANGE:
                bound = child.attributes.get(dw.AT_UPPER_BOUND)
                yield child.number(dw.AT_COUNT, bound + 1 if isinstance(bound, int) and bound < 1 << 62 else 0)

    def _layout(self, unit: Unit, entry: Entry) -> StructLayout:
        fields = []
        for child in self._reader.children(unit, entry):
            # static members are external
            if child.tag in (dw.TAG_MEMBER, dw.TAG_INHERITANCE) and dw.AT_EXTERNAL not in child.attributes:
                fields.append(self.member(child))
        size = entry.number(dw.AT_BYTE_SIZE)
        align = max((f.type.align for f in fields if not f.bitfield), default=1)
        return StructLayout(size, align if size % align == 0 else 1, tuple(fields))

    def member(self, child: Entry) -> Field:
        t = self.type(child.attributes.get(dw.AT_TYPE))
        offset, bits = child.number(dw.AT_MEMBER_LOCATION), child.number(dw.AT_BIT_SIZE)
        bitfield = None
        if bits:
            unit = t.size or 4
            if dw.AT_DATA_BIT_OFFSET in child.attributes:
                first = child.number(dw.AT_DATA_BIT_OFFSET)
            else:  # DWARF 2: counted from the most significant bit of the storage unit
                first = offset * 8 + unit * 8 - child.number(dw.AT_BIT_OFFSET) - bits
            offset = first // 8 // unit * unit
            bitfield = Bitfield(first - offset * 8, bits)
        return Field(child.text(dw.AT_NAME), t, offset, bitfield)

    def named(self, name: str, tag: str = "") -> Type | None:
        """The first definition of a struct, union, enum, typedef or basic type of that name; "" is any of them."""
        wanted = tuple(t for t, word in _NAMED.items() if word == tag or not tag)
        for _, entry in self._reader.definitions(name, wanted):
            return self.type(entry.offset)
        return None

    def declaration(self, offset: int | None) -> str:
        """The type in C, as elfutils and the reference write it: `const char*`, `struct foo*`, `long int`."""
        found = self._reader.at(offset) if isinstance(offset, int) else None
        if found is None:
            return "void"
        unit, entry = found
        inner = entry.attributes.get(dw.AT_TYPE)
        if entry.tag in dw.POINTERS:
            return self.declaration(inner) + dw.POINTERS[entry.tag]
        if entry.tag in dw.QUALIFIERS:
            text, word = self.declaration(inner), dw.QUALIFIERS[entry.tag]
            return f"{text} {word}" if text.endswith("*") else f"{word} {text}"
        if entry.tag == dw.TAG_ARRAY:
            return self.declaration(inner) + "".join(f"[{n}]" for n in self._lengths(unit, entry))
        tag = {**dw.AGGREGATES, dw.TAG_CLASS: "class", dw.TAG_ENUM: "enum"}.get(entry.tag, "")
        name = entry.text(dw.AT_NAME)
        if entry.tag == dw.TAG_SUBROUTINE:
            return "<unknown type>"
        return f"{tag} {name or '{...}'}" if tag else name or "void"


def _base(encoding: int, size: int) -> Type:
    """DW_ATE_*: 2 boolean, 4 float, 5 signed, 6 signed char, 7 unsigned, 8 unsigned char, 0x10 UTF."""
    if encoding == 2:
        return types.UINT8  # as the reference: it prints as a number
    if encoding in (5, 6, 7, 8, 0x10) and size in (1, 2, 4, 8):
        return types.Int(8 * size, encoding in (5, 6))
    if encoding in (5, 7) and size == 16:
        return types.Array(types.UINT64, 2)
    return types.NONE
