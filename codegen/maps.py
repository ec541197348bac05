"""Maps with plain values: keys, reads, assignments, updates in place, deletion.

Place in the pipeline: behind the Emitter.  In: map nodes.  Out: loads and stores (scalar maps) or helper calls
(keyed). What a newcomer would get wrong: a scalar map is no hash: its element's address is a relocation, byte 0 holds
the "assigned" flag and the value begins at byte 8 (MapSpec.storage "slot").
"""

from __future__ import annotations

from llvmlite import ir

from pytrace import types
from pytrace.codegen import events, memory
from pytrace.codegen.map_storage import round8
from pytrace.codegen.module import I64, int_type
from pytrace.sema import typed
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.program import MapSpec

FLAG = 8
"""Bytes of the flag in front of a scalar map's value."""
BPF_ANY = 0
BRANCHED_SLOTS = 32
"""Up to so many slots are told apart by jumps."""


# ---------------------------------------------------------------- keys


def key_pointer(em: Emitter, spec: MapSpec, key: typed.Expr | None) -> Any:
    """`ptr` to the key's bytes, padding and all."""
    if key is None:
        return em.frame.zero_key()
    with memory.padding(em, True):
        if isinstance(key, typed.VarRead) and types.is_memory(key.type):
            return em.variable(key.symbol)
        place = memory.local(em, max(1, spec.key_size))
        em.store(key, place)
    return place


def bucket_key(em: Emitter, spec: MapSpec, key: typed.Expr | None, bucket: Any) -> Any:
    """The key of one bucket: the key's bytes padded to 8, then the bucket's number."""
    place = memory.local(em, spec.key_size)
    if key is not None:
        with memory.padding(em, True):
            em.store(key, place)
        end = round8(key.type.size)
        if end > key.type.size:
            em.zero(em.at(place, key.type.size), end - key.type.size)
    em.put(place, bucket, spec.key_size - 8)
    return place


# ---------------------------------------------------------------- elements


def element(em: Emitter, symbol: typed.MapSymbol, key: Any) -> Any:
    """Look up by key pointer: `ptr` to the value or null."""
    return em.helper_pointer("map_lookup_elem", em.map(symbol), key)


def slot(em: Emitter, symbol: typed.MapSymbol) -> Any:
    """`ptr` to a scalar map's flag."""
    return em.aligned(em.module.map_data(em.module.map_spec(symbol).name), 8)


def slot_value(em: Emitter, symbol: typed.MapSymbol) -> Any:
    """`ptr` to a scalar map's value, zero as long as nothing was assigned."""
    return em.at(slot(em, symbol), FLAG)


def fetch_add(em: Emitter, symbol: typed.MapSymbol, amount: Any) -> Any:
    """Add to a scalar map's 64-bit number atomically; the number before.  What was never assigned is 0."""
    em.builder.store(em.const(1), slot(em, symbol), align=8)
    return em.builder.atomic_rmw("add", slot_value(em, symbol), amount, "seq_cst")


def lookup(em: Emitter, symbol: typed.MapSymbol, key: typed.Expr | None) -> Any:
    """`ptr` to the element's value, or null."""
    spec = em.module.map_spec(symbol)
    if spec.storage == "slot":
        flag = em.builder.load(slot(em, symbol), typ=I64, align=8)
        assigned = em.builder.icmp_unsigned("!=", flag, em.const(0))
        return em.aligned(em.builder.select(assigned, slot_value(em, symbol), em.null()), 8)
    if spec.storage in ("aggregate_slot", "bucket_slots"):
        return _lookup_slot(em, symbol)
    return element(em, symbol, key_pointer(em, spec, key))


def own_slot(em: Emitter, symbol: typed.MapSymbol) -> Any:
    """`ptr` to this CPU's flag of a scalar aggregate; null is possible (to the verifier) with per-CPU arrays."""
    spec = em.module.map_spec(symbol)
    if spec.kind != "cpu_slots":
        return element(em, symbol, em.frame.zero_key())
    cpu = em.helper("get_smp_processor_id")
    if spec.max_entries > BRANCHED_SLOTS:
        return cpu_slot(em, symbol, cpu)
    return _branched_slot(em, symbol, cpu)


