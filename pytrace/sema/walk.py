"""Walking and rebuilding trees of `grammar.ast`, whatever the node.

Place in the pipeline: under the passes of sema that look at every node.  In: a node.  Out: its children, or a new node
with other children.  What a newcomer would get wrong: a node without changed children is returned as it is (`is`), and
passes rely on that to see quickly that nothing happened.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.record import field_names, replace
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    N = TypeVar("N", bound=ast.Node)


_SKIP = frozenset({"span", "name_span", "declaration"})
_FIELDS: dict[type, tuple[str, ...]] = {}


def child_fields(cls: type) -> tuple[str, ...]:
    """The names of the fields in which nodes of class `cls` may have children, in textual order."""
    found = _FIELDS.get(cls)
    if found is None:
        found = tuple(n for n in field_names(cls) if n not in _SKIP)
        _FIELDS[cls] = found
    return found


def children(node: ast.Node) -> Iterator[ast.Node]:
    """The direct children."""
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            yield value
        elif type(value) is tuple:
            for item in value:
                if isinstance(item, ast.Node):
                    yield item


def operation_span(node: ast.Expr, first: ast.Expr) -> Span:
    """The span of an operation or access as messages show it: from its first operand, without a parenthesis before."""
    span, left = node.span, first.span
    if left.source is not span.source or not span.start <= left.start < span.end:
        return span  # the operand came from elsewhere: a macro's argument
    return Span(span.source, _start(first), span.end, span.expanded_from)


def _start(node: ast.Expr) -> int:
    """Where an operand starts: where its own first operand does."""
    while True:
        match node:
            case ast.Binary():
                first = node.left
            case ast.Ternary():
                first = node.cond
            case ast.FieldAccess() | ast.TupleAccess() | ast.Index():
                first = node.base
            case ast.IncDec(prefix=False):
                first = node.target
            case _:
                return node.span.start
        if first.span.source is not node.span.source or not node.span.start <= first.span.start < node.span.end:
            return node.span.start
        node = first


def descendants(node: ast.Node) -> Iterator[ast.Node]:
    """The node itself and all below it, parents first."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(list(children(current))))


def map_children(node: N, fn: Callable[[Any], Any]) -> N:
    """The node with `fn` applied to each direct child; the same object if nothing changed."""
    new: dict[str, Any] = {}
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            mapped = fn(value)
            if mapped is not value:
                new[name] = mapped
        elif type(value) is tuple:
            items = tuple(fn(item) if isinstance(item, ast.Node) else item for item in value)
            if any(a is not b for a, b in zip(items, value, strict=True)):
                new[name] = items
    return replace(node, **new) if new else node


def copy(node: N, span: Callable[[Span], Span]) -> N:
    """A deep copy, each span passed through `span`: every node of the copy is an object of its own."""
    new: dict[str, Any] = {"span": span(node.span)}
    for name in field_names(node):
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            new[name] = copy(value, span)
        elif type(value) is tuple:
            new[name] = tuple(copy(item, span) if isinstance(item, ast.Node) else item for item in value)
        elif isinstance(value, Span):
            new[name] = span(value)
    return replace(node, **new)
