"""Memory: locals, variables, loads and stores of known alignment, copies, and values that do not fit a register.

Place in the pipeline: behind the Emitter.  In: typed nodes of memory types (`types.is_memory`).  Out: bytes at a
destination.  What a newcomer would get wrong: LLVM takes an access of unknown alignment apart into single bytes, so
the Emitter notes the alignment of the pointers it hands out, and the verifier insists on it for the stack.
"""

from __future__ import annotations

from contextlib import contextmanager
from math import gcd

from llvmlite import ir

from pytrace import types
from pytrace.codegen import control, conversions, maps, places, strings, subprograms
from pytrace.codegen.map_storage import round8
from pytrace.codegen.module import I1, I8, I64, int_type
from pytrace.diagnostics import InternalError
from pytrace.sema import typed
from pytrace.sema.typed_tree import typed_nodes
from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.codegen.frame import Frame
    from pytrace.source import Span
    from pytrace.types import Type

READERS = {Space.USER: "probe_read_user", Space.KERNEL: "probe_read_kernel"}
"""Helper by address space; without one the older helper, to which the address itself says what it is."""
INLINE_CHUNKS = 24
"""Copies and fills of up to so many loads and stores are written out; a helper call is faster and shorter beyond."""


class VolatileLoad(ir.instructions.LoadInstr):  # type: ignore[misc]
    """A load of the context.  Not volatile, LLVM would join two of them through one changed pointer, and the verifier
    says "dereference of modified ctx ptr"."""

    def descr(self, buf: list[str]) -> None:
        text: list[str] = []
        super().descr(text)
        text[0] = text[0].replace("load ", "load volatile ", 1)
        buf.extend(text)


# ---------------------------------------------------------------- places in memory


def local(em: Emitter, size: int, align: int = 8, persistent: bool = False) -> Any:
    """Uninitialised memory, 8-aligned."""
    return em.aligned(em.frame.local(size, int(em.config.get("on_stack_limit", 32)), persistent), 8)


def _known(frame: Frame | None, symbol: typed.VarSymbol) -> bool:
    return frame is not None and (symbol in frame.variables or _known(frame.parent, symbol))


def variable(em: Emitter, frame: Frame, symbol: typed.VarSymbol) -> Any:
    """`ptr` to a scratch variable, in the function that owns it or through the callback's context."""
    found = frame.variables.get(symbol)
    if found is not None:
        return found
    parent = frame.parent
    if parent is not None and (_known(parent, symbol) or symbol.depth < frame.depth):
        found = _captured(em, frame, symbol, variable(em, parent, symbol))
        frame.variables[symbol] = found
        return found
    limit = int(em.config.get("on_stack_limit", 32))
    if symbol in em.shared:
        slot = frame.share(symbol, limit, em.shared[symbol])
    elif types.is_memory(symbol.type):
        slot = frame.local(symbol.type.size, limit, True)
    else:
        slot = frame.scalar(int_type(symbol.type))
    frame.variables[symbol] = em.aligned(slot, 8)
    return slot


def _captured(em: Emitter, frame: Frame, symbol: typed.VarSymbol, outer: Any) -> Any:
    """A variable of an enclosing function: alone, or in the area that holds all the shared ones of that function."""
    owner = frame.parent
    while owner is not None and symbol not in owner.shared:
        owner = owner.parent
    if owner is None:
        return em.aligned(frame.capture(symbol, outer), 8)
    area = _shared_area(frame, owner)
    return em.aligned(frame.at_entry.gep(area, [em.const(owner.shared[symbol])], source_etype=I8), 8)


def _shared_area(frame: Frame, owner: Frame) -> Any:
    if frame is owner:
        return frame.shared_area
    assert frame.parent is not None
    return frame.capture(("shared", id(owner)), _shared_area(frame.parent, owner))


def shared_symbols(root: Any) -> dict[typed.VarSymbol, int]:
    """The variables that loops' bodies share with what surrounds them, each with the bytes that all variables of its
    depth need together."""
    found: dict[typed.VarSymbol, None] = {}
    for node in typed_nodes(root):
        if isinstance(node, (typed.ForRange, typed.ForMap)):
            found.update(dict.fromkeys(node.captures))
    sizes: dict[int, int] = {}
    for symbol in found:
        sizes[symbol.depth] = sizes.get(symbol.depth, 0) + round8(max(1, symbol.type.size))
    return {symbol: sizes[symbol.depth] for symbol in found}


@contextmanager
def padding(em: Emitter, on: bool) -> Iterator[None]:
    """Whether strings stored inside must be zero behind their NUL: keys and values must, records of events need not."""
    before, em.padded = em.padded, on
    try:
        yield
    finally:
        em.padded = before


# ---------------------------------------------------------------- loads and stores


