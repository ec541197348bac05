"""Aggregate maps: `@m[key] = count()` and such, and reading them back across the CPUs.

Place in the pipeline: behind the Emitter.  In: UpdateAggregate and MapRead nodes on aggregate maps, the
AggregateDef's `lower`, `bucket`, `merge`, `finish`.  Out: code that touches this CPU's record only, or a loop over
all CPUs.  What a newcomer would get wrong: the record of a missing key is built on the stack and handed to the
kernel, so the row's code is emitted once and works on either memory.
"""

from __future__ import annotations

from contextlib import contextmanager

from pytrace import types
from pytrace.codegen import events, maps, memory
from pytrace.codegen.map_storage import aggregate_row
from pytrace.codegen.module import I64
from pytrace.diagnostics import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.registry import AggregateDef
    from pytrace.sema import typed
    from pytrace.source import Span

MAX_CPUS = 4096
"""A bound for the verifier; the loop ends at the number of CPUs."""


def update(em: Emitter, node: typed.UpdateAggregate) -> None:
    """Add one value to the aggregate of a key."""
    spec = em.module.map_spec(node.map)
    t = node.map.value_type
    assert isinstance(t, types.Aggregate)
    if spec.storage == "aggregate_slot":
        _update_slot(em, node, t)
    elif spec.storage == "bucket_slots":
        _update_bucket_slot(em, node, t)
    elif spec.storage == "buckets":
        assert node.row.bucket is not None
        bucket = node.row.bucket(em, node.args, t)
        _update_keyed(em, node, t, maps.bucket_key(em, spec, node.key, bucket))
    else:
        _update_keyed(em, node, t, maps.key_pointer(em, spec, node.key))


@contextmanager
def _own_slot(em: Emitter, symbol: typed.MapSymbol) -> Iterator[Any]:
    """This CPU's flag and record, where there is one."""
    found = maps.own_slot(em, symbol)
    if em.module.map_spec(symbol).kind == "cpu_slots":
        yield found
    else:
        with em.when(em.not_null(found)):
            yield found


def _update_slot(em: Emitter, node: typed.UpdateAggregate, t: types.Aggregate) -> None:
    with _own_slot(em, node.map) as found:
        em.put(found, em.const(1))
        node.row.lower(em, em.at(found, maps.FLAG), node.args, t)


def _update_bucket_slot(em: Emitter, node: typed.UpdateAggregate, t: types.Aggregate) -> None:
    row = node.row
    assert row.bucket is not None and row.buckets is not None
    record, count = row.record(t).size, row.buckets(t)
    bucket = row.bucket(em, node.args, t)
    with _own_slot(em, node.map) as found:
        em.put(found, em.const(1))
        hidden = em.opaque(bucket)
        with em.when(em.builder.icmp_unsigned("<", hidden, em.const(count))):
            inside = em.builder.mul(hidden, em.const(record))
            place = em.at(em.at(found, inside), maps.FLAG)
            row.lower(em, em.aligned(place, 8), node.args, t)


def _update_keyed(em: Emitter, node: typed.UpdateAggregate, t: types.Aggregate, key: Any) -> None:
    found = maps.element(em, node.map, key)
    there = em.not_null(found)
    size = node.row.record(t).size
    fresh = memory.local(em, size)

    def blank() -> Any:
        em.zero(fresh, size)
        return fresh

    record = em.aligned(em.choose(there, lambda: found, blank), 8)
    node.row.lower(em, record, node.args, t)
    with em.when(em.is_null(found)):
        maps.store_element(em, node.map, key, fresh, node.span)


# ---------------------------------------------------------------- reading across CPUs


def each_cpu(
    em: Emitter, symbol: typed.MapSymbol, key: Any, visit: Callable[[Any], None], span: Span | None = None
) -> None:
    """Emit a loop in which `visit(ptr)` sees the value of every possible CPU.  A missing key ends it at once, which is
    reported at `span` with -k."""
    b, function = em.builder, em.frame.function
    slots = em.module.map_spec(symbol).kind == "cpu_slots"
    cpus = em.const(em.module.map_spec(symbol).max_entries) if slots else em.global_value("ncpus")
    before = b.block
    head, body, after = (function.append_basic_block(name) for name in ("cpus", "cpu", "cpus_end"))
    b.branch(head)
    b.position_at_end(head)
    cpu = b.phi(I64)
    cpu.add_incoming(em.const(0), before)
    inside = b.and_(b.icmp_unsigned("<", cpu, cpus), b.icmp_unsigned("<", cpu, em.const(MAX_CPUS)))
    b.cbranch(inside, body, after)
    with em.region(body):
        if slots:
            visit(maps.cpu_slot(em, symbol, cpu))
        else:
            found = em.helper_pointer("map_lookup_percpu_elem", em.map(symbol), key, cpu)
            there, missing = function.append_basic_block("cpu_value"), function.append_basic_block("no_value")
            b.cbranch(em.not_null(found), there, missing)
            with em.region(missing):
                if span is not None and em.module.verbose_warnings:
                    events.helper_error(em, "map_lookup_percpu_elem", em.const(0, 32), span)
                b.branch(after)
            b.position_at_end(there)
            visit(found)
        cpu.add_incoming(b.add(cpu, em.const(1)), b.block)
        b.branch(head)
    b.position_at_end(after)


def total(em: Emitter, symbol: typed.MapSymbol, key: Any, span: Span | None = None) -> Any:
    """The value at `key` (a pointer), merged over all CPUs; zero when there is none."""
    spec = em.module.map_spec(symbol)
    t = symbol.value_type
    assert isinstance(t, types.Aggregate)
    row: AggregateDef = aggregate_row(em.registry, t)
    merge, finish = row.merge, row.finish
    if merge is None or finish is None:
        raise InternalError("codegen", f"{row.name} cannot be read in a program", symbol.span)
    size = row.record(t).size
    result = memory.local(em, size)
    em.zero(result, size)
    skip = maps.FLAG if spec.storage == "aggregate_slot" else 0
    each_cpu(em, symbol, key, lambda record: merge(em, result, em.at(record, skip), t), span)
    return finish(em, result, t)


def read(em: Emitter, expr: typed.MapRead) -> Any:
    """A castable aggregate as an integer."""
    return total(em, expr.map, maps.key_pointer(em, em.module.map_spec(expr.map), expr.key), expr.span)
