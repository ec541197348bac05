"""Calls: functions, builtin variables, enumerators, subprograms (spec 04).

Place in the pipeline: rules of `elaborator`; the only place that hands out CallSites to rows.  In: `ast.Call`,
`ast.Identifier`.  Out: `typed.Call`, `typed.Builtin` and the rest.  What a newcomer would get wrong: no row is known by
name here: what differs between functions is in their `Param` kinds and type rules.
"""

from __future__ import annotations

from pytrace import types
from pytrace.grammar import ast
from pytrace.registry import AggregateDef, FunctionDef, Kind, VariableDef
from pytrace.sema import literals, typed
from pytrace.sema import report as phases
from pytrace.sema.callsite import OutsideProbe, Site
from pytrace.sema.convert import cast, convert
from pytrace.sema.elaborator import UNKNOWN, expression, type_name
from pytrace.sema.externs import extern_call
from pytrace.sema.joins import is_int, join, kind_name, literal_type, signed
from pytrace.types import INT64, UINT64, Aggregate, Int, NoneType, Pointer, Space, String

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.registry import Param
    from pytrace.sema.elaborator import Elaborator
    from pytrace.source import Span
    from pytrace.types import Type

Row = FunctionDef | VariableDef | AggregateDef


def parameters(row: Row, count: int) -> list[Param]:
    """The parameter for each of `count` arguments (a variadic one repeats)."""
    given = list(row.params[:count])
    while len(given) < count and row.params and row.params[-1].variadic:
        given.append(row.params[-1])
    return given


@expression(ast.Call)
def call(el: Elaborator, node: ast.Call) -> typed.Expr:
    registry = el.inference.registry
    if (subprogram := el.inference.subprograms.get(node.name)) is not None:
        return _subprogram_call(el, node, subprogram)
    row = registry.function(node.name) or registry.variable(node.name)
    if row is None:
        if node.name in registry.aggregates:  # only what is not assigned to a map comes here, and has been reported
            return el.unknown(node.span)
        extern = el.inference.externs.symbols.get(node.name)
        if extern is not None:
            return extern_call(el, node, extern)
        for arg in node.args:
            if isinstance(arg, ast.Expr):
                el.expr(arg)
        unknown_function(el, node)
        return el.unknown(node.span)
    return _row_call(el, row, node, _rewritten(row, node.args))


def unknown_function(el: Elaborator, node: ast.Call) -> None:
    from pytrace.sema.suggest import closest

    registry, externs = el.inference.registry, el.inference.externs.symbols
    names = (*registry.functions, *registry.aggregates, *registry.variables, *externs)
    hint = closest(node.name, names)
    hints = (f"Did you mean '{hint}'?",) if hint else ()
    el.inference.report.once(phases.COLLECT, "call", node.span, f"Unknown function: '{node.name}'", hints)


