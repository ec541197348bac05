"""Control groups (spec 04 §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: `cgroup_path` records the id only; the runtime searches the hierarchies when the value is printed.

Layout (pytrace.values): cgroup_path_t is a uint64 id, and a uint64 that is one more than the number of the EventSpec
whose data are (filter,); such events are never sent.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory, settled_or_global
from pytrace.program import Layout
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import CGROUP_PATH, UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_KEY = "functions.cgroups:cgroup_path"


def _cgroupid_type(site: CallSite) -> Type:
    path = site.literal(0)
    if isinstance(path, str):
        if site.target.ahead:
            site.data = f"cgroupid:{path}"
            return UINT64
        found = site.target.cgroup_id(path)
        site.data = found or 0
        if found is None and site.final:
            site.error(f"cgroupid() could not find the cgroup `{path}`")
    return UINT64


def _path_type(site: CallSite) -> Type:
    pattern = site.literal(1) if len(site.args) == 2 else "*"
    if not isinstance(pattern, str):
        if site.final:
            site.error("cgroup_path() expects a string literal as its second argument")
        pattern = "*"
    site.data = (pattern,)
    return CGROUP_PATH


def _path_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    em.put(dest, em.int64(call.args[0]), 0)
    em.put(dest, em.const(em.event(_KEY, Layout((), 8), call.data, call.span) + 1), 8)


ROWS = (
    FunctionDef(
        name="cgroupid",
        doc="The id of the cgroup (version 2) at a path.",
        signatures=("uint64 cgroupid(const string path)",),
        params=(Param("path", Kind.STRING_LITERAL),),
        type_rule=_cgroupid_type,
        lower=settled_or_global,
        long_literals=True,
    ),
    FunctionDef(
        name="cgroup_path",
        doc="The paths of the cgroup with an id: `hierarchy:path`, joined by commas.\n\nThey are looked up when the "
        "value is "
        "printed.  `filter` is a pattern for the hierarchy's name; that of version 2 is `unified`.",
        signatures=("cgroup_path_t cgroup_path(int id[, const string filter])",),
        params=(Param("id", Kind.INT), Param("filter", Kind.STRING, optional=True)),
        type_rule=_path_type,
        lower=in_memory(_path_into),
        lower_into=_path_into,
    ),
)
