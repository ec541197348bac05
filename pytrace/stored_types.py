"""Types as they are stored in a Program: nested tuples of plain values, and back.

Place in the pipeline: under `program`.  In: a Type or its stored form.  Out: the other.  What a newcomer would get
wrong: pointers keep only their pointee's name, since the kernel's structs point to each other in circles.
"""

from __future__ import annotations

from pytrace.types import (
    BOOL,
    NONE,
    VOID,
    Aggregate,
    Array,
    Bitfield,
    Buffer,
    Enum,
    Field,
    Int,
    Opaque,
    Pointer,
    Record,
    Stack,
    String,
    Struct,
    StructLayout,
    TimestampMode,
    Tuple,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.types import Type


def plain_fields(t: Type) -> Any:
    """`t` as nested tuples of plain values, for the stored Program.  Pointers keep only their pointee's name."""
    match t:
        case Pointer():
            return ("ptr", str(t.pointee))
        case Array():
            return ("array", plain_fields(t.element), t.length)
        case Tuple():
            return ("tuple", tuple(plain_fields(e) for e in t.elements))
        case Record():
            return ("record", t.names, tuple(plain_fields(e) for e in t.elements))
        case Struct():
            lay = t.layout
            rows = tuple(
                (f.name, plain_fields(f.type), f.offset, (f.bitfield.shift, f.bitfield.bits) if f.bitfield else None)
                for f in lay.fields
            )
            return ("struct", t.tag, t.name, lay.size, lay.align, rows)
        case Int():
            return ("int", t.bits, t.signed)
        case String():
            return ("string", t.capacity)
        case Buffer():
            return ("buffer", t.capacity)
        case Enum():
            return ("enum", t.name, t.bits, t.signed, t.variants)
        case Stack():
            return ("stack", t.user, t.mode, t.limit)
        case Opaque():
            return ("opaque", t.name, t.bytes, t.alignment, t.params)
        case Aggregate():
            return ("aggregate", t.name, t.row, t.signed, t.params)
    return (str(t),)


def from_plain(data: Any) -> Type:
    """The inverse of `plain_fields`; a pointer comes back with an incomplete struct of the pointee's name."""
    kind, *rest = data
    match kind:
        case "ptr":
            return Pointer(Struct("", rest[0], None))
        case "array":
            return Array(from_plain(rest[0]), rest[1])
        case "tuple":
            return Tuple(tuple(from_plain(e) for e in rest[0]))
        case "record":
            return Record(tuple(rest[0]), tuple(from_plain(e) for e in rest[1]))
        case "struct":
            tag, name, size, align, rows = rest
            fields = tuple(
                Field(n, from_plain(t), off, Bitfield(*bf) if bf else None) for n, t, off, bf in rows
            )
            return Struct(tag, name, StructLayout(size, align, fields))
        case "int":
            return Int(*rest)
        case "string":
            return String(*rest)
        case "buffer":
            return Buffer(*rest)
        case "enum":
            return Enum(rest[0], rest[1], rest[2], tuple(tuple(v) for v in rest[3]))
        case "stack":
            return Stack(*rest)
        case "opaque":
            return Opaque(rest[0], rest[1], rest[2], tuple(rest[3]))
        case "aggregate":
            return Aggregate(rest[0], rest[1], rest[2], tuple(rest[3]))
        case "none":
            return NONE
        case "void":
            return VOID
        case "bool":
            return BOOL
        case "timestamp_mode":
            return TimestampMode()
    raise ValueError(f"not a stored type: {data!r}")
