"""Expressions whose value fits a register.

Place in the pipeline: behind the Emitter.  In: typed nodes.  Out: LLVM integers of the type's own width (`bool` i1,
pointers i64).  What a newcomer would get wrong: division and shifts to the right are unsigned whatever the type says,
because that is what the language has at run time (spec 02 §2.1).
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir

from pytrace import types
from pytrace.codegen import aggregates, control, conversions, events, maps, memory, places, strings, subprograms
from pytrace.codegen.imported import symbol_of
from pytrace.codegen.module import I1, I64, int_type
from pytrace.diagnostics import InternalError
from pytrace.sema import typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.codegen.emitter import Emitter


def width(t: types.Type) -> int:
    """Bits of a scalar in a register."""
    return int(int_type(t).width)


def scalar(em: Emitter, expr: typed.Expr) -> Any:
    """The value, as wide as its type."""
    value = raw(em, expr)
    if value is None:
        if isinstance(expr.type, types.NoneType):
            return em.const(0)
        raise InternalError("codegen", f"{type(expr).__name__} without a value", expr.span)
    return em.coerce(value, expr.type)


def raw(em: Emitter, expr: typed.Expr) -> Any:
    """As `scalar`, but a row's `ptr` (the context) stays one."""
    lower = _lowerings().get(type(expr))
    if lower is None:
        raise InternalError("codegen", f"no lowering of {type(expr).__name__}", expr.span)
    return lower(em, expr)


def effect(em: Emitter, expr: typed.Expr) -> None:
    """Evaluate and drop the value."""
    if isinstance(expr.type, types.NoneType) or not types.is_memory(expr.type):
        raw(em, expr)
    else:
        memory.value_pointer(em, expr)


# ---------------------------------------------------------------- leaves


def _int_const(em: Emitter, expr: typed.IntConst) -> Any:
    return em.const(expr.value, width(expr.type))


def _var_read(em: Emitter, expr: typed.VarRead) -> Any:
    return memory.load(em, em.variable(expr.symbol), expr.symbol.type)


def _map_read(em: Emitter, expr: typed.MapRead) -> Any:
    if isinstance(expr.map.value_type, types.Aggregate):
        return aggregates.read(em, expr)
    return maps.read_scalar(em, expr)


def _current(em: Emitter, expr: typed.Current) -> Any:
    return em.current[-1]


def address_of(em: Emitter, expr: typed.AddressOf) -> Any:
    """`ptr` to a variable, to a map element (null when there is none), or to a keyed map itself."""
    target = expr.target
    if isinstance(target, typed.VarRead):
        return em.variable(target.symbol)
    if target.key is None:
        slotted = em.module.map_spec(target.map).storage == "slot"
        return maps.slot_value(em, target.map) if slotted else em.map(target.map)
    return em.lookup(target.map, target.key)


def _address_of(em: Emitter, expr: typed.AddressOf) -> Any:
    return em.builder.ptrtoint(address_of(em, expr), I64)


def _element_read(em: Emitter, expr: typed.ElementRead) -> Any:
    return memory.load(em, memory.element(em, expr), expr.type)


def _arg_read(em: Emitter, expr: typed.ArgRead) -> Any:
    lower = em.provider.lower_arg
    if lower is None:
        raise InternalError("codegen", f"{em.provider.name} has no arguments", expr.span)
    return lower(em, expr, None)


def _call(em: Emitter, expr: typed.Call | typed.Builtin) -> Any:
    em.mark(expr.span)
    if expr.row.lower is not None:
        return expr.row.lower(em, expr)  # type: ignore[arg-type]
    if expr.row.lower_into is not None and expr.type.size:
        dest = memory.local(em, expr.type.size)
        expr.row.lower_into(em, expr, dest)  # type: ignore[arg-type]
        return memory.load(em, dest, expr.type)
    raise InternalError("codegen", f"{expr.row.name} has no lowering", expr.span)


def _subprogram_call(em: Emitter, expr: typed.SubprogramCall) -> Any:
    return subprograms.call(em, expr, None)


def _extern_call(em: Emitter, expr: typed.ExternCall) -> Any:
    """An imported function: arguments as BPF's C passes them, each extended to a whole register."""
    em.mark(expr.span)
    symbol = expr.symbol
    operands = [em.int64(item) for item in expr.args]
    function = em.module.kfunc(symbol_of(symbol.object, symbol.name), ir.FunctionType(I64, [I64] * len(operands)))
    result = em.builder.call(function, operands)
    if isinstance(symbol.result, types.NoneType):
        return None
    return em.extend(result, types.UINT64, int_type(symbol.result).width)


# ---------------------------------------------------------------- operators


def _to_bool(em: Emitter, expr: typed.ToBool) -> Any:
    value = em.value(expr.operand)
    if isinstance(expr.operand.type, types.String):
        return conversions.is_not_empty(em, value)
    return value if value.type is I1 else em.builder.icmp_unsigned("!=", value, ir.Constant(value.type, 0))


def _unary(em: Emitter, expr: typed.Unary) -> Any:
    value = em.value(expr.operand)
    if expr.op == "!":
        if isinstance(expr.operand.type, types.String):
            return em.builder.not_(conversions.is_not_empty(em, value))
        if value.type is I1:
            return em.builder.not_(value)
        return em.builder.icmp_unsigned("==", value, ir.Constant(value.type, 0))
    value = em.extend(value, expr.operand.type)
    return em.builder.neg(value) if expr.op == "-" else em.builder.not_(value)


