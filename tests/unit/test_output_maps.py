"""Maps as text and JSON: order, rows, charts.  Expected texts are the reference's (0.27.1) for the same values."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import pytest

from pytrace.defs import load_row
from pytrace.program import MapSpec, Program
from pytrace.runtime.output.base import Output
from pytrace.runtime.output.chart import chart
from pytrace.runtime.output.histogram import Histogram, linear_bound, log2_bound
from pytrace.runtime.output.json import JsonOutput, encode
from pytrace.runtime.output.text import TextOutput
from pytrace.types import BOOL, INT8, INT64, UINT64, Aggregate, Int, String, Tuple, Type

PROGRAM = Program((), (), (), (), (), b"", {"str_trunc_trailer": ".."})


class Reader:
    """A map that is not in the kernel."""

    def __init__(
        self,
        name: str,
        key: Type | None,
        value: Type,
        entries: Iterable[tuple[bytes, list[bytes]]] = (),
        slot: list[bytes] | None = None,
        storage: str = "",
    ) -> None:
        self.spec = MapSpec(name, "hash", 8, 8, 10, 0, key, value, storage or ("plain" if key else "slot"))
        self._entries = list(entries)
        self._slot = slot

    def entries(self) -> Iterable[tuple[bytes, list[bytes]]]:
        return self._entries

    def slot(self) -> list[bytes] | None:
        return self._slot


def show(reader: Any, top: int = 0, div: int = 0, kind: type[Output] = TextOutput, form: str = "") -> str:
    output = kind()
    if form and isinstance(output, TextOutput):
        output.map_rows = {reader.spec.name: form}
    output.begin(PROGRAM, load_row)
    written: list[bytes] = []
    output.write = written.append  # type: ignore[method-assign]
    output.print_map(reader, top, div)
    return b"".join(written).decode("latin-1")


def q(*numbers: int) -> bytes:
    return b"".join((n & 2**64 - 1).to_bytes(8, "little") for n in numbers)


def counts(pairs: dict[Any, int], t: Type = INT64) -> Reader:
    return Reader("@", t, INT64, [(q(k), [q(v)]) for k, v in pairs.items()])


def test_order_top_and_div() -> None:
    reader = counts({1: 30, 2: 10, 3: 20})
    assert show(reader) == "@[2]: 10\n@[3]: 20\n@[1]: 30\n"
    assert show(reader, 2) == "@[3]: 20\n@[1]: 30\n"
    assert show(reader, 0, 10) == "@[2]: 1\n@[3]: 2\n@[1]: 3\n"
    assert show(reader, 2, 10) == "@[3]: 2\n@[1]: 3\n"
    assert show(counts({1: -7, 2: 7}), 0, 2) == "@[1]: -3\n@[2]: 3\n"


def test_keys_order_what_values_cannot() -> None:
    text = String(2)
    reader = Reader("@a", INT8, text, [(b"\x01", [b"b\0"]), (b"\xfe", [b"a\0"])])
    assert show(reader) == "@a[-2]: a\n@a[1]: b\n"
    unsigned = Reader("@u", Int(8, False), text, [(b"\x01", [b"b\0"]), (b"\xfe", [b"a\0"])])
    assert show(unsigned) == "@u[254]: a\n@u[1]: b\n"  # compared as signed, as the reference does
    pair = Tuple((INT8, String(2)))
    reader = Reader("@c", pair, BOOL, [(b"\2b\0", [b"\1"]), (b"\1z\0", [b"\0"]), (b"\2a\0", [b"\1"])])
    assert show(reader) == "@c[1, z]: false\n@c[2, a]: true\n@c[2, b]: true\n"


def test_rows_of_another_form() -> None:
    pair = Tuple((INT64, String(8)))
    reader = Reader("@t", pair, INT64, [(q(255) + b"ab\0\0\0\0\0\0", [q(7)]), (q(-1) + b"{0}\0\0\0\0\0", [q(3)])])
    assert show(reader, form="{value:<4}{1} {0:x} {0}\n") == "3   {0} -1 -1\n7   ab ff 255\n"
    assert show(counts({5: 1, 6: 2}), form="{0} of {value}\n") == "5 of 1\n6 of 2\n"
    assert show(Reader("@", None, INT64, slot=[q(9)]), form="{value:<4}|\n") == "9   |\n"
    assert show(counts({5: 1}), kind=JsonOutput, form="{0}\n") == show(counts({5: 1}), kind=JsonOutput)


def test_keys_lose_parentheses() -> None:
    nested = Tuple((INT8, Tuple((INT8, String(2)))))
    assert show(Reader("@n", nested, INT64, [(b"\1\2z\0", [q(5)])])) == "@n[1, (2, z)]: 5\n"
    assert show(Reader("@y", String(8), INT64, [(b"(paren)\0", [q(1)])])) == "@y[paren]: 1\n"
    assert show(Reader("@n", nested, INT64, [(b"\1\2z\0", [q(5)])]), kind=JsonOutput) == (
        '{"type": "map", "data": {"@n": {"1,(2,z)": 5}}}\n'
    )


def test_scalar_and_unset() -> None:
    assert show(Reader("@s", None, INT64, slot=[q(-4)])) == "@s: -4\n"
    assert show(Reader("@s", None, INT64)) == "@s: 0\n"
    assert show(Reader("@t", None, Tuple((INT8, String(2))))) == "@t: (0, )\n"
    assert show(Reader("@k", INT64, INT64)) == ""
    assert show(Reader("@k", INT64, INT64), kind=JsonOutput) == ""


AGGREGATES = [
    (Aggregate("count_t", "count", False), [q(2), q(3)], "@: 5\n", '{"type": "map", "data": {"@": 5}}'),
    (Aggregate("sum_t", "sum", True), [q(5), q(-8)], "@: -3\n", '{"type": "map", "data": {"@": -3}}'),
    (
        Aggregate("usum_t", "sum", False), [q(-1)], "@: 18446744073709551615\n",
        '{"type": "map", "data": {"@": "18446744073709551615"}}',
    ),
    (Aggregate("min_t", "min", True), [q(0, 0), q(7, 1), q(-3, 1)], "@: -3\n", '{"type": "map", "data": {"@": -3}}'),
    (Aggregate("max_t", "max", True), [q(0, 0), q(-3, 1)], "@: -3\n", '{"type": "map", "data": {"@": -3}}'),
    (Aggregate("umax_t", "max", False), [q(5, 1), q(-1, 1)], "@: 18446744073709551615\n", None),
    (Aggregate("avg_t", "avg", True), [q(5, 1), q(-8, 1)], "@: -1\n", '{"type": "stats", "data": {"@": -1}}'),
    (Aggregate("avg_t", "avg", True), [q(0, 0)], "@: 0\n", None),
    (
        Aggregate("stats_t", "stats", True), [q(5, 1), q(8, 1)], "@: { .count = 2, .average = 6, .total = 13 }\n",
        '{"type": "stats", "data": {"@": {"count": 2, "average": 6, "total": 13}}}',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("t", "records", "text", "line"), AGGREGATES)
def test_aggregates(t: Aggregate, records: list[bytes], text: str, line: str | None) -> None:
    reader = Reader("@", None, t, slot=records, storage="aggregate_slot")
    assert show(reader) == text
    if line is not None:
        assert show(reader, kind=JsonOutput) == line + "\n"


def test_order_of_extremes_is_unsigned_and_of_averages_signed() -> None:
    smallest = Aggregate("min_t", "min", True)
    reader = Reader("@m", INT64, smallest, [(q(1), [q(-3, 1)]), (q(2), [q(4, 1)])], storage="aggregate")
    assert show(reader) == "@m[2]: 4\n@m[1]: -3\n"
    mean = Aggregate("avg_t", "avg", True)
    reader = Reader("@a", INT64, mean, [(q(1), [q(5, 1)]), (q(2), [q(-8, 1)])], storage="aggregate")
    assert show(reader) == "@a[2]: -8\n@a[1]: 5\n"


def test_div_of_stats() -> None:
    t = Aggregate("stats_t", "stats", True)
    assert show(Reader("@", None, t, slot=[q(8, 1)], storage="aggregate_slot"), 1, 3) == (
        "@: { .count = 1, .average = 2, .total = 8 }\n"
    )


BAR = "@" * 52
BLANK = " " * 52


def row(label: str, count: int, bar: str) -> str:
    return f"{label:<16}{count:>8} |{bar:<52}|\n"


def test_hist_scalar() -> None:
    t = Aggregate("hist_t", "hist", True, (0,))
    slot = [0] * 65
    slot[1], slot[3], slot[6] = 1, 1, 1
    reader = Reader("@", None, t, slot=[q(*slot)], storage="bucket_slots")
    assert show(reader) == (
        "@:\n" + row("[0]", 1, BAR) + row("[1]", 0, "") + row("[2, 4)", 1, BAR) + row("[4, 8)", 0, "")
        + row("[8, 16)", 0, "") + row("[16, 32)", 1, BAR) + "\n"
    )  # fmt: skip
    assert show(reader, kind=JsonOutput).startswith(
        '{"type": "hist", "data": {"@": [{"min": 0, "max": 0, "count": 1},{"min": 1, "max": 1, "count": 0},'
    )
    empty = Reader("@", None, t, slot=[q(*[0] * 65)], storage="bucket_slots")
    assert show(empty) == "@:\n\n"
    assert show(Reader("@", None, t, storage="bucket_slots")) == ""


def test_hist_keyed_by_total() -> None:
    t = Aggregate("hist_t", "hist", True, (0,))
    entries = [(q(7, 2), [q(3), q(1)]), (q(9, 0), [q(1), q(0)])]
    reader = Reader("@k", INT64, t, entries, storage="buckets")
    assert show(reader) == f"@k[9]:\n{row('(..., 0)', 1, BAR)}\n@k[7]:\n{row('[1]', 4, BAR)}\n"


def test_lhist() -> None:
    t = Aggregate("lhist_t", "lhist", True, (0, 10, 2))
    slot = [1, 0, 2, 0, 0, 0, 1]
    reader = Reader("@l", None, t, slot=[q(*slot)], storage="bucket_slots")
    half = "@" * 26
    assert show(reader) == (
        "@l:\n" + row("(..., 0)", 1, half) + row("[0, 2)", 0, "") + row("[2, 4)", 2, BAR) + row("[4, 6)", 0, "")
        + row("[6, 8)", 0, "") + row("[8, 10)", 0, "") + row("[10, ...)", 1, half) + "\n"
    )  # fmt: skip
    assert '{"min": 10, "count": 1}' in show(reader, kind=JsonOutput)
    assert show(reader, 0, 2) == show(reader)  # div has no effect on lhist


@pytest.mark.parametrize(
    ("number", "bits", "expected"),
    [(0, 0, "0"), (2, 0, "2"), (3, 0, "4"), (11, 0, "1K"), (64, 0, "8E"), (8, 2, "8"), (9, 2, "10"), (12, 2, "16")],
)
def test_log2_bounds(number: int, bits: int, expected: str) -> None:
    assert log2_bound(number, bits)[0] == expected


def bucket_of(n: int, bits: int) -> int:
    """The formula of spec 05 §2.1, as the program computes it."""
    if n < 0:
        return 0
    shift = max(0, n.bit_length() - 1 - bits)
    return 1 + (shift << bits) + (n >> shift)


@pytest.mark.parametrize("bits", range(6))
def test_every_value_lies_between_its_buckets_bounds(bits: int) -> None:
    from pytrace.defs.aggregates.hist import ROWS

    count = ROWS[0].buckets
    assert count is not None
    samples = [*range(300), *(2**p + d for p in range(9, 63) for d in (-1, 0, 1, 2**p // 3)), 2**63 - 1]
    for n in samples:
        number = bucket_of(n, bits)
        assert log2_bound(number - 1, bits)[1] <= n < log2_bound(number, bits)[1]
        assert number < count(Aggregate("hist_t", "hist", True, (bits,)))


def test_labels_in_kilobytes() -> None:
    shown = Histogram({3: 1}, lambda n: linear_bound(n, 0, 2048), 99).rows()
    assert shown.startswith("[4K, 6K)  ")
    assert linear_bound(512, 0, 2048)[0] == "1M"


def test_chart() -> None:
    start = 1_000_000_000_000_000_000
    points = [(start + i * 10**8, v) for i, v in enumerate((-1, 0, None, 2, 3))]
    lines = chart(points, True).split("\n")
    assert lines[0] == " " * 13 + f"{-1:<21}{3:>32}"
    assert lines[1] == "hh:mm:ss.ms  |" + "_" * 51 + "|"
    assert [line[13:] for line in lines[2:7]] == [
        "*            .                                      | -1",
        "|            *                                      | 0",
        "|            .                                      | -",
        "|            .                         *            | 2",
        "|            .                                      * 3",
    ]
    assert lines[7] == " " * 13 + "v" + "_" * 51 + "v"
    assert chart([], True) == "<no data>"


def test_chart_of_one_value() -> None:
    lines = chart([(1_000_000_000_500_000_000, 1)], True).split("\n")
    assert lines[1].startswith("hh:mm:ss.ns        |")
    assert lines[2].endswith("|                         *                         | 1")
    assert lines[0].split() == ["0", "2"]


def test_tseries_of_several_keys_share_the_time() -> None:
    t = Aggregate("tseries_t", "tseries", True, (10**9, 3, ""))
    entries = [(q(1, 0), [q(5, 1, 30), q(6, 2, 30)]), (q(2, 2), [q(7, 1, 32), q(0, 0, 0)])]
    shown = show(Reader("@t", INT64, t, entries, storage="buckets"))
    first, second = shown.split("@t[2]:\n")
    assert first.count("| -") == 2  # epochs 31 and 32
    assert " 6\n" in first
    assert " 7\n" in second


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**53, "9007199254740992"),
        (2**53 + 1, '"9007199254740993"'),
        (-5, "-5"),
        (True, "true"),
        (None, "null"),
        ([1, [2, "x"]], '[1,[2,"x"]]'),
        ({"a": 1, "b": [1, 2]}, '{"a": 1, "b": [1,2]}'),
        ('q"\\\n\r\t\x01\x1f\xff', '"q\\"\\\\\\n\\r\\t\\u0001\\u001f\xff"'),
    ],
)
def test_json_encoding(value: Any, expected: str) -> None:
    assert encode(value) == expected


def test_unsigned_word() -> None:
    assert struct.unpack("<Q", q(-1)) == (2**64 - 1,)
    assert UINT64.size == 8
