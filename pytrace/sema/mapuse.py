"""How each map is used: with keys or without, and aggregates only as `@m = f()` (spec 05 §1, §2).

Place in the pipeline: on the folded units, before inference.  In: units.  Out: `MapUse`.  What a newcomer would get
wrong: the first use in the text decides what a map is, later ones are wrong; a map that is only handed to a function
(`print(@m)`) is not used in this sense.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.record import field, record
from pytrace.registry import Kind
from pytrace.sema.aggregates import call_of
from pytrace.sema.walk import children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import Registry
    from pytrace.sema.unit import Unit

_NOW_SCALAR = (
    "@{} used as a map without an explicit key (scalar map), previously used with an explicit key (non-scalar map)"
)
_NOW_KEYED = (
    "@{} used as a map with an explicit key (non-scalar map), previously used without an explicit key (scalar map)"
)
_NO_ITERATION = "@{} has no explicit keys (scalar map), and cannot be used for iteration"


@record(frozen=False)
class MapUse:
    """`scalar` by name; `bad`: the messages for Map nodes (by id) that are used against it."""

    registry: Registry
    diagnostics: Diagnostics
    scalar: dict[str, bool] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)
    _later: list[ast.Node] = field(default_factory=list)
    _assigned: set[int] = field(default_factory=set)

    def units(self, units: list[Unit]) -> None:
        for unit in units:
            if unit.predicate is not None:
                self._visit(unit.predicate)
            self._visit(unit.body)
        for node in self._later:
            of = getattr(node, "of", None)
            if not (isinstance(of, ast.Map) and self.scalar.get(of.name) is False):
                for child in children(node):
                    self._visit(child)

    def _use(self, node: ast.Map, keyed: bool, message: str) -> None:
        if self.scalar.setdefault(node.name, not keyed) == keyed:
            self.bad[id(node)] = message.format(node.name)

    def _visit(self, node: Any) -> None:
        match node:
            case ast.Map():
                self._use(node, False, _NOW_SCALAR)
            case ast.MapAccess():
                self._use(node.map, True, _NOW_KEYED)
                self._visit(node.key)
            case ast.SizeOf() | ast.OffsetOf() | ast.TypeInfo() | ast.TypeOf():
                self._later.append(node)
            case ast.AddressOf():
                if isinstance(node.target, ast.MapAccess):
                    self._visit(node.target)
            case ast.For():
                if isinstance(node.iterable, ast.Map):
                    self._use(node.iterable, True, _NO_ITERATION)
                else:
                    self._visit(node.iterable)
                self._visit(node.body)
            case ast.Assign():
                found = call_of(self.registry, node.value) if node.op == "=" else None
                if found is not None and not isinstance(node.target, ast.Variable):
                    self._assigned.add(id(found[0]))
                self._visit(node.target)
                self._visit(node.value)
            case ast.Call():
                self._call(node)
            case _:
                for child in children(node):
                    self._visit(child)

    def _call(self, node: ast.Call) -> None:
        row = self.registry.function(node.name)
        args = list(node.args)
        if row is None:
            if node.name in self.registry.aggregates and id(node) not in self._assigned:
                self.diagnostics.error(f"{node.name}() must be assigned directly to a map", node.span)
        elif args and isinstance(args[0], ast.Map) and row.params and row.params[0].kind in (Kind.MAP, Kind.MAP_OR_ANY):
            keyed = len(args) > 1 and len(row.params) > 1 and row.params[1].kind == Kind.KEY
            if keyed:
                self.scalar.setdefault(args[0].name, False)
            args = args[1:]
        for arg in args:
            self._visit(arg)
