"""sum(n): the total of all values (spec 05 §2)."""

from __future__ import annotations

from pytrace.defs.aggregates import _integers as integers
from pytrace.program import Layout
from pytrace.registry import AggregateDef, Param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.sema import typed
    from pytrace.types import Type


def _lower(em: Lowering, record: Any, args: tuple[typed.Expr, ...], t: Type) -> None:
    integers.add(em, record, 0, em.int64(args[0]))


ROWS = (
    AggregateDef(
        name="sum",
        example="sum(retval)",
        doc="Adds up the values that it is given.",
        signatures=("@m = sum(int n)", "@m[key] = sum(int n)"),
        params=(Param("n"),),
        type_rule=integers.integer_rule("sum"),
        record=lambda t: Layout.of([("total", integers.word(t))]),
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
