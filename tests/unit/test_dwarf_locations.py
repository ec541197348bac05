"""DWARF expressions and lists: operations as formulas, the ways of writing a list, the reasons why there is no value.

Values in real programs are tested in `tests/live/test_debuginfo.py`; here is what compilers
seldom write.  What a newcomer would get wrong: nothing is evaluated, so an expected value is a formula over register
names.
"""

from __future__ import annotations

from struct import pack
from types import SimpleNamespace
from typing import Any

import pytest

from pytrace.location import Location, Piece
from pytrace.runtime import dwarf_lists, dwarf_locations
from pytrace.runtime import dwarf_reader as dw
from pytrace.runtime.dwarf_locations import GONE, Place, location

REGISTER_5, REGISTER_4, PIECE, VALUE = b"\x55", b"\x54", b"\x93", b"\x9f"
ADDRESS, ENTRY = 0x1010, 0x1000
BASE_TYPES = {0x20: (4, 5), 0x30: (1, 8), 0x40: (8, 4), 0x50: (16, 7)}
"""Offset in the unit -> bytes, DW_ATE_*: int, unsigned char, double, unsigned __int128."""


class Owner:
    """As much of a Reader as expressions and lists ask for."""

    def __init__(self, sections: dict[str, bytes] | None = None, form: int = 0x17) -> None:
        self._sections = sections or {}
        self._form = form

    def section(self, name: str) -> bytes:
        return self._sections[name]

    def form_of(self, unit: Any, at: int, attribute: int) -> int:
        return self._form

    def root(self, unit: Any) -> dw.Entry:
        return dw.Entry(0, 0x11, {dw.AT_LOW_PC: 0x1000}, True, 0)

    def inherited(self, entry: dw.Entry, attribute: int) -> str:
        return "around"

    def at(self, offset: int) -> tuple[Any, dw.Entry]:
        size, encoding = BASE_TYPES[offset]
        return None, dw.Entry(offset, dw.TAG_BASE, {dw.AT_BYTE_SIZE: size, dw.AT_ENCODING: encoding}, False, 0)


def unit(version: int = 5) -> Any:
    addresses = pack("<4Q", 0, 0, 0x1000, 0x1020)  # behind a header
    return SimpleNamespace(
        offset=0,
        offset_size=4,
        version=version,
        bases={"addr": 8, "loclists": 12 if version >= 5 else 0, "rnglists": 12},
        sections=SimpleNamespace(addresses=addresses),
    )


def place(address: int = ADDRESS, owner: Any = None, program: Any = None, version: int = 5) -> Place:
    function = dw.Entry(0, dw.TAG_SUBPROGRAM, {dw.AT_FRAME_BASE: b"\x9c"}, True, 0)
    owner = owner or Owner()
    one = unit(version)
    frame = ("plus", ("register", "sp"), ("constant", 8))
    return Place(owner, one, program or owner, one, function, address, ENTRY, lambda at: frame)


def variable(**attributes: Any) -> dw.Entry:
    numbers = {"location": dw.AT_LOCATION, "value": dw.AT_CONST_VALUE}
    return dw.Entry(0, dw.TAG_PARAMETER, {numbers[k]: v for k, v in attributes.items()}, False, 0)


