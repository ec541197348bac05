"""The walk that gives types: one unit's tree → typed nodes, with what is known about the symbols so far.

Place in the pipeline: `infer` runs it over all units until no symbol's type moves, then once more with `final`, and
that run's result is the typed script.  In: a folded tree.  Out: typed nodes.  What a newcomer would get wrong: before
the final run many types are UNKNOWN, and nothing may be reported about them; a mismatch of *known* types is
reported when it is first seen, because widening never mends it.
"""

from __future__ import annotations

from contextlib import contextmanager

from pytrace import types
from pytrace.sema import report as phases
from pytrace.sema import typed
from pytrace.sema.aggregates import castable
from pytrace.sema.joins import value_type
from pytrace.types import Aggregate, NoneType, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from pytrace.diagnostics import Context
    from pytrace.grammar import ast
    from pytrace.sema.infer import Inference
    from pytrace.sema.unit import Unit
    from pytrace.source import Span
    from pytrace.types import Type

    ExprRule = Callable[["Elaborator", Any], typed.Expr]
    StmtRule = Callable[["Elaborator", Any], "list[typed.Stmt]"]

UNKNOWN = NoneType()
"""The type of what is not inferred yet.  It equals NONE; tell them apart with `is`."""

EMPTY = NoneType()
"""The type of `()`, which messages call `none`."""


EXPRESSIONS: dict[type, ExprRule] = {}
STATEMENTS: dict[type, StmtRule] = {}


def expression(*classes: type) -> Callable[[ExprRule], ExprRule]:
    """Enter a rule for expression nodes."""

    def enter(rule: ExprRule) -> ExprRule:
        EXPRESSIONS.update(dict.fromkeys(classes, rule))
        return rule

    return enter


def statement(*classes: type) -> Callable[[StmtRule], StmtRule]:
    """Enter a rule for statement nodes."""

    def enter(rule: StmtRule) -> StmtRule:
        STATEMENTS.update(dict.fromkeys(classes, rule))
        return rule

    return enter


def type_name(t: Type) -> str:
    """A type as messages show it; a call without a value is `void`."""
    return "void" if isinstance(t, NoneType) and t is not UNKNOWN and t is not EMPTY else str(t)


LARGEST = 1 << 20
"""Bytes of a value: far more than the kernel gives a program, and little enough to be laid out."""


