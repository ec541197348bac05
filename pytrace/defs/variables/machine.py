"""Builtin values about the processor, and random numbers (spec 04 §1).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: `rand` is a uint64 that only ever holds 32 random bits.
"""

from __future__ import annotations

from pytrace.defs.registers import OFFSETS
from pytrace.grammar import ast
from pytrace.registry import VariableDef
from pytrace.types import UINT8, UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import FoldSite, Lowering
    from pytrace.sema import typed


def _usermode_fold(site: FoldSite) -> ast.Expr | None:
    """A literal where there are no registers: 1 in probes that the tracer runs itself, 0 elsewhere."""
    if site.provider is None or "usermode" in site.provider.features:
        return None
    return ast.Integer(1 if site.provider.probetype == "special" else 0, span=site.span)


def _usermode(em: Lowering, node: typed.Builtin) -> Any:
    # The two low bits of the code segment are the privilege level.
    level = em.builder.and_(em.load(em.ctx, UINT64, OFFSETS["cs"]), em.const(3))
    is_user = em.builder.icmp_unsigned("==", level, em.const(3))
    return em.builder.select(is_user, em.const(1, 8), em.const(0, 8))


def _number(name: str, doc: str, lower: Callable[[Lowering, typed.Builtin], Any]) -> VariableDef:
    return VariableDef(
        name=name,
        library=True,
        doc=doc,
        signatures=(f"uint64 {name}",),
        type_rule=lambda site: UINT64,
        lower=lower,
    )


ROWS = (
    _number(
        "cpu", "Number of the processor that runs the probe.", lambda em, _: em.helper_once("get_smp_processor_id")
    ),
    _number("numaid", "Number of the NUMA node that runs the probe.", lambda em, _: em.helper_once("get_numa_node_id")),
    _number("ncpus", "Number of possible processors.", lambda em, _: em.global_value("ncpus")),
    _number("rand", "A random number of 32 bits.", lambda em, _: em.helper("get_prandom_u32")),
    VariableDef(
        name="usermode",
        library=True,
        doc="1 if the processor was in user mode when the probe fired, else 0 (x86_64).",
        signatures=("uint8 usermode",),
        type_rule=lambda site: UINT8,
        fold=_usermode_fold,
        lower=_usermode,
    ),
)
