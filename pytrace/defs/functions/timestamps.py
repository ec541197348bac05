"""`strftime`: a time that is formatted when it is printed (spec 04 §2).

Place in the pipeline: rows for sema, codegen and help; `runtime.output` does the formatting.  In: call sites and
lowerings.  Out: `ROWS`.  What a newcomer would get wrong: which clock the number counts is known from its type
(`Int.clock`), set by `nsecs`; any other number is taken to count from boot.

Layout (pytrace.values): uint64 nanoseconds, and a uint64 that is one more than the number of the EventSpec whose data
are (format, clock).  No such event is ever sent; it is where the runtime finds what the bytes cannot say.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory
from pytrace.program import Layout
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import TIMESTAMP, Int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_KEY = "functions.timestamps:strftime"


def _strftime_type(site: CallSite) -> Type:
    form, t = site.literal(0), site.arg_type(1)
    clock = (t.clock if isinstance(t, Int) else "") or "boot"
    if clock == "monotonic":
        site.error("strftime() can not take a monotonic timestamp")
    given = site.literal(1)
    if isinstance(given, int) and given < 0:
        site.error("strftime() does not accept negative timestamps")
    site.data = (form if isinstance(form, str) else "", clock)
    return TIMESTAMP


def _strftime_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    em.put(dest, em.int64(call.args[1]), 0)
    em.put(dest, em.const(em.event(_KEY, Layout((), 8), call.data, call.span) + 1), 8)


ROWS = (
    FunctionDef(
        name="strftime",
        doc="A time of `nsecs` as text.\n\nFormatted when it is printed, as strftime(3) does; `%f` gives "
        "microseconds, `%k` "
        "nanoseconds, `%l` milliseconds.",
        signatures=("timestamp strftime(const string format, uint64 nanoseconds)",),
        params=(Param("format", Kind.STRING_LITERAL), Param("nanoseconds", Kind.INT)),
        type_rule=_strftime_type,
        lower=in_memory(_strftime_into),
        lower_into=_strftime_into,
    ),
)
