"""How DWARF writes numbers, strings and references: the forms of section 7.5.6.

Place in the pipeline: under `runtime.dwarf_reader`.  In: bytes and an offset.  Out: a value and the offset behind it.
What a newcomer would get wrong: some forms are indices into further tables whose base is an attribute of the unit's
root entry, so while the root itself is read such values are looked up with the default base.
"""

from __future__ import annotations

from typing import Protocol

from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IMPLICIT_CONST = 0x21
_FIXED = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x0C: 1, 0x01: 8, 0x1E: 16}
"""data1, data2, data4, data8, flag, addr, data16."""
_REFERENCES = {0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8}
_STRING_INDEX = {0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4}
_ADDRESS_INDEX = {0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4}
_SUPPLEMENT_STRINGS = (0x1D, 0x1F21)
"""strp_sup, GNU_strp_alt."""
_OFFSETS = frozenset((0x0E, 0x1F, 0x17, 0x10, 0x1C, 0x24, 0x1F20, *_SUPPLEMENT_STRINGS))
"""strp, line_strp, sec_offset, ref_addr; into a supplementary file ref_sup4, ref_sup8, GNU_ref_alt."""
_BLOCK_LENGTHS = {0x0A: 1, 0x03: 2, 0x04: 4}


class Signature(int):
    """A reference to a type unit (ref_sig8), where others are offsets."""


@record(frozen=False)
class Sections:
    """What the forms of one file point into: .debug_str, .debug_line_str, .debug_str_offsets, .debug_addr; and its
    .debug_abbrev.

    `start`: where the entries of this file begin, for a reader may hold those of two: `supplement` is the file that
    several programs share (DWARF 5, section 7.3.6; dwz)."""

    strings: bytes
    line_strings: bytes
    offsets: bytes
    addresses: bytes
    abbreviations: bytes
    start: int = 0
    supplement: Sections | None = None


class UnitFacts(Protocol):
    offset: int
    offset_size: int
    version: int
    bases: dict[str, int]
    sections: Sections


def uleb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def sleb(data: bytes, at: int) -> tuple[int, int]:
    """A signed LEB128 number."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value - (1 << shift) if byte & 0x40 else value, at


def string(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    return data[at:end].decode("latin-1") if end >= 0 else ""


def read(data: bytes, at: int, form: int, unit: UnitFacts, constant: int = 0) -> tuple[Any, int]:
    """(value, offset behind it).  References are offsets in the reader's entries; expressions and blocks are bytes;
    None for what is in a supplementary file that was not found.

    Raises ValueError for a form that the standard does not have.
    """
    size = _FIXED.get(form)
    if size is not None:
        return int.from_bytes(data[at : at + size], "little"), at + size
    size = _REFERENCES.get(form)
    if size is not None:
        return unit.offset + int.from_bytes(data[at : at + size], "little"), at + size
    if form == 0x20:
        return Signature(int.from_bytes(data[at : at + 8], "little")), at + 8
    if form == 0x19:  # flag_present
        return 1, at
    if form == IMPLICIT_CONST:
        return constant, at
    if form in _OFFSETS:
        return _by_offset(data, at, form, unit)
    if form == 0x08:
        text = string(data, at)
        return text, at + len(text) + 1
    if form == 0x0D:
        return sleb(data, at)
    if form in (0x0F, 0x22, 0x23):  # udata, loclistx, rnglistx
        return uleb(data, at)
    if form == 0x15:  # ref_udata
        value, at = uleb(data, at)
        return unit.offset + value, at
    if form in _STRING_INDEX or form in (0x1A, 0x1F02):  # strx, GNU_str_index
        index, at = uleb(data, at) if form in (0x1A, 0x1F02) else _index(data, at, _STRING_INDEX[form])
        return _indexed_string(index, unit), at
    if form in _ADDRESS_INDEX or form in (0x1B, 0x1F01):  # addrx, GNU_addr_index
        index, at = uleb(data, at) if form in (0x1B, 0x1F01) else _index(data, at, _ADDRESS_INDEX[form])
        return indexed_address(index, unit), at
    if form in _BLOCK_LENGTHS:
        length, at = _index(data, at, _BLOCK_LENGTHS[form])
        return data[at : at + length], at + length
    if form in (0x09, 0x18):  # block, exprloc
        length, at = uleb(data, at)
        return data[at : at + length], at + length
    if form == 0x16:  # indirect
        form, at = uleb(data, at)
        return read(data, at, form, unit)
    raise ValueError(f"DWARF form {form:#x}")


def _index(data: bytes, at: int, size: int) -> tuple[int, int]:
    return int.from_bytes(data[at : at + size], "little"), at + size


def _by_offset(data: bytes, at: int, form: int, unit: UnitFacts) -> tuple[Any, int]:
    """An offset as wide as the unit's format: to a string, an entry, a place in another section."""
    size = {0x1C: 4, 0x24: 8}.get(form, unit.offset_size)
    value, at = _index(data, at, size)
    own, other = unit.sections, unit.sections.supplement
    if form == 0x0E:
        return string(own.strings, value), at
    if form == 0x1F:
        return string(own.line_strings, value), at
    if form == 0x10:
        return own.start + value, at
    if form == 0x17:
        return value, at
    if other is None:
        return None, at
    return (string(other.strings, value) if form in _SUPPLEMENT_STRINGS else other.start + value), at


def indexed_address(index: int, unit: UnitFacts) -> int:
    """Number `index` of the unit's addresses."""
    at = unit.bases["addr"] + 8 * index
    return int.from_bytes(unit.sections.addresses[at : at + 8], "little")


def _indexed_string(index: int, unit: UnitFacts) -> str:
    at, sections = unit.bases["str_offsets"] + unit.offset_size * index, unit.sections
    if at + unit.offset_size > len(sections.offsets):
        return ""
    return string(sections.strings, _index(sections.offsets, at, unit.offset_size)[0])
