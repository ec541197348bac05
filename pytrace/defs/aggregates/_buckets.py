"""What hist() and lhist() share: counting in a bucket, order and rendering.

Place in the pipeline: under the rows hist and lhist; no rows of its own.  What a newcomer would get wrong: the number
of a bucket is computed in BPF, its limits only when it is shown.
"""

from __future__ import annotations

from pytrace.defs.aggregates import _integers as integers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.sema import typed
    from pytrace.types import Type


def lower(em: Lowering, record: Any, args: tuple[typed.Expr, ...], t: Type) -> None:
    integers.add(em, record, 0, em.const(1))


def by_total(t: Type, value: Any) -> Any:
    return value.total


def render(t: Type, value: Any, div: int) -> str:
    text: str = value.rows(div)
    return text
