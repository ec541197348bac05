"""Aggregates in the types: which can be read as a number, and `@m = count()` (spec 05 §2).

Place in the pipeline: rules of inference for map assignments.  In: an assignment whose value is a call of an
AggregateDef.  Out: `typed.UpdateAggregate`.  What a newcomer would get wrong: the map's type comes from the row's type
rule, and reading such a map elsewhere gives an integer.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.types import Aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.registry import AggregateDef, Registry
    from pytrace.types import Type


def castable(registry: Registry, t: Type) -> bool:
    """Whether an aggregate's value is one number, so that it can be read and calculated with (spec 02 §2.2)."""
    row = registry.aggregates.get(t.row) if isinstance(t, Aggregate) else None
    return row is not None and row.castable


def call_of(registry: Registry, node: ast.Expr | None) -> tuple[ast.Call, AggregateDef] | None:
    """The aggregate call that an assigned expression is, also as the value of a block."""
    while isinstance(node, ast.Block):
        node = node.value
    if isinstance(node, ast.Call):
        row = registry.aggregates.get(node.name)
        if row is not None:
            return node, row
    return None
