"""Events: records in the ring buffer, lost-event counts, and run-time warnings (spec 07 §6).

Place in the pipeline: behind the Emitter.  In: a row's key, its fields, a function that fills them.  Out: reserve,
fill in place, submit.  What a newcomer would get wrong: a reserved record must be submitted or discarded on every
path, so whatever leaves the program from inside `fill` first discards what is open (`control.end_probe`).
"""

from __future__ import annotations

from llvmlite import ir

from pytrace import types
from pytrace.codegen import control, memory
from pytrace.codegen.frame import Frame
from pytrace.codegen.module import I32, I64, LOST, RING
from pytrace.program import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.source import Span
    from pytrace.types import Type

RUNTIME_ERROR = "functions.runtime:runtime-error"
HELPER_ERROR = "functions.runtime:helper-error"


def emit(
    em: Emitter,
    row_key: str,
    fields: list[tuple[str, Type]],
    data: Any,
    span: Span,
    fill: Callable[[Any, Layout], None],
) -> None:
    """One record: reserved at its constant size, filled where it lies, submitted; or counted as lost."""
    layout = Layout.of(fields, start=8)
    number = em.event(row_key, layout, data, span)
    record = em.helper_pointer("ringbuf_reserve", em.module.map_handle(RING), layout.size, 0)
    with em.when_else(em.not_null(record)) as (then, otherwise):
        with then:
            em.put(record, em.const(number))
            em.frame.open_records.append(record)
            with memory.padding(em, False):
                fill(record, layout)
            em.frame.open_records.pop()
            em.helper("ringbuf_submit", record, 0)
        with otherwise:
            _count_lost(em)


def send(
    em: Emitter, row_key: str, fields: list[tuple[str, Type]], data: Any, span: Span, record: Any, size: Any
) -> None:
    """One record of `size` bytes from memory of the program's own: copied into the ring, or counted as lost."""
    em.put(record, em.const(em.event(row_key, Layout.of(fields, start=8), data, span)))
    result = em.helper("ringbuf_output", em.module.map_handle(RING), record, size, 0)
    with em.when(em.builder.icmp_signed("<", result, em.const(0))):
        _count_lost(em)


def _count_lost(em: Emitter, program: Any = None) -> None:
    """Count a lost event of `program`, an i64: this one if None."""
    program = em.const(em.program_index) if program is None else program
    em.builder.call(_cold_function(em, "count_lost", 1, _lost_body), [program])


def _lost_body(em: Emitter, args: list[Any]) -> None:
    key = memory.local(em, 4)
    em.put(key, em.extend(args[0], types.UINT64, 32))
    counter = em.helper_pointer("map_lookup_elem", em.module.map_handle(LOST), key)
    with em.when(em.not_null(counter)):
        em.put(counter, em.builder.add(em.load(counter, types.UINT64), em.const(1)))


def _cold_function(em: Emitter, name: str, params: int, body: Callable[[Emitter, list[Any]], None]) -> Any:
    """A function for what happens rarely, shared by all programs, so that a probe's own path stays short."""
    function = em.module.subprograms.get(name)
    if function is None:
        function = control.static_function(em, name, ir.FunctionType(I64, [I64] * params))
        em.module.subprograms[name] = function
        with em.in_frame(Frame(em.module, function, "cold"), em.instance.span), memory.padding(em, True):
            body(em, list(function.args))
            em.builder.ret(em.const(0))
    return function


# ---------------------------------------------------------------- run-time warnings


def runtime_error(em: Emitter, kind: str, span: Span) -> None:
    """A warning whose text the runtime knows by `kind`."""
    number = em.event(RUNTIME_ERROR, Layout.of([], start=8), (kind,), span)
    function = _cold_function(em, "report", 2, lambda em, args: _report(em, args[1:], args[0], 8))
    em.builder.call(function, [em.const(em.program_index), em.const(number)])


def helper_error(em: Emitter, helper: str, result: Any, span: Span) -> None:
    """A helper's refusal: its name, and the errno it returned."""
    layout = Layout.of([("retcode", types.INT64)], start=8)
    number = em.event(HELPER_ERROR, layout, (helper,), span)
    function = _cold_function(em, "report_code", 3, lambda em, args: _report(em, args[1:], args[0], layout.size))
    code = em.extend(result, types.INT32, 64)
    em.builder.call(function, [em.const(em.program_index), em.const(number), code])


def _report(em: Emitter, words: list[Any], program: Any, size: int) -> None:
    """Send a record of the given words, the first of them the event's number."""
    record = em.helper_pointer("ringbuf_reserve", em.module.map_handle(RING), size, 0)
    with em.when_else(em.not_null(record)) as (then, otherwise):
        with then:
            for n, word in enumerate(words):
                em.put(record, word, 8 * n)
            em.helper("ringbuf_submit", record, 0)
        with otherwise:
            _count_lost(em, program)


def check_update(em: Emitter, result: Any, span: Span) -> None:
    """Report a refused map update, always."""
    code = em.builder.trunc(result, I32)
    with em.when(em.builder.icmp_signed("<", code, I32(0))):
        helper_error(em, "map_update_elem", code, span)


def check_read(em: Emitter, helper: str, result: Any, span: Span) -> None:
    """Report a failed read, with -k."""
    if em.module.verbose_warnings:
        code = em.builder.trunc(result, I32)
        with em.when(em.builder.icmp_signed("<", code, I32(0))):
            helper_error(em, helper, code, span)


def check_lookup(em: Emitter, span: Span) -> None:
    """Report a missing element (we are on the path where it is missing), with -k."""
    if em.module.verbose_warnings:
        helper_error(em, "map_lookup_elem", ir.Constant(I32, 0), span)
