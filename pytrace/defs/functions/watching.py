"""`unwatch()`: let go of a watchpoint (spec 04 §2).

Place in the pipeline: a row; lowering for codegen, handler for the runtime.  In: calls, later their records.  Out:
nothing. What a newcomer would get wrong: the watchpoint still fires until the event is processed.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import NONE, UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Handling, Lowering
    from pytrace.program import EventSpec, Layout
    from pytrace.registry import Handler
    from pytrace.sema import typed

_KEY = "functions.watching:unwatch"


def _unwatch(em: Lowering, call: typed.Call) -> None:
    def fill(record: Any, layout: Layout) -> None:
        em.put(record, em.int64(call.args[0]), layout.fields[0].offset)

    em.emit(_KEY, [("address", UINT64)], None, call.span, fill)


def _bind(rt: Handling, event: EventSpec) -> Handler:
    at = event.layout.fields[0].offset

    def handle(data: bytes | memoryview) -> None:
        (address,) = unpack_from("<Q", data, at)
        for link in rt.links:
            if link.watched == address:
                link.disable()
                link.close()

    return handle


ROWS = (
    FunctionDef(
        name="unwatch",
        doc="Remove the watchpoints at an address.",
        signatures=("void unwatch(void * address)",),
        params=(Param("address", Kind.POINTER),),
        type_rule=lambda site: NONE,
        lower=_unwatch,
        bind=_bind,
        asynchronous=True,
    ),
)
