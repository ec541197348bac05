"""Scratch variables: declared once, visible where used, assigned before that (spec 02 §8).

Place in the pipeline: on each folded unit, before inference.  In: a unit.  Out: diagnostics.  What a newcomer would get
wrong: a first assignment declares, and a variable without one is only worth a warning when it has a `let`.
"""

from __future__ import annotations

from pytrace.diagnostics import Context
from pytrace.grammar import ast
from pytrace.record import field, record
from pytrace.registry import Kind
from pytrace.sema.calls import parameters
from pytrace.sema.walk import children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import Registry
    from pytrace.sema.unit import Unit
    from pytrace.source import Span

_DECLARATION = "This is the initial declaration."
_ASSIGNMENT = "This is the initial assignment."
_LOOP = "This is the loop variable."
_PARAMETER = "This is the function parameter."


@record(frozen=False)
class _Known:
    name: str
    span: Span
    origin: str
    assigned: bool


@record(frozen=False)
class VariableCheck:
    """One walk over one unit."""

    registry: Registry
    diagnostics: Diagnostics
    scopes: list[dict[str, _Known]] = field(default_factory=list)
    declared: list[_Known] = field(default_factory=list)
    meta: int = 0

    def unit(self, unit: Unit) -> None:
        names: dict[str, _Known] = {}
        if unit.subprogram is not None:
            for param in unit.subprogram.params:
                name = param.variable.name
                names[name] = _Known(name, param.span, _PARAMETER, True)
        self.scopes.append(names)
        if unit.predicate is not None:
            self._visit(unit.predicate)
        self._visit(unit.body)
        for known in self.declared:
            if not known.assigned:
                self.diagnostics.warning(f"Variable ${known.name} was never assigned to.", known.span)

    def _find(self, name: str) -> _Known | None:
        return next((names[name] for names in self.scopes if name in names), None)

    def _visit(self, node: Any) -> None:
        match node:
            case ast.Variable():
                self._use(node)
            case ast.Block():
                self.scopes.append({})
                self._children(node)
                self.scopes.pop()
            case ast.Let():
                self._let(node)
            case ast.Assign() if isinstance(node.target, ast.Variable):
                self._assign(node, node.target)
            case ast.For():
                self._for(node)
            case ast.AddressOf():
                self._address(node)
            case ast.Call():
                self._call(node)
            case ast.SizeOf() | ast.OffsetOf() | ast.TypeInfo() | ast.TypeOf():
                self.meta += 1
                self._children(node)
                self.meta -= 1
            case _:
                self._children(node)

    def _children(self, node: ast.Node) -> None:
        for child in children(node):
            self._visit(child)

    def _use(self, node: ast.Variable) -> None:
        known = self._find(node.name)
        if known is None:
            self.diagnostics.error(f"Undefined or undeclared variable: ${node.name}", node.span)
        elif not known.assigned and not self.meta:
            self.diagnostics.warning(f"Variable used before it was assigned: ${node.name}", node.span)

    def _let(self, node: ast.Let) -> None:
        if node.value is not None:
            self._visit(node.value)
        if node.type is not None:
            self._visit(node.type)
        name = node.variable.name
        known = self._find(name)
        if known is not None:
            self.diagnostics.error(
                f"Variable ${name} was already declared. Variable shadowing is not allowed.",
                node.declaration,
                contexts=(Context(known.origin, known.span),),
            )
        else:
            known = _Known(name, node.declaration, _DECLARATION, False)
            self.scopes[-1][name] = known
            self.declared.append(known)
        known.assigned = known.assigned or node.value is not None

    def _assign(self, node: ast.Assign, target: ast.Variable) -> None:
        if node.op != "=":
            self._use(target)
        self._visit(node.value)
        self._set(target.name, node.span)

    def _set(self, name: str, span: Span) -> None:
        known = self._find(name)
        if known is None:
            self.scopes[-1][name] = _Known(name, span, _ASSIGNMENT, True)
        else:
            known.assigned = True

    def _for(self, node: ast.For) -> None:
        name = node.variable.name
        known = self._find(name)
        if known is not None:
            self.diagnostics.error(
                f"Loop declaration shadows existing variable: ${name}",
                node.variable.span,
                contexts=(Context(known.origin, known.span),),
            )
        self._visit(node.iterable)
        self.scopes.append({name: _Known(name, node.variable.span, _LOOP, True)})
        self._visit(node.body)
        self.scopes.pop()

    def _address(self, node: ast.AddressOf) -> None:
        if not isinstance(node.target, ast.Variable):
            self._visit(node.target)
            return
        known = self._find(node.target.name)
        if known is None:
            self._use(node.target)
        else:  # whoever gets the address may assign
            known.assigned = True

    def _call(self, node: ast.Call) -> None:
        row = self.registry.function(node.name)
        if row is None or len(node.args) == 0:
            self._children(node)
            return
        given = parameters(row, len(node.args))
        for n, arg in enumerate(node.args):
            if n < len(given) and given[n].kind == Kind.VARIABLE and isinstance(arg, ast.Variable):
                self._set(arg.name, arg.span)
            else:
                self._visit(arg)
