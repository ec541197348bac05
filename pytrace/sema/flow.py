"""Jumps: where they may stand, and what they leave unreachable (spec 02 §9).

Place in the pipeline: on the script as it was written, before macros are expanded.  In: the tree.  Out: the same tree,
with what cannot be reached put into the dead branch of an `if (true)`: it still counts for types.  What a newcomer
would get wrong: a call that ends the probe (`FunctionDef.diverges`) counts as a `return`, and so is refused inside
`for`.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.grammar import ast
from pytrace.record import replace
from pytrace.registry import Registry
from pytrace.sema.walk import children, map_children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.source import Span


def check(script: ast.Script, registry: Registry, diagnostics: Diagnostics) -> ast.Script:
    """Report misplaced jumps and unreachable code; separate the latter."""
    for item in script.items:
        if isinstance(item, (ast.Probe, ast.Subprogram)):
            _LoopReturns(diagnostics).body(item.body)
    diagnostics.raise_errors()
    places = _Places(registry, diagnostics)
    for item in script.items:
        match item:
            case ast.Probe():
                places.visit(item.body, "probe", ("break", "continue"))
            case ast.Subprogram():
                places.visit(item.body, "function", ("break", "continue"))
            case ast.Macro():
                places.visit(item.body, "macro", ("break", "continue", "return"), in_macro=True)
    dead = _Unreachable(registry, diagnostics)
    items = tuple(
        replace(item, body=dead.body(item.body)) if isinstance(item, (ast.Probe, ast.Subprogram)) else item
        for item in script.items
    )
    return replace(script, items=items)


def _is_jump(node: object) -> str:
    """`break`, `continue`, `return` or ""."""
    match node:
        case ast.Break():
            return "break"
        case ast.Continue():
            return "continue"
        case ast.Return():
            return "return"
    return ""


def diverges(registry: Registry, node: object) -> bool:
    """A call that ends the probe."""
    if isinstance(node, ast.Call):
        row = registry.function(node.name)
        return row is not None and row.diverges and len(node.args) <= len(row.params)
    return False


def _dead_span(block: ast.Block, dead: list[ast.Stmt]) -> Span:
    """The first dead statement; the block if that is a last one without a semicolon, as the reference has it."""
    first = dead[0]
    if len(dead) == 1 and isinstance(first, ast.ExprStmt) and first.span.text[-1:] not in (";", "}"):
        return block.span
    return first.span


def always_returns(body: ast.Block) -> bool:
    """Whether a subprogram's body, already separated from what is unreachable, ends in a `return` on every path."""
    return _Unreachable(Registry(), Diagnostics()).leaves(body, ("return",))


