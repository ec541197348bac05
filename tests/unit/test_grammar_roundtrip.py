"""Generated programs: what `dump` prints parses to the same tree, and is what `dump` prints again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytrace.diagnostics import Diagnostics
from pytrace.grammar import ast
from pytrace.grammar.dump import dump, tree
from pytrace.grammar.parser import parse
from pytrace.grammar.tree import statements_only
from pytrace.source import Source, Span

SPAN = Span(Source("generated", ""), 0, 0)
BINARY = ["||", "&&", "|", "^", "&", "==", "!=", "<", "<=", ">", ">=", "<<", ">>", "+", "-", "*", "/", "%"]
ASSIGN = ["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="]
T = TypeVar("T")


class Generator:
    """Draws nodes; `depth` bounds how far they nest."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw

    def flip(self) -> bool:
        return bool(self.draw(st.booleans()))

    def integer(self, least: int, most: int) -> int:
        return int(self.draw(st.integers(least, most)))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self.flip() else None

    def several(self, make: Callable[[], T], least: int = 0, most: int = 3) -> tuple[T, ...]:
        return tuple(make() for _ in range(self.integer(least, most)))

    def text(self) -> str:
        return str(self.draw(st.text(st.characters(max_codepoint=255), max_size=6)))

    # ------------------------------------------------------------ leaves

    def variable(self) -> ast.Variable:
        return ast.Variable(self.pick(["x", "y2", "_"]), span=SPAN)

    def map(self) -> ast.Map:
        return ast.Map(self.pick(["", "m", "n_1"]), span=SPAN)

    def number(self) -> ast.Integer:
        return ast.Integer(self.integer(0, 2**64 - 1), span=SPAN)

    def name(self) -> str:
        return self.pick(["a", "b1", "_c", "comm", "pid", "args", "int8", "string", "_"])

    def member(self) -> str:
        return self.pick(["f", "for", "if", "let", "_", "typeof"])

    def leaf(self) -> ast.Expr:
        kind = self.integer(0, 7)
        if kind < 2:
            return self.pick([self.variable, self.map])()
        if kind == 2:
            return ast.String(self.text(), span=SPAN)
        if kind == 3:
            return self.pick([ast.Boolean(True, span=SPAN), ast.Boolean(False, span=SPAN)])
        if kind == 4:
            return self.pick([ast.PosParam(7, span=SPAN), ast.ParamCount(span=SPAN)])
        return self.number() if kind == 5 else ast.Identifier(self.name(), span=SPAN)

    # ------------------------------------------------------------ types

    def declared(self) -> ast.TypeExpr:
        kind = self.integer(0, 4)
        if kind == 0:
            return ast.PointerTo(self.declared(), span=SPAN)
        if kind == 1:
            return ast.ArrayOf(self.declared(), self.maybe(lambda: self.integer(0, 99)), span=SPAN)
        tag = self.pick(["", "", "struct", "union", "enum"])
        return ast.TypeName(self.pick(["int8", "uint64", "string", "foo"]), tag, span=SPAN)

    def type(self, depth: int) -> ast.TypeExpr:
        return self.declared() if self.flip() else ast.TypeOf(self.type_or_expr(depth), span=SPAN)

    def type_or_expr(self, depth: int) -> ast.TypeExpr | ast.Expr:
        if depth > 0 and self.flip():
            return self.expr(depth - 1)
        return self.declared()

    # ------------------------------------------------------------ expressions

    def expr(self, depth: int) -> ast.Expr:
        if depth <= 0:
            return self.leaf()
        kind = self.integer(0, 23)
        makers: list[Callable[[int], ast.Expr]] = [self.operation, self.access, self.container, self.special]
        return makers[kind // 5](depth - 1) if kind < 20 else self.leaf()

    def operation(self, depth: int) -> ast.Expr:
        kind = self.integer(0, 6)
        if kind < 3:
            return ast.Binary(self.pick(BINARY), self.expr(depth), self.expr(depth), span=SPAN)
        if kind == 3:
            return ast.Unary(self.pick("-!~*"), self.expr(depth), span=SPAN)
        if kind == 4:
            return ast.IncDec(self.pick(["++", "--"]), self.flip(), self.lvalue(depth), span=SPAN)
        if kind == 5:
            return ast.Cast(self.type(depth), self.expr(depth), span=SPAN)
        then = self.maybe(lambda: self.expr(depth))
        return ast.Ternary(self.expr(depth), then, self.expr(depth), span=SPAN)

    def access(self, depth: int) -> ast.Expr:
        kind = self.integer(0, 4)
        if kind == 0:
            return self.lvalue(depth)
        if kind == 1:
            return ast.AddressOf(self.pick([self.variable, self.map])(), span=SPAN)
        if kind == 2:
            return ast.Index(self.expr(depth), self.expr(depth), span=SPAN)
        if kind == 3:
            return ast.TupleAccess(self.expr(depth), self.integer(0, 12), span=SPAN)
        return ast.FieldAccess(self.expr(depth), self.member(), span=SPAN)

    def lvalue(self, depth: int) -> Any:
        keyed = ast.MapAccess(self.map(), self.expr(depth), span=SPAN)
        return self.pick([self.variable(), self.map(), keyed])

    def container(self, depth: int) -> ast.Expr:
        kind = self.integer(0, 3)
        if kind == 0:
            return ast.Call(self.pick(["f", "for"]), self.several(lambda: self.argument(depth)), span=SPAN)
        if kind == 1:
            return ast.Tuple(self.several(lambda: self.expr(depth)), span=SPAN)
        if kind == 2:
            count = self.integer(1, 3)
            return ast.Record(
                tuple(ast.RecordField(name, self.expr(depth), span=SPAN) for name in ("a", "_c", "int8")[:count]),
                span=SPAN,
            )
        return self.block(depth)

    def argument(self, depth: int) -> Any:
        return self.pick([self.expr, self.expr, lambda d: ast.TypeOf(self.type_or_expr(d), span=SPAN)])(depth)

    def special(self, depth: int) -> ast.Expr:
        kind = self.integer(0, 4)
        if kind == 0:
            return ast.SizeOf(self.type_or_expr(depth), span=SPAN)
        if kind == 1:
            return ast.TypeInfo(self.type_or_expr(depth), span=SPAN)
        if kind == 2:
            return ast.OffsetOf(self.type_or_expr(depth), self.several(self.member, 1), span=SPAN)
        return ast.Comptime(self.expr(depth), span=SPAN) if kind == 3 else self.if_(depth)

    def if_(self, depth: int) -> ast.If:
        otherwise: ast.Block | ast.If | None = None
        if self.flip():
            otherwise = self.if_(depth - 1) if depth > 0 and self.flip() else self.block(depth)
        return ast.If(self.expr(depth), self.block(depth), otherwise, span=SPAN)

    # ------------------------------------------------------------ statements and items

    def block(self, depth: int) -> ast.Block:
        statements = self.several(lambda: self.statement(depth), most=2)
        return ast.Block(statements, self.maybe(lambda: self.expr(depth)), span=SPAN)

    def body(self, depth: int) -> ast.Block:
        return statements_only(self.block(depth))

    def statement(self, depth: int) -> ast.Stmt:
        kind = self.integer(0, 9)
        if kind < 3:
            return ast.ExprStmt(self.expr(depth), span=SPAN)
        if kind == 3:
            value, type_ = self.maybe(lambda: self.expr(depth)), self.maybe(lambda: self.type(depth))
            return ast.Let(self.variable(), type_, value, span=SPAN, declaration=SPAN)
        if kind < 6:
            return ast.Assign(self.lvalue(depth), self.pick(ASSIGN), self.expr(depth), span=SPAN)
        if kind == 6:
            return ast.Discard(self.expr(depth), span=SPAN)
        if kind == 7:
            value = self.maybe(lambda: self.expr(depth))
            jumps: list[ast.Stmt] = [ast.Break(span=SPAN), ast.Continue(span=SPAN), ast.Return(value, span=SPAN)]
            return self.pick(jumps)
        return self.loop(depth - 1) if depth > 0 else ast.ImportStmt(self.text(), span=SPAN)

    def loop(self, depth: int) -> ast.Stmt:
        kind = self.integer(0, 2)
        if kind == 0:
            return ast.While(self.expr(depth), self.body(depth), span=SPAN)
        if kind == 1:
            return ast.Unroll(self.expr(depth), self.body(depth), span=SPAN)
        over = self.pick([self.map(), ast.Range(self.expr(depth), self.expr(depth), span=SPAN)])
        return ast.For(self.variable(), over, self.body(depth), span=SPAN)

    def probe(self) -> ast.Probe:
        texts = ["begin", "kprobe:f", 'uprobe:/bin/a:"x y{"', "tracepoint:a:b*", "interval:s:1"]
        points = self.several(lambda: ast.AttachPoint(self.pick(texts), span=SPAN), 1)
        return ast.Probe(points, self.maybe(lambda: self.expr(3)), self.body(4), span=SPAN)

    def item(self) -> ast.RootItem:
        kind = self.integer(0, 5)
        if kind == 0:
            params = (
                ast.MacroParam("variable", "p", span=SPAN),
                ast.MacroParam("map", "", span=SPAN),
                ast.MacroParam("expr", "r", span=SPAN),
            )
            return ast.Macro("mac", params[: self.integer(0, 3)], self.block(3), span=SPAN)
        if kind == 1:
            return ast.MapDeclaration(self.map(), "hash", self.integer(0, 2**64 - 1), span=SPAN)
        if kind == 2:
            params2 = self.several(lambda: ast.Param(self.variable(), self.type(1), span=SPAN))
            return ast.Subprogram("fun", params2, self.type(1), self.body(3), span=SPAN)
        return self.probe()

    def config(self) -> ast.Config:
        values = [self.text(), "perf", "true", "", self.integer(0, 2**64 - 1), True, False]
        return ast.Config(
            self.several(lambda: ast.ConfigAssignment(self.name(), self.pick(values), span=SPAN)), span=SPAN
        )

    def script(self) -> ast.Script:
        texts = ["#include <a.h>", "struct s { int a; };", "enum e { A, B = 2 };"]
        return ast.Script(
            self.several(lambda: ast.CDefinition(self.pick(texts), span=SPAN)),
            self.maybe(self.config),
            self.several(lambda: ast.RootImport(self.text(), span=SPAN), most=2),
            self.several(self.item, most=2),
            span=SPAN,
        )


@st.composite
def scripts(draw: Callable[[st.SearchStrategy[Any]], Any]) -> ast.Script:
    return Generator(draw).script()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts())
def test_dump_parses_to_the_same_tree(script: ast.Script) -> None:
    text = dump(script)
    again = parse(Source("dump", text), Diagnostics())
    assert again == script, text
    assert dump(again) == text


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts())
def test_spans_are_inside_the_text(script: ast.Script) -> None:
    """And `tree` draws every node."""
    text = dump(script)
    parsed = parse(Source("dump", text), Diagnostics())
    stack: list[ast.Node] = [parsed]
    count = 0
    while stack:
        current = stack.pop()
        count += 1
        assert 0 <= current.span.start <= current.span.end <= len(text)
        for name in type(current).__match_args__:  # type: ignore[attr-defined]
            value = getattr(current, name)
            stack += [c for c in (value if isinstance(value, tuple) else (value,)) if isinstance(c, ast.Node)]
    assert tree(parsed).count("\n") == count
