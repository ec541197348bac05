"""stats(n): count, average and total at once (spec 05 §2)."""

from __future__ import annotations

from pytrace.defs.aggregates import _integers as integers
from pytrace.program import Layout
from pytrace.registry import AggregateDef, Param
from pytrace.types import UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.types import Type


def _record(t: Type) -> Layout:
    return Layout.of([("total", integers.word(t)), ("count", UINT64)])


def _combine(t: Type, records: list[Any]) -> dict[str, int]:
    total, count = integers.total_and_count(t, records)
    return {"count": count, "average": integers.divide(total, count) if count > 0 else 0, "total": total}


def _divided(value: dict[str, int], div: int) -> dict[str, int]:
    return value | {"average": integers.divide(value["average"], div)}


def _render(t: Type, value: Any, div: int) -> str:
    return "{ " + ", ".join(f".{name} = {n}" for name, n in _divided(value, div).items()) + " }"


ROWS = (
    AggregateDef(
        name="stats",
        example="stats(arg2)",
        doc="Keeps count, average and total of the values that it is given.",
        signatures=("@m = stats(int n)", "@m[key] = stats(int n)"),
        params=(Param("n"),),
        type_rule=integers.integer_rule("stats"),
        record=_record,
        lower=integers.lower_total,
        combine=_combine,
        sort_key=lambda t, value: value["average"],
        render=_render,
        to_json=lambda t, value, div: _divided(value, div),
        json_type="stats",
    ),
)