def _branched_slot(em: Emitter, symbol: typed.MapSymbol, cpu: Any) -> Any:
    """This CPU's slot, reached by a jump for each bit of the CPU's number.

    The processor guesses the jumps right as long as a task stays where it is, and so need not wait for the number; the
    update is free then, where an address computed from the number costs 3 ns.  The number is asked for again each time:
    kept, it would keep the verifier from seeing that the ways it has taken here are one again behind the update.
    """
    spec = em.module.map_spec(symbol)
    place = slot(em, symbol)
    for bit in range(spec.max_entries.bit_length() - 1):
        there = em.builder.icmp_unsigned("!=", em.builder.and_(cpu, em.const(1 << bit)), em.const(0))
        place = _moved_if(em, there, place, spec.value_size << bit)
    return em.aligned(place, 8)


def _moved_if(em: Emitter, condition: Any, place: Any, offset: int) -> Any:
    return em.choose(condition, lambda: em.opaque(em.at(place, offset)), lambda: place)


def cpu_slot(em: Emitter, symbol: typed.MapSymbol, cpu: Any) -> Any:
    """`ptr` to the flag in the slot of CPU number `cpu` (i64)."""
    spec = em.module.map_spec(symbol)
    # The mask bounds the number for the verifier.
    number = em.builder.and_(cpu, em.const(spec.max_entries - 1))
    offset = em.builder.mul(number, em.const(spec.value_size))
    return em.aligned(em.at(slot(em, symbol), offset), 8)


def _lookup_slot(em: Emitter, symbol: typed.MapSymbol) -> Any:
    """This CPU's part of a scalar aggregate; null when this CPU never assigned it."""
    found = own_slot(em, symbol)

    def assigned() -> Any:
        flag = em.builder.load(found, typ=I64, align=8)
        there = em.builder.icmp_unsigned("!=", flag, em.const(0))
        return em.builder.select(there, em.at(found, FLAG), em.null())

    return em.aligned(em.choose(em.not_null(found), assigned, em.null), 8)


# ---------------------------------------------------------------- reading


def read_scalar(em: Emitter, expr: typed.MapRead) -> Any:
    """An element that fits a register, zero when it is missing."""
    t = expr.map.value_type
    if expr.key is None:
        return memory.load(em, slot_value(em, expr.map), t)
    found = element(em, expr.map, key_pointer(em, em.module.map_spec(expr.map), expr.key))

    def missing() -> Any:
        events.check_lookup(em, expr.span)
        return int_type(t)(0)

    return em.choose(em.not_null(found), lambda: memory.load(em, found, t), missing)


def store_read(em: Emitter, expr: typed.MapRead, dest: Any) -> None:
    """An element of a memory type, all zero when it is missing."""
    found = element(em, expr.map, key_pointer(em, em.module.map_spec(expr.map), expr.key))
    with em.when_else(em.not_null(found)) as (then, otherwise):
        with then:
            memory.copy_typed(em, dest, found, expr.type)
        with otherwise:
            events.check_lookup(em, expr.span)
            if isinstance(expr.type, types.String) and not em.padded:
                em.put(dest, ir.Constant(ir.IntType(8), 0))
            else:
                em.zero(dest, expr.type.size)


# ---------------------------------------------------------------- writing


def _set_flag(em: Emitter, symbol: typed.MapSymbol) -> None:
    em.put(slot(em, symbol), em.const(1))


def assign(em: Emitter, node: typed.AssignMap) -> None:
    """`@m[key] = value`."""
    spec = em.module.map_spec(node.map)
    with memory.padding(em, True):
        if spec.storage == "slot":
            em.store(node.value, slot_value(em, node.map))
            _set_flag(em, node.map)
            return
        key = key_pointer(em, spec, node.key)
        value = _stable_pointer(em, node.value, spec)
    store_element(em, node.map, key, value, node.span)


def _stable_pointer(em: Emitter, value: typed.Expr, spec: MapSpec) -> Any:
    """`ptr` to the padded bytes of a value."""
    if isinstance(value, typed.VarRead) and types.is_memory(value.type):
        return em.variable(value.symbol)
    place = memory.local(em, spec.value_size)
    em.store(value, place)
    return place


def store_element(em: Emitter, symbol: typed.MapSymbol, key: Any, value: Any, span: Span) -> None:
    """map_update_elem; a refusal (the map is full) is always reported."""
    result = em.helper("map_update_elem", em.map(symbol), key, value, BPF_ANY)
    events.check_update(em, result, span)


