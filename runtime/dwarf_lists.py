"""Lists of address ranges: the pieces of a function's code, and the expressions that hold in each part of it.

Place in the pipeline: under `runtime.dwarf_inlines` and `runtime.dwarf_locations`.  In: an entry's DW_AT_ranges or
location attribute.  Out: (low, high) and (low, high, expression), addresses of the program.  What a newcomer would
get wrong: the addresses are relative to a base that an element of the list may set, and in split files they are
numbers in a table of the program.

Source: DWARF 5, sections 7.7.3, 7.25 and 7.29; DWARF 4, sections 7.7.3 and 7.23, and GCC's split lists.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.runtime import dwarf_forms as forms
from pytrace.runtime import dwarf_reader as dw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit

    Range = tuple[int, int]
    Located = tuple[int, int, bytes]

_LOCLISTX, _RNGLISTX = 0x22, 0x23
_BASE_INDEX, _START_END_INDEX, _OFFSETS, _DEFAULT, _BASE, _START_END, _VIEWS = 1, 2, 4, 5, 6, 7, 9
"""DW_LLE_*; those of range lists have no default, and their numbers from there on are one less."""
_HIGHEST = (1 << 64) - 1


def ranges(owner: Reader, program: Reader, unit: Unit, skeleton: Unit, entry: Entry) -> list[Range]:
    """The address ranges of an entry: from DW_AT_low_pc and DW_AT_high_pc, or the list that DW_AT_ranges names."""
    low, high = entry.attributes.get(dw.AT_LOW_PC), entry.attributes.get(dw.AT_HIGH_PC)
    if isinstance(low, int) and isinstance(high, int):
        return [(low, high if high > low else low + high)]
    at = entry.attributes.get(dw.AT_RANGES)
    if not isinstance(at, int):
        return []
    base = _base(program, skeleton)
    if unit.version >= 5:
        at = _start(owner, unit, entry, dw.AT_RANGES, "rnglists", _RNGLISTX)
        return list(_range_list(owner.section(".debug_rnglists"), at, base, unit))
    root = program.root(skeleton)
    at += root.number(dw.AT_GNU_RANGES_BASE) if root is not None and owner is not program else 0
    return [r for r in _pairs(program.section(".debug_ranges"), at, base) if r[0] < r[1]]


def expressions(
    owner: Reader, program: Reader, unit: Unit, skeleton: Unit, entry: Entry, attribute: int
) -> Iterator[Located]:
    """The expressions of a location list, each with the range in which it holds; one that holds where no other does
    comes last, for all addresses."""
    base = _base(program, skeleton)
    if unit.version >= 5:
        at = _start(owner, unit, entry, attribute, "loclists", _LOCLISTX)
        return _location_list(owner.section(".debug_loclists"), at, base, unit)
    data, at = owner.section(".debug_loc"), entry.number(attribute)
    if owner is program:
        return _located_pairs(data, at, base)
    return _split_list(data, unit.bases["loclists"] + at, base, unit)


def _base(program: Reader, skeleton: Unit) -> int:
    root = program.root(skeleton)
    return root.number(dw.AT_LOW_PC) if root is not None else 0


def _start(owner: Reader, unit: Unit, entry: Entry, attribute: int, lists: str, indexed: int) -> int:
    """Where an entry's list begins in .debug_rnglists or .debug_loclists: by offset, or by number in a table."""
    at = entry.number(attribute)
    if owner.form_of(unit, entry.offset, attribute) != indexed:
        return at
    table, data = unit.bases[lists], owner.section(f".debug_{lists}")
    return table + int.from_bytes(data[table + unit.offset_size * at :][: unit.offset_size], "little")


# ---------------------------------------------------------------- DWARF 4


def _pairs(data: bytes, at: int, base: int) -> Iterator[Range]:
    """.debug_ranges: pairs relative to a base, which a pair that begins with the highest address sets."""
    while at + 16 <= len(data):
        low, high = unpack_from("<QQ", data, at)
        at += 16
        if not low and not high:
            return
        if low == _HIGHEST:
            base = high
        else:
            yield low + base, high + base


def _located_pairs(data: bytes, at: int, base: int) -> Iterator[Located]:
    """.debug_loc: such pairs, each with an expression behind its length."""
    while at + 18 <= len(data):
        low, high, length = unpack_from("<QQH", data, at)
        if not low and not high:
            return
        if low == _HIGHEST:
            base, at = high, at + 16
            continue
        at += 18
        yield low + base, high + base, data[at : at + length]
        at += length


def _split_list(data: bytes, at: int, base: int, unit: Unit) -> Iterator[Located]:
    """.debug_loc.dwo: kinds as later in DWARF 5, but offsets and lengths of four bytes."""
    while at < len(data) and data[at]:
        kind = data[at]
        if kind == _OFFSETS:
            low, high = (base + n for n in unpack_from("<II", data, at + 1))
            at += 9
        else:
            index, at = forms.uleb(data, at + 1)
            low = forms.indexed_address(index, unit)
            if kind == _BASE_INDEX:
                base = low
                continue
            if kind == _START_END_INDEX:
                index, at = forms.uleb(data, at)
                high = forms.indexed_address(index, unit)
            else:
                high, at = low + int(unpack_from("<I", data, at)[0]), at + 4
        (length,) = unpack_from("<H", data, at)
        at += 2
        yield low, high, data[at : at + length]
        at += length


# ---------------------------------------------------------------- DWARF 5


def _range_list(data: bytes, at: int, base: int, unit: Unit) -> Iterator[Range]:
    while at < len(data) and data[at]:
        kind = data[at]
        if kind >= _DEFAULT:
            kind += 1
        low, high, at = _bounds(data, at + 1, kind, base, unit)
        if kind in (_BASE_INDEX, _BASE):
            base = low
        else:
            yield low, high


def _location_list(data: bytes, at: int, base: int, unit: Unit) -> Iterator[Located]:
    default = b""
    while at < len(data) and data[at]:
        kind = data[at]
        at += 1
        if kind == _VIEWS:  # GCC's, for debuggers that stop at a line and not at an instruction
            _, at = forms.uleb(data, at)
            _, at = forms.uleb(data, at)
            continue
        low, high, at = _bounds(data, at, kind, base, unit)
        if kind in (_BASE_INDEX, _BASE):
            base = low
            continue
        length, at = forms.uleb(data, at)
        code, at = data[at : at + length], at + length
        if kind == _DEFAULT:
            default = code
        else:
            yield low, high, code
    if default:
        yield 0, _HIGHEST, default


def _bounds(data: bytes, at: int, kind: int, base: int, unit: Unit) -> tuple[int, int, int]:
    """(low, high, offset behind them) of an element of a list; of a base only `low`."""
    if kind == _DEFAULT:
        return 0, 0, at
    if kind >= _BASE:  # base_address, start_end, start_length
        low, at = int.from_bytes(data[at : at + 8], "little"), at + 8
        if kind == _BASE:
            return low, 0, at
        if kind == _START_END:
            return low, int.from_bytes(data[at : at + 8], "little"), at + 8
        length, at = forms.uleb(data, at)
        return low, low + length, at
    one, at = forms.uleb(data, at)
    if kind == _BASE_INDEX:
        return forms.indexed_address(one, unit), 0, at
    two, at = forms.uleb(data, at)
    if kind == _OFFSETS:
        return base + one, base + two, at
    low = forms.indexed_address(one, unit)
    return low, forms.indexed_address(two, unit) if kind == _START_END_INDEX else low + two, at