def _divide(em: Emitter, expr: typed.Binary, left: Any, right: Any) -> Any:
    operate = em.builder.udiv if expr.op == "/" else em.builder.urem
    if isinstance(right, ir.Constant) and right.constant:
        return operate(left, right)
    is_zero = em.builder.icmp_unsigned("==", right, em.const(0))

    def report() -> Any:
        events.runtime_error(em, "divide_by_zero", expr.span)
        return em.const(1)

    def divide() -> Any:
        return (em.builder.udiv if expr.op == "/" else em.builder.urem)(left, right)

    return em.choose(is_zero, report, divide)


_ARITHMETIC: dict[str, Callable[[Any], Any]] = {
    "+": lambda b: b.add,
    "-": lambda b: b.sub,
    "*": lambda b: b.mul,
    "&": lambda b: b.and_,
    "|": lambda b: b.or_,
    "^": lambda b: b.xor,
    "<<": lambda b: b.shl,
    ">>": lambda b: b.lshr,
}


def _binary(em: Emitter, expr: typed.Binary) -> Any:
    left, right = em.int64(expr.left), em.int64(expr.right)
    if expr.op in "/%":
        return _divide(em, expr, left, right)
    if expr.op in ("<<", ">>"):
        # LLVM makes nonsense of a count beyond 63; the instruction itself takes the low six bits.
        right = em.builder.and_(right, em.const(63))
    return _ARITHMETIC[expr.op](em.builder)(left, right)


def _pointer_offset(em: Emitter, expr: typed.PointerOffset) -> Any:
    index = em.int64(expr.index)
    return em.builder.add(em.int64(expr.pointer), em.builder.mul(index, em.const(expr.scale)))


def _compare(em: Emitter, expr: typed.Compare) -> Any:
    if types.is_memory(expr.left.type):
        equal = strings.equal_values(em, expr.left, expr.right)
        return equal if expr.op == "==" else em.builder.not_(equal)
    t = expr.left.type
    left, right = em.value(expr.left), em.value(expr.right)
    if left.type.width != right.type.width:
        left, right = em.extend(left, t), em.extend(right, expr.right.type)
    signed = isinstance(t, (types.Int, types.Enum)) and t.signed
    return (em.builder.icmp_signed if signed else em.builder.icmp_unsigned)(expr.op, left, right)


def _logical(em: Emitter, expr: typed.Logical) -> Any:
    left = em.value(expr.left)
    if expr.op == "&&":
        return em.choose(left, lambda: em.value(expr.right), lambda: I1(0))
    return em.choose(left, lambda: I1(1), lambda: em.value(expr.right))


def _choose(em: Emitter, expr: typed.Choose) -> Any:
    cond = em.value(expr.cond)
    if not isinstance(expr.type, types.NoneType):
        return em.choose(cond, lambda: em.value(expr.then), lambda: em.value(expr.otherwise))
    with em.when_else(cond) as (then, otherwise):
        with then:
            effect(em, expr.then)
        with otherwise:
            effect(em, expr.otherwise)
    return None


def _block(em: Emitter, expr: typed.BlockExpr) -> Any:
    control.lower_block(em, expr.body)
    if expr.value is None:
        return None
    if isinstance(expr.type, types.NoneType):
        return effect(em, expr.value)
    return em.value(expr.value)


def _inc_dec(em: Emitter, expr: typed.IncDec) -> Any:
    target = expr.target
    t = target.symbol.type if isinstance(target, typed.VarRead) else target.map.value_type
    kept: list[Any] = []

    def step(old: Any) -> Any:
        before = em.extend(old, t)
        after = em.builder.add(before, em.const(expr.step))
        kept[:] = [after if expr.prefix else before]
        return em.extend(after, types.INT64, width(t))

    if isinstance(target, typed.VarRead):
        slot = em.variable(target.symbol)
        em.put(slot, step(memory.load(em, slot, t)))
    else:
        maps.update(em, target.map, target.key, step, expr.span)
    value = kept[0]
    if width(t) < 64 and width(expr.type) == 64 and isinstance(expr.type, types.Int):
        return value
    return em.extend(value, types.INT64, width(expr.type))


@cache
def _lowerings() -> dict[type, Callable[[Emitter, Any], Any]]:
    """By node; a function, because the modules of this package import each other in a circle."""
    return {
        typed.IntConst: _int_const,
        typed.VarRead: _var_read,
        typed.MapRead: _map_read,
        typed.Current: _current,
        typed.AddressOf: _address_of,
        typed.ElementRead: _element_read,
        typed.ArgRead: _arg_read,
        typed.Call: _call,
        typed.Builtin: _call,
        typed.SubprogramCall: _subprogram_call,
        typed.ExternCall: _extern_call,
        typed.Convert: conversions.scalar,
        typed.ToBool: _to_bool,
        typed.Unary: _unary,
        typed.Binary: _binary,
        typed.PointerOffset: _pointer_offset,
        typed.Compare: _compare,
        typed.Logical: _logical,
        typed.Choose: _choose,
        typed.BlockExpr: _block,
        typed.IncDec: _inc_dec,
        typed.Deref: places.load,
        typed.FieldRead: places.load,
        typed.IndexRead: places.load,
    }
