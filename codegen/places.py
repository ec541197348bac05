"""Places: chains of `Deref`, `FieldRead`, `IndexRead` become one address and one read of the final bytes.

Place in the pipeline: behind the Emitter.  In: such a chain.  Out: a Place (where), then a scalar or bytes.  What a
newcomer would get wrong: a place is either *direct* (memory that the program may load from: variables, map values,
the context) or *remote* (an address, read with probe_read); only the innermost base decides.
"""

from __future__ import annotations

from pytrace import types
from pytrace.codegen import events, expressions, memory
from pytrace.codegen.module import I64, PTR
from pytrace.diagnostics import InternalError
from pytrace.record import field, record
from pytrace.sema import typed
from pytrace.source import Span
from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.codegen.emitter import Emitter


@record(frozen=False)
class Place:
    """`pointer` (direct) or `address` (remote, i64), plus `offset` bytes, plus the checked dynamic `indices`
    (i64 index, bytes of an element, number of elements, node to blame)."""

    pointer: Any
    address: Any
    space: str
    offset: int = 0
    indices: list[tuple[Any, int, int, typed.Expr]] = field(default_factory=list)


def resolve(em: Emitter, expr: typed.Expr) -> Place:
    """The place that a chain means; its pointers and indices are evaluated, nothing is read yet."""
    match expr:
        case typed.Deref():
            return _behind(em, expr.pointer)
        case typed.FieldRead():
            place = resolve(em, expr.base)
            place.offset += expr.field.offset
            if expr.field.space in (Space.USER, Space.KERNEL) and place.space == Space.NONE:
                place.space = expr.field.space
            return place
        case typed.IndexRead() if isinstance(expr.base.type, types.Pointer):
            return _behind_indexed(em, expr)
        case typed.IndexRead():
            return _element(em, expr)
    if not types.is_memory(expr.type):
        raise InternalError("codegen", f"{type(expr).__name__} is not a place", expr.span)
    return Place(memory.value_pointer(em, expr), None, Space.KERNEL)


def _behind(em: Emitter, pointer: typed.Expr) -> Place:
    """What a pointer points to: directly where it is an address taken here, or the context."""
    if isinstance(pointer, typed.AddressOf):
        found = expressions.address_of(em, pointer)
        if isinstance(pointer.target, typed.VarRead) or pointer.target.key is None:
            return Place(found, None, Space.KERNEL)
        return Place(None, em.builder.ptrtoint(found, I64), Space.KERNEL)
    if isinstance(pointer, typed.VarRead) and _is_context(pointer.type):
        return Place(em.ctx, None, Space.KERNEL)
    value = expressions.raw(em, pointer)
    if value.type == PTR:
        return Place(value, None, Space.KERNEL)
    return Place(None, em.coerce(value, pointer.type), pointer.space)


def _is_context(t: types.Type) -> bool:
    return isinstance(t, types.Pointer) and isinstance(t.pointee, types.ContextStruct)


def _behind_indexed(em: Emitter, expr: typed.IndexRead) -> Place:
    assert isinstance(expr.base.type, types.Pointer)
    scale = max(1, expr.base.type.pointee.size)
    if isinstance(expr.index, typed.IntConst):
        place = _behind(em, expr.base)
        place.offset += expr.index.value * scale
        return place
    base = em.int64(expr.base)
    moved = em.builder.add(base, em.builder.mul(em.int64(expr.index), em.const(scale)))
    return Place(None, moved, expr.base.space)


def _element(em: Emitter, expr: typed.IndexRead) -> Place:
    base = expr.base.type
    if isinstance(base, types.Array):
        size, length = base.element.size, base.length
    else:
        size, length = 1, _stored_type(expr.base).size
    place = resolve(em, expr.base)
    if isinstance(expr.index, typed.IntConst):
        place.offset += expr.index.value * size
    else:
        place.indices.append((em.int64(expr.index), size, length, expr))
    return place


def _inside(em: Emitter, place: Place) -> Any:
    """i1: all dynamic indices are in bounds; reports it at run time if one is not."""
    valid = None
    for index, _, length, node in place.indices:
        fits = em.builder.icmp_unsigned("<", index, em.const(length))
        with em.when(em.builder.not_(fits)):
            events.runtime_error(em, "out_of_bounds", node.span)
        valid = fits if valid is None else em.builder.and_(valid, fits)
    return valid


def _final(em: Emitter, place: Place) -> tuple[Any, Any]:
    """(pointer, None) or (None, address) with all offsets added; emitted behind the bounds check."""
    pointer, address = place.pointer, place.address
    for index, size, length, _ in place.indices:
        scaled = em.builder.mul(_bounded(em, index, length), em.const(size))
        if pointer is not None:
            moved = memory.at(em, pointer, scaled)
            pointer = em.aligned(moved, min(em.align_of(pointer), size & -size if size else 1))
        else:
            address = em.builder.add(address, scaled)
    if pointer is not None:
        return memory.at(em, pointer, place.offset), None
    return None, em.builder.add(address, em.const(place.offset)) if place.offset else address


