"""What min() and max() share: a value and a flag that says whether there is one.

Place in the pipeline: under the rows min and max; no rows of its own.  What a newcomer would get wrong: a CPU whose
flag is not set has seen nothing, its zero is no value.
"""

from __future__ import annotations

from pytrace.defs.aggregates import _integers as integers
from pytrace.program import Layout
from pytrace.registry import AggregateDef, Param
from pytrace.types import UINT64, Aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.sema import typed
    from pytrace.types import Type


def _record(t: Type) -> Layout:
    return Layout.of([("value", integers.word(t)), ("is_set", UINT64)])


def keep(em: Lowering, record: Any, value: Any, operator: str, signed: bool, flag: int = 8) -> None:
    """Put `value` into a record if it is the first or `value OPERATOR` what is there; the flag lies at byte `flag`."""
    b = em.builder
    compare = b.icmp_signed if signed else b.icmp_unsigned
    first = b.icmp_unsigned("==", em.load(record, UINT64, flag), em.const(0))
    better = compare(operator, value, em.load(record, UINT64, 0))
    with em.when(b.or_(first, better)):
        em.put(record, value, 0)
        em.put(record, em.const(1), flag)


def extreme(name: str, doc: str, operator: str) -> AggregateDef:
    """The row of min() (operator `<`) or max() (`>`)."""
    pick = min if operator == "<" else max

    def lower(em: Lowering, record: Any, args: tuple[typed.Expr, ...], t: Type) -> None:
        keep(em, record, em.int64(args[0]), operator, isinstance(t, Aggregate) and t.signed)

    def merge(em: Lowering, total: Any, record: Any, t: Type) -> None:
        is_set = em.builder.icmp_unsigned("!=", em.load(record, UINT64, 8), em.const(0))
        with em.when(is_set):
            keep(em, total, em.load(record, UINT64, 0), operator, isinstance(t, Aggregate) and t.signed)

    def combine(t: Type, records: list[Any]) -> int:
        return pick((v for v, is_set in (integers.pair(t, r) for r in records) if is_set), default=0)

    return AggregateDef(
        name=name,
        example=f"{name}(retval)",
        doc=doc,
        signatures=(f"@m = {name}(int n)", f"@m[key] = {name}(int n)"),
        params=(Param("n"),),
        type_rule=integers.integer_rule(name),
        record=_record,
        lower=lower,
        castable=True,
        merge=merge,
        finish=integers.finish_first,
        combine=combine,
        sort_key=lambda t, value: value & (1 << 64) - 1,  # the reference sorts these as unsigned
        render=integers.render_number,
        to_json=integers.plain_number,
    )
