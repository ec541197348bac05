"""Builtin values that are clocks (spec 04 §1).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: a value remembers its clock in its type (`Int.clock`), because `strftime` formats by it.
"""

from __future__ import annotations

from pytrace.registry import Kind, Param, VariableDef
from pytrace.types import UINT64, Int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_CLOCKS = {
    "boot": "ktime_get_boot_ns",
    "monotonic": "ktime_get_ns",
    "tai": "ktime_get_tai_ns",
    "sw_tai": "ktime_get_boot_ns",
}
_TYPES = {clock: Int(64, False, clock=clock) for clock in _CLOCKS}


def _nsecs_type(site: CallSite) -> Type:
    site.data = "boot"
    if not site.args:
        return _TYPES["boot"]
    clock = site.word(0)
    if clock not in _CLOCKS:
        shown = clock or "integer"
        if clock:
            site.error(f"Invalid timestamp mode: {shown}", site.args[0].span)
        else:
            site.error("nsecs() only supports timestamp_mode arguments (int provided)")
        return UINT64
    if clock == "tai" and site.target.feature("get_tai_ns") is False:
        site.error("Kernel does not support tai timestamp, please try sw_tai")
    site.data = clock
    return _TYPES[clock]


def _nsecs(em: Lowering, node: typed.Builtin) -> Any:
    now = em.helper(_CLOCKS[node.data or "boot"])
    return em.builder.add(now, em.global_value("tai_offset")) if node.data == "sw_tai" else now


def _elapsed(em: Lowering, node: typed.Builtin) -> Any:
    return em.builder.sub(em.helper("ktime_get_boot_ns"), em.global_value("start_ns"))


ROWS = (
    VariableDef(
        name="nsecs",
        doc="Time in nanoseconds.\n\n`boot` (the default) counts from the start of the machine and includes sleep, "
        "`monotonic` leaves sleep out, `tai` is International Atomic Time (Linux 6.1), `sw_tai` the same from `boot` "
        "and "
        "an offset measured at the start.",
        signatures=("uint64 nsecs", "uint64 nsecs([boot|monotonic|tai|sw_tai])"),
        params=(Param("clock", Kind.WORD, optional=True),),
        type_rule=_nsecs_type,
        lower=_nsecs,
        reserved=True,
    ),
    VariableDef(
        name="elapsed",
        library=True,
        doc="Nanoseconds since the start of tracing.",
        signatures=("uint64 elapsed",),
        type_rule=lambda site: UINT64,
        lower=_elapsed,
    ),
    VariableDef(
        name="jiffies",
        library=True,
        doc="The kernel's jiffies counter (Linux 5.9).",
        signatures=("uint64 jiffies",),
        type_rule=lambda site: UINT64,
        lower=lambda em, node: em.helper("jiffies64"),
    ),
)
