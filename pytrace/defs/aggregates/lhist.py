"""lhist(n, min, max, step): a histogram with buckets of one width (spec 05 §2.1)."""

from __future__ import annotations

from functools import partial

from pytrace.defs.aggregates import _buckets, _integers
from pytrace.registry import AggregateDef, Kind, Param
from pytrace.types import Aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_MOST_BUCKETS = 1000


def _rule(site: CallSite) -> Type:
    numbers = []
    for i, name in ((1, "min"), (2, "max"), (3, "step")):
        value = site.literal(i) if i < len(site.args) else None
        if not isinstance(value, int) or value < 0:
            if site.final:
                rule = "" if name == "step" else " (must be non-negative literal)"
                site.error(f"lhist: invalid {name} value{rule}")
            return Aggregate("lhist_t", "lhist", True, (0, 1, 1))
        numbers.append(int(value))
    low, high, step = numbers
    if not _check(site, low, high, step):
        return Aggregate("lhist_t", "lhist", True, (0, 1, 1))
    return Aggregate("lhist_t", "lhist", True, (low, high, step))


def _check(site: CallSite, low: int, high: int, step: int) -> bool:
    """Whether the limits make sense; reports each thing that is wrong with them."""
    wrong = []
    if step < 1:
        wrong.append(f"lhist() step must be >= 1 ({step} provided)")
    elif (high - low) // step > _MOST_BUCKETS:
        needed = (high - low) // step
        wrong.append(f"lhist() too many buckets, must be <= {_MOST_BUCKETS} (would need {needed})")
    if low > high:
        wrong.append(f"lhist() min must be less than max (provided min {low} and max {high})")
    elif high - low < step:
        wrong.append(
            f"lhist() step is too large for the given range (provided step {step} for range {high - low})"
        )
    if site.final:
        for text in wrong:
            site.error(text)
    return not wrong


def _limits(t: Type) -> tuple[int, int, int]:
    assert isinstance(t, Aggregate)
    low, high, step = t.params
    return low, high, step


def _buckets_of(t: Type) -> int:
    low, high, step = _limits(t)
    return (high - low) // step + 2


def _bucket(em: Lowering, args: tuple[typed.Expr, ...], t: Type) -> Any:
    """0 below min, 1 + (n - min) / step, the last one from max on."""
    b, (low, high, step) = em.builder, _limits(t)
    n = em.int64(args[0])
    above = b.sub(n, em.const(low)) if low else n
    index = b.udiv(above, em.const(step)) if step > 1 else above
    last = em.const(_buckets_of(t) - 1)
    index = b.select(b.icmp_signed(">=", n, em.const(high)), last, b.add(index, em.const(1)))
    return b.select(b.icmp_signed("<", n, em.const(low)), em.const(0), index)


def _combine(t: Type, buckets: list[Any]) -> Any:
    from pytrace.runtime.output.histogram import Histogram, counts_of, linear_bound

    low, _, step = _limits(t)
    return Histogram(counts_of(buckets), partial(linear_bound, low=low, step=step), _buckets_of(t) - 1)


ROWS = (
    AggregateDef(
        name="lhist",
        example="lhist(rand %10, 0, 10, 1)",
        doc="Counts the values that it is given in buckets of one width between two limits.",
        signatures=(
            "@m = lhist(int n, const int min, const int max, const int step)",
            "@m[key] = lhist(int n, const int min, const int max, const int step)",
        ),
        params=(
            Param("n", Kind.INT),
            Param("min", Kind.INT_LITERAL),
            Param("max", Kind.INT_LITERAL),
            Param("step", Kind.INT_LITERAL),
        ),
        type_rule=_rule,
        record=lambda t: _integers.COUNTER,
        lower=_buckets.lower,
        buckets=_buckets_of,
        bucket=_bucket,
        combine=_combine,
        sort_key=_buckets.by_total,
        render=lambda t, value, div: str(value.rows()),  # div has no effect on lhist, as in the reference
        to_json=lambda t, value, div: value.plain(),
        is_histogram=True,
        json_type="hist",
    ),
)