def update(
    em: Emitter, symbol: typed.MapSymbol, key: typed.Expr | None, change: Callable[[Any], Any], span: Span
) -> None:
    """Replace a scalar element by `change(old)`: one look-up serves the read and the write."""
    spec, t = em.module.map_spec(symbol), symbol.value_type
    if spec.storage == "slot":
        place = slot_value(em, symbol)
        em.put(place, change(memory.load(em, place, t)))
        _set_flag(em, symbol)
        return
    pointer = key_pointer(em, spec, key)
    found = element(em, symbol, pointer)
    there = em.not_null(found)

    def missing() -> Any:
        events.check_lookup(em, _element_span(span, key))
        return int_type(t)(0)

    old = em.choose(there, lambda: memory.load(em, found, t), missing)
    new = change(old)
    with em.when_else(there) as (then, otherwise):
        with then:
            em.put(found, new)
        with otherwise:
            place = memory.local(em, spec.value_size)
            em.put(place, new)
            store_element(em, symbol, pointer, place, span)


def _element_span(span: Span, key: typed.Expr | None) -> Span:
    """The `@m[key]` of `@m[key] += 1`; all of `@m[key]++`, where the key ends right before the operator."""
    if key is None or span.text.endswith(("++", "--")) or key.span.source is not span.source:
        return span
    end = span.source.text.find("]", key.span.end, span.end)
    return span if end < 0 else Span(span.source, span.start, end + 1, span.expanded_from)


def update_map(em: Emitter, node: typed.UpdateMap) -> None:
    """`@m[key] op= value`."""
    if types.is_memory(node.map.value_type):
        _update_memory(em, node)
        return

    def change(old: Any) -> Any:
        em.current.append(old)
        try:
            return em.value(node.value)
        finally:
            em.current.pop()

    update(em, node.map, node.key, change, node.span)


def _update_memory(em: Emitter, node: typed.UpdateMap) -> None:
    t = node.map.value_type
    read = typed.MapRead(node.map, node.key, type=t, span=node.span)
    em.current.append(memory.value_pointer(em, read))
    try:
        assign(em, typed.AssignMap(node.map, node.key, node.value, span=node.span))
    finally:
        em.current.pop()


def delete(em: Emitter, symbol: typed.MapSymbol, key: typed.Expr | None) -> Any:
    """Remove an element; i1, true if there was one."""
    spec = em.module.map_spec(symbol)
    if spec.storage == "slot":
        flag = em.builder.load(slot(em, symbol), typ=I64, align=8)
        em.zero(slot(em, symbol), spec.value_size)
        return em.builder.icmp_unsigned("!=", flag, em.const(0))
    if spec.storage in ("aggregate_slot", "bucket_slots"):
        return _delete_slot(em, symbol, spec)
    result = em.helper("map_delete_elem", em.map(symbol), key_pointer(em, spec, key))
    return em.builder.icmp_unsigned("==", em.builder.trunc(result, ir.IntType(32)), ir.IntType(32)(0))


def _delete_slot(em: Emitter, symbol: typed.MapSymbol, spec: MapSpec) -> Any:
    """Every CPU's part of a scalar aggregate, back to zero."""
    from pytrace.codegen import aggregates

    any_set = memory.local(em, 8)
    em.put(any_set, em.const(0))

    def clear(record: Any) -> None:
        flag = em.builder.load(record, typ=I64, align=8)
        em.put(any_set, em.builder.or_(flag, em.builder.load(any_set, typ=I64, align=8)))
        em.zero(record, spec.value_size)

    aggregates.each_cpu(em, symbol, em.frame.zero_key(), clear)
    return em.builder.icmp_unsigned("!=", em.load(any_set, types.UINT64), em.const(0))


def length(em: Emitter, symbol: typed.MapSymbol) -> Any:
    """The number of elements; a scalar map has one when it was assigned."""
    from pytrace.codegen import loops

    spec = em.module.map_spec(symbol)
    if symbol.key_type is None and spec.storage != "buckets":
        return em.builder.zext(em.not_null(lookup(em, symbol, None)), I64)
    return loops.count_elements(em, symbol)
