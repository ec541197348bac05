"""join(): a `char *[]` as one line (spec 04 §2)."""

from __future__ import annotations

from pytrace import types
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import NONE, Array, String

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Handling, Lowering
    from pytrace.program import EventSpec, Layout
    from pytrace.registry import Handler
    from pytrace.sema import typed
    from pytrace.types import Type

_MOST_STRINGS, _STRING_SIZE = 16, 1024


def _rule(site: CallSite) -> Type:
    t = site.arg_type(0)
    if site.final and not isinstance(t, (types.Int, types.Enum, types.Pointer, types.NoneType)):
        from pytrace.sema.joins import kind_name

        site.error(f"() only supports int or pointer arguments ({kind_name(t)} provided)")
    return NONE


def _lower(em: Lowering, call: typed.Call) -> None:
    """Read string after string straight into the record, until the null pointer; what stays unread is empty."""
    separator = getattr(call.args[1], "value", " ") if len(call.args) > 1 else " "
    array, space = em.address(call.args[0])
    pointer = em.local(8)

    def fill(record: Any, layout: Layout) -> None:
        start = em.at(record, layout.fields[0].offset)
        for i in range(_MOST_STRINGS):  # a string of length zero ends the line, whatever lies behind it
            em.put(start, em.const(0, 8), i * _STRING_SIZE)
        _read_from(em, start, array, pointer, space, 0, call)

    field = ("strings", Array(String(_STRING_SIZE), _MOST_STRINGS))
    em.emit("functions.joining:join", [field], (separator,), call.span, fill)


def _read_from(em: Lowering, start: Any, array: Any, pointer: Any, space: str, index: int, call: typed.Call) -> None:
    """Strings from number `index` on: the next is looked at only when this one was there."""
    if index == _MOST_STRINGS:
        return
    em.read(pointer, em.const(8), em.builder.add(array, em.const(8 * index)), space, call.span)
    address = em.load(pointer, types.UINT64)
    with em.when(em.builder.icmp_unsigned("!=", address, em.const(0))):
        em.read_string(em.at(start, index * _STRING_SIZE), em.const(_STRING_SIZE), address, space, call.span)
        _read_from(em, start, array, pointer, space, index + 1, call)


def _bind(rt: Handling, event: EventSpec) -> Handler:
    start, separator = event.layout.fields[0].offset, event.data[0].encode("latin-1")

    def handle(data: bytes | memoryview) -> None:
        found = []
        for i in range(_MOST_STRINGS):
            at = start + i * _STRING_SIZE
            text = bytes(data[at : at + _STRING_SIZE]).split(b"\0", 1)[0]
            if not text:
                break
            found.append(text)
        rt.output.join(separator.join(found))

    return handle


ROWS = (
    FunctionDef(
        name="join",
        doc="Prints the strings of a NULL-terminated `char *[]` on one line: at most 16, of at most 1023 bytes each.",
        signatures=("void join(char *arr[][, const string sep])",),
        params=(Param("arr"), Param("sep", Kind.STRING_LITERAL, optional=True)),
        type_rule=_rule,
        lower=_lower,
        bind=_bind,
        asynchronous=True,
    ),
)
