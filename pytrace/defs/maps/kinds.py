"""The map kinds of `let @m = kind(n)` (spec 05 §1)."""

from __future__ import annotations

from pytrace.registry import MapDef

ROWS = (
    MapDef(name="hash", doc="A hash table shared by all CPUs.", kernel_kind="hash", per_cpu=False),
    MapDef(
        name="lruhash",
        doc="A hash table that drops its least recently used entry when it is full.",
        kernel_kind="lru_hash",
        per_cpu=False,
    ),
    MapDef(
        name="percpuhash",
        doc="A hash table with a value for each CPU, for aggregates.",
        kernel_kind="percpu_hash",
        per_cpu=True,
    ),
    MapDef(
        name="percpulruhash",
        doc="As percpuhash, dropping the least recently used entry when it is full.",
        kernel_kind="lru_percpu_hash",
        per_cpu=True,
    ),
)
