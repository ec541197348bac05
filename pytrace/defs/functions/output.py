"""printf() and print(), and their kin with a format: errorf, warnf, cat, system, debugf (spec 04 §2).

Place in the pipeline: rows; type rules for sema, lowerings for codegen, handlers for the runtime.  In: calls, later the
records that they wrote.  Out: text.  What a newcomer would get wrong: `bind` is called once an event, the handler that
it returns once a record; whatever can be prepared is prepared in `bind`.
"""

from __future__ import annotations

from pytrace.defs.functions._format import check_format, emit_record, emit_values
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.runtime.output.printf import SHOWN, Formatter, Spec
from pytrace.types import NONE, Aggregate, ContextStruct, Pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Handling, Lowering
    from pytrace.program import EventSpec
    from pytrace.registry import Handler
    from pytrace.runtime.output.base import Batch
    from pytrace.sema import typed
    from pytrace.types import Type

_FORMAT = (Param("fmt", Kind.FORMAT), Param("args", Kind.ANY, optional=True, variadic=True))
_MOST_ARGUMENTS = 127


def _format_rule(site: CallSite) -> Type:
    check_format(site)
    return NONE


def _formatter(rt: Handling, event: EventSpec) -> Formatter:
    literals, specs, *_ = event.data
    return Formatter(literals, tuple(Spec(*plain) for plain in specs), event.layout, rt.output.renderer)


def _batch(rt: Handling, event: EventSpec) -> Batch:
    batch: Batch = rt.output.printf_batch(_formatter(rt, event))
    return batch


# ---------------------------------------------------------------- printf


def _lower_printf(em: Lowering, call: typed.Call) -> None:
    if em.instance.attach_points[0].provider.phase == "iter":
        from pytrace.defs.functions._kernel_format import lower_seq_printf

        lower_seq_printf(em, call)
        return
    emit_record(em, "functions.output:printf", call, call.span)


def _bind_printf(rt: Handling, event: EventSpec) -> Handler:
    one, printf = _formatter(rt, event).one, rt.output.printf
    return lambda data: printf(one(data))


# ---------------------------------------------------------------- errorf, warnf


def _message(name: str, severity: str, doc: str) -> FunctionDef:
    key = f"functions.output:{name}"

    def lower(em: Lowering, call: typed.Call) -> None:
        emit_record(em, key, call, call.span)

    def bind(rt: Handling, event: EventSpec) -> Handler:
        one, message = _formatter(rt, event).one, rt.output.message
        return lambda data: message(severity, one(data).decode("latin-1"), event.location)

    return FunctionDef(
        name=name,
        doc=doc,
        signatures=(f"void {name}(const string fmt, args...)",),
        params=_FORMAT,
        type_rule=_format_rule,
        lower=lower,
        bind=bind,
        asynchronous=True,
    )


# ---------------------------------------------------------------- cat, system


def _lower_cat(em: Lowering, call: typed.Call) -> None:
    emit_record(em, "functions.output:cat", call, call.span)


def _bind_cat(rt: Handling, event: EventSpec) -> Handler:
    one, limit = _formatter(rt, event).one, int(rt.config.get("max_cat_bytes", 10240))

    def handle(data: bytes | memoryview) -> None:
        name = one(data)
        try:
            with open(name, "rb", buffering=0) as f:
                content = _read(f, limit)
        except IsADirectoryError:
            content = b""
        except (OSError, ValueError) as e:
            reason = e.strerror if isinstance(e, OSError) else "Invalid argument"
            rt.user_error(f"failed to open file '{name.decode('latin-1')}' ({reason})")
            return
        rt.output.cat(content)

    return handle


def _read(f: Any, limit: int) -> bytes:
    """Up to `limit` bytes; files of /proc come in pieces."""
    content = b""
    while len(content) < limit and (piece := f.read(limit - len(content))):
        content += piece
    return content


def _lower_system(em: Lowering, call: typed.Call) -> None:
    emit_record(em, "functions.output:system", call, call.span)


def _bind_system(rt: Handling, event: EventSpec) -> Handler:
    one = _formatter(rt, event).one

    def handle(data: bytes | memoryview) -> None:
        from pytrace.runtime.shell import run

        output, failure = run(one(data))
        if failure:
            rt.user_error(failure)
        else:
            rt.output.system(output)

    return handle


# ---------------------------------------------------------------- print


def _print_rule(site: CallSite) -> Type:
    from pytrace.grammar import ast

    if isinstance(site.args[0], ast.Map):
        _check_map(site)
    elif site.final:
        _check_value(site, site.arg_type(0))
    return NONE


