"""How maps of a script are laid out in the kernel."""

from __future__ import annotations

import pytest

from pytrace import codegen, types
from pytrace.codegen.map_storage import NO_PREALLOC, script_map_spec, with_cpu_slots
from pytrace.program import Location
from pytrace.types import Aggregate, String, Tuple
from tests.unit.typed_nodes import COUNT, REGISTRY, count, map_symbol, script

WHERE = Location("stdin:1:1-2", "", "stdin", 1, 1)
HIST = Aggregate("hist_t", "hist", True, (0,))


@pytest.mark.parametrize(
    ("key", "value", "kind", "key_size", "value_size", "storage"),
    [
        (None, types.INT64, "array", 4, 16, "slot"),
        (None, types.INT8, "array", 4, 16, "slot"),
        (None, String(20), "array", 4, 32, "slot"),
        (types.INT64, types.UINT32, "hash", 8, 4, "plain"),
        (String(16), String(64), "hash", 16, 64, "plain"),
        (Tuple((types.INT8, types.INT64)), types.BOOL, "hash", 16, 1, "plain"),
        (None, COUNT, "percpu_array", 4, 16, "aggregate_slot"),
        (String(16), COUNT, "percpu_hash", 16, 8, "aggregate"),
        (None, HIST, "percpu_array", 4, 8 + 65 * 8, "bucket_slots"),
        (String(3), HIST, "percpu_hash", 16, 8, "buckets"),
    ],
)
def test_storage(
    key: types.Type | None, value: types.Type, kind: str, key_size: int, value_size: int, storage: str
) -> None:
    spec = script_map_spec(map_symbol("m", key, value), REGISTRY, {"max_map_keys": 4096}, WHERE)
    assert (spec.name, spec.kind, spec.key_size, spec.value_size, spec.storage) == (
        "@m", kind, key_size, value_size, storage,
    )  # fmt: skip
    assert spec.max_entries == (1 if key is None else 4096)


def test_declared_kinds_and_sizes() -> None:
    symbol = map_symbol("m", types.INT64)
    symbol.declared_kind, symbol.max_entries = "lruhash", 7
    spec = script_map_spec(symbol, REGISTRY, {}, WHERE)
    assert (spec.kind, spec.max_entries, spec.flags) == ("lru_hash", 7, 0)


def test_memory_that_would_be_absurd_is_not_taken_in_advance() -> None:
    symbol = map_symbol("m", String(1024), String(1024))
    assert script_map_spec(symbol, REGISTRY, {"max_map_keys": 1_000_000}, WHERE).flags == NO_PREALLOC
    assert script_map_spec(symbol, REGISTRY, {"max_map_keys": 4096}, WHERE).flags == 0


def test_slots_for_each_cpu_lie_on_cache_lines_of_their_own() -> None:
    scalar = script_map_spec(map_symbol("c", None, COUNT), REGISTRY, {}, WHERE)
    spec = with_cpu_slots(scalar, 4)
    assert (spec.kind, spec.value_size, spec.max_entries, spec.storage) == ("cpu_slots", 64, 4, "aggregate_slot")
    assert with_cpu_slots(scalar, 0) == scalar
    keyed = script_map_spec(map_symbol("c", types.INT64, COUNT), REGISTRY, {}, WHERE)
    assert with_cpu_slots(keyed, 4) == keyed


@pytest.mark.parametrize("slots", [1, 2, 8, 64])
def test_slots_need_no_look_up(slots: int) -> None:
    symbol = map_symbol("c", None, COUNT)
    text = codegen.disassemble(codegen.generate(script(count(symbol), maps=(symbol,)), cpu_slots=slots).programs[0])
    assert "map_lookup_elem" not in text and "data @c" in text