FORMULAS = {
    "a register": (REGISTER_5, ("register", "di"), False),
    "a register by number": (b"\x90\x0c", ("register", "r12"), False),
    "memory at a register": (b"\x77\x70", ("plus", ("register", "sp"), ("constant", -16)), True),
    "memory at a register by number": (b"\x92\x03\x00", ("register", "bx"), True),
    "in the frame": (b"\x91\x6c", ("plus", ("plus", ("register", "sp"), ("constant", 8)), ("constant", -20)), True),
    "a static variable": (b"\x03" + pack("<Q", 0x4010), ("plus", ("register", "ip"), ("constant", 0x3000)), True),
    "an address by number": (b"\xa1\x02", ("plus", ("register", "ip"), ("constant", 0x10)), True),
    "a computed value": (
        b"\x70\x01\x32\x1e\x9f",
        ("mul", ("plus", ("register", "ax"), ("constant", 1)), ("constant", 2)),
        False,
    ),
    "a signed constant": (b"\x11\x7d\x9f", ("constant", -3), False),
    "a byte, signed": (b"\x09\xfd\x9f", ("constant", -3), False),
    "given bytes": (b"\x9e\x04\x78\x56\x34\x12", ("constant", 0x12345678), False),
    "what memory holds": (b"\x75\x00\x06\x23\x08", ("plus", ("read", 8, ("register", "di")), ("constant", 8)), True),
    "four bytes of memory": (b"\x75\x00\x94\x04\x9f", ("read", 4, ("register", "di")), False),
    "an exchanged pair": (b"\x70\x00\x71\x00\x16\x1c\x9f", ("minus", ("register", "dx"), ("register", "ax")), False),
    "rotated": (
        b"\x31\x32\x33\x17\x1c\x9f",  # 1 2 3 -> 3 1 2
        ("minus", ("constant", 1), ("constant", 2)),
        False,
    ),
    "the second": (b"\x31\x32\x14\x9f", ("constant", 1), False),
    "picked": (b"\x31\x32\x33\x15\x02\x9f", ("constant", 1), False),
    "dropped": (b"\x31\x32\x13\x9f", ("constant", 1), False),
    "a comparison": (b"\x70\x00\x31\x2d\x9f", ("lt", ("register", "ax"), ("constant", 1)), False),
    "converted": (b"\x70\x00\xa8\x20\x9f", ("signed", 32, ("register", "ax")), False),
    "converted, as GCC wrote it": (b"\x70\x00\xf7\x30\x9f", ("unsigned", 8, ("register", "ax")), False),
    "a typed register": (b"\xa5\x05\x30\x9f", ("unsigned", 8, ("register", "di")), False),
    "typed memory": (b"\x75\x00\xa6\x04\x20\x9f", ("signed", 32, ("read", 4, ("register", "di"))), False),
    "a typed constant": (b"\xa4\x30\x01\xff\x9f", ("unsigned", 8, ("constant", 255)), False),
    "an address's type": (b"\x70\x00\xa8\x00\x9f", ("register", "ax"), False),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_expression_is_a_formula(name: str) -> None:
    code, formula, in_memory = FORMULAS[name]
    assert location(place(), variable(location=code), 4) == Location((Piece(4, formula, in_memory),))


REASONS = {
    "an argument": (b"\xa3\x01\x55\x9f", "around has not kept what it was called with"),
    "an argument, as GCC wrote it": (b"\xf3\x01\x55\x9f", "around has not kept what it was called with"),
    "an implicit pointer": (b"\xa0" + bytes(4) + b"\x00", "what it points to has no address"),
    "a vector register": (b"\x61", "it is in a vector register"),
    "memory at a vector register": (b"\x81\x00", "it is in a vector register"),
    "a fraction": (b"\xa5\x05\x40\x9f", "it is a number with a fraction"),
    "128 bits": (b"\x70\x00\xa8\x50\x9f", "it is computed in more than 64 bits"),
    "of a thread": (b"\x0e" + bytes(8) + b"\xe0", "it belongs to a thread"),
    "a branch": (b"\x70\x00\x28\x01\x00\x31\x9f", "where it is depends on a condition"),
    "no longer passed": (b"\xfa" + bytes(4) + b"\x9f", "it is no longer passed"),
    "nothing": (b"", GONE),
    "an operator without operands": (b"\x22\x9f", GONE),
    "unknown": (b"\xec\x01", r"DW_OP 0xec"),
    "half a byte": (b"\x55\x9d\x04\x00", "it is in pieces that are no bytes"),
}


@pytest.mark.parametrize("name", REASONS)
def test_where_there_is_no_value_the_reason_is_said(name: str) -> None:
    code, reason = REASONS[name]
    found = location(place(), variable(location=code), 4)
    assert not found.complete
    assert reason in found.problem(0, 4)


def test_an_argument_is_there_when_the_function_is_entered() -> None:
    found = location(place(ENTRY), variable(location=b"\xa3\x01\x55\x9f"), 8)
    assert found == Location((Piece(8, ("register", "di")),))


def test_no_frame_without_call_frame_information() -> None:
    where = place()
    where.frame = lambda at: None
    assert "no call frame information" in location(where, variable(location=b"\x91\x6c"), 4).problem(0, 4)


def test_pieces_some_of_which_are_nowhere() -> None:
    code = (
        REGISTER_5 + PIECE + b"\x04"
        + PIECE + b"\x02"  # nothing
        + b"\xa0" + bytes(4) + b"\x00" + PIECE + b"\x02"  # an implicit pointer
        + b"\x33\x9f" + PIECE + b"\x04"
        + b"\x77\x08" + b"\x9d\x20\x00"  # 32 bits in memory
    )  # fmt: skip
    found = location(place(), variable(location=code), 20)
    assert [p.size for p in found.pieces] == [4, 2, 2, 4, 4, 4]
    assert [bool(p.problem) for p in found.pieces] == [False, True, True, False, False, True]
    assert found.problem(0, 4) == ""
    assert found.problem(3, 2) == GONE
    assert found.problem(6, 1).startswith("what it points to")
    assert found.problem(8, 8) == ""
    assert found.problem(16, 4) == GONE
    assert found.pieces[4].in_memory


def test_a_value_that_is_the_same_everywhere() -> None:
    assert location(place(), variable(value=-2), 4).pieces == (Piece(4, ("constant", 0xFFFFFFFE)),)
    assert location(place(), variable(value=b"\x01\x02"), 4).pieces == (Piece(4, ("constant", 0x201)),)
    assert [p.size for p in location(place(), variable(value=bytes(12)), 12).pieces] == [8, 4]
    assert dwarf_locations.listed(variable(value=0))
    assert not dwarf_locations.listed(variable(location=REGISTER_5))


def test_nothing_is_said() -> None:
    assert location(place(), variable(), 4).problem(0, 4) == GONE


# ---------------------------------------------------------------- lists

COUNTED = b"\x01" + REGISTER_5, b"\x01" + REGISTER_4
LISTS = {
    "offsets": b"\x04\x00\x10" + COUNTED[1] + b"\x04\x10\x20" + COUNTED[0],
    "offsets from a base": b"\x06" + pack("<Q", 0xFF0) + b"\x04\x20\x30" + COUNTED[0],
    "offsets from a numbered base": b"\x01\x01\x04\x10\x20" + COUNTED[0],
    "start and end": b"\x07" + pack("<QQ", 0x1010, 0x1011) + COUNTED[0],
    "start and length": b"\x08" + pack("<Q", 0x1008) + b"\x10" + COUNTED[0],
    "numbered start and end": b"\x02\x01\x02" + COUNTED[0],
    "numbered start, length": b"\x03\x01\x20" + COUNTED[0],
    "GCC's views": b"\x09\x01\x02\x04\x10\x20" + COUNTED[0],
    "where nothing else holds": b"\x05" + COUNTED[0] + b"\x04\x20\x30" + COUNTED[1],
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("numbered", [False, True])
def test_lists_of_dwarf_5(name: str, numbered: bool) -> None:
    header = bytes(12) + pack("<I", 4)  # a table of one offset
    owner = Owner({".debug_loclists": header + LISTS[name] + b"\x00"}, 0x22 if numbered else 0x17)
    entry = variable(location=0 if numbered else len(header))
    assert location(place(owner=owner), entry, 4) == Location((Piece(4, ("register", "di")),))


def test_a_list_with_a_gap() -> None:
    owner = Owner({".debug_loclists": bytes(12) + b"\x04\x00\x10" + COUNTED[0] + b"\x00"})
    assert location(place(owner=owner), variable(location=12), 4).problem(0, 4) == GONE


def test_lists_of_dwarf_4() -> None:
    sized = pack("<H", 1)
    data = pack("<QQ", 0, 0x10) + sized + REGISTER_4
    data += pack("<QQ", (1 << 64) - 1, 0xFF0)  # a new base
    data += pack("<QQ", 0x20, 0x30) + sized + REGISTER_5 + bytes(16)
    found = location(place(owner=Owner({".debug_loc": data}), version=4), variable(location=0), 4)
    assert found.pieces[0].formula == ("register", "di")


SPLIT = {
    "offsets": b"\x04" + pack("<II", 0x10, 0x20),
    "a numbered base": b"\x01\x01\x04" + pack("<II", 0x10, 0x20),
    "numbered start and end": b"\x02\x01\x02",
    "numbered start, length": b"\x03\x01" + pack("<I", 0x20),
}


@pytest.mark.parametrize("name", SPLIT)
def test_lists_of_split_files_before_dwarf_5(name: str) -> None:
    data = SPLIT[name] + pack("<H", 1) + REGISTER_5 + b"\x00"
    where = place(owner=Owner({".debug_loc": data}), program=Owner(), version=4)
    assert location(where, variable(location=0), 4).pieces[0].formula == ("register", "di")


def test_ranges() -> None:
    data = bytes(12) + b"\x05" + pack("<Q", 0x3000) + b"\x04\x01\x02" + b"\x03\x02\x08" + b"\x07" + pack("<Q", 0x10)
    owner = Owner({".debug_rnglists": data + b"\x04\x00"})
    entry = dw.Entry(0, dw.TAG_SUBPROGRAM, {dw.AT_RANGES: 12}, False, 0)
    one = unit()
    found = dwarf_lists.ranges(owner, owner, one, one, entry)  # type: ignore[arg-type]
    assert found == [(0x3001, 0x3002), (0x1020, 0x1028), (0x10, 0x14)]
