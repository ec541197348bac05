"""Events: records in the ring buffer, lost-event counts, and run-time warnings (spec 07 §6).

Place in the pipeline: behind the Emitter.  In: a row's key, its fields, a function that fills them.  Out: reserve,
fill in place, submit.  What a newcomer would get wrong: a reserved record must be submitted or discarded on every
path, so whatever leaves the program from inside `fill` first discards what is open (`control.end_probe`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from pytrace import types
from pytrace.codegen import memory
from pytrace.codegen.module import I32, LOST, RING
from pytrace.program import Layout
from pytrace.source import Span
from pytrace.types import Type

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter

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


def _count_lost(em: Emitter) -> None:
    key = memory.local(em, 4)
    em.put(key, I32(em.program_index))
    counter = em.helper_pointer("map_lookup_elem", em.module.map_handle(LOST), key)
    with em.when(em.not_null(counter)):
        em.put(counter, em.builder.add(em.load(counter, types.UINT64), em.const(1)))


# ---------------------------------------------------------------- run-time warnings


def runtime_error(em: Emitter, kind: str, span: Span) -> None:
    """A warning whose text the runtime knows by `kind`."""
    emit(em, RUNTIME_ERROR, [], (kind,), span, lambda record, layout: None)


def helper_error(em: Emitter, helper: str, result: Any, span: Span) -> None:
    """A helper's refusal: its name, and the errno it returned."""

    def fill(record: Any, layout: Layout) -> None:
        em.put(record, em.extend(result, types.INT32, 64), layout.fields[0].offset)

    emit(em, HELPER_ERROR, [("retcode", types.INT64)], (helper,), span, fill)


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
