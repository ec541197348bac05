"""Functions that read strings and bytes from memory: str, buf, path (spec 02 §4, 04 §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: `str(p, n)` has room for n+1 bytes but asks the helper for n, so it copies n-1; and with a max_strlen
below 1024 one byte more is read than fits, which is how a cut string is told from one that just fits.

Layout of a buffer: uint32 length, then the bytes.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory, umin
from pytrace.grammar import ast
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import Array, Buffer, Enum, Int, Pointer, Space, String, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_LARGEST_PADDED = 1024
_PAGE = 4096


def _is_number(t: Type) -> bool:
    return isinstance(t, (Int, Enum))


# ---------------------------------------------------------------- str


def _str_fold(site: FoldSite) -> ast.Expr | None:
    """A literal stays one: numbers as decimal text, cut to the *first n* bytes (spec 02 §4)."""
    value = site.literal(0) if site.args else None
    if value is None or isinstance(value, bool):
        return None
    text = str(value)
    if len(site.args) == 2:
        count = site.literal(1)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            return None
        text = text[:count]
    return ast.String(text, span=site.span)


def _str_type(site: CallSite) -> Type:
    """string[n+1], or string[max_strlen]; `data`: the literal length to read, None without one."""
    limit = int(site.config["max_strlen"])
    site.set_space(Space.KERNEL)
    site.data = None
    given = site.literal(1) if len(site.args) == 2 else None
    if site.final:
        t = site.arg_type(0)
        if not (_is_number(t) or isinstance(t, (String, Pointer))):
            site.error(f"str() expects a string, integer or a pointer type as first argument ({t} provided)")
    if isinstance(given, int) and not isinstance(given, bool):
        if given < 0:
            site.error(f"strcannot use negative length ({given})")
        elif given + 1 > limit:
            site.warning(
                f"length param ({given}) is too long and will be shortened to {limit} bytes (see BPFTRACE_MAX_STRLEN)"
            )
        else:
            site.data = given
            return String(given + 1)
    return String(limit)


def _str_room(em: Lowering, call: typed.Call) -> int:
    """The bytes that reading may fill: one more than the value has where a cut must be seen."""
    capacity = call.type.size
    return capacity + 1 if call.data is None and capacity < _LARGEST_PADDED else capacity


def _read_text(em: Lowering, call: typed.Call, dest: Any, room: int) -> None:
    address, space = em.address(call.args[0])
    if em.padded:
        em.zero(dest, room)
    size: Any = em.const(room)
    if call.data is not None:
        size = em.const(call.data)
    elif len(call.args) == 2:
        size = umin(em, em.int64(call.args[1]), room)
    if call.data == 0 or (call.data is None and len(call.args) == 2):
        em.put(dest, em.const(0, 8), 0)  # nothing is written at all for a size of 0
    if call.data != 0:
        em.read_string(dest, size, address, space, call.span)


def _str(em: Lowering, call: typed.Call) -> Any:
    room = _str_room(em, call)
    memory = em.local(room, 8, "str")
    _read_text(em, call, memory, room)
    return memory


def _str_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    room = _str_room(em, call)
    if room == call.type.size:
        _read_text(em, call, dest, room)
    else:
        em.copy(dest, _str(em, call), call.type.size)


# ---------------------------------------------------------------- buf


def _buf_type(site: CallSite) -> Type:
    """buffer[n]; `data`: the literal length, None where only the run tells."""
    limit = int(site.config["max_strlen"])
    most = limit - 4
    site.set_space(Space.KERNEL)
    site.data = None
    t = site.arg_type(0)
    if site.final and not (_is_number(t) or isinstance(t, (String, Pointer, Array))):
        site.error(f"buf() expects an integer, string, or array argument but saw {_kind(t)}")
    if len(site.args) == 1:
        if isinstance(t, (Array, String)):
            site.data = min(t.size, most)
            if site.final and isinstance(t, String):
                site.error("buf() expects a length argument for non-array type string")
            return Buffer(site.data)
        if site.final:
            site.error(f"buf() expects a length argument for non-array type {_kind(t)}")
        return Buffer(most)
    given = site.literal(1)
    if isinstance(given, int) and not isinstance(given, bool):
        if given < 0:
            site.error(f"bufcannot use negative length ({given})")
            given = 0
        site.data = min(given, most)
        return Buffer(site.data)
    return Buffer(most)


def _kind(t: Type) -> str:
    """The kind alone, as messages name it."""
    from pytrace.sema.joins import kind_name

    return kind_name(t)


def _buf_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    capacity = call.type.size - 4
    address, space = em.address(call.args[0])
    if call.data is None:
        length = umin(em, em.int64(call.args[1]), capacity)
        em.zero(dest, call.type.size)
        from pytrace.types import UINT64

        em.put(dest, em.extend(length, UINT64, 32), 0)
    else:
        length = em.const(call.data)
        em.put(dest, em.const(call.data, 32), 0)
    if call.data != 0:
        em.read(em.at(dest, 4), length, address, space, call.span)


# ---------------------------------------------------------------- path


def _path_type(site: CallSite) -> Type:
    size = int(site.config["max_strlen"])
    if "path" not in site.provider.features:
        site.error("The path function can only be used with 'fentry', 'fexit', 'iter' probes")
        return String(size)
    if len(site.args) == 2:
        given = site.literal(1)
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            size = min(given, size)
        else:
            site.error("path: invalid size value, need non-negative literal")
    if site.target.feature("dpath") is False:
        site.error("BPF_FUNC_d_path not available for your kernel version")
    t = site.arg_type(0)
    if site.final and not isinstance(t, (Pointer, Struct)):
        site.error(f"path() only supports pointer or C type argument ({_kind(t)} provided)")
    return String(size)


def _path_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    address, _ = em.address(call.args[0])
    em.zero(dest, call.type.size)
    # A member of a null pointer has a small number for its address, which the helper would not take.
    with em.when(em.builder.icmp_unsigned(">", address, em.const(_PAGE))):
        em.helper("d_path", address, dest, em.const(call.type.size))


ROWS = (
    FunctionDef(
        name="str",
        doc="The string at an address.\n\nReads up to the NUL from kernel or user memory, as the address says; at most "
        "`max_strlen` bytes, or `length - 1` if a length is given.  For a positional parameter it gives its text, and "
        "for "
        "a literal the literal, cut to `length` bytes.",
        signatures=("string str(char * data[, int length])",),
        params=(Param("data"), Param("length", Kind.INT, optional=True)),
        type_rule=_str_type,
        fold=_str_fold,
        lower=_str,
        lower_into=_str_into,
        text_params=True,
    ),
    FunctionDef(
        name="buf",
        doc="Bytes from an address.\n\nReads exactly `length` bytes, at most `max_strlen - 4`; for an array the "
        "length may "
        "be left out.  Print it with `%r` (escaped), `%rx` (hexadecimal) or `%rh` (hexadecimal with spaces).",
        signatures=("buffer buf(void * data[, int length])",),
        params=(Param("data"), Param("length", Kind.INT, optional=True)),
        type_rule=_buf_type,
        lower=in_memory(_buf_into),
        lower_into=_buf_into,
    ),
    FunctionDef(
        name="path",
        doc="The full name of a `struct path` (Linux 5.10).\n\nOnly in fentry, fexit and iter probes, and only in "
        "functions "
        "that the kernel lists for it; what does not fit into `size` is cut off at the front.",
        signatures=("string path(struct path * path[, int size])",),
        params=(Param("path"), Param("size", Kind.INT, optional=True)),
        type_rule=_path_type,
        lower=in_memory(_path_into),
        lower_into=_path_into,
        needs=("dpath",),
    ),
)
