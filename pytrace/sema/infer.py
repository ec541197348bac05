"""Whole-program inference: one type for each variable, map key and map value (spec 02 §2).

Place in the pipeline: after folding; it drives `elaborator`.  In: units.  Out: `typed.Instance`s, `MapSymbol`s and
`SubprogramSymbol`s, every conversion explicit.  What a newcomer would get wrong: symbols outlive the rounds, nodes do
not: each round builds all typed nodes anew, and only those of the last one are used.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.sema import access, calls, casts, expressions, introspect, loops, operators, statements, typed
from pytrace.sema.elaborator import UNKNOWN, Elaborator
from pytrace.sema.externs import Externs
from pytrace.sema.joins import changed
from pytrace.sema.report import CHECK, RESOLVE, Report
from pytrace.types import INT8, VOID, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import Registry
    from pytrace.sema.typenames import TypeScope
    from pytrace.sema.unit import Options, Unit
    from pytrace.source import Span
    from pytrace.target import Target
    from pytrace.types import Type

RULES = (access, calls, casts, expressions, introspect, loops, operators, statements)
"""The modules that enter rules into the elaborator when they are imported."""

MAX_ROUNDS = 100
"""Widening is bounded (8→16→32→64 bits, a string's capacity); more rounds than this are a bug of ours."""


class Inference:
    """All that the walks share."""

    def __init__(
        self,
        *,
        registry: Registry,
        target: Target,
        config: Mapping[str, Any],
        options: Options,
        scope: TypeScope,
        diagnostics: Diagnostics,
        scalar: Mapping[str, bool],
        externs: Externs | None = None,
    ) -> None:
        self.externs = externs or Externs()
        self.registry = registry
        self.target = target
        self.config = config
        self.options = options
        self.scope = scope
        self.diagnostics = diagnostics
        self.report = Report()
        self.scalar = scalar
        self.maps: dict[str, typed.MapSymbol] = {}
        self.subprograms: dict[str, typed.SubprogramSymbol] = {}
        self.bad_access: dict[int, str] = {}
        """Map nodes (by id) that are used against the map's kind, with the message."""
        self.aggregate_args: dict[str, Type] = {}
        self.answers: dict[tuple[int, int], ast.Expr] = {}
        """Introspection nodes (by unit and id) that types have answered: what stands in their place."""
        self.comptime_left: dict[int, ast.Comptime] = {}
        self.named: Mapping[str, int | str | bool] = {}
        self._variables: dict[tuple[int, int], typed.VarSymbol] = {}
        self._moved = False
        self._values_wanted: set[str] = set()
        self._mentioned: set[str] = set()

    # symbols -------------------------------------------------------------
    def variable(self, unit: Unit, node: ast.Node, name: str, span: Span, depth: int) -> typed.VarSymbol:
        key = (unit.index, id(node))
        symbol = self._variables.get(key)
        if symbol is None:
            symbol = typed.VarSymbol(name, span, UNKNOWN, Space.NONE, False, depth)
            self._variables[key] = symbol
        return symbol

    def map(self, node: ast.Map, *, value_wanted: bool = True) -> typed.MapSymbol:
        symbol = self.maps.get(node.name)
        if symbol is None:
            symbol = typed.MapSymbol(node.name, node.span, None, UNKNOWN, Space.NONE, self.scalar.get(node.name))
            self.maps[node.name] = symbol
        if value_wanted:
            self._values_wanted.add(node.name)
        self._mentioned.add(node.name)
        return symbol

    def set_variable(self, symbol: typed.VarSymbol, t: Type, space: str) -> None:
        if changed(symbol.type, t) or symbol.type is UNKNOWN:
            symbol.type = t
            self._moved = True
        if symbol.space == Space.NONE and space != Space.NONE:
            symbol.space = space
            self._moved = True

    def set_value(self, symbol: typed.MapSymbol, t: Type, space: str = Space.NONE) -> None:
        if changed(symbol.value_type, t) or symbol.value_type is UNKNOWN:
            symbol.value_type = t
            self._moved = True
        if symbol.space == Space.NONE and space != Space.NONE:
            symbol.space = space
            self._moved = True

    def set_key(self, symbol: typed.MapSymbol, t: Type) -> None:
        if symbol.key_type is None or changed(symbol.key_type, t):
            symbol.key_type = t
            self._moved = True

    def widened(self) -> None:
        """Something else than a symbol's type has moved: another round is needed."""
        self._moved = True

    def forget(self, name: str) -> None:
        """A declaration is no use of a map."""
        self._mentioned.discard(name)

    # rounds --------------------------------------------------------------
    def solve(self, units: list[Unit]) -> None:
        """Widen until nothing moves.  Maps that only ever change themselves (`@a++`) begin as int8."""
        while True:
            self._rounds(units)
            idle = [m for m in self._values_wanted if self.maps[m].value_type is UNKNOWN]
            if not idle or self.report.has_errors:
                return
            for name in idle:
                self.set_value(self.maps[name], INT8)

    def _rounds(self, units: list[Unit]) -> None:
        for _ in range(MAX_ROUNDS):
            self._moved = False
            for unit in units:
                self.walk(unit, final=False)
            if not self._moved:
                return
        raise AssertionError("inference does not come to an end")

    def walk(self, unit: Unit, final: bool) -> typed.Instance | None:
        """One walk over one unit; an Instance for a probe."""
        el = Elaborator(self, unit, final)
        if unit.subprogram is not None:
            statements.subprogram(el, unit.subprogram)
            return None
        return statements.probe(el)

    def finish(self, units: list[Unit]) -> tuple[typed.Instance, ...]:
        """The final walk, with all checks."""
        return tuple(found for unit in units if (found := self.walk(unit, final=True)) is not None)

    def report_unused(self) -> None:
        """Maps that are declared only; they are dropped."""
        for name in [name for name in self.maps if name not in self._mentioned]:
            symbol = self.maps.pop(name)
            self.report.warning(CHECK, f"Unused map: @{name}", symbol.span)

    def report_comptime(self) -> None:
        """What nothing more can be found out about."""
        for node in self.comptime_left.values():
            self.report.error(RESOLVE, "Unable to resolve comptime expression", node.span)


def declare_maps(inference: Inference, script: ast.Script) -> None:
    """`let @m = kind(n)`."""
    for item in script.items:
        if not isinstance(item, ast.MapDeclaration):
            continue
        symbol = inference.map(item.map, value_wanted=False)
        symbol.span = item.span
        symbol.declared_kind, symbol.max_entries = item.kind, item.max_entries
        inference.forget(item.map.name)
        if item.kind not in inference.registry.maps:
            hint = f"Valid map types: {', '.join(sorted(inference.registry.maps, key=_kind_order))}"
            inference.report.error(CHECK, f"Invalid bpf map type: {item.kind}", item.span, hints=(hint,))
        elif not item.max_entries:
            inference.report.error(CHECK, f"A map has at least one entry: @{item.map.name}", item.span)


def _kind_order(name: str) -> tuple[int, str]:
    """The longest names first, as the reference lists them."""
    return (-len(name), name)


def declare_subprograms(inference: Inference, script: ast.Script) -> None:
    for item in script.items:
        if isinstance(item, ast.Subprogram):
            params = tuple(typed.VarSymbol(p.variable.name, p.span, UNKNOWN, fixed=True) for p in item.params)
            inference.subprograms[item.name] = typed.SubprogramSymbol(item.name, params, VOID, item.span)
