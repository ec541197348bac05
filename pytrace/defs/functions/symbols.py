"""Functions between addresses and symbols (spec 04 §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: `ksym` and `usym` only note an address; names are looked up when the value is printed.

Layouts (pytrace.values): ksym_t is the address; usym_t a uint64 address, a uint32 pid, a uint32 number of the program.
"""

from __future__ import annotations

from pytrace.defs.lowerings import (
    function_entry,
    in_memory,
    in_own_namespace,
    kept_entry,
    process_id,
    settled_or_global,
)
from pytrace.defs.registers import INSTRUCTION, OFFSETS
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import KSYM, UINT8, UINT16, UINT32, UINT64, USYM, Enum, Int, Pointer, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type


def _check_address(site: CallSite, name: str) -> None:
    if site.final and not isinstance(site.arg_type(0), (Int, Enum, Pointer)):
        site.error(f"{name}() expects an integer or pointer argument")


def _ksym_type(site: CallSite) -> Type:
    _check_address(site, "ksym")
    return KSYM


def _usym_type(site: CallSite) -> Type:
    _check_address(site, "usym")
    site.data = in_own_namespace(site)
    return USYM


def _usym_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    em.put(dest, em.int64(call.args[0]), 0)
    em.put(dest, process_id(em, bool(call.data)), 8)
    em.put(dest, em.const(em.instance.index, 32), 12)


# ---------------------------------------------------------------- names to addresses


def _kaddr_type(site: CallSite) -> Type:
    site.set_space(Space.KERNEL)
    name = site.literal(0)
    if isinstance(name, str):
        if site.target.ahead:
            site.data = f"kaddr:{name}"  # addresses change with every boot
            return UINT64
        site.data = site.target.kernel_symbol(name) or 0
        if site.final and not site.data:
            site.error(f"Failed to resolve kernel symbol: {name}")
    return UINT64


def _percpu_type(site: CallSite) -> Type:
    site.set_space(Space.KERNEL)
    name = site.literal(0)
    if isinstance(name, str):
        site.data = name
        if site.final and not site.target.has_kernel_variable(name):
            site.error(f'Could not resolve variable "{name}" from BTF')
    return UINT64


def _percpu(em: Lowering, call: typed.Call) -> Any:
    variable = em.kernel_variable(call.data)
    if len(call.args) == 1:
        return em.helper("this_cpu_ptr", variable)
    return em.helper("per_cpu_ptr", variable, em.int64(call.args[1]))


_WIDTHS = {1: UINT8, 2: UINT16, 4: UINT32}
_SYMBOL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-")


def _uaddr_type(site: CallSite) -> Type:
    """Pointer to an integer of the symbol's size.  `data`: how far the symbol lies behind the traced instruction, and
    `kept_entry`.

    Both are in one file, so the distance is the same wherever the file is mapped: no need to search the mappings.
    """
    site.set_space(Space.USER)
    site.uses_attach_point()
    provider, point, name = site.provider, site.attach_point, site.literal(0)
    if "uaddr" not in provider.features:
        site.error(f'uaddr can not be used with "{provider.name}" probes')
        return Pointer(UINT64)
    if not isinstance(name, str):
        site.error("uaddr() expects a string literal as the first argument")
        return Pointer(UINT64)
    if not name or not _SYMBOL_CHARACTERS.issuperset(name):
        site.error(f'uaddr() expects a string that is a valid symbol (^[a-zA-Z0-9./_-]+$) as input ("{name}" provided)')
        return Pointer(UINT64)
    path = str(point.params.get("path", ""))
    symbol = site.target.elf_symbol(path, name)
    if symbol is None:
        site.error(f"Could not resolve symbol: {path}:{name}")
        return Pointer(UINT64)
    here = _virtual_address(site, path)
    if here is None:
        site.error("uaddr() needs a single place in a known function")
    else:
        site.data = symbol.address - here, kept_entry(site)
    return Pointer(_WIDTHS.get(symbol.size, UINT64))


def _virtual_address(site: CallSite, path: str) -> int | None:
    """Where the attach point lies by the file's own addresses: its file offset, moved as its function is."""
    point = site.attach_point
    places = point.params.get("places", ())
    offset = places[0][0] if len(places) == 1 else point.params.get("offset")
    if offset is None:
        return None
    function = site.target.elf_symbol(path, str(point.params.get("function") or ""))
    known = [function] if function else site.target.elf_functions(path)
    for symbol in known:
        if symbol.offset:
            return int(offset) + symbol.address - symbol.offset
    return None


def _uaddr_fold(site: FoldSite) -> None:
    """No folding, but word in time that one program must not serve several places."""
    site.uses_attach_point()


def _uaddr(em: Lowering, call: typed.Call) -> Any:
    distance, offsets = call.data
    at_entry = "retval" not in em.instance.attach_points[0].provider.features
    # In a return probe the register holds the return address.
    here = em.load(em.ctx, UINT64, OFFSETS[INSTRUCTION]) if at_entry else function_entry(em, offsets, call.span)
    return em.builder.add(here, em.const(distance))


ROWS = (
    FunctionDef(
        name="ksym",
        doc="The kernel symbol at an address, without an offset.\n\nOnly the address is recorded; the name is looked "
        "up when "
        "the value is printed.",
        signatures=("ksym_t ksym(uint64 address)",),
        params=(Param("address"),),
        type_rule=_ksym_type,
        lower=lambda em, call: em.int64(call.args[0]),
    ),
    FunctionDef(
        name="usym",
        doc="The symbol at an address of the current process, without an offset.\n\nAddress and process are recorded; "
        "the name "
        "is looked up when the value is printed, so the process should still run then.",
        signatures=("usym_t usym(uint64 address)",),
        params=(Param("address"),),
        type_rule=_usym_type,
        lower=in_memory(_usym_into),
        lower_into=_usym_into,
    ),
    FunctionDef(
        name="kaddr",
        doc="The address of a kernel symbol.",
        signatures=("uint64 kaddr(const string name)",),
        params=(Param("name", Kind.STRING_LITERAL),),
        type_rule=_kaddr_type,
        lower=settled_or_global,
    ),
    FunctionDef(
        name="percpu_kaddr",
        doc="The address of a kernel variable that each CPU has for itself.\n\nOf the current CPU, or of the given "
        "one; that "
        "form gives 0 for a CPU that does not exist, which must be checked.  The variable must be in BTF.",
        signatures=("uint64 percpu_kaddr(const string name)", "uint64 percpu_kaddr(const string name, int cpu)"),
        params=(Param("name", Kind.STRING_LITERAL), Param("cpu", Kind.INT, optional=True)),
        type_rule=_percpu_type,
        lower=_percpu,
    ),
    FunctionDef(
        name="uaddr",
        library=True,
        doc="The address of a symbol of the traced binary.\n\nIn uprobe, uretprobe and usdt probes.  The result "
        "points to an "
        "unsigned integer as wide as the symbol (8 bytes if it is no width of an integer).",
        signatures=("T * uaddr(const string symbol)",),
        params=(Param("symbol", Kind.STRING_LITERAL),),
        type_rule=_uaddr_type,
        fold=_uaddr_fold,
        lower=_uaddr,
    ),
)
