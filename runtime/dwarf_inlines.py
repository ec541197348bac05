"""Functions that were inlined into others: where their code begins, and which of them an address lies in.

Place in the pipeline: under `runtime.dwarf`.  In: a reader; a name, or an address.  Out: addresses; names.  What a
newcomer would get wrong: an inlined function's code may be in several pieces (DW_AT_ranges), of which the lowest is not
always where it begins; and its name is not in its own entry, but in the abstract instance that this refers to.
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


def places(reader: Reader, name: str) -> list[int]:
    """The address of each place where function `name` (plain, or as the linker has it) was inlined, in order."""
    found: set[int] = set()
    for skeleton in reader.own_units:
        whole = reader.whole(skeleton)
        if whole is None or skeleton.signature:
            continue
        owner, unit, root = whole
        if owner.may_name(name) or reader.may_name(name):
            for entry in below(owner, unit, root):
                if entry.tag == dw.TAG_INLINED and name in _names(owner, entry):
                    start = _start(owner, reader, unit, skeleton, entry)
                    if start:
                        found.add(start)
    return sorted(found)


def _names(reader: Reader, entry: Entry) -> tuple[object, object]:
    return reader.inherited(entry, dw.AT_NAME), reader.inherited(entry, dw.AT_LINKAGE_NAME)


def below(reader: Reader, unit: Unit, parent: Entry) -> Iterator[Entry]:
    """All entries below one, in their order."""
    at, depth = parent.end, 1 if parent.has_children else 0
    while depth and at < unit.end:
        entry = reader.entry(unit, at)
        if entry is None:
            depth, at = depth - 1, at + 1
            continue
        yield entry
        depth, at = depth + entry.has_children, entry.end


def _start(owner: Reader, program: Reader, unit: Unit, skeleton: Unit, entry: Entry) -> int:
    """The address of the first instruction of an inlined function, 0 where it has none."""
    low, entered = entry.number(dw.AT_LOW_PC), entry.number(dw.AT_ENTRY_PC)
    pieces = ranges(owner, program, unit, skeleton, entry)
    first = low or (pieces[0][0] if pieces else 0)
    if not entered:
        return first
    return entered if not first or entered >= first or any(a <= entered < b for a, b in pieces) else first + entered


def ranges(owner: Reader, program: Reader, unit: Unit, skeleton: Unit, entry: Entry) -> list[Range]:
    """The address ranges of an entry: from DW_AT_low_pc and DW_AT_high_pc, or the list that DW_AT_ranges names."""
    low, high = entry.attributes.get(dw.AT_LOW_PC), entry.attributes.get(dw.AT_HIGH_PC)
    if isinstance(low, int) and isinstance(high, int):
        return [(low, high if high > low else low + high)]
    at = entry.attributes.get(dw.AT_RANGES)
    if not isinstance(at, int):
        return []
    root = program.root(skeleton)
    base = root.number(dw.AT_LOW_PC) if root is not None else 0
    if unit.version >= 5:
        return list(_range_list(owner, unit, at, base, entry.offset))
    at += root.number(dw.AT_GNU_RANGES_BASE) if root is not None and owner is not program else 0
    return list(_pairs(program.section(".debug_ranges"), at, base))


def _pairs(data: bytes, at: int, base: int) -> Iterator[Range]:
    """.debug_ranges of DWARF 4: pairs relative to a base, which a pair that begins with the highest address sets."""
    while at + 16 <= len(data):
        low, high = unpack_from("<QQ", data, at)
        at += 16
        if not low and not high:
            return
        if low == (1 << 64) - 1:
            base = high
        elif low < high:
            yield low + base, high + base


def _range_list(reader: Reader, unit: Unit, at: int, base: int, entry: int) -> Iterator[Range]:
    """.debug_rnglists of DWARF 5, section 7.25; `at` is an offset, or an index into the unit's table."""
    data = reader.section(".debug_rnglists")
    if reader.form_of(unit, entry, dw.AT_RANGES) == 0x23:  # rnglistx
        table = unit.bases["rnglists"]
        at = table + int.from_bytes(data[table + unit.offset_size * at :][: unit.offset_size], "little")

    def address(index: int) -> int:
        where = unit.bases["addr"] + 8 * index
        return int.from_bytes(unit.sections.addresses[where : where + 8], "little")

    while at < len(data):
        kind = data[at]
        at += 1
        if kind == 0:
            return
        if kind in (5, 6, 7):  # base_address, start_end, start_length
            one = unpack_from("<Q", data, at)[0]
            at += 8
            if kind == 5:
                base = one
                continue
            if kind == 6:
                two, at = unpack_from("<Q", data, at)[0], at + 8
            else:
                two, at = forms.uleb(data, at)
                two += one
            yield one, two
            continue
        one, at = forms.uleb(data, at)
        if kind == 1:  # base_addressx
            base = address(one)
            continue
        two, at = forms.uleb(data, at)
        if kind == 2:  # startx_endx
            yield address(one), address(two)
        elif kind == 3:  # startx_length
            yield address(one), address(one) + two
        elif kind == 4:  # offset_pair
            yield one + base, two + base
        else:
            return
