"""clear() and zero(): maps emptied by the runtime when the event is processed (spec 04 §2)."""

from __future__ import annotations

from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.facets import Handling, Lowering
    from pytrace.program import EventSpec
    from pytrace.registry import Handler
    from pytrace.sema import typed


def _row(name: str, doc: str) -> FunctionDef:
    """The row of a function that has one map as its argument and one method of MapReader as its effect."""

    def lower(em: Lowering, call: typed.Call) -> None:
        symbol = getattr(call.args[0], "map", None)
        assert symbol is not None
        em.map(symbol)
        em.emit(f"functions.emptying:{name}", [], ("@" + symbol.name,), call.span, lambda record, layout: None)

    def bind(rt: Handling, event: EventSpec) -> Handler:
        action = getattr(rt.maps[event.data[0]], name)
        return lambda data: action()

    return FunctionDef(
        name=name,
        doc=doc,
        signatures=(f"void {name}(@map)",),
        params=(Param("map", Kind.MAP),),
        type_rule=lambda site: NONE,
        lower=lower,
        bind=bind,
        asynchronous=True,
    )


ROWS = (
    _row("clear", "Deletes all entries of a map, when the event is processed."),
    _row("zero", "Sets all values of a map to zero, when the event is processed."),
)
