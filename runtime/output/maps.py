"""The contents of a script's map, combined over CPUs and in printing order (spec 05 §3).

Place in the pipeline: between `runtime.maps`, which reads raw bytes, and the outputs, which show them.  In: a MapReader
and the row of its aggregate.  Out: MapContents.  What a newcomer would get wrong: `top` keeps the *last* entries of the
order, and integer keys sort as signed numbers even when their type is unsigned.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace import types, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    from pytrace.program import MapSpec
    from pytrace.registry import AggregateDef
    from pytrace.types import Type

    Entry = tuple[Any, Any]

    class MapReader(Protocol):
        """What is asked of a live map (implemented by pytrace.runtime.maps)."""

        @property
        def spec(self) -> MapSpec: ...

        def entries(self) -> Iterable[tuple[bytes, list[bytes]]]:
            """(key, its value on each CPU; a list of one for maps that are not per CPU), in the kernel's order."""
            ...

        def slot(self) -> list[bytes] | None:
            """Array storages: element 0 behind its uint64 flag, on each CPU where the flag is set; None if on none."""
            ...




class MapContents:
    """What is to be shown of a map.  `entries`: (key, value), the key None for a scalar map; values are decoded, or
    what `row.combine` made of them.  `div` divides what is shown."""

    __slots__ = ("div", "entries", "key_type", "name", "row", "value_type")

    def __init__(self, spec: MapSpec, row: AggregateDef | None, entries: list[Entry], div: int) -> None:
        assert spec.value_type is not None
        self.name = spec.name
        self.key_type = spec.key_type
        self.value_type: Type = spec.value_type
        self.row = row
        self.entries = entries
        self.div = div or 1

    @property
    def is_empty(self) -> bool:
        return not self.entries

    @property
    def json_type(self) -> str:
        return self.row.json_type if self.row is not None else "map"

    def divided(self, value: Any) -> Any:
        """A plain integer divided by `div`, toward zero; anything else as it is."""
        if self.div == 1 or not isinstance(self.value_type, types.Int):
            return value
        return truncated(value, self.div)


def truncated(value: int, div: int) -> int:
    """`value / div` toward zero, as C divides."""
    return -(-value // div) if value < 0 else value // div


def read_map(
    reader: MapReader, row: AggregateDef | None, top: int = 0, div: int = 0, zero_if_unset: bool = False
) -> MapContents:
    """Read a map now.  `row`: of its aggregate, None for a plain map.  `zero_if_unset`: a scalar map without a value
    shows its zero (histograms still show nothing)."""
    spec = reader.spec
    entries = _slot(reader, row) if "slot" in spec.storage else _hash(reader, row)
    if spec.key_type is None and not entries and zero_if_unset and not (row is not None and row.is_histogram):
        entries = [(None, _zero(spec, row))]
    if row is not None and row.settle is not None:
        assert spec.value_type is not None
        row.settle(spec.value_type, [v for _, v in entries])
    if spec.key_type is not None:
        _sort(spec, row, entries)
        if top and len(entries) > top:
            del entries[: len(entries) - top]
    return MapContents(spec, row, entries, div)


def _slot(reader: MapReader, row: AggregateDef | None) -> list[Entry]:
    """A scalar map in an array element: one entry, or none when it was never assigned."""
    t, slot = reader.spec.value_type, reader.slot()
    assert t is not None
    if slot is None:
        return []
    if row is None:
        return [(None, values.decode(t, slot[0]))]
    if row.buckets is None:
        return [(None, row.combine(t, slot))]
    size = row.record(t).size
    buckets = [(b, [cpu[b * size : (b + 1) * size] for cpu in slot]) for b in range(row.buckets(t))]
    return [(None, row.combine(t, buckets))]


def _zero(spec: MapSpec, row: AggregateDef | None) -> Any:
    assert spec.value_type is not None
    if row is None:
        return values.decode(spec.value_type, bytes(spec.value_type.size))
    return row.combine(spec.value_type, [])


def _hash(reader: MapReader, row: AggregateDef | None) -> list[Entry]:
    """A hash table; a scalar map lies in one too when its record is too large for an array element."""
    t, key_type = reader.spec.value_type, reader.spec.key_type
    assert t is not None
    key: Callable[[bytes], Any] = values.decoder(key_type) if key_type is not None else _no_key
    if row is None:
        value = values.decoder(t)
        return [(key(k), value(v[0])) for k, v in reader.entries()]
    if row.buckets is None:
        return [(key(k), row.combine(t, v)) for k, v in reader.entries()]
    groups: dict[bytes, list[tuple[int, list[bytes]]]] = {}
    for k, v in reader.entries():
        groups.setdefault(k[:-8], []).append((unpack_from("<Q", k, len(k) - 8)[0], v))
    # by their bytes, which is how the reference lists keys of equal totals
    return [(key(k), row.combine(t, buckets)) for k, buckets in sorted(groups.items())]


def _no_key(key: bytes) -> None:
    return None


# ---------------------------------------------------------------- order


def _sort(spec: MapSpec, row: AggregateDef | None, entries: list[Entry]) -> None:
    """Spec 05 §3; entries that compare equal keep the kernel's order."""
    t = spec.value_type
    assert t is not None
    if row is not None:
        sort_key = row.sort_key
        if sort_key is not None:
            entries.sort(key=lambda e: sort_key(t, e[1]))
            return
    elif isinstance(t, (types.Int, types.Enum)):
        entries.sort(key=lambda e: e[1])
        return
    assert spec.key_type is not None
    order = key_order(spec.key_type)
    if order is not None:
        entries.sort(key=lambda e: order(e[0]))


def key_order(t: Type) -> Callable[[Any], Any] | None:
    """What keys of type `t` sort by; None where the reference keeps the kernel's order."""
    match t:
        case types.Int() | types.Enum():
            sign = 1 << (t.bits - 1)
            return lambda k: ((int(k) & (2 * sign - 1)) ^ sign) - sign
        case types.String():
            return lambda k: k
        case types.Tuple():
            parts = [(i, f) for i, e in enumerate(t.elements) if (f := _element_order(e)) is not None]
            return (lambda k: tuple([f(k[i]) for i, f in parts])) if parts else None
    return None


def _element_order(t: Type) -> Callable[[Any], Any] | None:
    return key_order(t) if isinstance(t, (types.Int, types.Enum, types.String)) else None
