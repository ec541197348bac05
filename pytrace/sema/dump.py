"""The typed script as text: `-d types`, test data, bug reports.

Place in the pipeline: after sema, for people.  In: `TypedScript`.  Out: text.  What a newcomer would get wrong: this
is no syntax of the language; every node is shown with its type, and conversions that the script does not have are
there.
"""

from __future__ import annotations

from pytrace.record import field_names
from pytrace.sema import typed
from pytrace.source import Span
from pytrace.types import Aggregate, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_HIDDEN = frozenset({"type", "span", "space", "data", "order", "captures", "row", "symbol", "map", "field"})


def dump(script: typed.TypedScript) -> str:
    """Maps, then each instance and subprogram as an indented tree."""
    lines = [map_line(symbol) for symbol in script.maps]
    for sub in script.subprograms:
        params = ", ".join(f"${p.name}: {p.type}" for p in sub.params)
        lines.append(f"fn {sub.name}({params}): {sub.return_type}")
        lines += _tree(sub.body, 1) if sub.body else ()
    for instance in script.instances:
        lines.append(", ".join(point.name for point in instance.attach_points))
        if instance.predicate is not None:
            lines += ["  predicate", *_tree(instance.predicate, 2)]
        lines += _tree(instance.body, 1)
    return "\n".join(lines) + "\n"


def map_line(symbol: typed.MapSymbol) -> str:
    """`@name[key type]: value type`."""
    key = "" if symbol.key_type is None or symbol.scalar else f"[{symbol.key_type}]"
    params = ""
    if isinstance(symbol.value_type, Aggregate) and symbol.value_type.params:
        params = "(" + ", ".join(map(str, symbol.value_type.params)) + ")"
    declared = f" = {symbol.declared_kind}({symbol.max_entries})" if symbol.declared_kind else ""
    return f"@{symbol.name}{key}: {symbol.value_type}{params}{declared}"


def _tree(node: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(node, typed.Block):
        for item in node.statements:
            yield from _tree(item, depth)
        return
    yield indent + _head(node)
    for name in field_names(node):
        if name in _HIDDEN:
            continue
        value = getattr(node, name)
        if isinstance(value, typed.Block):
            yield f"{indent}  {name}"
            yield from _tree(value, depth + 2)
        elif isinstance(value, (typed.Expr, typed.Stmt)):
            yield from _tree(value, depth + 1)
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, (typed.Expr, typed.Stmt)):
                    yield from _tree(item, depth + 1)


def _head(node: Any) -> str:
    """One node without its children: what it is, what it names, its type and address space."""
    words = [type(node).__name__]
    for name in ("op", "step", "count", "index", "scale"):
        value = getattr(node, name, None)
        if isinstance(value, (str, int)):
            words.append(f"{value:+}" if name == "step" else str(value))
    for name in ("symbol", "map", "field", "row"):
        found = getattr(node, name, None)
        if found is not None:
            words.append({"symbol": "$", "map": "@", "field": ".", "row": ""}[name] + str(found.name))
    if hasattr(node, "value") and isinstance(node.value, (int, str)):
        words.append(repr(node.value))
    if isinstance(node, typed.Expr):
        space = f" [{node.space}]" if node.space != Space.NONE else ""
        words.append(f":: {node.type}{space}")
    return " ".join(words)


def variables(script: typed.TypedScript) -> list[tuple[str, str]]:
    """(name, type) of every scratch variable, in order of appearance."""
    found: dict[typed.VarSymbol, None] = {}
    for instance in script.instances:
        for symbol in _symbols(instance.body):
            found.setdefault(symbol)
    return [(symbol.name, str(symbol.type)) for symbol in found]


def _symbols(node: Any) -> Iterator[typed.VarSymbol]:
    if isinstance(node, typed.VarSymbol):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _symbols(item)
    elif isinstance(node, (typed.Expr, typed.Stmt, typed.Block)):
        for name in field_names(node):
            value = getattr(node, name)
            if not isinstance(value, Span):
                yield from _symbols(value)
