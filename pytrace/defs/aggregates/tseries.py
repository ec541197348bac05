"""tseries(n, interval, number[, function]): values over time, one slot an interval (spec 05 §2.1)."""

from __future__ import annotations

from pytrace.defs.aggregates import _integers as integers
from pytrace.defs.aggregates._extremes import keep
from pytrace.diagnostics import UsageError
from pytrace.program import Layout
from pytrace.registry import AggregateDef, Kind, Param
from pytrace.types import UINT64, Aggregate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_MOST_INTERVALS = 1_000_000
_FUNCTIONS = ("avg", "max", "min", "sum")
_VALUE, _META, _EPOCH = 0, 8, 16


def _rule(site: CallSite) -> Type:
    signed = integers.is_signed(site.arg_type(0))
    interval = _number(site, 1, "interval_ns", None)
    number = _number(site, 2, "num_intervals", _MOST_INTERVALS)
    function = site.literal(3) if len(site.args) > 3 else ""
    if site.final and isinstance(function, str) and function not in ("", *_FUNCTIONS):
        site.error(
            f"tseries() expects one of the following aggregation functions: {', '.join(_FUNCTIONS)} "
            f'("{function}" provided)'
        )
    return Aggregate("tseries_t", "tseries", signed, (interval, number, function if isinstance(function, str) else ""))


def _number(site: CallSite, index: int, name: str, most: int | None) -> int:
    """The literal at `index`, 1 after reporting what is wrong with it."""
    value = site.literal(index) if index < len(site.args) else None
    error = ""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        error = f"tseries: invalid {name} value (must be non-negative literal)"
    elif value < 1:
        error = f"tseries() {name} must be >= 1 ({value} provided)"
    elif most is not None and value > most:
        error = f"tseries() {name} must be < {most} ({value} provided)"
    if error:
        if site.final:
            site.error(error)
        return 1
    assert isinstance(value, int)
    return value


def _params(t: Type) -> tuple[int, int, str]:
    assert isinstance(t, Aggregate)
    interval, number, function = t.params
    return interval, number, function


def _record(t: Type) -> Layout:
    return Layout.of([("value", integers.word(t)), ("meta", UINT64), ("epoch", UINT64)])


# ---------------------------------------------------------------- in BPF


def _now(em: Lowering) -> Any:
    """TAI nanoseconds, the same for the slot and its record: an interval must not end between the two.

    BPFTRACE_DUMMY_TS_MAP names a map of the script to take them from, for tests of charts.
    """
    if "BPFTRACE_DUMMY_TS_MAP" in em.config:
        return _map_clock(em, em.config["BPFTRACE_DUMMY_TS_MAP"])
    return em.builder.add(em.helper_once("ktime_get_boot_ns"), em.global_value("tai_offset"))


def _map_clock(em: Lowering, name: str) -> Any:
    """The value of a scalar uint64 map, 0 while it has none.  Raises UsageError if it is no such map."""
    symbol = em.map_named(name.removeprefix("@"))
    if symbol is None or not symbol.scalar or symbol.value_type != UINT64:
        raise UsageError(f'dummy_ts_map: "{name}" must be a scalar map of uint64', exit_status=2)
    found = em.lookup(symbol, None)
    present = em.builder.icmp_unsigned("!=", found, found.type(None))
    return em.choose(present, lambda: em.load(found, UINT64), lambda: em.const(0))


def _bucket(em: Lowering, args: tuple[typed.Expr, ...], t: Type) -> Any:
    interval, number, _ = _params(t)
    epoch = em.builder.udiv(_now(em), em.const(interval))
    return em.builder.urem(epoch, em.const(number))


