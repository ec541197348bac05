"""Batches of records: the same bytes as one by one, for both outputs; composite values taken apart; times of day."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from pytrace import types
from pytrace.program import Layout
from pytrace.runtime.output.clock import Calendar, format_local
from pytrace.runtime.output.json import JsonOutput
from pytrace.runtime.output.printf import SHOWN, Formatter, Spec
from pytrace.runtime.output.text import TextOutput
from pytrace.types import Type

NESTED = types.Tuple((types.INT8, types.Tuple((types.String(4), types.BOOL)), types.UINT64))
NAMED = types.Record(("first", "%s"), (types.Pointer(types.VOID), types.Tuple((types.INT16,))))
EVENTS = (SimpleNamespace(data=("%H:%M:%S.%f", "tai"), layout=Layout((), 8)),)


def output(made: type[Any]) -> Any:
    found = made()
    found.begin(
        SimpleNamespace(config={"str_trunc_trailer": ".."}, probes=(), events=EVENTS, maps=()), lambda key: None
    )
    return found


def records(t: Type, *datas: bytes) -> tuple[Layout, list[bytes]]:
    layout = Layout.of([("v0", t)], start=8)
    at = layout.fields[0].offset
    return layout, [(bytes(at) + data).ljust(layout.size, b"\0") for data in datas]


CASES = [
    (
        NESTED,
        [b"\xff" + b"ab\0\0\1".ljust(7, b"\0") + struct.pack("<Q", 7), b"\1" + b'%s"z\0' + bytes(2) + b"\xff" * 8],
    ),
    (NAMED, [struct.pack("<Qh", 16, -3), struct.pack("<Qh", 0, 300)]),
    (types.UINT64, [struct.pack("<Q", 2**64 - 1), struct.pack("<Q", 2**53)]),
    (types.String(4), [b"a\nb\0", b'\xe9\x01"\\']),
    (types.Array(types.INT8, 2), [b"\1\xff", b"\2\3"]),
    (types.TIMESTAMP, [struct.pack("<QQ", 86_400 * 10**9 + n, 1) for n in (1000, 999_999_999, 10**9)]),
]


@pytest.mark.parametrize("made", [TextOutput, JsonOutput])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_batch_is_what_its_records_are(made: type[Any], case: int) -> None:
    t, datas = CASES[case]
    layout, found = records(t, *datas)
    sink = output(made)
    written: list[bytes] = []
    sink.write = written.append
    for record in found:
        sink.value(t, record[layout.fields[0].offset :])
    batch = sink.value_batch(layout)
    assert batch(found) == b"".join(written)
    assert batch.each(found) == [batch.one(r) for r in found] == written


@pytest.mark.parametrize("datas", [(b"ab\0\0", b'"\n\0\0'), (b"\0", b"x"), (b"", b"\x80")])
def test_printf_in_json(datas: tuple[bytes, ...]) -> None:
    sink = output(JsonOutput)
    written: list[bytes] = []
    sink.write = written.append
    layout, found = records(types.String(4), *[d.ljust(4, b"\0") for d in datas])
    formatter = Formatter(("<", ">\n"), (SHOWN,), layout, sink.renderer)
    for record in found:
        sink.printf(formatter.one(record))
    batch = sink.printf_batch(formatter)
    assert batch(found) == b"".join(written)
    assert batch.each(found) == written


def test_nul_characters_in_json() -> None:
    sink = output(JsonOutput)
    layout, found = records(types.UINT8, b"\0", b"a")
    formatter = Formatter(("", "\n"), (Spec("c", False, False, False, False, 0, ""),), layout, sink.renderer)
    lines = b'{"type": "printf", "data": "\\u0000\\n"}\n{"type": "printf", "data": "a\\n"}\n'
    assert sink.printf_batch(formatter)(found) == lines


@pytest.mark.parametrize("form", ["%H:%M", "%f|%k|%l|%S", "%%f", "\1f %f", "", "%Y"])
def test_a_second_is_formatted_once_and_like_any_other(form: str) -> None:
    calendar = Calendar(form, "tai")
    for nanoseconds in (10**9, 1_700_000_000_123_456_789, 1_700_000_000_999_999_999, 1_700_000_001_000_000_000):
        seconds, rest = divmod(nanoseconds, 10**9)
        plain = (
            form.replace("%f", f"{rest // 1000:06}").replace("%k", f"{rest:09}").replace("%l", f"{rest // 10**6:03}")
        )
        assert calendar.text(nanoseconds) == (format_local(plain, seconds) or "(?)")
    assert calendar.text(5) == "(?)"
