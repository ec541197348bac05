"""Loops and jumps.

Place in the pipeline: rules of `elaborator`.  In: statement nodes.  Out: lists of typed statements.  What a newcomer
would get wrong: the body of a `for` becomes a function of its own, so what it uses from outside is listed as captured.
"""

from __future__ import annotations

from pytrace import types
from pytrace.grammar import ast
from pytrace.sema import typed
from pytrace.sema.aggregates import castable
from pytrace.sema.convert import cast, convert
from pytrace.sema.elaborator import UNKNOWN, statement, type_name
from pytrace.sema.expressions import condition, map_symbol
from pytrace.sema.joins import changed, is_int, join
from pytrace.source import Span
from pytrace.types import INT64, Aggregate, NoneType, Space, String, Tuple, VoidType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.elaborator import Elaborator
    from pytrace.types import Type


@statement(ast.For)
def _for(el: Elaborator, node: ast.For) -> list[typed.Stmt]:
    if isinstance(node.iterable, ast.Map):
        return _for_map(el, node, node.iterable)
    start, end = el.value(node.iterable.start), el.value(node.iterable.end)
    head = Span(node.span.source, node.span.start, node.iterable.end.span.end, node.span.expanded_from)
    t = _range_type(el, start, end, head)
    with el.callback() as captures, el.scope():
        symbol = el.declare(node, node.variable.name, node.variable.span)
        if t is not UNKNOWN:  # the body may have widened it
            el.inference.set_variable(symbol, join(symbol.type, t) or t, Space.NONE)
        body = el.body(node.body)
    if el.final and is_int(t):
        start, end = cast(start, t) if start.type != t else start, cast(end, t) if end.type != t else end
        if el.inference.target.feature("bpf_loop") is False:
            el.error("Missing required kernel feature: loop", node.span)
    loop = typed.ForRange(span=node.span, symbol=symbol, start=start, end=end, body=body, captures=tuple(captures))
    return [loop]


def _range_type(el: Elaborator, start: typed.Expr, end: typed.Expr, span: Span) -> Type:
    if start.type is UNKNOWN or end.type is UNKNOWN:
        return UNKNOWN
    for expr, which in ((start, "start"), (end, "end")):
        if not is_int(expr.type):
            el.mismatch(span, f"Loop range requires an integer for the {which} value", what=which)
    if not is_int(start.type) or not is_int(end.type):
        return UNKNOWN
    if start.type.size == end.type.size:
        return start.type
    return join(start.type, end.type) or start.type


def _for_map(el: Elaborator, node: ast.For, iterable: ast.Map) -> list[typed.Stmt]:
    symbol = map_symbol(el, iterable, iterable.span)
    value, key = symbol.value_type, symbol.key_type
    if isinstance(value, Aggregate):
        if not castable(el.inference.registry, value):
            el.mismatch(iterable.span, f"Loop expression does not support type: {value}", what="loop")
        value = el.as_value(typed.MapRead(type=value, span=iterable.span, map=symbol, key=None)).type
    with el.callback() as captures, el.scope():
        variable = el.declare(node, node.variable.name, node.variable.span)
        if key is not None and value is not UNKNOWN:
            pair = Tuple((key, value))
            if changed(variable.type, pair) or variable.type is UNKNOWN:
                el.inference.set_variable(variable, pair, Space.NONE)
        body = el.body(node.body)
    loop = typed.ForMap(span=node.span, symbol=variable, map=symbol, body=body, captures=tuple(captures))
    return [loop]


@statement(ast.While)
def _while(el: Elaborator, node: ast.While) -> list[typed.Stmt]:
    cond = condition(el, node.cond, node.span)
    el.loops += 1
    body = el.body(node.body)
    el.loops -= 1
    return [typed.While(span=node.span, cond=cond, body=body)]


@statement(ast.Unroll)
def _unroll(el: Elaborator, node: ast.Unroll) -> list[typed.Stmt]:
    count = node.count.value if isinstance(node.count, ast.Integer) else 0
    return [typed.Unroll(span=node.span, count=count, body=el.body(node.body))]


@statement(ast.Break)
def _break(el: Elaborator, node: ast.Break) -> list[typed.Stmt]:
    return [typed.Break(span=node.span)]


@statement(ast.Continue)
def _continue(el: Elaborator, node: ast.Continue) -> list[typed.Stmt]:
    return [typed.Continue(span=node.span)]


@statement(ast.Return)
def _return(el: Elaborator, node: ast.Return) -> list[typed.Stmt]:
    value = el.value(node.value) if node.value is not None else None
    if el.unit.subprogram is not None:
        return _return_from(el, node, el.unit.subprogram, value)
    if value is not None and value.type is not UNKNOWN and el.final:
        if not is_int(value.type):
            el.error(f"Probe return values can only be integers. Found {type_name(value.type)}", node.span)
        elif value.type.size != 8:
            value = convert(el, value, INT64) or value
        if is_int(value.type) and value.type != INT64:
            value = cast(value, INT64)
    return [typed.Return(span=node.span, value=value)]


def _return_from(
    el: Elaborator, node: ast.Return, source: ast.Subprogram, value: typed.Expr | None
) -> list[typed.Stmt]:
    symbol = el.inference.subprograms[source.name]
    grows = source.return_type == ast.TypeName("string", span=source.span)  # without a size it holds what is returned
    if grows and value is not None and isinstance(value.type, String) and value.type.size > symbol.return_type.size:
        symbol.return_type = value.type
        el.inference.widened()
    if value is not None and symbol.space == Space.NONE and value.space != Space.NONE:
        symbol.space = value.space
        el.inference.widened()
    wanted = symbol.return_type
    if el.final:
        t: Type = types.VOID if value is None else value.type
        converted = value if value is None else convert(el, value, wanted)
        nothing = isinstance(wanted, (VoidType, NoneType))
        if (value is None) != nothing or (value is not None and converted is None):
            el.error(f"Function {source.name} is of type {wanted}, cannot return {t}", node.span)
        value = converted
    return [typed.Return(span=node.span, value=value)]

