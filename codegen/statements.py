"""Statements.

Place in the pipeline: behind the Emitter.  In: typed statements.  Out: instructions.  What a newcomer would get
wrong: code behind `return` or `exit()` is still emitted, into a block that nothing reaches; LLVM drops it.
"""

from __future__ import annotations

from functools import cache

from pytrace import types
from pytrace.codegen import aggregates, control, expressions, loops, maps, memory
from pytrace.diagnostics import InternalError
from pytrace.sema import typed
from pytrace.sema.typed_tree import typed_nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.codegen.emitter import Emitter


def lower(em: Emitter, node: typed.Stmt) -> None:
    """Emit one statement."""
    emit = _lowerings().get(type(node))
    if emit is None:
        raise InternalError("codegen", f"no lowering of {type(node).__name__}", node.span)
    emit(em, node)


def _eval(em: Emitter, node: typed.Eval) -> None:
    expressions.effect(em, node.expr)


def _assign_var(em: Emitter, node: typed.AssignVar) -> None:
    t = node.symbol.type
    slot = em.variable(node.symbol)
    if node.value is None:
        em.zero(slot, t.size)
        return
    with memory.padding(em, True):
        if types.is_memory(t) and _mentions(node.value, node.symbol):
            # `$s = ($s.1, $s.0)`: the parts must be read before they are overwritten.
            place = memory.local(em, t.size)
            em.store(node.value, place)
            em.copy(slot, place, t.size)
        else:
            em.store(node.value, slot)


def _mentions(expr: typed.Expr, symbol: typed.VarSymbol) -> bool:
    """Whether a value looks at a variable anywhere."""
    return any(isinstance(node, typed.VarRead) and node.symbol is symbol for node in typed_nodes(expr))


def _if(em: Emitter, node: typed.If) -> None:
    cond = em.value(node.cond)
    if node.otherwise is None:
        with em.when(cond):
            control.lower_block(em, node.then)
        return
    with em.when_else(cond) as (then, otherwise):
        with then:
            control.lower_block(em, node.then)
        with otherwise:
            control.lower_block(em, node.otherwise)


def _return(em: Emitter, node: typed.Return) -> None:
    control.lower_return(em, node)


@cache
def _lowerings() -> dict[type, Callable[[Emitter, Any], None]]:
    return {
        typed.Eval: _eval,
        typed.AssignVar: _assign_var,
        typed.AssignMap: maps.assign,
        typed.UpdateMap: maps.update_map,
        typed.UpdateAggregate: aggregates.update,
        typed.If: _if,
        typed.While: loops.lower_while,
        typed.Unroll: loops.lower_unroll,
        typed.ForRange: loops.lower_for_range,
        typed.ForMap: loops.lower_for_map,
        typed.Break: loops.lower_break,
        typed.Continue: loops.lower_continue,
        typed.Return: _return,
    }