def _check_map(site: CallSite) -> None:
    if not site.final:
        return
    if site.in_loop:
        site.warning(
            "Due to it's asynchronous nature using 'print()' in a loop can lead to unexpected behavior. The map will "
            "likely be updated before the runtime can 'print' it."
        )
    t = site.map(0).value_type
    if len(site.args) > 1 and isinstance(t, Aggregate) and t.row == "stats":
        site.warning("print()'s top and div arguments are ignored when used on stats() maps.")


def _check_value(site: CallSite, t: Type) -> None:
    if isinstance(t, Aggregate) and not _castable(t):
        site.error(f"Map type {t} cannot print the value of individual keys. You must print the whole map.")
    elif not t.printable or (isinstance(t, Pointer) and isinstance(t.pointee, ContextStruct)):
        site.error(f"{t} type passed to print() is not printable")
    elif len(site.args) > 1:
        site.error(f"Non-map print() only takes 1 argument, {len(site.args)} found")


def _castable(t: Aggregate) -> bool:
    from pytrace.defs import load_row

    return bool(getattr(load_row(f"aggregates.{t.row}:{t.row}"), "castable", False))


def _lower_print(em: Lowering, call: typed.Call) -> None:
    from pytrace.sema import typed

    key, first = "functions.output:print", call.args[0]
    if isinstance(first, typed.MapRef):
        top, div = (*(getattr(a, "value", 0) for a in call.args[1:]), 0, 0)[:2]
        em.map(first.map)  # it must exist even if nothing else touches it
        em.emit(key, [], ("@" + first.map.name, top, div), call.span, lambda record, layout: None)
    else:
        emit_values(em, key, (), (first,), (SHOWN,), call.span)


def _bind_print(rt: Handling, event: EventSpec) -> Handler:
    if event.data:
        name, top, div = event.data
        reader, print_map = rt.maps[name], rt.output.print_map
        return lambda data: print_map(reader, top, div)
    if rt.output.batches:
        one, write = rt.output.value_batch(event.layout).one, rt.output.write
        return lambda data: write(one(data))
    field, value = event.layout.fields[0], rt.output.value
    return lambda data: value(field.type, data[field.offset :])


def _batch_print(rt: Handling, event: EventSpec) -> Batch | None:
    """None for print(@map): maps are read when each event is processed."""
    batch: Batch | None = None if event.data else rt.output.value_batch(event.layout)
    return batch


# ---------------------------------------------------------------- debugf


def _debugf_rule(site: CallSite) -> Type:
    from pytrace.defs.functions._kernel_format import check_debugf

    check_debugf(site)
    return NONE


def _lower_debugf(em: Lowering, call: typed.Call) -> None:
    from pytrace.defs.functions._kernel_format import lower_trace_printk

    lower_trace_printk(em, call)


ROWS = (
    FunctionDef(
        name="printf",
        doc="Prints formatted text; nothing is added to it.",
        signatures=("void printf(const string fmt, args...)",),
        params=_FORMAT,
        type_rule=_format_rule,
        lower=_lower_printf,
        bind=_bind_printf,
        bind_batch=_batch,
        asynchronous=True,
    ),
    FunctionDef(
        name="print",
        doc="Prints a value and a newline, or a whole map, with the `top` largest entries and values divided by `div`.",
        signatures=("void print(T val)", "void print(@map[, const uint64 top[, const uint64 div]])"),
        params=(
            Param("value", Kind.MAP_OR_ANY),
            Param("top", Kind.INT_LITERAL, optional=True),
            Param("div", Kind.INT_LITERAL, optional=True),
        ),
        type_rule=_print_rule,
        lower=_lower_print,
        bind=_bind_print,
        bind_batch=_batch_print,
        asynchronous=True,
    ),
    _message("errorf", "ERROR", "Prints formatted text on stderr as an error at the place of the call."),
    _message("warnf", "WARNING", "Prints formatted text on stderr as a warning at the place of the call."),
    FunctionDef(
        name="cat",
        doc="Prints a file, up to max_cat_bytes bytes of it.",
        signatures=("void cat(const string filename_fmt, args...)",),
        params=_FORMAT,
        type_rule=_format_rule,
        lower=_lower_cat,
        bind=_bind_cat,
        asynchronous=True,
    ),
    FunctionDef(
        name="system",
        doc="Runs a shell command and prints what it wrote.",
        signatures=("void system(const string command_fmt, args...)",),
        params=_FORMAT,
        type_rule=_format_rule,
        lower=_lower_system,
        bind=_bind_system,
        unsafe_text="system() is an unsafe function being used in safe mode",
        asynchronous=True,
    ),
    FunctionDef(
        name="debugf",
        doc="Writes formatted text to the kernel's trace pipe, at once (bpf_trace_printk).",
        signatures=("void debugf(const string fmt, args...)",),
        params=_FORMAT,
        type_rule=_debugf_rule,
        lower=_lower_debugf,
    ),
)
