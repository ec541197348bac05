"""How each map of a script lies in the kernel: the choice of map kind, sizes and storage.

Place in the pipeline: called by the module builder once a map.  In: the MapSymbol with its final types.  Out:
MapSpec. What a newcomer would get wrong: scalar maps are never hashes: one array element holds an "assigned" flag and
the value, because the address of an array element is known when the program is loaded.
"""

from __future__ import annotations

from pytrace.program import MapSpec
from pytrace.record import replace
from pytrace.types import Aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytrace.program import Location
    from pytrace.registry import AggregateDef, Registry
    from pytrace.sema import typed

NO_PREALLOC = 1
"""BPF_F_NO_PREALLOC: elements are allocated when they are first stored."""
PREALLOC_LIMIT = 64 << 20
"""Bytes beyond which a hash is not allocated in advance."""
CACHE_LINE = 64
"""Bytes; two CPUs that write to one line slow each other down."""
PER_CPU_LIMIT = 32 << 10
"""The most that a per-CPU element may hold (PCPU_MIN_UNIT_SIZE)."""


def round8(size: int) -> int:
    return (size + 7) // 8 * 8


def kernel_name(symbol: typed.MapSymbol) -> str:
    """The name in the Program, with its `@`."""
    return symbol.name if symbol.name.startswith("@") else "@" + symbol.name


def script_map_spec(symbol: typed.MapSymbol, registry: Registry, config: Mapping[str, Any], where: Location) -> MapSpec:
    """The MapSpec of a map of the script."""
    value = symbol.value_type
    if isinstance(value, Aggregate):
        return _aggregate_spec(symbol, value, registry, config, where)
    if symbol.key_type is None:
        return MapSpec(
            kernel_name(symbol), "array", 4, 8 + round8(max(1, value.size)), 1, 0, None, value, "slot", where
        )
    kind = registry.maps[symbol.declared_kind].kernel_kind if symbol.declared_kind else "hash"
    return _hash_spec(symbol, kind, max(1, symbol.key_type.size), max(1, value.size), "plain", config, where)


def with_cpu_slots(spec: MapSpec, slots: int) -> MapSpec:
    """A per-CPU scalar as a plain array of `slots` copies, each on cache lines of its own; as it is for 0 slots."""
    if not slots or spec.kind != "percpu_array":
        return spec
    size = (spec.value_size + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE
    return replace(spec, kind="cpu_slots", value_size=size, max_entries=slots)


def _aggregate_spec(
    symbol: typed.MapSymbol, t: Aggregate, registry: Registry, config: Mapping[str, Any], where: Location
) -> MapSpec:
    row = registry.aggregates[t.row]
    record = row.record(t).size
    buckets = row.buckets(t) if row.buckets else 0
    if symbol.key_type is None and 8 + record * max(1, buckets) <= PER_CPU_LIMIT:
        storage = "bucket_slots" if buckets else "aggregate_slot"
        size = 8 + record * max(1, buckets)
        return MapSpec(kernel_name(symbol), "percpu_array", 4, size, 1, 0, None, t, storage, where)
    kind = registry.maps[symbol.declared_kind].kernel_kind if symbol.declared_kind else "percpu_hash"
    key = symbol.key_type.size if symbol.key_type else 0
    if buckets:
        return _hash_spec(symbol, kind, round8(key) + 8, record, "buckets", config, where)
    return _hash_spec(symbol, kind, max(1, key), record, "aggregate", config, where)


def _hash_spec(
    symbol: typed.MapSymbol, kind: str, key: int, value: int, storage: str, config: Mapping[str, Any], where: Location
) -> MapSpec:
    entries = symbol.max_entries or int(config.get("max_map_keys", 4096))
    copies = 8 if "percpu" in kind else 1
    too_much = entries * (key + value * copies) > PREALLOC_LIMIT
    flags = NO_PREALLOC if too_much and "lru" not in kind else 0
    return MapSpec(
        kernel_name(symbol), kind, key, value, entries, flags, symbol.key_type, symbol.value_type, storage, where
    )


def aggregate_row(registry: Registry, t: Aggregate) -> AggregateDef:
    return registry.aggregates[t.row]