def _lower(em: Lowering, record: Any, args: tuple[typed.Expr, ...], t: Type) -> None:
    """A slot of an older epoch begins anew.  `meta`: the time of the last value, the number of values, or a flag."""
    interval, _, function = _params(t)
    value, now = em.int64(args[0]), _now(em)
    epoch = em.builder.udiv(now, em.const(interval))
    if function:
        stale = em.builder.icmp_unsigned("!=", em.load(record, UINT64, _EPOCH), epoch)
        with em.when(stale):
            em.put(record, em.const(0), _VALUE)
            em.put(record, em.const(0), _META)
    if function in ("avg", "sum"):
        integers.add(em, record, _VALUE, value)
        integers.add(em, record, _META, em.const(1))
    elif function:
        keep(em, record, value, "<" if function == "min" else ">", isinstance(t, Aggregate) and t.signed, _META)
    else:
        em.put(record, value, _VALUE)
        em.put(record, em.builder.add(now, em.const(1)), _META)  # never 0, which is an unused record
    em.put(record, epoch, _EPOCH)


# ---------------------------------------------------------------- when shown


class Series:
    """`values`: by epoch; `interval` in nanoseconds; `first` and `last`: the epochs that are shown (of all keys)."""

    __slots__ = ("first", "interval", "last", "signed", "values")

    def __init__(self, values: dict[int, int], interval: int, number: int, signed: bool) -> None:
        self.values = values
        self.interval = interval
        self.signed = signed
        self.last = max(values, default=0)
        self.first = self.last - number + 1

    def points(self) -> list[tuple[int, int | None]]:
        """(nanoseconds since the epoch, value or None), from the first value that is shown to the end."""
        start = min((e for e in self.values if e >= self.first), default=self.last)
        return [(e * self.interval, self.values.get(e)) for e in range(start, self.last + 1)] if self.values else []


def _combine(t: Type, buckets: list[Any]) -> Series:
    interval, number, function = _params(t)
    values = {}
    for _, records in buckets:
        found = [(int.from_bytes(r[_EPOCH : _EPOCH + 8], "little"), *integers.pair(t, r)) for r in records]
        used = [row for row in found if row[2]]
        if used:
            latest = max(epoch for epoch, _, _ in used)
            values[latest] = _reduce(function, [(v, meta) for epoch, v, meta in used if epoch == latest], t)
    return Series(values, interval, number, isinstance(t, Aggregate) and t.signed)


def _reduce(function: str, found: list[tuple[int, int]], t: Type) -> int:
    """One value from those of several CPUs."""
    values = [v for v, _ in found]
    match function:
        case "avg":
            return integers.divide(integers.wrap(sum(values), t), sum([n for _, n in found]))
        case "sum":
            return integers.wrap(sum(values), t)
        case "min":
            return min(values)
        case "max":
            return max(values)
    return max(found, key=lambda pair: pair[1])[0]


def _settle(t: Type, values: list[Any]) -> None:
    """All keys of a map are shown over the same time."""
    number = _params(t)[1]
    last = max([series.last for series in values], default=0)
    for series in values:
        series.last, series.first = last, last - number + 1


def _render(t: Type, value: Any, div: int) -> str:
    from pytrace.runtime.output.chart import chart

    return chart(value.points(), value.signed)


def _to_json(t: Type, value: Any, div: int) -> Any:
    from pytrace.runtime.output.chart import plain

    return plain(value.points())


ROWS = (
    AggregateDef(
        name="tseries",
        example="tseries(rand %10, 10s, 1)",
        doc="Keeps the last value of each interval of time, or the average, largest, smallest or sum of them.",
        signatures=(
            "@m = tseries(int n, const uint64 interval_ns, const uint64 num_intervals[, const string agg])",
            "@m[key] = tseries(int n, const uint64 interval_ns, const uint64 num_intervals[, const string agg])",
        ),
        params=(
            Param("n", Kind.INT),
            Param("interval_ns", Kind.INT_LITERAL),
            Param("num_intervals", Kind.INT_LITERAL),
            Param("agg", Kind.STRING_LITERAL, optional=True),
        ),
        type_rule=_rule,
        record=_record,
        lower=_lower,
        buckets=lambda t: _params(t)[1],
        bucket=_bucket,
        combine=_combine,
        sort_key=None,
        settle=_settle,
        render=_render,
        to_json=_to_json,
        is_histogram=True,
        json_type="tseries",
        unstable="tseries",
    ),
)
