"""Typed nodes by hand: scripts for tests of code generation that need no parser, no sema and no machine.

Place in the pipeline: stands in for sema.  In: short calls.  Out: `typed.TypedScript`.  What a newcomer would get
wrong:
the nodes are exactly what sema promises in `sema.typed`: every conversion explicit, every type known.
"""

from __future__ import annotations

from typing import Any

from pytrace import types
from pytrace.attach_points import AttachPoint
from pytrace.defs import load_registry
from pytrace.sema import typed
from pytrace.source import Source, Span

REGISTRY = load_registry()
SOURCE = Source("stdin", "begin { @x = 1 }\nbegin { @y = 2 }\n")
SPAN = Span(SOURCE, 8, 14)
SECOND_LINE = Span(SOURCE, 25, 31)
COUNT = types.Aggregate("count_t", "count", False)


def integer(value: int, t: types.Type = types.INT64) -> typed.IntConst:
    return typed.IntConst(value, type=t, span=SPAN)


def string(text: str) -> typed.StringConst:
    return typed.StringConst(text, type=types.String(len(text) + 1), span=SPAN)


def convert(expr: typed.Expr, t: types.Type) -> typed.Convert:
    return typed.Convert(expr, type=t, span=SPAN)


def variable(name: str, t: types.Type = types.INT64, depth: int = 0) -> typed.VarSymbol:
    return typed.VarSymbol(name, SPAN, t, depth=depth)


def read(symbol: typed.VarSymbol) -> typed.VarRead:
    return typed.VarRead(symbol, type=symbol.type, span=SPAN)


def map_symbol(name: str, key: types.Type | None = None, value: types.Type = types.INT64) -> typed.MapSymbol:
    return typed.MapSymbol(name, SPAN, key, value, scalar=key is None)


def map_read(symbol: typed.MapSymbol, key: typed.Expr | None = None) -> typed.MapRead:
    t = types.INT64 if isinstance(symbol.value_type, types.Aggregate) else symbol.value_type
    return typed.MapRead(symbol, key, type=t, span=SPAN)


def binary(op: str, left: typed.Expr, right: typed.Expr, t: types.Type = types.INT64) -> typed.Binary:
    return typed.Binary(op, left, right, type=t, span=SPAN)


def let(symbol: typed.VarSymbol, value: typed.Expr | None) -> typed.AssignVar:
    return typed.AssignVar(symbol, value, span=SPAN)


def assign(
    symbol: typed.MapSymbol, value: typed.Expr, key: typed.Expr | None = None, span: Span = SPAN
) -> typed.AssignMap:
    return typed.AssignMap(symbol, key, value, span=span)


def count(symbol: typed.MapSymbol, key: typed.Expr | None = None) -> typed.UpdateAggregate:
    return typed.UpdateAggregate(symbol, key, REGISTRY.aggregates["count"], (), span=SPAN)


def instance(*statements: typed.Stmt, number: int = 0, predicate: typed.Expr | None = None) -> typed.Instance:
    point = AttachPoint(REGISTRY.probes["begin"], "begin", SPAN, program_type="raw_tracepoint")
    return typed.Instance((point,), None, predicate, typed.Block(statements), SPAN, number)


def script(
    *statements: typed.Stmt, maps: tuple[typed.MapSymbol, ...] = (), config: dict[str, Any] | None = None
) -> typed.TypedScript:
    return scripts((instance(*statements),), maps, config)


def scripts(
    instances: tuple[typed.Instance, ...], maps: tuple[typed.MapSymbol, ...] = (), config: dict[str, Any] | None = None
) -> typed.TypedScript:
    settings = {"on_stack_limit": 32, "max_map_keys": 4096, "max_strlen": 1024, **(config or {})}
    return typed.TypedScript(instances, maps, (), settings, REGISTRY)