def at(em: Emitter, ptr: Any, offset: Any) -> Any:
    """`ptr` plus bytes; keeps what is known of its alignment."""
    if isinstance(offset, int):
        if offset == 0:
            return ptr
        moved = em.builder.gep(ptr, [em.const(offset)], source_etype=I8)
        em.aligned(moved, gcd(em.align_of(ptr), offset))
    else:
        # LLVM would make an `or` of an addition to an aligned address whose bits it knows: "R2 bitwise operator |= on
        # pointer prohibited".
        moved = em.builder.gep(ptr, [em.opaque(offset, movable=True)], source_etype=I8)
    if control.is_context(em, ptr):
        control.note_context(em, moved)
    return moved


def load(em: Emitter, ptr: Any, t: Type, offset: int = 0) -> Any:
    """A scalar of type `t` from byte `offset`."""
    place = at(em, ptr, offset)
    register = int_type(t)
    stored = I8 if register is I1 else register
    align = min(em.align_of(place), stored.width // 8)
    if control.is_context(em, place):
        value = VolatileLoad(em.builder.block, place, "", typ=stored)
        value.align = align
        em.builder._insert(value)
        if isinstance(t, types.Pointer) and em.instance.attach_points[0].program_type == "tracing":
            value = _null_checked(em, value)
    else:
        value = em.builder.load(place, typ=stored, align=align)
    return em.builder.icmp_unsigned("!=", value, I8(0)) if register is I1 else value


def _null_checked(em: Emitter, value: Any) -> Any:
    """A pointer of the context that may be null, after a comparison that changes nothing but what the verifier knows.

    Without: "R3 pointer arithmetic on trusted_ptr_or_null_ prohibited, null-check it first".
    """
    hidden = em.opaque(value)
    is_null = em.builder.icmp_unsigned("==", hidden, ir.Constant(value.type, 0))
    return em.choose(is_null, lambda: ir.Constant(value.type, 0), lambda: em.opaque(hidden))


def put(em: Emitter, ptr: Any, value: Any, offset: int = 0) -> None:
    """Store a scalar; i1 takes a byte."""
    place = at(em, ptr, offset)
    if value.type is I1 or (isinstance(value.type, ir.IntType) and value.type.width == 1):
        value = em.builder.zext(value, I8)
    width = 8 if isinstance(value.type, ir.PointerType) else value.type.width // 8
    em.builder.store(value, place, align=min(em.align_of(place), width))


def _chunks(align: int, size: int) -> list[tuple[int, int]]:
    """(offset, bytes) of the accesses that cover `size` bytes at this alignment."""
    out, offset = [], 0
    while offset < size:
        width = min(8, gcd(align, offset) if offset else align)
        while width > size - offset:
            width //= 2
        out.append((offset, width))
        offset += width
    return out


def zero(em: Emitter, ptr: Any, size: int) -> None:
    """Fill with zeros."""
    chunks = _chunks(em.align_of(ptr), size)
    if len(chunks) > INLINE_CHUNKS:
        # A read from address 0 fails at once, and the kernel then clears the destination (mm/maccess.c, bpf_trace.c).
        em.helper("probe_read_kernel", ptr, ir.Constant(ir.IntType(32), size), 0)
        return
    for offset, width in chunks:
        put(em, ptr, em.const(0, width * 8), offset)


def copy(em: Emitter, dest: Any, source: Any, size: int) -> None:
    """Copy bytes; both ends are memory that the program may access itself."""
    if source is dest or size == 0:
        return
    chunks = _chunks(min(em.align_of(dest), em.align_of(source)), size)
    if len(chunks) > INLINE_CHUNKS:
        em.helper("probe_read_kernel", dest, ir.Constant(ir.IntType(32), size), source)
        return
    for offset, width in chunks:
        put(em, dest, load(em, source, types.Int(width * 8, False), offset), offset)


def copy_typed(em: Emitter, dest: Any, source: Any, t: Type) -> None:
    """Copy a value; a long string at its real length where nobody looks behind its NUL."""
    if isinstance(t, types.String) and not em.padded and t.capacity > 64:
        em.helper("probe_read_kernel_str", dest, ir.Constant(ir.IntType(32), t.capacity), source)
    else:
        copy(em, dest, source, t.size)


def probe_read(em: Emitter, dest: Any, size: Any, address: Any, space: str, span: Span) -> Any:
    """Read from kernel or user memory; the kernel zeroes `dest` on failure itself."""
    from pytrace.codegen import events

    em.module.unspaced |= space == Space.NONE
    name = READERS.get(space, "probe_read")
    size = ir.Constant(ir.IntType(32), size) if isinstance(size, int) else em.extend(size, types.UINT64, 32)
    result = em.helper(name, dest, size, address)
    events.check_read(em, name, result, span)
    return result


# ---------------------------------------------------------------- values of memory types


def value_pointer(em: Emitter, expr: typed.Expr) -> Any:
    """`ptr` to a memory value: where it lies already, or a fresh copy."""
    match expr:
        case typed.VarRead():
            return em.variable(expr.symbol)
        case typed.StringConst() if isinstance(expr.type, types.String) and expr.type.capacity == len(expr.value) + 1:
            return em.string_constant(expr.value)
        case typed.ElementRead():
            return element(em, expr)
        case typed.MapRead() if expr.key is None:
            return maps.slot_value(em, expr.map)
        case typed.Convert() if conversions.is_same_bytes(expr.operand.type, expr.type):
            return value_pointer(em, expr.operand)
        case typed.Deref() | typed.FieldRead() | typed.IndexRead():
            ready = places.direct_pointer(em, expr)
            if ready is not None:
                return ready
        case typed.Call() if expr.row.lower_into is None and expr.row.lower is not None:
            return _checked(em.coerce_pointer(expr.row.lower(em, expr)), expr)
        case typed.Builtin() if expr.row.lower_into is None and expr.row.lower is not None:
            return _checked(em.coerce_pointer(expr.row.lower(em, expr)), expr)
        case typed.Current():
            return em.current[-1]
        case typed.ArgRead():
            return argument(em, expr, local(em, expr.type.size))
    dest = local(em, expr.type.size)
    store(em, expr, dest)
    return dest


def _checked(value: Any, expr: typed.Expr) -> Any:
    if value is None:
        raise InternalError("codegen", f"{type(expr).__name__} without a value", expr.span)
    return value


def element(em: Emitter, expr: typed.ElementRead) -> Any:
    """`ptr` to an element of a tuple or record."""
    assert isinstance(expr.base.type, (types.Tuple, types.Record))
    return at(em, value_pointer(em, expr.base), expr.base.type.offsets[expr.index])


def argument(em: Emitter, expr: typed.ArgRead, dest: Any) -> Any:
    """A memory field of `args`, in `dest` or where the row says it lies."""
    lower = em.provider.lower_arg
    if lower is None:
        raise InternalError("codegen", f"{em.provider.name} has no arguments", expr.span)
    found = lower(em, expr, dest)
    return dest if found is None else found


def store(em: Emitter, expr: typed.Expr, dest: Any) -> None:
    """Evaluate a memory value into `dest`."""
    match expr:
        case typed.StringConst():
            strings.store_constant(em, expr.value, expr.type.size, dest)
        case typed.TupleExpr():
            _store_tuple(em, expr, dest)
        case typed.Choose():
            with em.when_else(em.value(expr.cond)) as (then, otherwise):
                with then:
                    em.store(expr.then, dest)
                with otherwise:
                    em.store(expr.otherwise, dest)
        case typed.BlockExpr():
            control.lower_block(em, expr.body)
            if expr.value is not None:
                em.store(expr.value, dest)
        case typed.MapRead() if expr.key is not None:
            maps.store_read(em, expr, dest)
        case typed.Convert():
            conversions.store(em, expr, dest)
        case typed.Deref() | typed.FieldRead() | typed.IndexRead():
            places.store(em, expr, dest)
        case typed.Call() | typed.Builtin() if expr.row.lower_into is not None:
            em.mark(expr.span)
            expr.row.lower_into(em, expr, dest)  # type: ignore[arg-type]
        case typed.ArgRead():
            found = argument(em, expr, dest)
            if found is not dest:
                copy_typed(em, dest, found, expr.type)
        case typed.SubprogramCall():
            subprograms.call(em, expr, dest)
        case typed.VarRead() | typed.MapRead() | typed.ElementRead() | typed.Current() | typed.Call() | typed.Builtin():
            copy_typed(em, dest, value_pointer(em, expr), expr.type)
        case _:
            raise InternalError("codegen", f"no lowering of {type(expr).__name__} to memory", expr.span)


def _store_tuple(em: Emitter, expr: typed.TupleExpr, dest: Any) -> None:
    t = expr.type
    assert isinstance(t, (types.Tuple, types.Record))
    end = 0
    for offset, kind in zip(t.offsets, t.elements, strict=True):
        if offset > end:
            zero(em, at(em, dest, end), offset - end)
        end = offset + kind.size
    if t.size > end:
        zero(em, at(em, dest, end), t.size - end)
    for index in expr.order or range(len(expr.elements)):
        em.store(expr.elements[index], at(em, dest, t.offsets[index]))


def address(em: Emitter, expr: typed.Expr) -> tuple[Any, str]:
    """(address as i64, space) of a memory value: of the place it is read from, else of the copy."""
    if isinstance(expr, (typed.Deref, typed.FieldRead, typed.IndexRead)):
        found = places.remote_address(em, expr)
        if found is not None:
            return found
    return em.builder.ptrtoint(value_pointer(em, expr), I64), Space.KERNEL
