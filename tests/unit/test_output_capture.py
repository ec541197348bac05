"""What library callers get: decoded events and maps."""

from __future__ import annotations

from collections.abc import Iterable

from pytrace.defs import load_row
from pytrace.program import EventSpec, Layout, Location, MapSpec, Program
from pytrace.runtime.output.capture import CaptureOutput
from pytrace.types import BOOL, INT8, INT64, USYM, Aggregate, Buffer, Record, Stack, String, Tuple, Type
from pytrace.values import StructValue

PLACE = Location("script:1:2-4", "", "script", 1, 2)


class Reader:
    def __init__(
        self, name: str, key: Type | None, value: Type, entries: list[tuple[bytes, list[bytes]]], storage: str
    ) -> None:
        self.spec = MapSpec(name, "hash", 8, 8, 10, 0, key, value, storage)
        self._entries = entries

    def entries(self) -> Iterable[tuple[bytes, list[bytes]]]:
        return self._entries

    def slot(self) -> list[bytes] | None:
        return [v for _, values in self._entries for v in values] or None


def started(program: Program | None = None) -> CaptureOutput:
    output = CaptureOutput()
    output.begin(program or Program((), (), (), (), (), b"", {}), load_row)
    return output


def q(n: int) -> bytes:
    return n.to_bytes(8, "little")


def test_events_in_order() -> None:
    output = started()
    output.attached_probes(3)
    output.printf(b"a\xff\n")
    output.value(Tuple((INT8, BOOL)), b"\xff\x01")
    output.value(Record(("x", "s"), (INT8, String(2))), b"\x05a\0")
    output.value(Buffer(4), b"\x02\0\0\0a\x01")
    output.join(b"j")
    output.message("ERROR", "wrong", PLACE)
    output.helper_error("map_update_elem", -12, PLACE)
    output.lost_events(5)
    result = output.result
    assert (result.probes, result.lost) == (3, 5)
    assert [e.kind for e in result.events] == ["printf", "value", "value", "value", "join", "errorf", "helper_error"]
    values = [e.data for e in result.events if e.kind == "value"]
    assert values == [(-1, True), StructValue(("x", "s"), (5, "a")), b"a\x01"]
    assert result.text == "a\xff\n(-1, true)\n{ .x = 5, .s = a }\na\\x01\nj\n"
    assert result.errors == ["wrong", "map_update_elem: Cannot allocate memory (-12)"]
    assert result.events[5].location is PLACE


def test_maps_while_running_and_at_the_end() -> None:
    output = started()
    entries = [(b"x\0\2", [q(3), q(4)])]
    counted = Reader("@n", Tuple((String(2), INT8)), Aggregate("count_t", "count"), entries, "aggregate")
    output.print_map(counted)
    output.end()
    output.final_maps(
        [
            counted,
            Reader("@s", None, INT64, [(b"", [q(9)])], "slot"),
            Reader("@unset", None, INT64, [], "slot"),
            Reader("@empty", INT64, INT64, [], "plain"),
            Reader("@h", INT64, Aggregate("hist_t", "hist", True, (0,)), [(q(7) + q(2), [q(1)])], "buckets"),
        ]
    )
    assert [e.data for e in output.result.events if e.kind == "map"] == [{"@n": {("x", 2): 7}}]
    assert output.result.maps == {
        "@n": {("x", 2): 7},
        "@s": 9,
        "@empty": {},
        "@h": {7: [{"min": 1, "max": 1, "count": 1}]},
    }


def test_processes_are_followed_only_for_user_symbols() -> None:
    plain = started()
    plain.follow(None, False)
    assert plain._mappings is None
    for shown in (Stack(user=True), Tuple((INT8, USYM))):
        event = EventSpec("functions.output:print", Layout.of([("v0", shown)], 8))
        assert started(Program((), (), (), (event,), (), b"", {}))._shows_user_symbols
    for hidden in (Stack(), Stack(user=True, mode="raw"), INT64):
        event = EventSpec("functions.output:print", Layout.of([("v0", hidden)], 8))
        assert not started(Program((), (), (), (event,), (), b"", {}))._shows_user_symbols
