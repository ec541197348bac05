"""Where the members of a C struct lie (System V ABI for x86-64, as GCC and clang do it).

Place in the pipeline: part of the C front end.  In: members in order.  Out: `StructLayout`.  What a newcomer would get
wrong: a bit-field lies in the storage unit of its own declared type and must not cross its end, unless it is packed.
"""

from __future__ import annotations

from pytrace.record import record
from pytrace.types import Bitfield, Enum, Field, StructLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytrace.types import Type


@record
class Member:
    """`size`, `align`: of the declared type, in bytes.  `bits` None: no bit-field; 0: `int : 0`."""

    name: str
    type: Type
    size: int
    align: int
    bits: int | None = None
    packed: bool = False
    aligned: int = 0


def _up(value: int, unit: int) -> int:
    return (value + unit - 1) // unit * unit if unit else value


def layout(tag: str, members: Sequence[Member], packed: bool, aligned: int) -> StructLayout:
    """Offsets, size and alignment.  `aligned`: the struct's own aligned attribute, 0 = none."""
    at, size, align = 0, 0, 1  # `at` in bits
    fields: list[Field] = []
    for member in members:
        tight = packed or member.packed
        unit = max(1 if tight else member.align, member.aligned)
        if tag == "union":
            at = 0
        if member.bits is None:
            at = _up(at, unit * 8)
            fields.append(Field(member.name, member.type, at // 8))
            at += member.size * 8
            align = max(align, unit)
        elif member.bits == 0:
            at = _up(at, member.align * 8)
        else:
            at, field = _bit_field(member, at, tight)
            if member.name:
                fields.append(field)
                align = max(align, unit)
        size = max(size, at)
    align = max(align, aligned)
    return StructLayout(_up(_up(size, 8) // 8, align), align, tuple(fields))


def _bit_field(member: Member, at: int, tight: bool) -> tuple[int, Field]:
    """(bit behind it, field) of a bit-field that begins at bit `at` or behind."""
    assert member.bits is not None
    storage = member.size * 8
    if member.aligned:
        at = _up(at, member.aligned * 8)
    elif not tight and at % storage + member.bits > storage:
        at = _up(at, storage)
    start = at // storage * storage
    if at - start + member.bits > storage:  # packed, across the end of a unit: read from its first byte on
        start = at // 8 * 8
    field = Field(member.name, member.type, start // 8, Bitfield(at - start, member.bits))
    return at + member.bits, field


def enum_type(name: str, variants: Sequence[tuple[str, int]]) -> Enum:
    """An enum with the C compiler's size: 32 bits unless a value needs more."""
    low = min((value for _, value in variants), default=0)
    high = max((value for _, value in variants), default=0)
    signed = low < 0
    small = low >= -(2**31) and high < (2**31 if signed else 2**32)
    return Enum(name, 32 if small else 64, signed, tuple(variants))
