"""getopt(): named parameters of the command line (spec 02 §11).

Place in the pipeline: rows for sema, codegen and help; `sema.params` reads the command line for rows that declare an
option.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer would get wrong: the value is known when the
script is compiled, but it is no literal: its type is the 64-bit, bool or max_strlen one of its default.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import BOOL, INT64, UINT64, Space, String

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type


def _rule(site: CallSite) -> Type:
    """`data`: the value."""
    name = site.literal(0)
    default = site.literal(1) if len(site.args) > 1 else False
    site.data = site.named.get(name, default) if isinstance(name, str) else default
    if isinstance(default, bool) or default is None:
        return BOOL
    if isinstance(default, str):
        site.set_space(Space.KERNEL)
        return String(int(site.config["max_strlen"]))
    return INT64 if default < 0 else UINT64


def _into(em: Lowering, call: typed.Call, dest: Any) -> None:
    assert isinstance(call.type, String)
    text = call.data[: call.type.capacity - 1]
    em.zero(dest, call.type.capacity)
    em.copy(dest, em.string_constant(text), len(text) + 1)


def _lower(em: Lowering, call: typed.Call) -> Any:
    if isinstance(call.type, String):
        return in_memory(_into)(em, call)
    return em.const(int(call.data), 1 if call.type == BOOL else 64)


ROWS = (
    FunctionDef(
        name="getopt",
        doc="The value of the named parameter `--name` of the command line, or the default.\n\nThe default's type is "
        "the parameter's: bool (also without a default), uint64, int64 for a negative number, or string.",
        signatures=(
            "bool getopt(const string name)",
            "T getopt(const string name, const T default[, const string description])",
        ),
        params=(
            Param("name", Kind.ANY),
            Param("default", Kind.ANY, optional=True),
            Param("description", Kind.ANY, optional=True),
        ),
        type_rule=_rule,
        lower=_lower,
        lower_into=_into,
        declares_option=True,
    ),
)
