"""Joins of types: the tables of spec 02 §2, and laws that hold for all integers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytrace import types
from pytrace.sema.joins import changed, fits, join, kind_name, literal_fits, literal_type
from pytrace.types import INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, Int, Pointer, Record, String, Tuple

INTS = st.builds(Int, st.sampled_from([8, 16, 32, 64]), st.booleans(), st.booleans())


def test_smallest_literals() -> None:
    sizes = {0: INT8, 127: INT8, 128: INT16, -128: INT8, -129: INT16, 40000: INT32, 2**31: INT64, 2**63: UINT64}
    assert {value: literal_type(value) for value in sizes} == sizes
    assert literal_type(5).flexible and not literal_type(-5).flexible


def test_integer_table() -> None:
    assert join(INT8, INT32) == INT32
    assert join(UINT8, UINT64) == UINT64
    assert join(Int(8, True, True), UINT64) == UINT64  # a literal takes the other side's sign
    assert join(INT64, UINT32) == INT64
    assert join(INT8, UINT8) == INT16
    assert join(INT32, UINT32) == INT64
    assert join(INT64, UINT64) == INT64
    assert join(types.BOOL, INT8) is None


@given(INTS, INTS)
def test_join_holds_both_unless_64_bits_are_not_enough(a: Int, b: Int) -> None:
    joined = join(a, b)
    assert isinstance(joined, Int)
    assert joined.bits >= max(a.bits, b.bits)
    if joined.bits < 64:
        assert fits(a, joined) or a.flexible
        assert fits(b, joined) or b.flexible


@given(INTS, INTS)
def test_join_is_reached_in_one_step(a: Int, b: Int) -> None:
    joined = join(a, b)
    assert joined is not None
    assert not changed(joined, join(joined, b) or types.NONE)


def test_flexible_sign_is_no_part_of_equality_but_of_change() -> None:
    assert Int(8, True, True) == INT8
    assert changed(Int(8, True, True), INT8)
    assert changed(Tuple((Int(8, True, True),)), Tuple((INT8,)))
    assert not changed(INT8, INT8)


def test_composites_join_by_element() -> None:
    assert join(Tuple((INT8, String(2))), Tuple((INT32, String(4)))) == Tuple((INT32, String(4)))
    assert join(Tuple((INT8,)), Tuple((INT8, INT8))) is None
    assert join(Tuple((INT8,)), Tuple((String(2),))) is None
    left = Record(("a", "b"), (INT8, String(2)))
    assert join(left, Record(("b", "a"), (String(5), UINT16))) == Record(("a", "b"), (INT32, String(5)))
    assert join(left, Record(("a", "c"), (INT8, String(2)))) is None
    assert join(Pointer(INT8), Pointer(UINT32)) == Pointer(INT64)
    assert join(Pointer(INT8), INT64) is None


def test_literals_fit_by_value() -> None:
    assert literal_fits(255, UINT8) and not literal_fits(256, UINT8) and not literal_fits(-1, UINT64)
    assert literal_fits(-128, INT8) and not literal_fits(128, INT8)


def test_kind_names() -> None:
    found = [kind_name(t) for t in (INT8, types.BOOL, String(3), Pointer(INT8), types.KSYM, types.Stack(True))]
    assert found == ["int", "bool", "string", "pointer", "ksym_t", "ustack"]


def test_widths_are_what_they_say() -> None:
    assert [t.size for t in (INT8, INT16, UINT32, INT64)] == [1, 2, 4, 8]
