"""printf formats: split, checked and formatted as the reference (0.27.1) does.

The expected texts were taken from its output for the same format and argument.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pytrace import types, values
from pytrace.defs.functions._format import format_error, split_format, stored_type
from pytrace.program import Layout
from pytrace.runtime.output.printf import Formatter
from pytrace.runtime.output.render import Renderer
from pytrace.types import BOOL, INT8, INT32, INT64, UINT64, Array, Buffer, Int, Pointer, String, Tuple, Type

I8, I16, I32, I64, U64 = INT8, Int(16), INT32, INT64, UINT64
BUF = Buffer(60)


def pack(t: Type, value: Any) -> bytes:
    """The bytes of a value, as a program would write them."""
    if isinstance(t, String):
        return value.encode("latin-1").ljust(t.capacity, b"\0")[: t.capacity]
    if isinstance(t, Buffer):
        return (len(value).to_bytes(4, "little") + value).ljust(t.size, b"\0")
    if isinstance(t, Tuple):
        data = bytearray(t.size)
        for e, offset, v in zip(t.elements, t.offsets, value, strict=True):
            data[offset : offset + e.size] = pack(e, v)
        return bytes(data)
    if isinstance(t, Array):
        return b"".join(pack(t.element, v) for v in value)
    return (int(value) & (1 << 8 * t.size) - 1).to_bytes(t.size, "little")


def record(text: str, given: list[tuple[Type, Any]]) -> tuple[Formatter, bytes]:
    """The formatter and the record of a call."""
    literals, specs = split_format(text)
    fields = [(f"v{i}", stored_type(s, t)) for i, (s, (t, _)) in enumerate(zip(specs, given, strict=True))]
    layout = Layout.of(fields, start=8)
    data = bytearray(layout.size)
    for field, (t, value) in zip(layout.fields, given, strict=True):
        raw = pack(t, value)
        if isinstance(field.type, Int) and len(raw) != field.type.size:
            signed = isinstance(t, Int) and t.signed
            number = int.from_bytes(raw, "little", signed=signed) & (1 << 8 * field.type.size) - 1
            raw = number.to_bytes(field.type.size, "little")
        data[field.offset : field.offset + field.type.size] = raw
    return Formatter(literals, specs, layout, Renderer({"str_trunc_trailer": ".."})), bytes(data)


def show(text: str, *given: tuple[Type, Any]) -> str:
    formatter, data = record(text, list(given))
    one = formatter.one(data)
    assert formatter.many([data] * 3) == one * 3 and formatter.each([data] * 3) == [one] * 3
    return one.decode("latin-1")


CASES: list[tuple[str, Type, Any, str]] = [
    ("%d", I8, -42, "-42"), ("%5d", I8, -42, "  -42"), ("%-5d|", I8, -42, "-42  |"), ("%05d", I8, -42, "00-42"),
    ("%-05d", I8, -42, "-4200"), ("%+d", I8, 42, "+42"), ("% d", I8, 42, "42"), ("%+05d", I8, 42, "00+42"),
    ("%x", I16, 255, "ff"), ("%X", I16, 255, "FF"), ("%#x", I16, 255, "0xff"), ("%#X", I16, 255, "0XFF"),
    ("%#o", I8, 8, "010"), ("%o", I8, 8, "10"), ("%08x", I16, 255, "000000ff"), ("%#08x", I16, 255, "00000xff"),
    ("%-8x|", I16, 255, "ff      |"), ("%#x", I8, 0, "0"), ("%#o", I8, 0, "0"),
    ("%p", I16, 255, "0xff"), ("%p", I8, 0, "0"), ("%10p", I16, 255, "      0xff"),
    ("%-10p|", I16, 255, "0xff      |"), ("%010p", I16, 255, "0000000xff"),
    ("%s", I8, 7, "7"), ("%5s", I8, 7, "    7"), ("%-5s|", I8, 7, "7    |"), ("%05s", I8, 7, "00007"),
    ("%+s", I8, 7, "+7"), ("%+u", I8, 7, "7"), ("%+x", I8, 7, "7"), ("%+s", U64, 5, "5"),
    ("%+d", U64, 7, "+7"), ("%+04i", U64, 7, "00+7"),
    ("%s", Tuple((I8, I8)), (1, 2), "(1, 2)"), ("%10s", Tuple((I8, I8)), (1, 2), "         (1, 2)"),
    ("%-10s|", Tuple((I8, String(2))), (1, "x"), "(         1, x)|"),
    ("%s", Tuple((I8, Tuple((I8, String(2))))), (1, (2, "y")), "(1, (2, y))"),
    ("%+s", Tuple((I8, I8, U64)), (1, -2, 3), "(+1, -2, 3)"),
    ("%c", I8, 65, "A"), ("%3c", I8, 65, "  A"), ("%-3c|", I8, 65, "A  |"), ("%03c", I8, 65, "00A"),
    ("%c", I16, 321, "A"),
    ("%s", BOOL, 1, "true"), ("%6s", BOOL, 0, " false"), ("%d", BOOL, 1, "1"), ("%x", BOOL, 1, "1"),
    ("%s", Tuple((BOOL, BOOL)), (1, 0), "(true, false)"),
    ("%s", String(6), "hello", "hello"), ("%10s", String(6), "hello", "     hello"),
    ("%-10s|", String(6), "hello", "hello     |"), ("%.2s", String(6), "hello", "hello"),
    ("%010s", String(6), "hello", "00000hello"), ("%s", String(4), "hello", "hell.."),
    ("%d", I64, -1, "-1"), ("%u", I64, -1, "4294967295"), ("%x", I64, -1, "ffffffff"), ("%ld", I64, -1, "-1"),
    ("%lu", I64, -1, "18446744073709551615"), ("%lx", I64, -1, "ffffffffffffffff"), ("%hd", I64, -1, "-1"),
    ("%hu", I64, -1, "65535"), ("%hx", I64, -1, "ffff"), ("%hhd", I64, -1, "-1"), ("%hhu", I64, -1, "255"),
    ("%hhx", I64, -1, "ff"), ("%Ld", I64, -1, "-1"), ("%zu", I64, -1, "18446744073709551615"), ("%td", I64, -1, "-1"),
    ("%u", I8, -3, "4294967293"), ("%x", I8, -3, "fffffffd"), ("%lu", I8, -3, "18446744073709551613"),
    ("%lx", I8, -3, "fffffffffffffffd"), ("%hx", I8, -3, "fffd"), ("%hhu", I8, -3, "253"),
    ("%o", I8, -3, "37777777775"),
    ("%d", U64, 5000000000, "705032704"), ("%u", U64, 5000000000, "705032704"), ("%ld", U64, 5000000000, "5000000000"),
    ("%s", U64, 5000000000, "5000000000"), ("%hhd", I16, 300, "44"), ("%hd", I32, 70000, "4464"),
    ("%gr", I8, 0, "0"), ("%gr", I16, 0xCC0, "GFP_KERNEL"), ("%gr", I32, 0x400CC0, "GFP_KERNEL_ACCOUNT"),
    ("%gr", U64, 0x8000000000000001, "GFP_DMA|0x8000000000000000"), ("%10gr", I8, 1, "   GFP_DMA"),
    ("%gr", BOOL, 1, "!{invalid GFP flags conversion: true}"),
    ("%r", BUF, b"a\x01b", "a\\x01b"), ("%rx", BUF, b"ab", "\\x61\\x62"), ("%rh", BUF, b"abc", "61 62 63"),
    ("%20r", BUF, b"a", " " * 19 + "a"), ("%s", BUF, b"q\xff", "q\\xff"),
    ("%p", Pointer(), 4096, "0x1000"), ("%s", Pointer(), 4096, "0x1000"), ("%s", Pointer(), 0, "0x0"),
    ("%d", Pointer(), 4096, "4096"), ("%s", Array(I32, 3), (1, 2, 3), "[1,2,3]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "t", "value", "expected"), CASES)
def test_one_argument(text: str, t: Type, value: Any, expected: str) -> None:
    assert show(text, (t, value)) == expected


def test_flags_without_names() -> None:
    names = (
        "GFP_TRANSHUGE|GFP_ATOMIC|GFP_DMA|GFP_DMA32|__GFP_ZERO|__GFP_WRITE|__GFP_RETRY_MAYFAIL|__GFP_NOFAIL|"
        "__GFP_NORETRY|__GFP_MEMALLOC|__GFP_THISNODE|__GFP_ACCOUNT|__GFP_ZEROTAGS|__GFP_SKIP_ZERO|__GFP_NO_OBJ_EXT|"
        "0xf8000210"
    )
    assert show("%gr", (U64, 0xFFFFFFFF)) == names


def test_text_around_conversions() -> None:
    assert show("17%% [%5%][%]") == "17% [%][%]"
    assert show("%y") == "%y"
    assert show("a%db%sc%%", (I8, 1), (String(4), "xy")) == "a1bxyc%"
    assert show("\xff%c", (I16, 0xFE)) == "\xff\xfe"


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("%d %d", [I8], "not enough arguments for format string (1 supplied, 2 expected)"),
        ("%y", [I8], "too many arguments for format string (1 supplied, 0 expected)"),
        ("%d", [String(2)], "unsupported format specifier for type 'string[2]': d"),
        ("%f", [I8], "unsupported format specifier: f"),
        ("%n", [I8], "unsupported format specifier: n"),
        ("%r", [String(2)], "unsupported format specifier for type 'string[2]': r"),
        ("%s", [types.NONE], "unable to print none type for specifier: s"),
        ("%d", [types.Aggregate("count_t", "count")], "unsupported format specifier for type 'count_t': d"),
        ("%s", [types.Aggregate("count_t", "count")], ""),
        ("%*d %.*s", [I8, String(2)], ""),
    ],
)
def test_checks(text: str, given: list[Type], expected: str) -> None:
    assert format_error(text, given) == expected


def test_batch_of_distinct_records() -> None:
    formatter, _ = record("%d %s\n", [(I32, 0), (String(16), "")])
    records = [record("%d %s\n", [(I32, -n), (String(16), f"s{n}")])[1] for n in range(2500)]
    assert formatter.many(records) == b"".join(b"%d s%d\n" % (-n, n) for n in range(2500))


def test_values_decode_what_was_packed() -> None:
    t = Tuple((I8, U64, String(5), Array(I32, 2)))
    assert values.decode(t, pack(t, (-1, 1 << 63, "abc", (5, -6)))) == (-1, 1 << 63, b"abc", (5, -6))
    with pytest.raises(ValueError, match="too short"):
        values.decode(t, b"123")
    assert struct.calcsize("<Q") == 8