def _bounded(em: Emitter, index: Any, length: int) -> Any:
    """The index, so that neither LLVM moves its use before the check nor the verifier forgets what the check said."""
    hidden = em.opaque(index)
    limit = em.const(length - 1)
    return em.builder.select(em.builder.icmp_unsigned(">", hidden, limit), limit, hidden)


# ---------------------------------------------------------------- reading


def blame(expr: typed.Expr) -> Span:
    """What a failed read is reported at: a chain from its base on, without the parentheses around that."""
    base: typed.Expr = expr
    while isinstance(base, (typed.FieldRead, typed.IndexRead)):
        base = base.base
        if isinstance(base, typed.Deref) and base.span.start >= base.pointer.span.start:
            base = base.pointer  # an automatic one
    if base.span.source is not expr.span.source or base.span.start > expr.span.end:
        return expr.span
    return Span(expr.span.source, base.span.start, expr.span.end, expr.span.expanded_from)


def load(em: Emitter, expr: typed.Expr) -> Any:
    """The scalar at a place."""
    place = resolve(em, expr)
    valid = _inside(em, place)
    if valid is None:
        return _load_at(em, place, expr)
    return em.choose(valid, lambda: _load_at(em, place, expr), lambda: em.const(0, expressions.width(expr.type)))


def _load_at(em: Emitter, place: Place, expr: typed.Expr) -> Any:
    bits = expr.field.bitfield if isinstance(expr, typed.FieldRead) else None
    t = expr.type
    stored = types.Int(t.size * 8, False) if bits else t
    pointer, address = _final(em, place)
    if pointer is None:
        pointer = memory.local(em, stored.size)
        em.read(pointer, stored.size, address, place.space, blame(expr))
    value = memory.load(em, pointer, stored)
    return _extract(em, value, bits, t) if bits else value


def _extract(em: Emitter, value: Any, bits: types.Bitfield, t: types.Type) -> Any:
    """A bit-field's bits.  The sign of a signed one is not extended: that is what the reference prints."""
    width = value.type.width
    value = em.builder.lshr(value, em.const(bits.shift, width))
    return em.coerce(em.builder.and_(value, em.const((1 << bits.bits) - 1, width)), t)


def store(em: Emitter, expr: typed.Expr, dest: Any) -> None:
    """The bytes at a place, into `dest`."""
    place = resolve(em, expr)
    valid = _inside(em, place)
    if valid is None:
        _store_at(em, place, expr, dest)
        return
    with em.when_else(valid) as (then, otherwise):
        with then:
            _store_at(em, place, expr, dest)
        with otherwise:
            em.zero(dest, expr.type.size)


def _store_at(em: Emitter, place: Place, expr: typed.Expr, dest: Any) -> None:
    pointer, address = _final(em, place)
    stored = _stored_type(expr)
    if pointer is None:
        em.read(dest, stored.size, address, place.space, blame(expr))
    else:
        memory.copy_typed(em, dest, pointer, stored)
    if stored.size < expr.type.size:
        em.zero(em.at(dest, stored.size), expr.type.size - stored.size)


def _stored_type(expr: typed.Expr) -> types.Type:
    """The type of the bytes at a place: an array of characters may be read as a string with room for a NUL."""
    if isinstance(expr, typed.FieldRead) and isinstance(expr.type, types.String):
        return min(expr.field.type, expr.type, key=lambda t: t.size)
    return expr.type


def direct_pointer(em: Emitter, expr: typed.Expr) -> Any:
    """`ptr` to a place that can be used where it lies, or None."""
    if not _is_direct(expr):
        return None
    place = resolve(em, expr)
    return _final(em, place)[0]


def _is_direct(expr: typed.Expr) -> bool:
    match expr:
        case typed.FieldRead():
            return _is_direct(expr.base) and _stored_type(expr).size == expr.type.size
        case typed.IndexRead():
            return isinstance(expr.index, typed.IntConst) and _is_direct(expr.base)
        case typed.Deref():
            return isinstance(expr.pointer, typed.AddressOf) and isinstance(expr.pointer.target, typed.VarRead)
    return types.is_memory(expr.type)


def remote_address(em: Emitter, expr: typed.Expr) -> tuple[Any, str] | None:
    """(address, space) of a place that is not copied to be pointed at, or None for direct ones."""
    if _is_direct(expr):
        return None
    place = resolve(em, expr)
    _inside(em, place)
    pointer, address = _final(em, place)
    if pointer is not None:
        return em.builder.ptrtoint(pointer, I64), Space.KERNEL
    return address, place.space