class Elaborator:
    """State of one walk over one unit."""

    def __init__(self, inference: Inference, unit: Unit, final: bool) -> None:
        self.inference = inference
        self.unit = unit
        self.final = final
        self.scopes: list[dict[str, typed.VarSymbol]] = [{}]
        self.depth = 0
        self.loops = 0
        self.captures: list[tuple[int, dict[typed.VarSymbol, None]]] = []
        self.introspecting = 0
        self.constants: Mapping[str, int] = {}
        """Names that the function whose arguments are being read knows as numbers."""
        self.last_in_block = False
        self.block_span: Span | None = None

    # nodes ---------------------------------------------------------------
    def expr(self, node: ast.Expr) -> typed.Expr:
        """An expression, read for its value: aggregates stay aggregates here (see `value`)."""
        return EXPRESSIONS[type(node)](self, node)

    def value(self, node: ast.Expr) -> typed.Expr:
        """An expression whose castable aggregates are read as integers."""
        return self.as_value(self.expr(node))

    def as_value(self, expr: typed.Expr) -> typed.Expr:
        """A MapRead of a castable aggregate becomes the integer combined over all CPUs."""
        if isinstance(expr, typed.MapRead) and castable(self.inference.registry, expr.type):
            t = value_type(expr.type)
            return typed.MapRead(type=t, span=expr.span, space=expr.space, map=expr.map, key=expr.key)
        if self.final and expr.type.size > LARGEST and not self.introspecting:
            self.error(f"Value is too large (over {LARGEST} bytes): {expr.type}", expr.span)
        return expr

    def stmt(self, node: ast.Stmt) -> list[typed.Stmt]:
        return STATEMENTS[type(node)](self, node)

    def block(self, node: ast.Block) -> tuple[list[typed.Stmt], typed.Expr | None]:
        """A block in a scope of its own: statements, and the value if it has one."""
        with self.scope():
            out: list[typed.Stmt] = []
            for n, item in enumerate(node.statements):
                self.last_in_block = node.value is None and n + 1 == len(node.statements)
                out += self.stmt(item)
            return out, None if node.value is None else self.expr(node.value)

    def body(self, node: ast.Block) -> typed.Block:
        """A block used for its effect only."""
        statements, value = self.block(node)
        if value is not None:
            self.discarded(value, value.span)
            statements += self.effect(value, value.span)
        return typed.Block(tuple(statements))

    def effect(self, value: typed.Expr, span: Span) -> list[typed.Stmt]:
        """A value that is computed for its effect only; `()` and a look at a histogram have none."""
        value = self.as_value(value)
        nothing = isinstance(value.type, Aggregate) or (value.type is EMPTY and isinstance(value, typed.TupleExpr))
        return [] if nothing else [typed.Eval(span=span, expr=value)]

    def discarded(self, value: typed.Expr, span: Span) -> None:
        if self.final and not isinstance(value.type, (NoneType, types.VoidType)):
            self.warning(phases.CHECK, "Return value discarded.", span)

    # scopes --------------------------------------------------------------
    @contextmanager
    def scope(self) -> Iterator[dict[str, typed.VarSymbol]]:
        names: dict[str, typed.VarSymbol] = {}
        self.scopes.append(names)
        try:
            yield names
        finally:
            self.scopes.pop()

    @contextmanager
    def callback(self) -> Iterator[dict[typed.VarSymbol, None]]:
        """The body of a `for`, which becomes a function: what it uses from outside is captured."""
        self.depth += 1
        self.loops += 1
        found: dict[typed.VarSymbol, None] = {}
        self.captures.append((self.depth, found))
        try:
            yield found
        finally:
            self.captures.pop()
            self.loops -= 1
            self.depth -= 1

    def lookup(self, name: str) -> typed.VarSymbol | None:
        for names in self.scopes:
            if name in names:
                symbol = names[name]
                for depth, found in self.captures:
                    if symbol.depth < depth:
                        found[symbol] = None
                return symbol
        return None

    def declare(self, node: ast.Node, name: str, span: Span) -> typed.VarSymbol:
        """The symbol that `node` declares in the innermost scope."""
        symbol = self.inference.variable(self.unit, node, name, span, self.depth)
        self.scopes[-1][name] = symbol
        return symbol

    # messages ------------------------------------------------------------
    def mismatch(self, span: Span, message: str, *, hints: Iterable[str] = (), what: str = "type") -> None:
        """Known types that do not go together: said once, in whichever round."""
        self.inference.report.once(phases.RESOLVE, what, span, message, hints)

    def error(self, message: str, span: Span, contexts: Iterable[Context] = (), phase: int = phases.CHECK) -> None:
        """What a construct asks of its operands; only in the final run."""
        if self.final:
            self.inference.report.error(phase, message, span, contexts=contexts)

    def warning(
        self, phase: int, message: str, span: Span, contexts: Iterable[Context] = (), hints: Iterable[str] = ()
    ) -> None:
        if self.final:
            self.inference.report.warning(phase, message, span, contexts=contexts, hints=hints)

    def unknown_identifier(self, name: str, span: Span) -> None:
        if not self.final:
            return
        from pytrace.sema.suggest import closest

        known = self.inference.registry.variables
        hint = closest(name, known)
        hints = (f"Did you mean '{hint}'?",) if hint else ()
        if name in known:
            hints = (f"A bare name is a type here: write '{name}()' for the value.",)
        self.inference.report.error(phases.CHECK, f"Unknown identifier: '{name}'", span, hints=hints)

    def unknown(self, span: Span) -> typed.Expr:
        """A stand-in for what has no type (yet)."""
        return typed.IntConst(type=UNKNOWN, span=span, value=0)

    def join_space(self, old: str, new: str) -> str:
        return new if old == Space.NONE else old
