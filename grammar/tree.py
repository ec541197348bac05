"""Builds AST nodes as the parser reduces: one method for each tree name of `pytrace.lark`.

Place in the pipeline: called by `engine.py`; each method takes the children that the grammar keeps and the
extent of the text, and gives a node.  Errors that the grammar cannot see (an operand that cannot be
stepped, a repeated field, the order of the script's parts) are reported here.  What a newcomer would get
wrong: as in the reference the span of an enclosing node runs to where the parser stood, which is behind
the white space after a bare name or map (`_swallow_layout`).
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.grammar.engine import Stop
from pytrace.grammar.lexer import Token, is_reserved
from pytrace.grammar.literals import integer_value
from pytrace.record import replace
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.grammar.engine import Engine

_LVALUES = (ast.Variable, ast.Map, ast.MapAccess)
_ACCESSES = (ast.FieldAccess, ast.TupleAccess, ast.Index)
_IMMUTABLE = "Tuples and records are immutable once created. Consider creating a new value and assigning it instead."
_AFTER_ITEMS = "must appear before probes and functions"
INT64_MAX = 2**63 - 1


class TreeBuilder:
    """The actions of one parse."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.source = engine.source
        self.seen_config = False
        self.seen_preamble = False
        self.seen_item = False

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def _of(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def _swallow_layout(self, end: int) -> None:
        self.engine.end = self.engine.lexer.skip_layout(end)

    # ------------------------------------------------------------ the script

    def script(self, items: list[Any], start: int, end: int) -> ast.Script:
        configs = [item for item in items if isinstance(item, ast.Config)]
        return ast.Script(
            tuple(item for item in items if isinstance(item, ast.CDefinition)),
            configs[0] if configs else None,
            tuple(item for item in items if isinstance(item, ast.RootImport)),
            tuple(
                item for item in items if isinstance(item, ast.Probe | ast.Macro | ast.MapDeclaration | ast.Subprogram)
            ),
            span=self.span(0, self.engine.lexer.skip_layout(end)),
        )

    def c_definition(self, items: list[Any], start: int, end: int) -> ast.CDefinition:
        if self.seen_item or self.seen_preamble:
            newline = self.engine.lexer.char(start) == "#" and self.engine.lexer.char(end) == "\n"
            self.engine.report("C definitions " + _AFTER_ITEMS, start, end + newline)
        return ast.CDefinition(items[0].text, span=self.span(start, end))

    def config(self, items: list[Any], start: int, end: int) -> ast.Config:
        word = start + len("config")
        if self.seen_item:
            self.engine.report("config " + _AFTER_ITEMS, start, word)
        elif self.seen_config:
            self.engine.report("duplicate config block", start, word)
        self.seen_config = self.seen_preamble = True
        return ast.Config(tuple(item for item in items if item), span=self.span(start, end))

    def config_entry(self, items: list[Any], start: int, end: int) -> ast.ConfigAssignment:
        key, token = items
        value: str | int | bool = token.text
        if token.kind in ("TRUE", "FALSE"):
            value = token.kind == "TRUE"
        elif token.kind == "INTEGER":
            number = integer_value(token.text)
            if isinstance(number, str):
                self.engine.report_at("invalid integer in config", end)
                if self.engine.lexer.char(self.engine.lexer.skip_layout(end)) != "}":
                    self.engine.report_at("expected '}'", end)
                raise Stop
            value = number
        return ast.ConfigAssignment(key.text, value, span=self.span(start, end))

    def root_import(self, items: list[Any], start: int, end: int) -> ast.RootImport:
        if self.seen_item:
            self.engine.report("root imports " + _AFTER_ITEMS, start, start + len("import"))
        self.seen_preamble = True
        return ast.RootImport(items[0].text, span=self.span(start, items[0].end))

    def map_declaration(self, items: list[Any], start: int, end: int) -> ast.MapDeclaration:
        name, kind, size = items
        self.seen_item = True
        return ast.MapDeclaration(ast.Map(name.text, span=self._of(name)), kind.text, size, span=self.span(start, end))

    def max_entries(self, items: list[Any], start: int, end: int) -> int:
        number = integer_value(items[0].text)
        if isinstance(number, str):
            self.engine.report_at("expected positive integer for map declaration max entries", end)
            raise Stop
        return number

    def macro_head(self, items: list[Any], start: int, end: int) -> Token:
        return Token("", start, end, items[0].text)

    def macro(self, items: list[Any], start: int, end: int) -> ast.Macro:
        self.seen_item = True
        head, *params, body = items
        return ast.Macro(head.text, tuple(params), body, span=self._of(head))

    def macro_param(self, items: list[Any], start: int, end: int) -> ast.MacroParam:
        token = items[0]
        kind = {"VARIABLE": "variable", "MAP": "map"}.get(token.kind, "expr")
        if kind == "expr" and is_reserved(token.text):
            self.engine.report(f"builtin '{token.text}' can't be used as a macro argument", start, end)
        return ast.MacroParam(kind, token.text, span=self.span(start, end))

    def subprogram(self, items: list[Any], start: int, end: int) -> ast.Subprogram:
        self.seen_item = True
        name, *params, returns, body = items
        return ast.Subprogram(name.text, tuple(params), returns, statements_only(body), span=self.span(start, name.end))

    def param(self, items: list[Any], start: int, end: int) -> ast.Param:
        return ast.Param(self.variable(items[:1], items[0].start, items[0].end), items[1], span=self.span(start, end))

    def probe(self, items: list[Any], start: int, end: int) -> ast.Probe:
        self.seen_item = True
        points, predicate, body = items
        span = self.span(start, points[-1].span.end)
        return ast.Probe(tuple(points), predicate, statements_only(body), span=span)

    def attach_points(self, items: list[Any], start: int, end: int) -> list[ast.AttachPoint]:
        return items

    def attach_point(self, items: list[Any], start: int, end: int) -> ast.AttachPoint:
        return ast.AttachPoint(items[0].text, span=self.span(start, end))

    def predicate(self, items: list[Any], start: int, end: int) -> ast.Expr:
        expr: ast.Expr = items[0]
        return expr

    # ------------------------------------------------------------ statements

    def block(self, items: list[Any], start: int, end: int) -> ast.Block:
        value = None
        if items and (items[-1] is None or isinstance(items[-1], ast.Expr)):
            value = items.pop()
        return ast.Block(tuple(items), value, span=self.span(start, end))

    def expression_statement(self, items: list[Any], start: int, end: int) -> ast.ExprStmt:
        return ast.ExprStmt(items[0], span=self.span(start, end))

    def let_head(self, items: list[Any], start: int, end: int) -> tuple[ast.Variable, Span]:
        token = items[0]
        return self.variable(items, token.start, token.end), self.span(start, end)

    def let(self, items: list[Any], start: int, end: int) -> ast.Let:
        (variable, declaration), type_, value = items
        return ast.Let(variable, type_, value, span=self.span(start, end), declaration=declaration)

    def can_assign(self, operator: str) -> bool:
        """Whether the parser may read the assignment whose target was reduced last, were it only to refuse it."""
        target, start = self.engine.values[-1], self.engine.starts[-1]
        if self.source.text[start : start + 1] not in ("$", "@"):
            return False
        return isinstance(target, _LVALUES) or (operator == "ASSIGN" and isinstance(target, _ACCESSES))

    def assign(self, items: list[Any], start: int, end: int) -> ast.Assign:
        target, operator, value = items
        if isinstance(target, ast.FieldAccess | ast.TupleAccess):
            self.engine.report(_IMMUTABLE, start, end)
        elif not isinstance(target, _LVALUES):
            self.engine.report("invalid assignment target", start, end)
        return ast.Assign(target, operator.text, value, span=self.span(start, end))

    def discard(self, items: list[Any], start: int, end: int) -> ast.Discard:
        return ast.Discard(items[0], span=self.span(start, end))

    def _jump_span(self, start: int, end: int) -> Span:
        """A jump's span takes in its `;`, or the white space before a `}`."""
        end = self.engine.lexer.skip_layout(end)
        return self.span(start, end + 1 if self.engine.lexer.char(end) == ";" else end)

    def break_(self, items: list[Any], start: int, end: int) -> ast.Break:
        return ast.Break(span=self._jump_span(start, end))

    def continue_(self, items: list[Any], start: int, end: int) -> ast.Continue:
        return ast.Continue(span=self._jump_span(start, end))

    def return_(self, items: list[Any], start: int, end: int) -> ast.Return:
        return ast.Return(items[0], span=self._jump_span(start, end))

    def for_variable(self, items: list[Any], start: int, end: int) -> ast.Variable:
        return self.variable(items, start, end)

    def for_head(self, items: list[Any], start: int, end: int) -> tuple[ast.Variable, ast.Map | ast.Range]:
        variable, first, *last = items
        if self._is_open(start, end):
            self.engine.skip_block()
        if last:
            return variable, ast.Range(first, last[0], span=self.span(start, end))
        if not isinstance(first, ast.Map) and not self.engine.skipped_block:
            self.engine.report_at("expected map or range in for loop", end)
            self.engine.skip_block()
        return variable, first

    def _is_open(self, start: int, end: int) -> bool:
        """Whether the head of a loop lacks its `)`, which has been reported then."""
        opening = self.engine.lexer.skip_layout(start + len("for"))
        return self.engine.lexer.char(opening) == "(" and self.source.text[end - 1] != ")"

    def for_(self, items: list[Any], start: int, end: int) -> ast.For:
        (variable, iterable), body = items
        return ast.For(variable, iterable, statements_only(body), span=self.span(start, end))

    def while_(self, items: list[Any], start: int, end: int) -> ast.While:
        return ast.While(items[0], statements_only(items[1]), span=self.span(start, end))

    def unroll(self, items: list[Any], start: int, end: int) -> ast.Unroll:
        return ast.Unroll(items[0], statements_only(items[1]), span=self.span(start, end))

    def statement_import(self, items: list[Any], start: int, end: int) -> ast.ImportStmt:
        return ast.ImportStmt(items[0].text, span=self.span(start, items[0].end))

    # ------------------------------------------------------------ operators

    def ternary(self, items: list[Any], start: int, end: int) -> ast.Ternary:
        return ast.Ternary(items[0], items[1], items[2], span=self.span(start, end))

    def short_ternary(self, items: list[Any], start: int, end: int) -> ast.Ternary:
        return ast.Ternary(items[0], None, items[1], span=self.span(start, end))

    def binary(self, items: list[Any], start: int, end: int) -> ast.Binary:
        return ast.Binary(items[1].text, items[0], items[2], span=self.span(start, end))

    def unary_operation(self, items: list[Any], start: int, end: int) -> ast.Unary:
        return ast.Unary(items[0].text, items[1], span=self.span(start, end))

    def prefix_step(self, items: list[Any], start: int, end: int) -> ast.Expr:
        operator, operand = items
        if not isinstance(operand, _LVALUES):
            self._refuse_step(operand.span.start, operand.span.end)
        return ast.IncDec(operator.text, True, operand, span=self.span(start, end))

    def postfix_step(self, items: list[Any], start: int, end: int) -> ast.Expr:
        operand, operator = items
        if not isinstance(operand, _LVALUES):
            self._refuse_step(operator.start, operator.end)
            unstepped: ast.Expr = operand
            return unstepped
        # `$a++` at the start of a statement is all of it (spec 01 §3 note 9)
        self.engine.complete = self.engine.in_block() and self.source.text[start] in "$@"
        return ast.IncDec(operator.text, False, operand, span=self.span(start, end))

    def _refuse_step(self, start: int, end: int) -> None:
        self.engine.report("increment/decrement requires a variable or map", start, end)

    def address_of_variable(self, items: list[Any], start: int, end: int) -> ast.AddressOf:
        token = items[1]
        return ast.AddressOf(ast.Variable(token.text, span=self._of(token)), span=self.span(start, end))

    def address_of_map(self, items: list[Any], start: int, end: int) -> ast.AddressOf:
        token = items[1]
        return ast.AddressOf(ast.Map(token.text, span=self._of(token)), span=self.span(start, end))

    def cast(self, items: list[Any], start: int, end: int) -> ast.Cast:
        type_, expr = items
        closing = self.engine.lexer.skip_layout(type_.span.end)
        return ast.Cast(type_, expr, span=self.span(start, self.engine.lexer.skip_layout(closing + 1)))

    def comptime(self, items: list[Any], start: int, end: int) -> ast.Comptime:
        return ast.Comptime(items[0], span=self.span(start, end))

    def field(self, items: list[Any], start: int, end: int) -> ast.FieldAccess:
        base, name = items
        return ast.FieldAccess(base, name.text, span=self.span(start, end), name_span=self._of(name))

    def tuple_access(self, items: list[Any], start: int, end: int) -> ast.TupleAccess:
        number = integer_value(items[1].text)
        return ast.TupleAccess(items[0], number if isinstance(number, int) else 0, span=self.span(start, end))

    def index(self, items: list[Any], start: int, end: int) -> ast.Index:
        return ast.Index(items[0], items[1], span=self.span(start, end))

    # ------------------------------------------------------------ primary expressions

    def integer(self, items: list[Any], start: int, end: int) -> ast.Integer:
        value = integer_value(items[0].text)
        if isinstance(value, str):
            self.engine.report(value, start, end)
            value = 0
        return ast.Integer(value, span=self.span(start, end))

    def string(self, items: list[Any], start: int, end: int) -> ast.String:
        return ast.String(items[0].text, span=self.span(start, end))

    def true(self, items: list[Any], start: int, end: int) -> ast.Boolean:
        return ast.Boolean(True, span=self.span(start, end))

    def false(self, items: list[Any], start: int, end: int) -> ast.Boolean:
        return ast.Boolean(False, span=self.span(start, end))

    def variable(self, items: list[Any], start: int, end: int) -> ast.Variable:
        return ast.Variable(items[0].text, span=self.span(start, end))

    def param_number(self, items: list[Any], start: int, end: int) -> ast.PosParam:
        digits = items[0].text
        if len(digits) > 19 or not 1 <= int(digits) <= INT64_MAX:
            self.engine.report(f"param ${digits} is out of integer range [1, {INT64_MAX}]", start, end)
            digits = "1"
        return ast.PosParam(int(digits), span=self.span(start, end))

    def param_count(self, items: list[Any], start: int, end: int) -> ast.ParamCount:
        return ast.ParamCount(span=self.span(start, end))

    def map(self, items: list[Any], start: int, end: int) -> ast.Map:
        self._swallow_layout(end)
        return ast.Map(items[0].text, span=self.span(start, end))

    def map_access(self, items: list[Any], start: int, end: int) -> ast.MapAccess:
        token, *keys = items
        span = self.span(start, end)
        key = keys[0] if len(keys) == 1 else ast.Tuple(tuple(keys), span=span)
        return ast.MapAccess(ast.Map(token.text, span=self._of(token)), key, span=span)

    def identifier(self, items: list[Any], start: int, end: int) -> ast.Identifier:
        self._swallow_layout(end)
        return ast.Identifier(items[0].text, span=self.span(start, end))

    def call(self, items: list[Any], start: int, end: int) -> ast.Call:
        name, *args = items
        return ast.Call(name.text, tuple(args), span=self.span(start, end), name_span=self._of(name))

    def tuple(self, items: list[Any], start: int, end: int) -> ast.Tuple:
        return ast.Tuple(tuple(items), span=self.span(start, end))

    def record(self, items: list[Any], start: int, end: int) -> ast.Record:
        names: set[str] = set()
        for item in items:
            if item.name in names:
                message = "Named argument list already contains name: " + item.name
                self.engine.report(message, item.span.start, item.span.end)
            names.add(item.name)
        return ast.Record(tuple(items), span=self.span(start, end))

    def record_field(self, items: list[Any], start: int, end: int) -> ast.RecordField:
        name, value = items
        return ast.RecordField(name.text, value, span=self.span(start, end))

    def group(self, items: list[Any], start: int, end: int) -> ast.Expr:
        expr: ast.Expr = items[0]
        return expr

    def if_(self, items: list[Any], start: int, end: int) -> ast.If:
        return ast.If(items[0], items[1], items[2], span=self.span(start, end))

    def sizeof(self, items: list[Any], start: int, end: int) -> ast.SizeOf:
        return ast.SizeOf(items[0], span=self.span(start, end))

    def offsetof(self, items: list[Any], start: int, end: int) -> ast.OffsetOf:
        path = tuple(token.text for token in items[1:])
        return ast.OffsetOf(items[0], path, span=self.span(start, end))

    def typeinfo(self, items: list[Any], start: int, end: int) -> ast.TypeInfo:
        return ast.TypeInfo(items[0], span=self.span(start, end))

    # ------------------------------------------------------------ types

    def type_name(self, items: list[Any], start: int, end: int) -> ast.TypeName:
        return ast.TypeName(items[0].text, span=self.span(start, end))

    def tagged_type(self, items: list[Any], start: int, end: int) -> ast.TypeName:
        return ast.TypeName(items[1].text, items[0].text, span=self.span(start, end))

    def pointer_type(self, items: list[Any], start: int, end: int) -> ast.PointerTo:
        return ast.PointerTo(items[0], span=self.span(start, end))

    def array_type(self, items: list[Any], start: int, end: int) -> ast.ArrayOf:
        length = integer_value(items[1].text) if items[1] else None
        return ast.ArrayOf(items[0], None if isinstance(length, str) else length, span=self.span(start, end))

    def typeof(self, items: list[Any], start: int, end: int) -> ast.TypeOf:
        return ast.TypeOf(items[0], span=self.span(start, end))


# Rules whose names are Python keywords.
for _name in ("break", "continue", "return", "for", "while", "if"):
    setattr(TreeBuilder, _name, getattr(TreeBuilder, _name + "_"))


def statements_only(block: ast.Block) -> ast.Block:
    """The body of a probe or loop has no value: a last expression without `;` is a statement there."""
    if block.value is None:
        return block
    last = ast.ExprStmt(without_value(block.value), span=block.value.span)
    return replace(block, statements=(*block.statements, last), value=None)


def without_value(expr: ast.Expr) -> ast.Expr:
    """`expr` where nobody wants its value, so that the branches of an `if` need not agree."""
    if isinstance(expr, ast.Block):
        return statements_only(expr)
    if isinstance(expr, ast.If):
        otherwise = expr.otherwise
        if isinstance(otherwise, ast.Block):
            otherwise = statements_only(otherwise)
        elif otherwise is not None:
            replaced = without_value(otherwise)
            assert isinstance(replaced, ast.If)
            otherwise = replaced
        return replace(expr, then=statements_only(expr.then), otherwise=otherwise)
    return expr
