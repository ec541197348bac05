"""Joins of types: compatibility, promotion, and whether a value fits (spec 02 §2).

Place in the pipeline: the arithmetic of types under `sema`'s inference; pure functions.  In: two types.  Out: a type or
None.  What a newcomer would get wrong: a join is not symmetric in its details (a record keeps the field order of the
first type), and `Int.flexible` is no part of type equality, so ask `changed` whether a join moved a symbol's type.
"""

from __future__ import annotations

from pytrace import types
from pytrace.types import (
    BOOL,
    INT64,
    UINT64,
    Aggregate,
    Array,
    Bool,
    Buffer,
    Enum,
    Int,
    NoneType,
    Opaque,
    Pointer,
    Record,
    Stack,
    String,
    Struct,
    TimestampMode,
    Tuple,
    VoidType,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.types import (
        Type,
    )


def is_int(t: Type) -> bool:
    """Integers and enums, not bool."""
    return isinstance(t, (Int, Enum))


def bits_of(t: Type) -> int:
    return t.size * 8


def signed(t: Type) -> bool:
    """Signedness of an integer, enum or aggregate; False for the rest."""
    return isinstance(t, (Int, Enum, Aggregate)) and t.signed


def flexible(t: Type) -> bool:
    return isinstance(t, Int) and t.flexible


def literal_type(value: int, sign_fixed: bool = False) -> Int:
    """The smallest signed type of an integer literal; uint64 beyond int64."""
    if value > 0x7FFF_FFFF_FFFF_FFFF:
        return UINT64
    for bits in (8, 16, 32):
        if -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            break
    else:
        bits = 64
    return Int(bits, True, value >= 0 and not sign_fixed)


def value_type(t: Type) -> Type:
    """What reading an aggregate as a number gives."""
    return (INT64 if t.signed else UINT64) if isinstance(t, Aggregate) else t


_KINDS: tuple[tuple[type[Type], str], ...] = (
    (NoneType, "none"), (VoidType, "void"), (Bool, "bool"), (Int, "int"), (Enum, "int"), (String, "string"),
    (Buffer, "buffer"), (Pointer, "pointer"), (Array, "array"), (Tuple, "tuple"), (Record, "record"),
    (Struct, "c_type"), (TimestampMode, "timestamp_mode"),
)  # fmt: skip


def kind_name(t: Type) -> str:
    """The kind alone, as messages and `typeinfo().base_type` name it: int, string, pointer, c_type, kstack …"""
    for cls, name in _KINDS:
        if isinstance(t, cls):
            return name
    if isinstance(t, Stack):
        return "ustack" if t.user else "kstack"
    if isinstance(t, Aggregate):
        return t.name.removeprefix("u")
    return t.name if isinstance(t, Opaque) else str(t)


def same_kind(a: Type, b: Type) -> bool:
    if is_int(a) and is_int(b):
        return True
    if isinstance(a, (Opaque, Aggregate, Stack)) or isinstance(b, (Opaque, Aggregate, Stack)):
        return kind_name(a) == kind_name(b)
    return type(a) is type(b)


def compatible(a: Type, b: Type) -> bool:
    """True when values of the two types can be joined (widths, capacities and signs aside)."""
    if not same_kind(a, b):
        return False
    match a, b:
        case Struct(), Struct():
            return a == b
        case Pointer(), Pointer():
            return compatible(a.pointee, b.pointee)
        case Tuple(), Tuple():
            return len(a.elements) == len(b.elements) and all(map(compatible, a.elements, b.elements))
        case Stack(), Stack():
            return (a.mode, a.limit) == (b.mode, b.limit)
        case Record(), Record():
            other = dict(zip(b.names, b.elements, strict=True))
            return len(a.names) == len(b.names) and all(
                n in other and compatible(t, other[n]) for n, t in zip(a.names, a.elements, strict=True)
            )
        case Array(), Array():
            return a.element == b.element and (a.size == b.size or not a.size or not b.size)
    return True


def promote_int(a: Type, b: Type) -> Type:
    """The join of two integers (or castable aggregates): spec 02 §2 rule 3."""
    larger = max(a.size, b.size)
    if signed(a) == signed(b):
        return Int(larger * 8, signed(a), flexible(a) and flexible(b))
    if flexible(a) or flexible(b):
        sign = (not flexible(a) and signed(a)) or (not flexible(b) and signed(b))
        return Int(larger * 8, sign, flexible(a) and flexible(b))
    signed_side, unsigned_side = (a, b) if signed(a) else (b, a)
    if signed_side.size > unsigned_side.size:
        return Int(signed_side.size * 8, True)
    return Int(min(larger * 2, 8) * 8, True)


def _promote_element(current: Type, new: Type) -> Type | None:
    match current, new:
        case (Int() | Enum()), (Int() | Enum()):
            return current if current == new and flexible(current) == flexible(new) else promote_int(current, new)
        case Aggregate(), Aggregate():
            return current if current.signed or not new.signed else new
        case Tuple(), Tuple():
            elements = [_promote_element(x, y) for x, y in zip(current.elements, new.elements, strict=True)]
            return None if None in elements else Tuple(tuple(e for e in elements if e is not None))
        case Record(), Record():
            other = dict(zip(new.names, new.elements, strict=True))
            joined = [_promote_element(t, other[n]) for n, t in zip(current.names, current.elements, strict=True)]
            return None if None in joined else Record(current.names, tuple(e for e in joined if e is not None))
        case String(), String():
            return current if current.capacity >= new.capacity else new
        case Buffer(), Buffer():
            return current if current.capacity >= new.capacity else new
        case Pointer(), Pointer():
            inner = _promote_element(current.pointee, new.pointee)
            return None if inner is None else Pointer(inner)
    return current


def join(current: Type, new: Type) -> Type | None:
    """The type that holds both; None for a mismatch.  `current` NONE: `new`, aggregates as their integer."""
    if isinstance(current, NoneType):
        return value_type(new)
    if current == new:
        return current if flexible(new) or not flexible(current) else new
    if not compatible(current, new):
        if (is_int(current) and isinstance(new, Aggregate)) or (is_int(new) and isinstance(current, Aggregate)):
            return promote_int(current, new)
        return None
    return _promote_element(current, new)


def changed(old: Type, new: Type) -> bool:
    """Whether two types differ in anything, flexibility of signs included."""
    return old != new or (
        isinstance(old, (Int, Tuple, Record)) and not isinstance(old, Struct) and repr(old) != repr(new)
    )


def fits(a: Type, b: Type) -> bool:
    """Whether every value of `a` is one of `b`: no warning for the conversion."""
    if not compatible(a, b):
        return False
    match a, b:
        case String(), String():
            return a.capacity <= b.capacity
        case (Int() | Enum()), (Int() | Enum()):
            if signed(a) == signed(b) or flexible(a):
                return a.size <= b.size
            return not signed(a) and a.size < b.size
        case Tuple(), Tuple():
            return all(map(fits, a.elements, b.elements))
        case Record(), Record():
            other = dict(zip(b.names, b.elements, strict=True))
            return all(fits(t, other[n]) for n, t in zip(a.names, a.elements, strict=True))
    return a == b


def literal_fits(value: int, t: Type) -> bool:
    """Whether an integer literal is a value of the integer type `t`."""
    bits = bits_of(t)
    if signed(t):
        return -(1 << (bits - 1)) <= value < 1 << (bits - 1)
    return 0 <= value < 1 << bits


__all__ = [
    "BOOL", "bits_of", "changed", "compatible", "fits", "flexible", "is_int", "join", "kind_name", "literal_fits",
    "literal_type", "promote_int", "same_kind", "signed", "types", "value_type",
]  # fmt: skip
