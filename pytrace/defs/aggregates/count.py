"""count(): how often (spec 05 §2)."""

from __future__ import annotations

from pytrace.defs.aggregates import _integers as integers
from pytrace.registry import AggregateDef
from pytrace.types import Aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type


def _rule(site: CallSite) -> Type:
    return Aggregate("count_t", "count", False)


def _lower(em: Lowering, record: Any, args: tuple[typed.Expr, ...], t: Type) -> None:
    integers.add(em, record, 0, em.const(1))


ROWS = (
    AggregateDef(
        name="count",
        doc="Counts how often it is called.",
        signatures=("@m = count()", "@m[key] = count()"),
        type_rule=_rule,
        record=lambda t: integers.COUNTER,
        lower=_lower,
        castable=True,
        merge=integers.merge_words(1),
        finish=integers.finish_first,
        combine=integers.sum_words,
        sort_key=integers.by_value,
        render=integers.render_number,
        to_json=integers.plain_number,
    ),
)
