"""Constant folding: literals, positional parameters, and the rows' own compile-time functions (spec 01 §9, 02 §11).

Place in the pipeline: on the body of each instance, before inference and again after types have answered `sizeof` and
such.  In: a tree, the folding context.  Out: a tree in which everything that is known is a literal.  What a newcomer
would get wrong: what a row folds may depend on the attach point (`probe`); it then says so through its FoldSite, and
the instance is split.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.grammar import ast
from pytrace.record import record, replace
from pytrace.registry import FunctionDef
from pytrace.sema import literals
from pytrace.sema.literals import FoldError
from pytrace.sema.params import GIVE_IT, not_given
from pytrace.sema.walk import descendants, map_children, operation_span
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from pytrace.attach_points import AttachPoint
    from pytrace.registry import ProbeDef, Registry, VariableDef
    from pytrace.sema.typenames import TypeScope
    from pytrace.sema.unit import Options
    from pytrace.target import Target


@record(frozen=False)
class FoldContext:
    """What folding may know.  `separate` becomes true when a result depended on the attach point."""

    registry: Registry
    target: Target
    config: Mapping[str, Any]
    options: Options
    diagnostics: Diagnostics
    scope: TypeScope
    provider: ProbeDef | None = None
    attach_point: AttachPoint | None = None
    separate: bool = False

    def error(self, message: str, span: Span) -> None:
        self.diagnostics.error(message, span)


@record(frozen=False)
class Site:
    """`registry.FoldSite`."""

    context: FoldContext
    span: Span
    args: tuple[Any, ...]

    @property
    def target(self) -> Target:
        return self.context.target

    @property
    def config(self) -> Mapping[str, Any]:
        return self.context.config

    @property
    def unsafe(self) -> bool:
        return self.context.options.unsafe

    @property
    def provider(self) -> ProbeDef | None:
        return self.context.provider

    @property
    def attach_point(self) -> AttachPoint | None:
        return self.context.attach_point

    def literal(self, index: int) -> int | str | bool | None:
        return literals.value_of(self.args[index]) if index < len(self.args) else None

    def error(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None:
        self.context.diagnostics.error(message, span or self.span, hints=hints)

    def warning(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None:
        self.context.diagnostics.warning(message, span or self.span, hints=hints)

    def uses_attach_point(self) -> None:
        self.context.separate = True


class Folder:
    """Folds bottom-up; `fold` is idempotent."""

    def __init__(self, context: FoldContext, answers: Mapping[int, ast.Expr] | None = None) -> None:
        """`answers`: what stands for the nodes (by id) that inference has answered."""
        self.context = context
        self.answers = answers or {}
        self._defines: list[str] = []
        self._rules: dict[type, Callable[[Any], Any]] = {
            ast.Unary: self._unary, ast.Binary: self._binary, ast.Ternary: self._ternary, ast.If: self._if,
            ast.Block: self._block, ast.Index: self._index, ast.TupleAccess: self._tuple_access,
            ast.FieldAccess: self._field_access, ast.Comptime: self._comptime, ast.PosParam: self._pos_param,
            ast.ParamCount: self._param_count, ast.Call: self._call, ast.Identifier: self._identifier,
            ast.ExprStmt: self._statement,
        }  # fmt: skip

    def fold(self, node: Any) -> Any:
        answer = self.answers.get(id(node))
        if answer is not None:
            return answer
        rule = self._rules.get(type(node))
        return rule(node) if rule else map_children(node, self.fold)

    def body(self, block: ast.Block) -> ast.Block:
        """As `fold`, but a body remains a block."""
        return self._drop_empty(map_children(block, self.fold))

    # literals -----------------------------------------------------------
    def _pos_param(self, node: ast.PosParam) -> ast.Expr:
        text = self._text(node)
        if not text:
            message = f"Positional parameter ${node.number} is empty or not provided. "
            self.context.diagnostics.warning(message, node.span)
            return ast.Integer(0, span=node.span)
        from pytrace.grammar.literals import integer_value

        value = integer_value(text.removeprefix("-"))
        if isinstance(value, str) or (text.startswith("-") and value > 2**63):
            return ast.String(text, span=node.span)
        return ast.Integer(-value if text.startswith("-") else value, text.startswith("-"), span=node.span)

    def _text(self, node: ast.PosParam) -> str:
        given = self.context.options.positional
        if node.number <= len(given):
            return given[node.number - 1]
        if self.context.target.ahead:
            self.context.diagnostics.error(not_given(node.number), node.span, hints=(GIVE_IT,))
        return ""

    def _param_count(self, node: ast.ParamCount) -> ast.Expr:
        return ast.Integer(len(self.context.options.positional), span=node.span)

    # operators ----------------------------------------------------------
    def _unary(self, node: ast.Unary) -> ast.Expr:
        node = map_children(node, self.fold)
        value = literals.value_of(node.expr)
        if value is None or isinstance(value, str):
            return node
        if node.op == "!":
            return ast.Boolean(not value, span=node.span)
        if isinstance(value, bool):
            return node
        try:
            if node.op == "-":
                return ast.Integer(literals.negate(value), value != 0, span=node.span)
            if node.op == "~":
                return ast.Integer(literals.invert(value), span=node.span)
        except FoldError as problem:
            self.context.error(str(problem), node.span)
        return node

    def _binary(self, node: ast.Binary) -> ast.Expr:
        node = map_children(node, self.fold)
        folded = self._operation(replace(node, span=operation_span(node, node.left)))
        return node if isinstance(folded, ast.Binary) else folded

    def _operation(self, node: ast.Binary) -> ast.Expr:
        left, right = node.left, node.right
        if isinstance(left, (ast.Tuple, ast.Record)) and type(left) is type(right) and node.op in ("==", "!="):
            equal = literals.same(left, right)
            return node if equal is None else ast.Boolean(equal == (node.op == "=="), span=node.span)
        a, b = literals.value_of(left), literals.value_of(right)
        if a is None or b is None:
            return node
        try:
            return self._scalars(node, a, b)
        except FoldError as problem:
            self.context.error(str(problem), node.span)
            return node

    def _scalars(self, node: ast.Binary, a: literals.Value, b: literals.Value) -> ast.Expr:
        op, span = node.op, node.span
        if isinstance(a, str) or isinstance(b, str):
            return self._strings(node, a, b)
        if isinstance(a, bool) and isinstance(b, bool):
            return ast.Boolean(literals.booleans(op, a, b), span=span)
        if isinstance(a, bool) or isinstance(b, bool):
            if op in literals.LOGICAL:
                return ast.Boolean(literals.compare(op, bool(a), bool(b)), span=span)
            return node
        result = literals.integers(op, a, b)
        if isinstance(result, bool):
            return ast.Boolean(result, span=span)
        return ast.Integer(result, result < 0, span=span)

    def _strings(self, node: ast.Binary, a: literals.Value, b: literals.Value) -> ast.Expr:
        op, span = node.op, node.span
        if isinstance(a, str) and isinstance(b, str):
            if op == "+":
                return ast.String(a + b, span=span)
            if op in literals.COMPARISONS or op in literals.LOGICAL:
                return ast.Boolean(literals.compare(op, a, b), span=span)
            raise FoldError("illegal literal operation with strings")
        text, other = (a, b) if isinstance(a, str) else (b, a)
        assert isinstance(text, str) and not isinstance(other, str)
        if isinstance(other, bool):
            if op in literals.LOGICAL:
                return ast.Boolean(literals.compare(op, bool(text), other), span=span)
        elif op == "+" and other >= 0:
            if other >= len(text):
                self.context.diagnostics.warning("literal string will always be empty", span)
            return ast.String(text[other:], span=span)
        return node

    # choices and blocks --------------------------------------------------
    def _ternary(self, node: ast.Ternary) -> ast.Expr:
        node = map_children(node, self.fold)
        if literals.value_of(node.cond) is None:
            return node
        chosen = literals.truth(node.cond)
        then = node.cond if node.then is None else node.then
        if literals.is_literal(then) and literals.is_literal(node.otherwise):
            return then if chosen else node.otherwise
        if isinstance(node.cond, ast.Boolean) or node.then is None:
            return node
        return replace(node, cond=ast.Boolean(chosen, span=node.cond.span))

    def _if(self, node: ast.If) -> ast.Expr:
        if isinstance(node.cond, ast.Comptime):
            cond = self.fold(node.cond.expr)
            if literals.is_literal(cond):
                taken = node.then if literals.truth(cond) else node.otherwise
                return self.fold(taken) if taken is not None else ast.Block((), span=node.span)
            return node if cond is node.cond.expr else replace(node, cond=replace(node.cond, expr=cond))
        then = self.body(node.then)
        otherwise = self._branch(node.otherwise)
        cond = self.fold(node.cond)
        if literals.value_of(cond) is not None:
            values = self._value(then), self._value(otherwise)
            if None not in values:
                return values[0] if literals.truth(cond) else values[1]  # type: ignore[return-value]
            if not isinstance(cond, ast.Boolean):
                cond = ast.Boolean(literals.truth(cond), span=cond.span)
        if then is node.then and otherwise is node.otherwise and cond is node.cond:
            return node
        return replace(node, cond=cond, then=then, otherwise=otherwise)

    def _branch(self, node: ast.Block | ast.If | None) -> ast.Block | ast.If | None:
        if node is None or isinstance(node, ast.Block):
            return None if node is None else self.body(node)
        folded = self._if(node)
        return folded if isinstance(folded, (ast.Block, ast.If)) else ast.Block((), folded, span=folded.span)

    @staticmethod
    def _value(block: object) -> ast.Expr | None:
        """The literal that a branch is, if it is nothing else."""
        if isinstance(block, ast.Block) and not block.statements and literals.is_literal(block.value):
            return block.value
        return None

    def _block(self, node: ast.Block) -> ast.Expr:
        node = self.body(node)
        alone = not node.statements and (literals.is_literal(node.value) or isinstance(node.value, ast.Tuple))
        return node.value if alone and node.value is not None else node

    def _drop_empty(self, block: ast.Block) -> ast.Block:
        kept = tuple(s for s in block.statements if not self._is_empty(s))
        value = block.value
        if isinstance(value, ast.Block) and not value.statements and value.value is None:
            value = None
        if value is block.value and len(kept) == len(block.statements):
            return block
        return replace(block, statements=kept, value=value)

    @staticmethod
    def _is_empty(statement: ast.Stmt) -> bool:
        """What a comptime `if` without a taken branch leaves."""
        inner = statement.expr if isinstance(statement, ast.ExprStmt) else None
        return isinstance(inner, ast.Block) and not inner.statements and inner.value is None

    def _statement(self, node: ast.ExprStmt) -> ast.Stmt:
        return map_children(node, self.fold)

    def _comptime(self, node: ast.Comptime) -> ast.Expr:
        node = map_children(node, self.fold)
        return node.expr if literals.is_literal(node.expr) or isinstance(node.expr, ast.Comptime) else node

    # access --------------------------------------------------------------
    def _index(self, node: ast.Index) -> ast.Expr:
        node = map_children(node, self.fold)
        text, index = literals.value_of(node.base), literals.value_of(node.index)
        if isinstance(text, str) and isinstance(index, int) and not isinstance(index, bool) and 0 <= index <= len(text):
            code = ord(text[index]) if index < len(text) else 0
            return ast.Integer(code if code < 128 else code + 2**64 - 256, span=node.span)
        return node

    def _tuple_access(self, node: ast.TupleAccess) -> ast.Expr:
        node = map_children(node, self.fold)
        base = node.base
        if isinstance(base, ast.Tuple) and literals.is_literal(base) and node.index < len(base.elements):
            return base.elements[node.index]
        return node

    def _field_access(self, node: ast.FieldAccess) -> ast.Expr:
        node = map_children(node, self.fold)
        if isinstance(node.base, ast.Record) and literals.is_literal(node.base):
            for entry in node.base.fields:
                if entry.name == node.name:
                    return entry.value
        return node

    # rows ----------------------------------------------------------------
    def _row(self, name: str) -> FunctionDef | VariableDef | None:
        registry = self.context.registry
        return registry.variable(name) or registry.function(name)

    def _call(self, node: ast.Call) -> ast.Expr:
        row = self._row(node.name)
        if isinstance(row, FunctionDef) and row.text_params and node.args:
            node = replace(node, args=(self._as_text(node.args[0]), *node.args[1:]))
        node = map_children(node, self.fold)
        return self._fold_row(row, node, node.args)

    def _identifier(self, node: ast.Identifier) -> ast.Expr:
        row = self._row(node.name)
        if row is None and self.context.scope.definitions is not None:
            return self._define(node)
        return self._fold_row(row, node, ())

    def _define(self, node: ast.Identifier) -> ast.Expr:
        """A `#define` of the script, as the expression that it is."""
        definitions = self.context.scope.definitions
        text = definitions.define(node.name) if definitions is not None else None
        if text is None:
            return node
        if node.name in self._defines:
            return node  # within its own expansion the name means nothing
        from pytrace.grammar.parser import parse_expression
        from pytrace.sema.walk import copy
        from pytrace.source import Source

        expanded = parse_expression(text, Source(node.name, text))
        if expanded is None:
            self.context.error(f"unable to expand macro as an expression: {text}", node.span)
            return node
        self._defines.append(node.name)
        try:
            folded: ast.Expr = self.fold(copy(expanded, lambda own: Span(own.source, own.start, own.end, node.span)))
            return folded
        finally:
            self._defines.pop()

    def _fold_row(self, row: FunctionDef | VariableDef | None, node: ast.Expr, args: tuple[Any, ...]) -> ast.Expr:
        if row is None or row.fold is None:
            return node
        found = row.fold(Site(self.context, node.span, args))
        folded: ast.Expr = node if found is None else self.fold(found)
        return folded

    def _as_text(self, node: Any) -> Any:
        if isinstance(node, ast.PosParam):
            return ast.String(self._text(node), span=node.span)
        if isinstance(node, ast.Binary) and node.op == "+" and isinstance(node.left, ast.PosParam):
            return replace(node, left=self._as_text(node.left))
        return node


def by_place(registry: Registry) -> Callable[[ast.Probe], bool]:
    """A test whether a probe's body uses a value that is elsewhere at each place of an inlined function."""

    def wants(probe: ast.Probe) -> bool:
        names = (node.name for node in descendants(probe) if isinstance(node, ast.Identifier))
        return any(row.by_place for row in map(registry.variable, names) if row is not None)

    return wants


def separate_probes(registry: Registry, context: FoldContext) -> Callable[[ast.Probe], bool]:
    """A test whether a probe's body folds differently for each attach point (it says `probe`)."""
    trial = replace(context, diagnostics=Diagnostics())

    def wants(probe: ast.Probe) -> bool:
        trial.separate = False
        for node in descendants(probe):
            if isinstance(node, (ast.Identifier, ast.Call)):
                row = registry.variable(node.name) or registry.function(node.name)
                if row is not None and row.fold is not None:
                    args = node.args if isinstance(node, ast.Call) else ()
                    row.fold(Site(trial, node.span, args))
        return trial.separate

    return wants
