"""Bytes to values, for every type."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pytrace import types, values
from pytrace.types import (
    BOOL,
    CGROUP_PATH,
    INET,
    INT8,
    INT16,
    INT32,
    INT64,
    KSYM,
    MAC_ADDRESS,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    USERNAME,
    USYM,
    Array,
    Bitfield,
    Buffer,
    Enum,
    Field,
    Pointer,
    Record,
    Stack,
    String,
    Struct,
    StructLayout,
    Tuple,
    Type,
)  # fmt: skip

COLOUR = Enum("colour", 32, False, (("RED", 0), ("GREEN", 1), ("ALSO_GREEN", 1)))


@pytest.mark.parametrize(
    ("t", "data", "expected"),
    [
        (INT8, b"\xff", -1),
        (UINT8, b"\xff", 255),
        (INT16, b"\xfe\xff", -2),
        (UINT16, b"\xfe\xff", 65534),
        (INT32, b"\xfd\xff\xff\xff", -3),
        (UINT32, b"\xfd\xff\xff\xff", 4294967293),
        (INT64, b"\xff" * 8, -1),
        (UINT64, b"\xff" * 8, 2**64 - 1),
        (BOOL, b"\x01", True),
        (Pointer(), struct.pack("<Q", 4096), 4096),
        (String(4), b"ab\0x", b"ab"),
        (String(4), b"abcd", b"abcd"),
        (String(0), b"", b""),
        (Buffer(8), b"\x03\0\0\0a\0b????", b"a\0b"),
        (Buffer(2), b"\x09\0\0\0ab", b"ab"),
        (Array(INT16, 2), b"\x01\0\xff\xff", (1, -1)),
        (Array(Array(INT8, 2), 2), b"\1\2\3\4", ((1, 2), (3, 4))),
        (Array(String(2), 2), b"a\0bc", (b"a", b"bc")),
        (Tuple((INT8, INT64)), struct.pack("<b7xq", -1, 5), (-1, 5)),
        (Tuple((INT8, String(2), UINT16)), b"\x01a\0\0\x02\x01", (1, b"a", 258)),
        (Tuple(()), b"", ()),
        (KSYM, struct.pack("<Q", 2**63), 2**63),
        (USYM, struct.pack("<QII", 5, 6, 7), values.UserAddress(5, 6, 7)),
        (USERNAME, struct.pack("<Q", 1000), 1000),
        (MAC_ADDRESS, b"\0\1\2\3\4\xff", b"\0\1\2\3\4\xff"),
        (INET, struct.pack("<Q", 2) + b"\x7f\0\0\1" + bytes(12), b"\x7f\0\0\1"),
        (INET, struct.pack("<Q", 10) + bytes(15) + b"\1", bytes(15) + b"\1"),
        (INET, struct.pack("<Q", 99) + bytes(16), b""),
        (CGROUP_PATH, struct.pack("<QQ", 77, 0), values.CgroupPath(77, 0)),
        (types.TIMESTAMP, struct.pack("<QQ", 12, 3), values.Timestamp(12, 3)),
        (types.NONE, b"", None),
    ],
)
def test_decode(t: Type, data: bytes, expected: Any) -> None:
    found = values.decode(t, data)
    assert found == expected
    assert type(found) is type(expected)
    assert values.decode(t, memoryview(data + b"tail")) == expected


def test_enum_names() -> None:
    one = values.decode(COLOUR, struct.pack("<I", 1))
    assert (one, one.name, repr(one)) == (1, "GREEN", "GREEN")
    assert values.decode(COLOUR, struct.pack("<I", 9)).name == ""


def test_stacks() -> None:
    kernel = values.decode(Stack(limit=3), struct.pack("<4Q", 2, 10, 20, 99))
    assert (kernel.frames, kernel.user, kernel.pid) == ((10, 20), False, -1)
    user = values.decode(Stack(user=True, limit=2), struct.pack("<QII2Q", 9, 7, 8, 1, 2))
    assert (user.frames, user.pid, user.probe) == ((1, 2), 7, 8)
    ids = values.decode(Stack(user=True, mode="build_id", limit=1), struct.pack("<QIIi20sQ", 1, 7, 8, 1, b"i" * 20, 3))
    assert ids.frames == (values.BuildId(1, b"i" * 20, 3),)


def test_struct_with_bit_fields_and_union() -> None:
    fields = (
        Field("a", INT32, 0),
        Field("low", UINT32, 4, Bitfield(0, 3)),
        Field("high", INT32, 4, Bitfield(3, 4)),
        Field("colour", COLOUR, 4, Bitfield(7, 2)),
        Field("flag", BOOL, 5, Bitfield(1, 1)),
        Field("u", INT32, 8),
        Field("v", INT8, 8),
    )
    t = Struct("struct", "s", StructLayout(12, 4, fields))
    word = 5 | (0b1111 << 3) | (1 << 7) | (1 << 9)
    found = values.decode(t, struct.pack("<iIi", -1, word, 0x101))
    assert list(found) == [("a", -1), ("low", 5), ("high", -1), ("colour", 1), ("flag", True), ("u", 257), ("v", 1)]
    assert found.colour.name == "GREEN"
    assert found["u"] == 257
    with pytest.raises(AttributeError):
        _ = found.missing


def test_anonymous_members_are_opened() -> None:
    inner = Struct("union", "", StructLayout(4, 4, (Field("u", INT32, 0), Field("v", INT8, 0))))
    outer = Struct("struct", "", StructLayout(8, 4, (Field("", inner, 0), Field("w", INT16, 4))))
    t = Struct("struct", "o", StructLayout(12, 4, (Field("a", INT32, 0), Field("", outer, 4))))
    found = values.decode(t, struct.pack("<iih2x", 1, 0x102, 3))
    assert list(found) == [("a", 1), ("u", 0x102), ("v", 2), ("w", 3)]


def test_record() -> None:
    found = values.decode(Record(("a", "b"), (INT8, String(3))), b"\x05xy\0")
    assert (found.a, found.b, len(found)) == (5, b"xy", 2)


def test_too_short_and_without_values() -> None:
    with pytest.raises(ValueError, match="1 bytes are too short for int64"):
        values.decode(INT64, b"x")
    with pytest.raises(TypeError, match="hist_t has no values"):
        values.decoder(types.Aggregate("hist_t", "hist"))