def _rewritten(row: Row, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """`delete(@m[k])` is the old form of `delete(@m, k)`: for whoever takes a map and a key."""
    kinds = [p.kind for p in row.params[:2]]
    if len(args) == 1 and kinds == [Kind.MAP, Kind.KEY] and isinstance(args[0], ast.MapAccess):
        return (args[0].map, args[0].key)
    return args


@expression(ast.Identifier)
def identifier(el: Elaborator, node: ast.Identifier) -> typed.Expr:
    row = el.inference.registry.variable(node.name)
    if row is not None:
        return _row_call(el, row, node, ())
    if node.name in el.constants:
        value = el.constants[node.name]
        return typed.IntConst(type=literal_type(value), span=node.span, value=value)
    found = el.inference.scope.enumerator(node.name)
    if found is not None:
        enum, value = found
        t = types.Enum(enum.name, 64, enum.signed, enum.variants)
        return typed.IntConst(type=t, span=node.span, value=value)
    function = el.inference.registry.function(node.name)
    if function is not None and all(p.optional or p.variadic for p in function.params):
        return _row_call(el, function, node, ())
    el.unknown_identifier(node.name, node.span)
    return el.unknown(node.span)


# ---------------------------------------------------------------- arguments


def argument(el: Elaborator, param: Param, arg: Any, site: Site) -> typed.Expr:
    """One argument as the typed node that its kind calls for."""
    from pytrace.sema import expressions

    if param.kind in (Kind.MAP, Kind.MAP_OR_ANY) and isinstance(arg, ast.Map):
        symbol = expressions.map_symbol(el, arg, arg.span, value_wanted=param.kind == Kind.MAP_OR_ANY)
        site.maps[len(site.values)] = symbol
        return typed.MapRef(type=types.NONE, span=arg.span, map=symbol)
    if param.kind == Kind.KEY and (keyed := site.last_map()) is not None:
        return expressions.map_key(el, keyed, arg, site.span)
    if param.kind == Kind.VARIABLE and isinstance(arg, ast.Variable):
        found = el.lookup(arg.name) or el.declare(arg, arg.name, arg.span)
        return typed.VarRef(type=found.type, span=arg.span, symbol=found)
    if param.kind == Kind.WORD and isinstance(arg, ast.Identifier):
        return typed.StringConst(type=String(len(arg.name) + 1), span=arg.span, value=arg.name)
    if isinstance(arg, ast.TypeOf):
        from pytrace.sema.casts import type_of

        return typed.IntConst(type=type_of(el, arg.of) or UNKNOWN, span=arg.span, value=0)
    return el.expr(arg)


def arguments(el: Elaborator, row: Row, args: tuple[Any, ...], site: Site) -> bool:
    """Elaborate all arguments into `site.values`; False when their kinds are wrong (reported)."""
    given = parameters(row, len(args))
    outer = el.constants
    if isinstance(row, FunctionDef) and row.constants is not None:
        el.constants = row.constants()
    for param, arg in zip(given, args, strict=False):
        site.values.append(argument(el, param, arg, site))
    el.constants = outer
    if not el.final:
        return True
    wrong = [p for n, p in enumerate(given) if not check_kind(el, row, p, site, n)]
    return not wrong


_LITERALS = {Kind.STRING_LITERAL: ("string", str), Kind.FORMAT: ("string", str), Kind.INT_LITERAL: ("int", int)}


def check_kind(el: Elaborator, row: Row, param: Param, site: Site, index: int) -> bool:
    """The kind errors that need types."""
    t, arg = site.values[index].type, site.args[index]
    if t is UNKNOWN:
        return True
    provided = "void" if type_name(t) == "void" else kind_name(t)
    if param.kind in _LITERALS:
        name, wanted = _LITERALS[param.kind]
        value = literals.value_of(arg)
        if not isinstance(value, wanted) or isinstance(value, bool):
            el.error(f"{row.name}() expects a {name} literal ({provided} provided)", site.span)
            return False
        return True
    ok = True
    match param.kind:
        case Kind.INT:
            ok = is_int(t)
        case Kind.STRING:
            ok = isinstance(t, String)
        case Kind.POINTER:
            ok = isinstance(t, Pointer) or is_int(t)
    if not ok:
        el.error(f"{row.name}() only supports {param.kind} arguments ({provided} provided)", site.span)
    return ok


def lowered(el: Elaborator, site: Site, row: Row) -> tuple[typed.Expr, ...]:
    """The arguments as code generation gets them: aggregates read, requested conversions made."""
    out = []
    for n, expr in enumerate(site.values):
        expr = el.as_value(expr)
        wanted = site.conversions.get(n)
        if wanted is not None and expr.type is not UNKNOWN and expr.type != wanted:
            expr = convert(el, expr, wanted) or cast(expr, wanted)
        elif isinstance(row, AggregateDef) and isinstance(expr.type, (Int, types.Enum, types.Bool)):
            expr = cast(expr, INT64 if signed(expr.type) else UINT64)
        out.append(expr)
    return tuple(out)


# ---------------------------------------------------------------- rows


def _row_call(
    el: Elaborator, row: FunctionDef | VariableDef, node: ast.Expr, args: tuple[Any, ...]
) -> typed.Expr:
    site = Site(el, row, node.span, args)
    good = arguments(el, row, args, site)
    site.final = el.final and good
    if isinstance(row, VariableDef) and el.depth and not row.allowed_in_loops:
        el.error(f"'{row.name}' builtin is not allowed in a for-loop", node.span, phase=phases.COLLECT)
    if isinstance(row, VariableDef) and row.providers and not _available(el, row):
        name = el.unit.provider.name if el.unit.provider else "fn"
        el.error(f"The {row.name} builtin can not be used with '{name}' probes", node.span)
        site.final = False
    try:
        t = row.type_rule(site)
    except OutsideProbe:
        message = f"Builtin {row.name} not supported outside probe"
        el.inference.report.once(phases.COLLECT, "probe", node.span, message)
        return el.unknown(node.span)
    if isinstance(t, NoneType) and t is not UNKNOWN:
        t = UNKNOWN if site.waiting or isinstance(row, VariableDef) else types.NONE
    if t is UNKNOWN:
        return el.unknown(node.span)
    values = lowered(el, site, row)
    if isinstance(row, FunctionDef):
        return typed.Call(type=t, span=node.span, space=site.space, row=row, args=values, data=site.data)
    return typed.Builtin(type=t, span=node.span, space=site.space, row=row, data=site.data, args=values)


def _available(el: Elaborator, row: VariableDef) -> bool:
    return el.unit.provider is None or el.unit.provider.name in row.providers


def aggregate(
    el: Elaborator, row: AggregateDef, node: ast.Call, symbol: typed.MapSymbol
) -> tuple[Type, tuple[typed.Expr, ...]]:
    """The aggregate's type (UNKNOWN while open) and its arguments."""
    site = Site(el, row, node.span, node.args)
    arguments(el, row, node.args, site)  # what the row says about its literals comes before what kinds say
    site.final = el.final
    if site.waiting:
        return UNKNOWN, ()
    t = row.type_rule(site)
    if isinstance(t, Aggregate) and node.args and is_int(site.values[0].type):
        _join_argument(el, row, node.span, symbol, site.values[0].type)
    return (UNKNOWN if isinstance(t, NoneType) else t), lowered(el, site, row)


def _join_argument(el: Elaborator, row: AggregateDef, span: Span, symbol: typed.MapSymbol, t: Type) -> None:
    """All arguments of one map's aggregate are of one type, as far as that exists."""
    known = el.inference.aggregate_args.get(symbol.name)
    el.inference.aggregate_args[symbol.name] = t if known is None else join(known, t) or known


def _subprogram_call(el: Elaborator, node: ast.Call, symbol: typed.SubprogramSymbol) -> typed.Expr:
    args = [el.value(arg) for arg in node.args if isinstance(arg, ast.Expr)]
    if len(args) != len(symbol.params):
        wanted = len(symbol.params)
        el.error(f"Function `{node.name}` requires {wanted} arguments, got only {len(args)}", node.span)
        return el.unknown(node.span)
    out = []
    for given, param in zip(args, symbol.params, strict=True):
        if not param.fixed and isinstance(given.type, String) and isinstance(param.type, String):
            el.inference.set_variable(param, join(param.type, given.type) or param.type, given.space)
        if given.space != param.space and given.space != Space.NONE:
            if param.space == Space.NONE:
                el.inference.set_variable(param, param.type, given.space)
            elif isinstance(param.type, Pointer):
                el.warning(phases.CONVERT, "Addrspace mismatch", given.span)
        converted = convert(el, given, param.type)
        if converted is None:
            el.error(
                f"Expected {param.type} for argument `${param.name}` got {type_name(given.type)}", given.span
            )
            converted = given
        out.append(converted)
    kind, space = symbol.return_type, symbol.space
    return typed.SubprogramCall(type=kind, span=node.span, space=space, symbol=symbol, args=tuple(out))