class _LoopReturns:
    """All `return`s within the loops of one body have a value, or none has."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self.diagnostics = diagnostics
        self.with_value: bool | None = None

    def body(self, node: ast.Node, in_loop: bool = False) -> None:
        if isinstance(node, ast.Return) and in_loop:
            has = node.value is not None
            if self.with_value is None:
                self.with_value = has
            elif self.with_value != has:
                self.diagnostics.error("Return value used in loop is inconsistent", node.span)
        for child in children(node):
            self.body(child, in_loop or isinstance(node, (ast.For, ast.While)))


class _Places:
    """Which jumps are allowed where."""

    def __init__(self, registry: Registry, diagnostics: Diagnostics) -> None:
        self.registry = registry
        self.diagnostics = diagnostics

    def visit(self, node: ast.Node, place: str, refused: tuple[str, ...], in_macro: bool = False) -> None:
        jump = _is_jump(node)
        # in a `for` of a probe a written `return` leaves the loop, and then the probe
        if jump in refused and (jump != "return" or place == "macro" or in_macro):
            self._error(node, jump, place)
        if diverges(self.registry, node) and place in ("for-loop", "while-loop in a for-loop"):
            self._error(node, "return", place.split()[0])
        match node:
            case ast.For():
                self.visit(node.iterable, place, refused, in_macro)
                self.visit(node.body, "for-loop", ("return",), in_macro)
            case ast.While():
                self.visit(node.cond, place, refused, in_macro)
                inside = "while-loop in a for-loop" if place.endswith("for-loop") else "while-loop"
                self.visit(node.body, inside, ("return",) if "return" in refused else (), in_macro)
            case _:
                for child in children(node):
                    self.visit(child, place, refused, in_macro)

    def _error(self, node: ast.Node, jump: str, place: str) -> None:
        self.diagnostics.error(f"'{jump}' statement is not allowed in a {place.split()[0]}", node.span)


class _Unreachable:
    """Separates what comes after a jump."""

    def __init__(self, registry: Registry, diagnostics: Diagnostics) -> None:
        self.registry = registry
        self.diagnostics = diagnostics

    def body(self, block: ast.Block) -> ast.Block:
        """A body from which `return` (and `exit()`) leads out."""
        return self._block(block, ("return",), True)

    def _block(self, block: ast.Block, jumps: tuple[str, ...], is_body: bool = False) -> ast.Block:
        """`is_body`: nobody wants the block's value, so it is one more statement."""
        statements = tuple(self._statement(item, jumps) for item in block.statements)
        value = block.value
        if value is not None:
            value = self._effect(value, jumps) if is_body else self._inner(value, jumps)
        if value is not block.value or any(a is not b for a, b in zip(statements, block.statements, strict=True)):
            block = replace(block, statements=statements, value=value)
        for n, item in enumerate(block.statements):
            if self.leaves(item, jumps):
                return self._cut(block, n, is_body)
        return block

    def _statement(self, node: ast.Stmt, jumps: tuple[str, ...]) -> ast.Stmt:
        if isinstance(node, ast.ExprStmt):
            inner = self._effect(node.expr, jumps)
            return node if inner is node.expr else replace(node, expr=inner)
        return self._inner(node, jumps)  # type: ignore[no-any-return]

    def _effect(self, node: ast.Expr, jumps: tuple[str, ...]) -> ast.Expr:
        """An expression whose value nobody wants: its blocks are bodies."""
        if isinstance(node, ast.Block):
            return self._block(node, jumps, True)
        if isinstance(node, ast.If):
            then = self._block(node.then, jumps, True)
            otherwise = node.otherwise and self._effect(node.otherwise, jumps)
            if then is node.then and otherwise is node.otherwise:
                return node
            return replace(node, then=then, otherwise=otherwise)
        return self._inner(node, jumps)  # type: ignore[no-any-return]

    def _inner(self, node: Any, jumps: tuple[str, ...]) -> Any:
        match node:
            case ast.Block():
                return self._block(node, jumps)
            case ast.For():
                body = self._block(node.body, ("continue", "break"), True)
                return node if body is node.body else replace(node, body=body)
            case ast.While():
                body = self._block(node.body, ("continue", "break", "return"), True)
                return node if body is node.body else replace(node, body=body)
        return map_children(node, lambda child: self._inner(child, jumps))

    def _cut(self, block: ast.Block, n: int, is_body: bool) -> ast.Block:
        """Everything behind statement `n` goes into the branch that is never taken."""
        dead = list(block.statements[n + 1 :])
        if dead:
            self.diagnostics.warning("Unreachable statement.", _dead_span(block, dead))
        elif is_body and block.value is not None:
            self.diagnostics.warning("Unreachable statement.", block.span)
        if block.value is not None:
            if not is_body:
                text = "Unreachable expression; block type is implicitly none."
                self.diagnostics.warning(text, block.value.span)
            dead.append(ast.ExprStmt(block.value, span=block.value.span))
        if not dead:
            return block
        last = block.statements[n]
        choice = ast.If(
            ast.Boolean(True, span=last.span),
            ast.Block((last,), span=last.span),
            ast.Block(tuple(dead), span=last.span),
            span=last.span,
        )
        kept = (*block.statements[:n], ast.ExprStmt(choice, span=last.span))
        return replace(block, statements=kept, value=None)

    def leaves(self, node: object, jumps: tuple[str, ...]) -> bool:
        """Whether `node` always ends in one of `jumps`."""
        match node:
            case ast.Break() | ast.Continue() | ast.Return():
                return _is_jump(node) in jumps
            case ast.ExprStmt():
                return self.leaves(node.expr, jumps)
            case ast.Call():
                return "return" in jumps and diverges(self.registry, node)
            case ast.If(cond=ast.Boolean(value=True)):
                return self.leaves(node.then, jumps)
            case ast.If():
                both = self.leaves(node.then, jumps) and self.leaves(node.otherwise, jumps)
                return self.leaves(node.cond, jumps) or both
            case ast.Ternary():
                both = self.leaves(node.then, jumps) and self.leaves(node.otherwise, jumps)
                return self.leaves(node.cond, jumps) or both
            case ast.Block():
                return any(self.leaves(s, jumps) for s in node.statements) or self.leaves(node.value, jumps)
            case ast.Unroll():
                return self.leaves(node.body, jumps)
            case ast.While():
                return "return" in jumps and self.leaves(node.body, ("return",))
        return False
