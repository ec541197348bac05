"""`Convert` nodes: one type's bytes or register as another's.

Place in the pipeline: behind the Emitter.  In: a Convert.  Out: a scalar, or bytes at a destination.  What a newcomer
would get wrong: whether a widening extends the sign is the *source's* affair (spec 02 §2 rule 11).
"""

from __future__ import annotations

from pytrace import types
from pytrace.codegen import expressions, memory, strings
from pytrace.codegen.module import I1, PTR, int_type
from pytrace.diagnostics import InternalError
from pytrace.sema import typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.types import Type


def is_same_bytes(source: Type, goal: Type) -> bool:
    """Whether a conversion changes nothing in memory."""
    if source == goal:
        return True
    if not (types.is_memory(source) and types.is_memory(goal)) or source.size != goal.size:
        return False
    return not isinstance(source, (types.Tuple, types.Record)) and not isinstance(goal, (types.Tuple, types.Record))


def scalar(em: Emitter, expr: typed.Convert) -> Any:
    """A conversion whose result fits a register."""
    source = expr.operand.type
    if types.is_memory(source):
        pointer = memory.value_pointer(em, expr.operand)
        if isinstance(source, types.String) and isinstance(expr.type, types.Bool):
            return is_not_empty(em, pointer)
        if source.size in (3, 5, 6, 7):  # no register is that wide: the rest of it is zero
            whole = memory.local(em, 8)
            em.zero(whole, 8)
            em.copy(whole, pointer, source.size)
            return em.extend(memory.load(em, whole, types.UINT64), types.UINT64, expressions.width(expr.type))
        width = source.size if source.size in (1, 2, 4, 8) else min(8, expr.type.size)
        value = memory.load(em, pointer, types.Int(width * 8, False))
        return em.extend(value, types.UINT64, expressions.width(expr.type))
    if isinstance(expr.operand, typed.IntConst) and isinstance(expr.type, types.Pointer):
        return em.const(expr.operand.value & ((1 << 8 * source.size) - 1))  # of the literal's width (spec 02 §2.1)
    value = expressions.raw(em, expr.operand)
    if value is not None and value.type == PTR and isinstance(expr.type, types.Pointer):
        return value
    return register(em, em.coerce(value, source), source, expr.type)


def is_not_empty(em: Emitter, pointer: Any) -> Any:
    """i1: a string has a first character."""
    first = memory.load(em, pointer, types.UINT8)
    return em.builder.icmp_unsigned("!=", first, first.type(0))


def register(em: Emitter, value: Any, source: Type, goal: Type) -> Any:
    """A scalar of type `source` as one of type `goal`."""
    width = int_type(goal)
    if width is I1:
        if value.type is I1:
            return value
        return em.builder.icmp_unsigned("!=", value, value.type(0))
    return em.extend(value, source, width.width)


def store(em: Emitter, expr: typed.Convert, dest: Any) -> None:
    """A conversion whose result lies in memory."""
    operand, goal = expr.operand, expr.type
    if isinstance(operand, typed.StringConst):
        strings.store_constant(em, operand.value, goal.size, dest)
        return
    if isinstance(operand, typed.TupleExpr) and isinstance(goal, (types.Tuple, types.Record)):
        _store_literal(em, operand, goal, dest)
        return
    if not types.is_memory(operand.type):
        value = em.extend(em.value(operand), types.UINT64 if operand.type.size == 8 else operand.type, 64)
        _store_integer(em, value, operand.type.size, goal.size, dest)
        return
    if is_same_bytes(operand.type, goal):
        em.store(operand, dest)
    elif _lies_in_front(operand.type, goal):
        em.store(operand, dest)
        if em.padded or not isinstance(goal, types.String):
            em.zero(em.at(dest, operand.type.size), goal.size - operand.type.size)
    else:
        convert_memory(em, memory.value_pointer(em, operand), operand.type, goal, dest, expr)


def _lies_in_front(source: Type, goal: Type) -> bool:
    kinds = (types.String, types.Buffer, types.Array)
    return isinstance(source, kinds) and isinstance(goal, kinds) and source.size <= goal.size


def _store_integer(em: Emitter, value: Any, have: int, size: int, dest: Any) -> None:
    """An integer's low bytes, zero-extended, in native order."""
    if have < 8:
        value = em.builder.and_(value, em.const((1 << (8 * have)) - 1))
    if size in (1, 2, 4, 8):
        em.put(dest, em.extend(value, types.UINT64, size * 8))
        return
    whole = memory.local(em, 8)
    em.put(whole, value)
    em.copy(dest, whole, min(size, 8))
    if size > 8:
        em.zero(em.at(dest, 8), size - 8)


def _element_goals(source: Type, goal: Type) -> list[tuple[int, int]]:
    """(index in source, index in goal) of the elements; records match by name."""
    if isinstance(source, types.Record) and isinstance(goal, types.Record):
        return [(source.names.index(name), n) for n, name in enumerate(goal.names)]
    assert isinstance(source, (types.Tuple, types.Record)) and isinstance(goal, (types.Tuple, types.Record))
    return [(n, n) for n in range(len(goal.elements))]


def _store_literal(em: Emitter, literal: typed.TupleExpr, goal: types.Tuple | types.Record, dest: Any) -> None:
    """A tuple literal straight into its wider type: each element converts by itself, in textual order."""
    places = dict(_element_goals(literal.type, goal))
    order = literal.order or tuple(range(len(literal.elements)))
    elements: list[Any] = [None] * len(goal.elements)
    for index in range(len(literal.elements)):
        item, to = literal.elements[index], goal.elements[places[index]]
        elements[places[index]] = item if item.type == to else typed.Convert(item, type=to, span=item.span)
    memory.store(
        em,
        typed.TupleExpr(tuple(elements), tuple(places[i] for i in order), type=goal, span=literal.span),
        dest,
    )


def convert_memory(em: Emitter, pointer: Any, source: Type, goal: Type, dest: Any, blame: typed.Expr) -> None:
    """Bytes at `pointer`, element by element where there are elements."""
    if not types.is_memory(goal):
        em.put(dest, register(em, memory.load(em, pointer, source), source, goal))
    elif is_same_bytes(source, goal):
        memory.copy_typed(em, dest, pointer, goal)
    elif isinstance(goal, (types.Tuple, types.Record)) and isinstance(source, (types.Tuple, types.Record)):
        if sum(e.size for e in goal.elements) != goal.size:
            em.zero(dest, goal.size)
        for i, j in _element_goals(source, goal):
            part, place = em.at(pointer, source.offsets[i]), em.at(dest, goal.offsets[j])
            convert_memory(em, part, source.elements[i], goal.elements[j], place, blame)
    elif _lies_in_front(source, goal):
        memory.copy_typed(em, dest, pointer, source)
        if em.padded or not isinstance(goal, types.String):
            em.zero(em.at(dest, source.size), goal.size - source.size)
    elif isinstance(source, types.String) and isinstance(goal, types.String):
        em.copy(dest, pointer, goal.size)
    else:
        raise InternalError("codegen", f"no conversion of {source} to {goal}", blame.span)
