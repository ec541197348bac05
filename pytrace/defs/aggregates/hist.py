"""hist(n[, bits]): a histogram over powers of two, each split into 2^bits buckets (spec 05 §2.1)."""

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

_MOST_BITS = 5


def _rule(site: CallSite) -> Type:
    bits = site.literal(1) if len(site.args) > 1 else 0
    bits = bits if isinstance(bits, int) else 0
    if site.final and not 0 <= bits <= _MOST_BITS:
        site.error(f"hist: bits {bits} must be 0..{_MOST_BITS}")
    return Aggregate("hist_t", "hist", True, (min(max(bits, 0), _MOST_BITS),))


def _bits(t: Type) -> int:
    assert isinstance(t, Aggregate)
    return int(t.params[0])


def _buckets_of(t: Type) -> int:
    """Bucket 0 for negative values, then 64 - bits powers of 2^bits buckets each (the first of them begins at zero)."""
    return ((64 - _bits(t)) << _bits(t)) + 1


def _bucket(em: Lowering, args: tuple[typed.Expr, ...], t: Type) -> Any:
    """With s = floor(log2(n)) - bits, but at least 0: 1 + s * 2^bits + (n >> s); 0 for negative n."""
    b, bits = em.builder, _bits(t)
    n = em.int64(args[0])
    rest = b.lshr(n, em.const(bits)) if bits else n
    shift = em.const(0)
    for power in (32, 16, 8, 4, 2, 1):
        above = b.icmp_unsigned(">", rest, em.const((1 << power) - 1))
        shift = b.select(above, b.or_(shift, em.const(power)), shift)
        rest = b.select(above, b.lshr(rest, em.const(power)), rest)
    index = b.add(b.lshr(n, shift), b.add(b.shl(shift, em.const(bits)) if bits else shift, em.const(1)))
    return b.select(b.icmp_signed("<", n, em.const(0)), em.const(0), index)


def _combine(t: Type, buckets: list[Any]) -> Any:
    from pytrace.runtime.output.histogram import Histogram, counts_of, log2_bound

    return Histogram(counts_of(buckets), partial(log2_bound, bits=_bits(t)), None)


ROWS = (
    AggregateDef(
        name="hist",
        example="hist(retval)",
        doc="Counts the values that it is given in buckets that are powers of two.",
        signatures=("@m = hist(int n[, const int bits])", "@m[key] = hist(int n[, const int bits])"),
        params=(Param("n", Kind.INT), Param("bits", Kind.INT_LITERAL, optional=True)),
        type_rule=_rule,
        record=lambda t: _integers.COUNTER,
        lower=_buckets.lower,
        buckets=_buckets_of,
        bucket=_bucket,
        combine=_combine,
        sort_key=_buckets.by_total,
        render=_buckets.render,
        to_json=lambda t, value, div: value.plain(div),
        is_histogram=True,
        json_type="hist",
    ),
)
