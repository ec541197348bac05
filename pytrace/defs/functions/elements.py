"""Functions on map elements: delete, has_key, find, len (spec 04 §4), and fetch_add, which is ours.

Place in the pipeline: rows for sema, codegen and help.  In: call sites, fold sites and lowerings.  Out: `ROWS`.  What a
newcomer would get wrong: a scalar map has an element too, which is there once it was assigned; only `delete` takes one.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import BOOL, INT64, UINT64, Aggregate, Stack, is_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_SCALAR = "expects a map with explicit keys (non-scalar map)"


def _is_map(site: CallSite, index: int) -> bool:
    return isinstance(site.args[index], ast.Map)


def _symbol(call: typed.Call) -> typed.MapSymbol:
    found: typed.MapSymbol = call.args[0].map  # type: ignore[attr-defined]
    return found


# ---------------------------------------------------------------- delete


def _delete_fold(site: FoldSite) -> ast.Expr | None:
    """The old form `delete(@m[k])` is `delete(@m, k)`."""
    if len(site.args) == 1 and isinstance(site.args[0], ast.MapAccess):
        old = site.args[0]
        return ast.Call("delete", (old.map, old.key), span=site.span)
    return None


def _delete_type(site: CallSite) -> Type:
    scalar = site.map(0).scalar
    if len(site.args) == 2 and scalar is True:
        site.error(f"call to delete() with two arguments {_SCALAR}")
    elif len(site.args) == 1 and scalar is False:
        site.error(
            "call to delete() with a single argument expects a map without explicit keys (scalar map)"
        )
    return BOOL


def _delete(em: Lowering, call: typed.Call) -> Any:
    return em.delete(_symbol(call), call.args[1] if len(call.args) == 2 else None)


# ---------------------------------------------------------------- has_key and find


def _has_key_type(site: CallSite) -> Type:
    if site.map(0).scalar is True:
        site.error(f"call to has_key() {_SCALAR}")
    return BOOL


def _is_there(em: Lowering, found: Any) -> Any:
    from llvmlite import ir

    return em.builder.icmp_unsigned("!=", em.builder.ptrtoint(found, ir.IntType(64)), em.const(0))


def _has_key(em: Lowering, call: typed.Call) -> Any:
    return _is_there(em, em.lookup(_symbol(call), call.args[1]))


def _find_type(site: CallSite) -> Type:
    symbol = site.map(0)
    if symbol.scalar is True:
        site.error(f"call to find {_SCALAR}")
    value = symbol.value_type
    if isinstance(value, Aggregate):
        value = INT64 if value.signed else UINT64
    site.assign_variable(2, value, symbol.space)
    return BOOL


def _find(em: Lowering, call: typed.Call) -> Any:
    symbol = _symbol(call)
    variable: typed.VarSymbol = call.args[2].symbol  # type: ignore[attr-defined]
    found = em.lookup(symbol, call.args[1])
    there = _is_there(em, found)
    with em.when(there):
        place = em.variable(variable)
        if is_memory(symbol.value_type):
            em.copy(place, found, symbol.value_type.size)
        else:
            value = em.load(found, symbol.value_type)
            em.put(place, em.extend(value, symbol.value_type, 8 * variable.type.size))
    return there


# ---------------------------------------------------------------- len


def _len_type(site: CallSite) -> Type:
    if _is_map(site, 0):
        if site.map(0).scalar is True:
            site.error(f"call to len() {_SCALAR}")
    elif site.final and not isinstance(site.arg_type(0), Stack):
        site.error("call to len() expects a map, ustack, or kstack")
    return INT64


def _len(em: Lowering, call: typed.Call) -> Any:
    of = call.args[0]
    if isinstance(of.type, Stack):
        return em.load(em.value(of), UINT64, 0)
    return em.map_length(_symbol(call))


# ---------------------------------------------------------------- fetch_add


def _fetch_add_type(site: CallSite) -> Type:
    symbol = site.map(0)
    if symbol.scalar is False:
        site.error("call to fetch_add() expects a map without explicit keys (scalar map)")
    elif site.final and symbol.value_type not in (INT64, UINT64):
        site.error(f"fetch_add() only supports maps of 64-bit integers ({symbol.value_type} provided)")
    return symbol.value_type if symbol.value_type in (INT64, UINT64) else UINT64


ROWS = (
    FunctionDef(
        name="fetch_add",
        doc="Add to the number in a scalar map, and give what it was before.\n\nIn one step, whatever other CPUs do: "
        "`@n++` may give the same number on two CPUs at once.",
        signatures=("T fetch_add(map scalar, int n)",),
        params=(Param("map", Kind.MAP), Param("n", Kind.INT)),
        type_rule=_fetch_add_type,
        lower=lambda em, call: em.fetch_add(_symbol(call), em.int64(call.args[1])),
    ),
    FunctionDef(
        name="delete",
        library=True,
        doc="Remove an element of a map, or the value of a scalar map.\n\nTrue if there was one.  Keys of several "
        "parts are "
        "written as a tuple: `delete(@m, (1, 2))`.  `delete(@m[1, 2])` is the old form.",
        signatures=("bool delete(map m, key k)", "bool delete(map scalar)", "bool delete(map[key])"),
        params=(Param("map", Kind.MAP), Param("key", Kind.KEY, optional=True)),
        type_rule=_delete_type,
        fold=_delete_fold,
        lower=_delete,
    ),
    FunctionDef(
        name="has_key",
        library=True,
        doc="Whether a map has an element with that key.",
        signatures=("bool has_key(map m, key k)",),
        params=(Param("map", Kind.MAP), Param("key", Kind.KEY)),
        type_rule=_has_key_type,
        lower=_has_key,
    ),
    FunctionDef(
        name="find",
        library=True,
        doc="Look an element up once: whether it is there, and its value in a variable.\n\nThe variable keeps its "
        "value if "
        "there is no such element.",
        signatures=("bool find(map m, key k, $value)",),
        params=(Param("map", Kind.MAP), Param("key", Kind.KEY), Param("var", Kind.VARIABLE)),
        type_rule=_find_type,
        lower=_find,
    ),
    FunctionDef(
        name="len",
        library=True,
        doc="The number of elements of a map, or of frames of a stack.",
        signatures=("int64 len(map m)", "int64 len(ustack stack)", "int64 len(kstack stack)"),
        params=(Param("m", Kind.MAP_OR_ANY),),
        type_rule=_len_type,
        lower=_len,
    ),
)
