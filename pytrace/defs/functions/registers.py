"""`reg()`: the registers of the interrupted or traced code (spec 04 §1, §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: the same offsets serve perf events, because struct bpf_perf_event_data begins with the registers.
"""

from __future__ import annotations

from pytrace.defs.registers import OFFSETS
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

def _reg_type(site: CallSite) -> Type:
    site.set_space(site.provider.space)
    if "reg" not in site.provider.features:
        site.error(f'reg can not be used with "{site.provider.name}" probes')
    name = site.literal(0)
    if isinstance(name, str):
        site.data = OFFSETS.get(name)
        if site.data is None:
            site.error(f"'{name}' is not a valid register on this architecture (x86_64)")
    return UINT64


def _reg(em: Lowering, call: typed.Call) -> Any:
    return em.load(em.ctx, UINT64, call.data)


ROWS = (
    FunctionDef(
        name="reg",
        doc="The contents of a register.\n\nNames on x86_64: " + " ".join(OFFSETS) + ".",
        signatures=("uint64 reg(const string name)",),
        params=(Param("name", Kind.STRING_LITERAL),),
        type_rule=_reg_type,
        lower=_reg,
    ),
)
