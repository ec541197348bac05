"""Statements, and the bodies of probes and subprograms.

Place in the pipeline: rules of `elaborator`.  In: statement nodes.  Out: lists of typed statements.  What a newcomer
would get wrong: a scratch variable is declared by its first assignment, *after* the assigned value was looked at.
"""

from __future__ import annotations

from pytrace import types
from pytrace.grammar import ast
from pytrace.sema import report as phases
from pytrace.sema import typed
from pytrace.sema.aggregates import call_of, castable
from pytrace.sema.casts import too_long, value_type, written_type
from pytrace.sema.convert import convert
from pytrace.sema.elaborator import EMPTY, UNKNOWN, statement, type_name
from pytrace.sema.expressions import condition, map_element, map_mismatch
from pytrace.sema.flow import always_returns
from pytrace.sema.joins import changed, is_int, join
from pytrace.sema.operators import binary
from pytrace.source import Span
from pytrace.types import (
    INT64,
    Aggregate,
    NoneType,
    Space,
    String,
    VoidType,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.elaborator import Elaborator
    from pytrace.types import (
        Type,
    )

# ---------------------------------------------------------------- probes and subprograms


def probe(el: Elaborator) -> typed.Instance:
    """The whole body of a unit."""
    unit = el.unit
    with el.scope():
        predicate = _predicate(el, unit.predicate) if unit.predicate is not None else None
        predicate = _pid_filter(el, predicate)
        body = el.body(unit.body)
    return typed.Instance(
        attach_points=unit.attach_points,
        args=unit.args,
        predicate=predicate,
        body=body,
        span=unit.span,
        index=unit.index,
    )


def _predicate(el: Elaborator, node: ast.Expr) -> typed.Expr:
    """The condition between slashes; messages point at the slashes too."""
    text, span = node.span.source.text, node.span
    start, end = text.rfind("/", 0, span.start), text.find("/", span.end)
    if 0 <= start < end:
        span = Span(span.source, start, end + 1, span.expanded_from)
    return condition(el, node, span)


def _pid_filter(el: Elaborator, predicate: typed.Expr | None) -> typed.Expr | None:
    """With -p, providers that cannot be attached to one process test for it first (spec 03 §6)."""
    options, provider = el.inference.options, el.unit.provider
    if provider is None or not provider.pid_filter:
        return predicate
    span = el.unit.body.span
    test: typed.Expr
    if options.run_pid is not None:
        given = typed.Builtin(type=types.UINT32, span=span, row=options.run_pid)
        here = el.expr(ast.Identifier("pid", span=span))
        none = typed.IntConst(type=types.UINT32, span=span, value=0)
        tests = [typed.Compare(type=types.BOOL, span=span, op="==", left=x, right=given) for x in (none, here)]
        test = typed.Logical(type=types.BOOL, span=span, op="||", left=tests[0], right=tests[1])
    elif options.pid is not None:
        wanted = ast.Binary("==", ast.Identifier("pid", span=span), ast.Integer(options.pid, span=span), span=span)
        test = el.expr(wanted)
    else:
        return predicate
    if predicate is None:
        return test
    return typed.Logical(type=types.BOOL, span=span, op="&&", left=test, right=predicate)


def subprogram(el: Elaborator, node: ast.Subprogram) -> None:
    """Types of the parameters, then the body into the symbol."""
    symbol = el.inference.subprograms[node.name]
    with el.scope() as names:
        for param, target in zip(node.params, symbol.params, strict=True):
            t = value_type(el, param.type)
            if t is not None and t is not UNKNOWN:
                target.fixed = t != String(0)
                if target.fixed or target.type is UNKNOWN:
                    el.inference.set_variable(target, t, Space.NONE)  # the calls say
            names[param.variable.name] = target
        result = written_type(el, node.return_type)
        if result is not None and (result != String(0) or not isinstance(symbol.return_type, String)):
            symbol.return_type = result
        body = el.unit.body  # folded, other than the node's own
        symbol.body = el.body(body)
        if not isinstance(symbol.return_type, (VoidType, NoneType)) and not always_returns(body):
            text = f"Function {node.name} is of type {symbol.return_type}, cannot return void"
            el.error(text, node.body.span, phase=phases.CONVERT)


# ---------------------------------------------------------------- simple statements


@statement(ast.ExprStmt)
def _expression(el: Elaborator, node: ast.ExprStmt) -> list[typed.Stmt]:
    inner = node.expr
    if isinstance(inner, ast.If):
        return _if(el, inner)
    if isinstance(inner, ast.Ternary) and inner.then is not None:
        return _ternary(el, inner, inner.then)
    if isinstance(inner, ast.Block):
        if len(inner.statements) == 1 and inner.value is None and isinstance(inner.statements[0], ast.ExprStmt):
            el.block_span = node.span
        return _block_statement(el, inner, node.span)
    span = _discarded_span(el, node)
    value = el.expr(inner)
    if not isinstance(inner, ast.IncDec):
        el.discarded(value, span)
    return el.effect(value, node.span)


def _ternary(el: Elaborator, node: ast.Ternary, then: ast.Expr) -> list[typed.Stmt]:
    """`cond ? f() : g();` is an `if`."""
    cond = condition(el, node.cond, node.span)
    branches = []
    for branch in (then, node.otherwise):
        if isinstance(branch, ast.Ternary) and branch.then is not None:
            branches.append(typed.Block(tuple(_ternary(el, branch, branch.then))))
            continue
        value = el.expr(branch)
        el.discarded(value, branch.span)
        branches.append(typed.Block(tuple(el.effect(value, branch.span))))
    return [typed.If(span=node.span, cond=cond, then=branches[0], otherwise=branches[1])]


def _block_statement(el: Elaborator, block: ast.Block, span: Span) -> list[typed.Stmt]:
    """A block (also: an expanded macro) for its effect.  Its value is discarded at the statement, if more follows."""
    last = el.last_in_block and block.span.expanded_from is span.expanded_from
    statements, value = el.block(block)
    if value is not None:
        el.discarded(value, value.span if last else span)
        statements += el.effect(value, value.span)
    return statements


def _discarded_span(el: Elaborator, node: ast.ExprStmt) -> Span:
    """Where the reference points for a discarded value: with the semicolon or without, or at a block around it."""
    if el.block_span is not None:
        span, el.block_span = el.block_span, None
        return span
    bare = el.last_in_block and not isinstance(node.expr, ast.Identifier)
    if bare or node.span.text[:1] in ("$", "@"):
        return node.expr.span
    return node.span


def _if(el: Elaborator, node: ast.If) -> list[typed.Stmt]:
    """An `if` for its effect; a branch that folding has ruled out is typed, and then left out."""
    if isinstance(node.cond, ast.Comptime):
        return [typed.Eval(span=node.span, expr=el.expr(node.cond))]
    cond = condition(el, node.cond, node.span)
    then = el.body(node.then)
    otherwise: typed.Block | None = None
    if isinstance(node.otherwise, ast.If):
        otherwise = typed.Block(tuple(_if(el, node.otherwise)))
    elif node.otherwise is not None:
        otherwise = el.body(node.otherwise)
    if isinstance(node.cond, ast.Boolean):
        taken = then if node.cond.value else otherwise
        return list(taken.statements) if taken is not None else []
    return [typed.If(span=node.span, cond=cond, then=then, otherwise=otherwise)]


@statement(ast.Discard)
def _discard(el: Elaborator, node: ast.Discard) -> list[typed.Stmt]:
    return el.effect(el.expr(node.value), node.span)


@statement(ast.ImportStmt)
def _import(el: Elaborator, node: ast.ImportStmt) -> list[typed.Stmt]:
    return []


# ---------------------------------------------------------------- variables


@statement(ast.Let)
def _let(el: Elaborator, node: ast.Let) -> list[typed.Stmt]:
    value = el.expr(node.value) if node.value is not None else None
    declared: Type | None = None
    if node.type is not None:
        declared = written_type(el, node.type)
        if declared is None:
            declared = UNKNOWN
        elif isinstance(declared, (Aggregate, VoidType)):
            el.error(f"Invalid variable declaration type: {declared}", node.type.span)
    symbol = el.declare(node, node.variable.name, node.variable.span)
    if declared is not None and declared is not UNKNOWN:
        symbol.fixed = not (isinstance(declared, String) and declared.capacity == 0)
        if symbol.fixed or symbol.type is UNKNOWN:
            el.inference.set_variable(symbol, declared, Space.NONE)
    span = node.span if value is not None else node.declaration
    lowered = _set_variable(el, symbol, value, span)
    if node.type is not None:
        value_type(el, node.type, _type_span(node.type.span, value is not None))
    return lowered


def _type_span(span: Span, has_value: bool) -> Span:
    """Where the reference points for a declared type: with a value behind it, up to the `=`."""
    text, end = span.source.text, span.end
    while has_value and end < len(text) and text[end].isspace():
        end += 1
    return Span(span.source, span.start, end, span.expanded_from)


@statement(ast.Assign)
def _assign(el: Elaborator, node: ast.Assign) -> list[typed.Stmt]:
    if isinstance(node.target, ast.Variable):
        return _assign_variable(el, node, node.target)
    return _assign_map(el, node)


def _operation(node: ast.Assign) -> Span:
    """Where messages about the operation of a compound assignment point: from its operator on."""
    text, start = node.span.source.text, node.target.span.end
    while start < node.span.end and text[start].isspace():
        start += 1
    return Span(node.span.source, start, node.span.end, node.span.expanded_from)


def _assign_variable(el: Elaborator, node: ast.Assign, target: ast.Variable) -> list[typed.Stmt]:
    if node.op != "=":
        left = el.expr(target)
        value = binary(el, node.op[:-1], left, el.expr(node.value), _operation(node))
    else:
        value = el.expr(node.value)
    symbol = el.lookup(target.name) or el.declare(node, target.name, target.span)
    return _set_variable(el, symbol, value, node.span)


def _set_variable(
    el: Elaborator, symbol: typed.VarSymbol, value: typed.Expr | None, span: Span
) -> list[typed.Stmt]:
    if value is None:
        if el.final and symbol.type is UNKNOWN:
            symbol.type = INT64  # never assigned, and said to be so
        return [typed.AssignVar(span=span, symbol=symbol, value=None)]
    if value.type is UNKNOWN or value.type is EMPTY:
        if el.final and symbol.type is UNKNOWN:
            el.error("Invalid expression for assignment", span)
        return [typed.AssignVar(span=span, symbol=symbol, value=value)]
    if not _assignable(el, value.type, symbol.type):
        el.mismatch(span, f"Value '{type_name(value.type)}' cannot be assigned to a scratch variable.")
        return []
    if not symbol.fixed:
        joined = join(symbol.type, value.type)
        if joined is None:
            el.mismatch(span, _variable_mismatch(symbol, value.type))
            return []
        el.inference.set_variable(symbol, joined, value.space)
    elif symbol.space == Space.NONE:
        el.inference.set_variable(symbol, symbol.type, value.space)
    value = el.as_value(value)
    if el.final:
        if symbol.fixed and value.type != symbol.type:
            too_long(el, symbol.type, value.span)
        converted = convert(el, value, symbol.type)
        if converted is None:
            el.error(_variable_mismatch(symbol, value.type), span, phase=phases.CONVERT)
            return []
        value = converted
    return [typed.AssignVar(span=span, symbol=symbol, value=value)]


def _variable_mismatch(symbol: typed.VarSymbol, t: Type) -> str:
    return (
        f"Type mismatch for ${symbol.name}: trying to assign value of type '{t}' when variable already has a type "
        f"'{symbol.type}'"
    )


def _assignable(el: Elaborator, t: Type, current: Type, to_map: bool = False) -> bool:
    """Calls without a value cannot be assigned, aggregates only as integers."""
    if isinstance(t, (NoneType, VoidType)):
        return False
    if isinstance(t, Aggregate):
        if not castable(el.inference.registry, t):
            return False
        if not is_int(current):
            return not to_map and current is UNKNOWN
    return True


# ---------------------------------------------------------------- maps


def _assign_map(el: Elaborator, node: ast.Assign) -> list[typed.Stmt]:
    target = node.target
    assert not isinstance(target, ast.Variable)
    map_node, key_node = (target.map, target.key) if isinstance(target, ast.MapAccess) else (target, None)
    found = call_of(el.inference.registry, node.value) if node.op == "=" else None
    symbol, key = map_element(el, map_node, key_node, target.span)
    if found is not None:
        return _assign_aggregate(el, node, symbol, key)
    if node.op != "=":
        return _update_map(el, node, symbol, key)
    value = _map_value(el, symbol, el.expr(node.value), node)
    return [typed.AssignMap(span=node.span, map=symbol, key=key, value=value)] if value is not None else []


def _map_value(
    el: Elaborator, symbol: typed.MapSymbol, value: typed.Expr, node: ast.Assign
) -> typed.Expr | None:
    """Join the value into the map's type and convert it; None after an error."""
    if value.type is UNKNOWN:
        return value
    if not _assignable(el, value.type, symbol.value_type, to_map=True):
        _refuse_aggregate(el, symbol, value, node)
        return None
    joined = None if isinstance(symbol.value_type, Aggregate) else join(symbol.value_type, value.type)
    if joined is None:
        map_mismatch(el, symbol, value.type, node.span)
        return None
    el.inference.set_value(symbol, joined, value.space)
    value = el.as_value(value)
    if not el.final:
        return value
    converted = convert(el, value, joined)
    if converted is None:
        text = (
            f"Type mismatch for @{symbol.name}: trying to assign value of type '{value.type}' when map already has a "
            f"value type '{joined}'"
        )
        el.error(text, node.span, phase=phases.CONVERT)
    return converted


def _refuse_aggregate(el: Elaborator, symbol: typed.MapSymbol, value: typed.Expr, node: ast.Assign) -> None:
    t = value.type
    row = el.inference.registry.aggregates.get(t.row) if isinstance(t, Aggregate) else None
    if row is None:
        el.mismatch(node.span, f"Value '{type_name(t)}' cannot be assigned to a map.")
        return
    hints = []
    if row.castable and isinstance(value, typed.MapRead):
        hints.append(
            "Add a cast to integer if you want the value of the aggregate, e.g. "
            f"`@{symbol.name} = (int64)@{value.map.name};`."
        )
    el.mismatch(
        node.span,
        f"Map value '{t}' cannot be assigned from one map to another. The function that returns this type must be "
        f"called directly e.g. `@{symbol.name} = {row.example or row.name + '()'};`.",
        hints=hints,
    )


def _update_map(
    el: Elaborator, node: ast.Assign, symbol: typed.MapSymbol, key: typed.Expr | None
) -> list[typed.Stmt]:
    t = symbol.value_type
    current: typed.Expr = typed.Current(type=t, span=node.target.span, space=symbol.space)
    if isinstance(t, Aggregate):
        current = typed.MapRead(type=t, span=node.target.span, map=symbol, key=key)
    value = binary(el, node.op[:-1], current, el.expr(node.value), _operation(node))
    final = _map_value(el, symbol, value, node)
    if final is None:
        return []
    return [typed.UpdateMap(span=node.span, map=symbol, key=key, value=final)]


def _assign_aggregate(
    el: Elaborator, node: ast.Assign, symbol: typed.MapSymbol, key: typed.Expr | None
) -> list[typed.Stmt]:
    """`@m[k] = count()`, also as the value of a block, whose statements come first."""
    from pytrace.sema.calls import aggregate

    out: list[typed.Stmt] = []
    value = node.value
    with el.scope():
        while isinstance(value, ast.Block):
            for item in value.statements:
                out += el.stmt(item)
            assert value.value is not None
            value = value.value
        assert isinstance(value, ast.Call)
        row = el.inference.registry.aggregates[value.name]
        t, args = aggregate(el, row, value, symbol)
    if t is UNKNOWN:
        return out
    current = symbol.value_type
    same = isinstance(current, Aggregate) and isinstance(t, Aggregate) and current.row == t.row
    joined = t if current is UNKNOWN else join(current, t) if same else None
    if joined is None:
        map_mismatch(el, symbol, t, value.span)
        return out
    if changed(symbol.value_type, joined) or current is UNKNOWN:
        el.inference.set_value(symbol, joined)
    out.append(typed.UpdateAggregate(span=node.span, map=symbol, key=key, row=row, args=args))
    return out
