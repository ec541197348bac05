"""exit() and time(): what the runtime does when an event says so (spec 04 §2)."""

from __future__ import annotations

from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import INT32, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Handling, Lowering
    from pytrace.program import EventSpec, Layout
    from pytrace.registry import Handler
    from pytrace.sema import typed
    from pytrace.types import Type

_TIME_SIZE = 64
"""Bytes that time() has room for, the NUL included."""


def _exit_rule(site: CallSite) -> Type:
    if site.in_for:
        site.error("'return' statement is not allowed in a for-loop")
    return NONE


def _lower_exit(em: Lowering, call: typed.Call) -> None:
    code = em.extend(em.int64(call.args[0]), INT32, 32) if call.args else em.const(0, 32)
    key = "functions.control:exit"

    def fill(record: Any, layout: Layout) -> None:
        em.put(record, code, layout.fields[0].offset)
        em.end_run()  # not when the record could not be had: then the runtime would never hear of it

    em.emit(key, [("code", INT32)], None, call.span, fill)
    em.end_probe()


def _bind_exit(rt: Handling, event: EventSpec) -> Handler:
    at = event.layout.fields[0].offset
    return lambda data: rt.request_exit(int.from_bytes(data[at : at + 4], "little", signed=True))


def _lower_time(em: Lowering, call: typed.Call) -> None:
    form = getattr(call.args[0], "value", "") if call.args else "%H:%M:%S\n"
    em.emit("functions.control:time", [], (form,), call.span, lambda record, layout: None)


def _bind_time(rt: Handling, event: EventSpec) -> Handler:
    from time import time

    from pytrace.runtime.output.clock import format_local

    (form,) = event.data

    def handle(data: bytes | memoryview) -> None:
        text = format_local(form, time())
        if 0 < len(text) < _TIME_SIZE:
            rt.output.time(text)
        else:
            rt.user_error("strftime returned zero (Numerical result out of range)")

    return handle


ROWS = (
    FunctionDef(
        name="exit",
        doc="Ends the run, with `code` as its exit status; the probe ends at once.",
        signatures=("void exit([int code])",),
        diverges=True,
        params=(Param("code", Kind.INT, optional=True),),
        type_rule=_exit_rule,
        lower=_lower_exit,
        bind=_bind_exit,
        asynchronous=True,
    ),
    FunctionDef(
        name="time",
        doc="Prints the wall-clock time as strftime(3) formats it, at most 63 bytes; nothing is added.",
        signatures=("void time([const string fmt])",),
        params=(Param("fmt", Kind.STRING_LITERAL, optional=True),),
        type_rule=lambda site: NONE,
        lower=_lower_time,
        bind=_bind_time,
        asynchronous=True,
    ),
)
