"""Literals, variables, maps, tuples, choices and blocks as expressions.

Place in the pipeline: rules of `elaborator`.  In: nodes.  Out: typed nodes.  What a newcomer would get wrong: an `if`
whose value nobody uses is a statement (`statements`), only here must its branches agree.
"""

from __future__ import annotations

from pytrace import types
from pytrace.grammar import ast
from pytrace.record import replace
from pytrace.sema import typed
from pytrace.sema.aggregates import castable
from pytrace.sema.convert import convert, to_bool
from pytrace.sema.elaborator import EMPTY, UNKNOWN, expression, type_name
from pytrace.sema.joins import is_int, join, kind_name, literal_type, signed
from pytrace.types import (
    BOOL,
    INT64,
    UINT64,
    Aggregate,
    Bool,
    ContextStruct,
    Enum,
    Int,
    NoneType,
    Pointer,
    Record,
    Space,
    String,
    Tuple,
    VoidType,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.elaborator import Elaborator
    from pytrace.source import Span
    from pytrace.types import (
        Type,
    )

# ---------------------------------------------------------------- literals


@expression(ast.Integer)
def _integer(el: Elaborator, node: ast.Integer) -> typed.Expr:
    return typed.IntConst(type=literal_type(node.value, node.sign_fixed), span=node.span, value=node.value)


@expression(ast.String)
def _string(el: Elaborator, node: ast.String) -> typed.Expr:
    t = String(len(node.value) + 1)
    return typed.StringConst(type=t, span=node.span, space=Space.KERNEL, value=node.value)


@expression(ast.Boolean)
def _boolean(el: Elaborator, node: ast.Boolean) -> typed.Expr:
    return typed.IntConst(type=BOOL, span=node.span, value=int(node.value))


# ---------------------------------------------------------------- variables and maps


@expression(ast.Variable)
def variable(el: Elaborator, node: ast.Variable) -> typed.Expr:
    symbol = el.lookup(node.name)
    if symbol is None:  # the variable check has said so, or only a type is wanted
        symbol = el.declare(node, node.name, node.span)
    if symbol.type is UNKNOWN:
        el.error("Could not resolve the type of this variable", node.span)
    return typed.VarRead(type=symbol.type, span=node.span, space=symbol.space, symbol=symbol)


def map_symbol(el: Elaborator, node: ast.Map, span: Span, *, value_wanted: bool = True) -> typed.MapSymbol:
    """The map, after the checks that every mention of one gets."""
    symbol = el.inference.map(node, value_wanted=value_wanted)
    if (message := el.inference.bad_access.get(id(node))) is not None:
        el.mismatch(span, message, what="map")
    if el.final:
        missing_key = symbol.key_type is None and not symbol.scalar
        if symbol.value_type is UNKNOWN or missing_key:
            el.error(f"Undefined map: @{node.name}", node.span)
        else:
            _check_declared(el, symbol, node.span)
    return symbol


def _check_declared(el: Elaborator, symbol: typed.MapSymbol, span: Span) -> None:
    row = el.inference.registry.maps.get(symbol.declared_kind) if symbol.declared_kind else None
    if row is None:
        return
    aggregate = isinstance(symbol.value_type, Aggregate)
    if row.per_cpu != aggregate:
        found = "percpuhash" if aggregate else "hash"
        el.error(f"Incompatible map types. Type from declaration: {row.name}. Type from value/key type: {found}", span)


@expression(ast.Map)
def _scalar_map(el: Elaborator, node: ast.Map) -> typed.Expr:
    return map_read(el, node, None, node.span)


@expression(ast.MapAccess)
def _map_access(el: Elaborator, node: ast.MapAccess) -> typed.Expr:
    return map_read(el, node.map, node.key, node.span)


def map_read(el: Elaborator, node: ast.Map, key: ast.Expr | None, span: Span) -> typed.MapRead:
    symbol, key_expr = map_element(el, node, key, span)
    return typed.MapRead(type=symbol.value_type, span=span, space=symbol.space, map=symbol, key=key_expr)


def map_element(
    el: Elaborator, node: ast.Map, key: ast.Expr | None, span: Span
) -> tuple[typed.MapSymbol, typed.Expr | None]:
    """The map and the key in the map's key type; None for a scalar map."""
    symbol = map_symbol(el, node, span if key is not None else node.span)
    return symbol, None if key is None else map_key(el, symbol, key, span)


def map_key(el: Elaborator, symbol: typed.MapSymbol, key: ast.Expr, span: Span) -> typed.Expr:
    """Join the key into the map's key type, and convert it."""
    expr = el.expr(key)
    if expr.type is UNKNOWN:
        el.error("Invalid map key type: none", expr.span)
        return expr
    if isinstance(expr.type, (Aggregate, NoneType, VoidType)) and not castable(el.inference.registry, expr.type):
        el.mismatch(span, f"Value '{type_name(expr.type)}' cannot be used as a map key.")
        return expr
    expr = el.as_value(expr)
    _check_key(el, expr)
    if symbol.scalar:
        return expr
    current = symbol.key_type if symbol.key_type is not None else UNKNOWN
    joined = join(current, expr.type)
    if joined is None:
        el.mismatch(
            span,
            f"Argument mismatch for @{symbol.name}: trying to access with arguments: '{expr.type}' when map expects "
            f"arguments: '{current}'",
            what="key",
        )
        return expr
    el.inference.set_key(symbol, joined)
    if el.final:
        return convert(el, expr, joined) or expr
    return expr


def _check_key(el: Elaborator, expr: typed.Expr) -> None:
    elements = expr.type.elements if isinstance(expr.type, Tuple) else (expr.type,)
    for t in elements:
        if isinstance(t, Aggregate):
            el.error(f"{t} cannot be part of a map key", expr.span)
        elif isinstance(t, Pointer) and isinstance(t.pointee, ContextStruct):
            el.error("context cannot be part of a map key", expr.span)


@expression(ast.AddressOf)
def _address_of(el: Elaborator, node: ast.AddressOf) -> typed.Expr:
    if isinstance(node.target, ast.Variable):
        target: typed.Expr = variable(el, node.target)
    elif isinstance(node.target, ast.MapAccess):
        target = map_read(el, node.target.map, node.target.key, node.target.span)
    else:
        target = _map_itself(el, node.target)
    if target.type is UNKNOWN:
        return el.unknown(node.span)
    assert isinstance(target, (typed.VarRead, typed.MapRead))
    return typed.AddressOf(type=Pointer(target.type), span=node.span, space=Space.KERNEL, target=target)


def _map_itself(el: Elaborator, node: ast.Map) -> typed.Expr:
    symbol = map_symbol(el, node, node.span)
    return typed.MapRead(type=symbol.value_type, span=node.span, space=symbol.space, map=symbol, key=None)


# ---------------------------------------------------------------- ++ and --


@expression(ast.IncDec)
def _inc_dec(el: Elaborator, node: ast.IncDec) -> typed.Expr:
    target = el.expr(node.target)
    assert isinstance(target, (typed.VarRead, typed.MapRead))
    t = target.type
    step = 1 if node.op == "++" else -1
    if t is UNKNOWN:
        return el.unknown(node.span)
    if isinstance(t, Pointer):
        step *= max(t.pointee.size, 1)
    elif isinstance(target, typed.VarRead) and target.symbol.fixed and is_int(t):
        pass
    else:
        result = INT64 if signed(t) or node.op == "--" else UINT64
        t = _step_type(el, target, result, node.span)
    return typed.IncDec(type=t, span=node.span, space=target.space, target=target, step=step, prefix=node.prefix)


def _step_type(el: Elaborator, target: typed.VarRead | typed.MapRead, result: Type, span: Span) -> Type:
    """Join the 64-bit result into the variable or map."""
    if isinstance(target, typed.VarRead):
        joined = None if target.symbol.fixed else join(target.type, result)
        if joined is None:
            el.mismatch(
                span,
                f"Type mismatch for ${target.symbol.name}: trying to assign value of type '{result}' when variable "
                f"already has a type '{target.type}'",
            )
            return target.type
        el.inference.set_variable(target.symbol, joined, Space.NONE)
        return joined
    joined = None if isinstance(target.type, Aggregate) else join(target.type, result)
    if joined is None:
        map_mismatch(el, target.map, result, span)
        return target.type
    el.inference.set_value(target.map, joined)
    return joined


def map_mismatch(el: Elaborator, symbol: typed.MapSymbol, t: Type, span: Span) -> None:
    el.mismatch(
        span,
        f"Type mismatch for @{symbol.name}: trying to assign value of type '{type_name(t)}' when map already has a "
        f"type '{symbol.value_type}'",
    )


# ---------------------------------------------------------------- tuples and records


@expression(ast.Tuple)
def _tuple(el: Elaborator, node: ast.Tuple) -> typed.Expr:
    elements = [el.expr(item) for item in node.elements]
    return _composite(el, node, elements, (), "tuple")


@expression(ast.Record)
def _record(el: Elaborator, node: ast.Record) -> typed.Expr:
    elements = [el.expr(entry.value) for entry in node.fields]
    return _composite(el, node, elements, tuple(entry.name for entry in node.fields), "record")


def _composite(
    el: Elaborator, node: ast.Expr, elements: list[typed.Expr], names: tuple[str, ...], what: str
) -> typed.Expr:
    for item in elements:
        if isinstance(item.type, Aggregate) and not castable(el.inference.registry, item.type):
            el.error(f"Map type {item.type} cannot exist inside a {what}.", item.span)
    elements = [el.as_value(item) for item in elements]
    if any(item.type is UNKNOWN for item in elements):
        return el.unknown(node.span)
    if not elements:
        return typed.TupleExpr(type=EMPTY, span=node.span, elements=())
    inner = tuple(item.type for item in elements)
    t: Type = Record(names, inner) if what == "record" else Tuple(inner)
    return typed.TupleExpr(type=t, span=node.span, elements=tuple(elements), order=tuple(range(len(elements))))


# ---------------------------------------------------------------- choices


def condition(el: Elaborator, node: ast.Expr, span: Span) -> typed.Expr:
    """A condition as a bool; the message stands at the whole construct."""
    expr = el.value(node)
    if expr.type is UNKNOWN:
        el.error("Invalid condition: none", span)
        return typed.IntConst(type=BOOL, span=expr.span, value=0)
    if isinstance(expr, typed.StringConst):
        return typed.IntConst(type=BOOL, span=expr.span, value=int(bool(expr.value)))
    if not isinstance(expr.type, (Int, Enum, Bool, Pointer)):
        kind = "void" if type_name(expr.type) == "void" else kind_name(expr.type)
        el.error(f"Invalid condition: {kind}", span)
        return typed.IntConst(type=BOOL, span=expr.span, value=0)
    return to_bool(expr)


@expression(ast.Ternary)
def _ternary(el: Elaborator, node: ast.Ternary) -> typed.Expr:
    cond = condition(el, node.cond, node.span)
    then = el.expr(node.cond if node.then is None else node.then)
    return _choose(el, cond, then, el.expr(node.otherwise), node.span)


@expression(ast.If)
def if_value(el: Elaborator, node: ast.If) -> typed.Expr:
    if isinstance(node.cond, ast.Comptime):
        from pytrace.sema.introspect import comptime_left

        return comptime_left(el, node.cond)
    cond = condition(el, node.cond, node.span)
    then = _block(el, node.then)
    otherwise = el.expr(node.otherwise) if node.otherwise is not None else nothing(node.span)
    return _choose(el, cond, then, otherwise, node.span)


def nothing(span: Span) -> typed.Expr:
    """A block without a value."""
    return typed.BlockExpr(type=EMPTY, span=span, body=typed.Block(()), value=None)


def _choose(el: Elaborator, cond: typed.Expr, then: typed.Expr, otherwise: typed.Expr, span: Span) -> typed.Expr:
    then, otherwise = el.as_value(then), el.as_value(otherwise)
    if then.type is UNKNOWN or otherwise.type is UNKNOWN:
        known = otherwise if then.type is UNKNOWN else then
        return typed.Choose(type=known.type, span=span, space=known.space, cond=cond, then=then, otherwise=otherwise)
    t = _joined(el, then, otherwise, span)
    if el.final and not isinstance(t, NoneType):
        then, otherwise = convert(el, then, t) or then, convert(el, otherwise, t) or otherwise
    space = el.join_space(then.space, otherwise.space)
    return typed.Choose(type=t, span=span, space=space, cond=cond, then=then, otherwise=otherwise)


def _joined(el: Elaborator, then: typed.Expr, otherwise: typed.Expr, span: Span) -> Type:
    """The type of a choice; NONE when a branch has no value."""
    if isinstance(then.type, NoneType) or isinstance(otherwise.type, NoneType):
        a, b = _is_void(then), _is_void(otherwise)
        if a != b:
            have = f"have '{type_name(then.type)}' and '{type_name(otherwise.type)}'"
            el.mismatch(span, f"Branches must return the same type or compatible types: {have}", what="branches")
        return types.NONE
    joined = join(then.type, otherwise.type)
    if joined is None:
        have = f"have '{then.type}' and '{otherwise.type}'"
        el.mismatch(span, f"Branches must return the same type or compatible types: {have}", what="branches")
        return then.type
    return joined


def _is_void(expr: typed.Expr) -> bool:
    """A call without a value (a block without one is compatible with anything)."""
    while isinstance(expr, typed.BlockExpr) and expr.value is not None:
        expr = expr.value
    return isinstance(expr.type, NoneType) == isinstance(expr, typed.Call)


@expression(ast.Block)
def _block(el: Elaborator, node: ast.Block) -> typed.Expr:
    statements, value = el.block(node)
    t = value.type if value is not None else EMPTY
    if not statements and value is not None:
        # a variable that was passed to a macro as a value is shown at the call
        wrapped = node.span.expanded_from is not None and isinstance(value, (typed.VarRead, typed.MapRead))
        return replace(value, span=node.span) if wrapped else value
    return typed.BlockExpr(
        type=t, span=node.span, space=value.space if value is not None else Space.NONE,
        body=typed.Block(tuple(statements)), value=value,
    )  # fmt: skip
