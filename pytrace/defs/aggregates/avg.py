"""avg(n): the mean of all values (spec 05 §2)."""

from __future__ import annotations

from pytrace.defs.aggregates import _integers as integers
from pytrace.program import Layout
from pytrace.registry import AggregateDef, Param
from pytrace.types import UINT64, Aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.types import Type


def _record(t: Type) -> Layout:
    return Layout.of([("total", integers.word(t)), ("count", UINT64)])


def _finish(em: Lowering, total: Any, t: Type) -> Any:
    """total / count toward zero.  BPF divides without sign, so a negative total is turned round before and after."""
    b = em.builder
    sum_, count = em.load(total, UINT64, 0), em.load(total, UINT64, 8)
    # a count of zero gives zero: BPF defines x / 0 = 0, but LLVM does not
    count = b.select(b.icmp_unsigned("==", count, em.const(0)), em.const(1), count)
    if not (isinstance(t, Aggregate) and t.signed):
        return b.udiv(sum_, count)
    negative = b.icmp_signed("<", sum_, em.const(0))
    mean = b.udiv(b.select(negative, b.neg(sum_), sum_), count)
    return b.select(negative, b.neg(mean), mean)


def _combine(t: Type, records: list[Any]) -> int:
    total, count = integers.total_and_count(t, records)
    return integers.divide(total, count) if count > 0 else 0


ROWS = (
    AggregateDef(
        name="avg",
        example="avg(retval)",
        doc="Averages the values that it is given; integer division toward zero.",
        signatures=("@m = avg(int n)", "@m[key] = avg(int n)"),
        params=(Param("n"),),
        type_rule=integers.integer_rule("avg"),
        record=_record,
        lower=integers.lower_total,
        castable=True,
        merge=integers.merge_words(2),
        finish=_finish,
        combine=_combine,
        sort_key=integers.by_value,
        render=integers.render_number,
        to_json=integers.plain_number,
        json_type="stats",
    ),
)
