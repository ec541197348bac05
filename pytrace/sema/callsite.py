"""What a row's type rule sees of one call: `registry.CallSite`.

Place in the pipeline: made by `calls` for each call in each round.  In: the call's arguments, elaborated.  Out:
answers.  What a newcomer would get wrong: reading `attach_point` already says that the unit's attach points must agree
in their arguments; only `uses_attach_point` compiles the body once for each.
"""

from __future__ import annotations

from pytrace import types
from pytrace.grammar import ast
from pytrace.registry import FunctionDef
from pytrace.sema import literals, typed
from pytrace.sema import report as phases
from pytrace.sema.elaborator import UNKNOWN
from pytrace.sema.joins import join
from pytrace.sema.unit import Split
from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pytrace.attach_points import AttachPoint
    from pytrace.registry import AggregateDef, ProbeDef, VariableDef
    from pytrace.sema.elaborator import Elaborator
    from pytrace.source import Span
    from pytrace.target import Target
    from pytrace.types import Type


class Site:
    """One call in one round."""

    def __init__(
        self, el: Elaborator, row: FunctionDef | VariableDef | AggregateDef, span: Span, args: tuple[Any, ...]
    ) -> None:
        self.el = el
        self.row = row
        self.span = span
        self.args = args
        self.final = el.final
        self.data: Any = None
        self.space = Space.NONE
        self.values: list[typed.Expr] = []
        self.maps: dict[int, typed.MapSymbol] = {}
        self.conversions: dict[int, Type] = {}

    @property
    def target(self) -> Target:
        return self.el.inference.target

    @property
    def config(self) -> Mapping[str, Any]:
        return self.el.inference.config

    @property
    def named(self) -> Mapping[str, int | str | bool]:
        return self.el.inference.named

    @property
    def in_loop(self) -> bool:
        return self.el.loops > 0

    @property
    def in_for(self) -> bool:
        return self.el.depth > 0

    @property
    def provider(self) -> ProbeDef:
        provider = self.el.unit.provider
        if provider is None:
            raise OutsideProbe(self)
        return provider

    @property
    def attach_point(self) -> AttachPoint:
        point = self.el.unit.attach_point
        if point is None:
            raise OutsideProbe(self)
        unit = self.el.unit
        unit.looks_at_args = True
        if any((p.args, p.retval) != (point.args, point.retval) for p in unit.attach_points[1:]):
            raise Split(unit)
        return point

    @property
    def inlined(self) -> bool:
        return any(p.inlined for p in self.el.unit.attach_points)

    @property
    def waiting(self) -> bool:
        """Whether an argument's type is not known yet."""
        return any(v.type is UNKNOWN and not isinstance(v, typed.VarRef) for v in self.values)

    def arg_type(self, index: int) -> Type:
        return self.values[index].type if index < len(self.values) else UNKNOWN

    def arg_space(self, index: int) -> str:
        return self.values[index].space if index < len(self.values) else Space.NONE

    def literal(self, index: int) -> int | str | bool | None:
        return literals.value_of(self.args[index]) if index < len(self.args) else None

    def word(self, index: int) -> str:
        arg = self.args[index] if index < len(self.args) else None
        return arg.name if isinstance(arg, ast.Identifier) else ""

    def map(self, index: int) -> typed.MapSymbol:
        return self.maps[index]

    def is_map(self, index: int) -> bool:
        return index in self.maps

    def last_map(self) -> typed.MapSymbol | None:
        return self.maps[max(self.maps)] if self.maps else None

    def variable(self, index: int) -> typed.VarSymbol:
        value = self.values[index]
        assert isinstance(value, typed.VarRef)
        return value.symbol

    def assign_variable(self, index: int, t: Type, space: str = Space.NONE) -> None:
        symbol = self.variable(index)
        if t is UNKNOWN or isinstance(t, types.NoneType):
            return
        joined = None if symbol.fixed and symbol.type != t else join(symbol.type, t)
        if joined is None:
            self.el.mismatch(
                self.span,
                f"Type mismatch for ${symbol.name}: trying to assign value of type '{t}' when variable already has a "
                f"type '{symbol.type}'",
            )
            return
        self.el.inference.set_variable(symbol, joined, space)

    def type_named(self, name: str, tag: str = "") -> Type | None:
        return self.el.inference.scope.named(name, tag)

    def uses_attach_point(self) -> None:
        unit = self.el.unit
        unit.separate = True
        if len(unit.attach_points) > 1:
            raise Split(unit)

    def convert_arg(self, index: int, t: Type) -> None:
        self.conversions[index] = t

    def set_space(self, space: str) -> None:
        self.space = space

    def error(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None:
        if self.final:
            phase = phases.CHECK if isinstance(self.row, FunctionDef) else phases.EARLY
            self.el.inference.report.error(phase, message, span or self.span, hints=hints)

    def warning(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None:
        if self.final:
            self.el.inference.report.warning(phases.CHECK, message, span or self.span, hints=hints)


class OutsideProbe(Exception):
    """A row asked for the probe in a subprogram."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.row.name)
        self.site = site
