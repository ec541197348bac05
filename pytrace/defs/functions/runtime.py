"""What programs report about themselves: run-time warnings (spec 07 §6).

Place in the pipeline: rows of events that code generation emits by itself; their names cannot be written in a script.
"""

from __future__ import annotations

from pytrace.registry import FunctionDef
from pytrace.types import NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.facets import Handling
    from pytrace.program import EventSpec
    from pytrace.registry import Handler


def _bind_error(rt: Handling, event: EventSpec) -> Handler:
    from pytrace.runtime.output.errors import RUNTIME_TEXTS

    kind = event.data[0]
    text, report = RUNTIME_TEXTS.get(kind, kind), rt.output.runtime_error
    return lambda data: report(text, event.location)


def _bind_helper(rt: Handling, event: EventSpec) -> Handler:
    helper, at, report = event.data[0], event.layout.fields[0].offset, rt.output.helper_error
    return lambda data: report(helper, int.from_bytes(data[at : at + 8], "little", signed=True), event.location)


ROWS = (
    FunctionDef(
        name="runtime-error",
        doc="A run-time warning; `data` is its kind.",
        signatures=(),
        type_rule=lambda site: NONE,
        bind=_bind_error,
        asynchronous=True,
    ),
    FunctionDef(
        name="helper-error",
        doc="A BPF helper that failed; `data` is its name, the record what it returned.",
        signatures=(),
        type_rule=lambda site: NONE,
        bind=_bind_helper,
        asynchronous=True,
    ),
)
