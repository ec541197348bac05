"""What can be said of calls before types are known: counts, literals, where a function may be used (spec 07 §4).

Place in the pipeline: on each folded unit, before inference.  In: a unit.  Out: diagnostics.  What a newcomer would get
wrong: a call with the wrong number of arguments is not looked into, or its arguments would bring follow-on errors.
"""

from __future__ import annotations

from pytrace.diagnostics import Context
from pytrace.grammar import ast
from pytrace.record import record
from pytrace.registry import FunctionDef, Kind, VariableDef
from pytrace.sema.calls import parameters
from pytrace.sema.walk import children, descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import AggregateDef, Param, Registry
    from pytrace.sema.unit import Unit
    from pytrace.source import Span

MOST_UNROLLED = 100
_NODES: dict[str, tuple[type[ast.Expr], str, str]] = {
    Kind.MAP: (ast.Map, "a map", "@"),
    Kind.VARIABLE: (ast.Variable, "a variable", "$"),
}


@record(frozen=False)
class CallCheck:
    """One walk over one unit."""

    registry: Registry
    diagnostics: Diagnostics
    max_strlen: int
    unsafe: bool
    unit: Unit

    def run(self) -> None:
        if self.unit.predicate is not None:
            self._visit(self.unit.predicate)
        self._visit(self.unit.body)

    def _visit(self, node: Any) -> None:
        match node:
            case ast.Call():
                self._call(node)
            case ast.String():
                self._string(node)
            case ast.Unroll():
                self._unroll(node)
            case ast.SizeOf() | ast.OffsetOf() | ast.TypeOf() | ast.TypeInfo():
                self._introspection(node)
            case _:
                for child in children(node):
                    self._visit(child)

    def _error(self, message: str, span: Span) -> None:
        self.diagnostics.error(message, span)

    def _row(self, name: str) -> FunctionDef | VariableDef | AggregateDef | None:
        tables = self.registry
        return tables.function(name) or tables.variable(name) or tables.aggregates.get(name)

    def _call(self, node: ast.Call) -> None:
        row = self._row(node.name)
        if row is not None:
            if isinstance(row, FunctionDef) and not row.library:
                self._allowed(row, node)
            if not self._count(row, node):
                return
            if isinstance(row, FunctionDef) and row.library:
                self._allowed(row, node)
        given = parameters(row, len(node.args)) if row is not None else []
        exempt = isinstance(row, FunctionDef) and row.long_literals
        library = isinstance(row, FunctionDef) and row.library
        for n, arg in enumerate(node.args):
            kind = given[n].kind if n < len(given) else Kind.ANY
            if isinstance(arg, ast.String) and (exempt or kind == Kind.FORMAT):
                continue
            self._visit(arg)
            if kind == Kind.MAP and not library and not isinstance(arg, (ast.Map, ast.MapAccess)):
                self._error(f"{node.name}() expects a map argument", arg.span)
        if library:
            self._mismatched(node, given)

    def _mismatched(self, node: ast.Call, given: list[Param]) -> None:
        """The library's functions say which arguments are of the wrong kind, as macros do."""
        contexts: list[Context] = []
        for param, arg in zip(given, node.args, strict=False):
            if param.kind not in _NODES or isinstance(arg, _NODES[param.kind][0]):
                continue
            if isinstance(arg, ast.MapAccess) and len(node.args) == 1:  # the old form of delete
                continue
            kind = next((name for wanted, name, _ in _NODES.values() if isinstance(arg, wanted)), "an expression")
            _, wanted, sigil = _NODES[param.kind]
            text = f"Mismatched arg. {node.name}() expects {wanted} for arg {sigil}{param.name} but got {kind}."
            contexts.append(Context(text, arg.span))
        if contexts:
            text = f"Call to {node.name}() has arguments that do not match any definition."
            self.diagnostics.error(text, node.span, contexts=tuple(contexts))

    def _allowed(self, row: FunctionDef, node: ast.Call) -> None:
        if row.unsafe_text and not self.unsafe:
            self._error(row.unsafe_text, node.span)
        if not row.providers:
            return
        for point in self.unit.attach_points:
            if point.provider.name not in row.providers:
                self._error(f'{row.name} can not be used with "{point.provider.name}" probes', node.span)

    def _count(self, row: FunctionDef | VariableDef | AggregateDef, node: ast.Call) -> bool:
        least = sum(not (p.optional or p.variadic) for p in row.params)
        most = 128 if row.params and row.params[-1].variadic else len(row.params)
        given = len(node.args)
        if least <= given <= most:
            return True
        if isinstance(row, (FunctionDef, VariableDef)) and row.library:
            text = f"Call to {row.name}() has arguments that do not match any definition."
            closest = most if given > most else least
            why = f"The closest definition of {row.name}() has a different number of arguments. Expected: {closest}"
            context = Context(f"{why} but got {given}", node.span)
            self.diagnostics.error(text, node.span, contexts=(context,))
            return False
        if least == most:
            text = "requires " + ("no arguments" if not most else _number(most))
        elif given < least:
            text = "requires at least " + _number(least)
        else:
            text = "takes up to " + _number(most)
        self._error(f"{row.name}() {text} ({given} provided)", node.span)
        return False

    def _string(self, node: ast.String) -> None:
        if len(node.value) > self.max_strlen - 1:
            self._error(f"String is too long (over {self.max_strlen} bytes): {node.value}", node.span)

    def _unroll(self, node: ast.Unroll) -> None:
        self._visit(node.count)
        count = node.count.value if isinstance(node.count, ast.Integer) else None
        if count is None or count < 0:
            self._error("invalid unroll value", node.span)
            return
        if count > MOST_UNROLLED:
            self._error(f"unroll maximum value is {MOST_UNROLLED}", node.span)
        elif count < 1:
            self._error("unroll minimum value is 1", node.span)
        self._visit(node.body)

    def _introspection(self, node: ast.SizeOf | ast.OffsetOf | ast.TypeOf | ast.TypeInfo) -> None:
        what = {ast.SizeOf: "sizeof", ast.OffsetOf: "offsetof"}.get(type(node), "typeof or typeinfo")
        for inner in descendants(node):
            if isinstance(inner, ast.Assign) and not isinstance(inner.target, ast.Variable):
                self._error(f"Map assignments not allowed inside of {what}", inner.span)
        for child in children(node):
            self._visit(child)


def _number(count: int) -> str:
    return "one argument" if count == 1 else f"{count} arguments"
