"""Functions that look into strings and bytes: lengths, comparison, search (spec 04 §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: the string functions of the kernel (Linux 6.17) are used where they help, but results are the
documented ones on every kernel (`strstr` is -1 when there is nothing, not an error number).
"""

from __future__ import annotations

from pytrace.defs.lowerings import bytes_of, find_text, first_difference, umin
from pytrace.grammar import ast
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import BOOL, INT32, INT64, NONE, UINT64, Array, Int, Pointer, Space, String

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_CONCATENATED = 1024


def _is_char(t: Type) -> bool:
    return isinstance(t, Int) and t.bits == 8 and t.signed


def check_text(site: CallSite, index: int) -> None:
    """Report what is neither a string nor an array of or a pointer to characters."""
    t = site.arg_type(index)
    if not site.final or isinstance(t, String):
        return
    if isinstance(t, Array):
        if not _is_char(t.element):
            site.error("string-like arrays must contain a char-like type")
    elif isinstance(t, Pointer):
        if not _is_char(t.pointee):
            site.error("string-like pointers must point to a char-like type")
    else:
        site.error("string-like values must be either strings, arrays or pointers")


def _text(em: Lowering, expr: typed.Expr) -> tuple[Any, int]:
    """(`ptr`, capacity) of a string-like argument; what a pointer points to is read first."""
    if not isinstance(expr.type, Pointer):
        return em.value(expr), expr.type.size
    limit = int(em.config["max_strlen"])
    memory = em.local(limit, 8)
    address, space = em.address(expr)
    em.read_string(memory, em.const(limit), address, space, expr.span)
    return memory, limit


def _length(em: Lowering, expr: typed.Expr) -> Any:
    """strlen as i64: the string helper's result says it, at the price of a copy and without any loop."""
    if isinstance(expr.type, Pointer):
        size = int(em.config["max_strlen"])
        address, space = em.address(expr)
    else:
        # One byte more than there is: else a string without NUL would count one too few.
        size = expr.type.size + 1
        address, space = em.address(expr)[0], Space.KERNEL
    memory = em.local(size, 8)
    got = em.read_string(memory, em.const(size), address, space, expr.span)
    b = em.builder
    return b.select(b.icmp_signed(">", got, em.const(0)), b.sub(got, em.const(1)), em.const(0))


# ---------------------------------------------------------------- lengths


def _strlen_type(site: CallSite) -> Type:
    check_text(site, 0)
    given = site.literal(0)
    site.data = len(given.split("\0")[0]) if isinstance(given, str) else None
    return UINT64


def _strlen(em: Lowering, call: typed.Call) -> Any:
    return _length(em, call.args[0]) if call.data is None else em.const(call.data)


def _strcap_type(site: CallSite) -> Type:
    check_text(site, 0)
    return INT64


def _strcap(em: Lowering, call: typed.Call) -> Any:
    t = call.args[0].type
    return _length(em, call.args[0]) if isinstance(t, Pointer) else em.const(t.size)


# ---------------------------------------------------------------- comparison


def _strncmp_type(site: CallSite) -> Type:
    given = site.literal(2)
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        site.error("Builtin strncmp requires a non-negative literal")
        return UINT64
    site.data = given
    return UINT64


def _strncmp(em: Lowering, call: typed.Call) -> Any:
    left, right, _ = call.args
    count = min(call.data, left.type.size, right.type.size)
    if count == 0:
        return em.const(0)
    found = first_difference(em, em.value(left), em.value(right), em.const(count), text=True)
    b = em.builder
    one, two = b.lshr(found, em.const(8)), b.and_(found, em.const(0xFF))
    return b.select(b.icmp_unsigned("!=", one, two), em.const(1), em.const(0))


def _memcmp(em: Lowering, call: typed.Call) -> Any:
    left, right, number = call.args
    most = min(left.type.size, right.type.size)
    count = umin(em, em.int64(number), most)
    found = first_difference(em, bytes_of(em, left), bytes_of(em, right), count, text=False)
    b = em.builder
    # Bytes are compared as signed characters.
    one = b.ashr(b.shl(found, em.const(48)), em.const(56))
    two = b.ashr(b.shl(found, em.const(56)), em.const(56))
    return em.extend(b.sub(one, two), INT64, 32)


# ---------------------------------------------------------------- search and concatenation


def _two_texts(result: Type) -> Any:
    def rule(site: CallSite) -> Type:
        check_text(site, 0)
        check_text(site, 1)
        return result

    return rule


def _strstr_type(site: CallSite) -> Type:
    check_text(site, 0)
    check_text(site, 1)
    hay, needle = site.literal(0), site.literal(1)
    if isinstance(hay, str) and isinstance(needle, str):
        site.data = hay.find(needle)
    elif site.target.function("bpf_strnstr", "vmlinux"):
        site.data = "kfunc"
    return INT64


def _strstr(em: Lowering, call: typed.Call) -> Any:
    if isinstance(call.data, int):
        return em.const(call.data)
    hay, hay_size = _text(em, call.args[0])
    needle, needle_size = _text(em, call.args[1])
    if needle_size == 0:
        return em.const(0)
    if not call.data:
        return find_text(em, hay, hay_size, needle, needle_size) if hay_size else em.const(-1)
    # Linux 6.17; -ENOENT when there is nothing.
    found = em.extend(em.kfunc("bpf_strnstr", "i32", hay, needle, em.const(hay_size)), INT32)
    return em.builder.select(em.builder.icmp_signed("<", found, em.const(0)), em.const(-1), found)


def _strcontains_fold(site: FoldSite) -> ast.Expr | None:
    if len(site.args) != 2:
        return None
    hay, needle = site.literal(0), site.literal(1)
    if isinstance(hay, str) and isinstance(needle, str):
        return ast.Boolean(needle in hay, span=site.span)
    found = ast.Call("strstr", site.args, span=site.span)
    return ast.Binary(">=", found, ast.Integer(0, span=site.span), span=site.span)


def _concat(em: Lowering, call: typed.Call) -> Any:
    """Both are read to a place twice the size of the result, so that the second one's bounds need no arithmetic."""
    b = em.builder
    memory = em.local(2 * _CONCATENATED, 8)
    size = em.const(_CONCATENATED)
    if em.padded:
        em.zero(memory, 2 * _CONCATENATED)
    at: Any = em.const(0)
    for index, arg in enumerate(call.args):
        address, space = em.address(arg)
        if not isinstance(arg.type, Pointer):
            space = Space.KERNEL
        most = size if isinstance(arg.type, Pointer) else em.const(min(arg.type.size, _CONCATENATED))
        got = em.read_string(em.at(memory, at), most, address, space, call.span)
        if index == 0:
            used = b.select(b.icmp_signed(">", got, em.const(0)), b.sub(got, em.const(1)), em.const(0))
            at = umin(em, used, _CONCATENATED - 1)
    em.put(memory, em.const(0, 8), _CONCATENATED - 1)
    return memory


def _concat_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    em.copy(dest, _concat(em, call), _CONCATENATED)


def _assert_str_type(site: CallSite) -> Type:
    check_text(site, 0)
    return NONE


def _nothing(em: Lowering, call: typed.Call) -> None:
    return None


ROWS = (
    FunctionDef(
        name="strlen",
        library=True,
        doc="The length of a string, without its NUL.",
        signatures=("uint64 strlen(string text)", "uint64 strlen(int8 array[])", "uint64 strlen(int8 * pointer)"),
        params=(Param("text"),),
        type_rule=_strlen_type,
        lower=_strlen,
    ),
    FunctionDef(
        name="strcap",
        library=True,
        doc="The capacity of a string or array of characters; for a pointer, the length.",
        signatures=("int64 strcap(string text)", "int64 strcap(int8 array[])", "int64 strcap(int8 * pointer)"),
        params=(Param("text"),),
        type_rule=_strcap_type,
        lower=_strcap,
    ),
    FunctionDef(
        name="strncmp",
        doc="Compare at most `n` bytes of two strings.\n\n0 if they are equal, 1 if not.  `==` does the same for whole "
        "strings.",
        signatures=("uint64 strncmp(string left, string right, int n)",),
        params=(Param("left", Kind.STRING), Param("right", Kind.STRING), Param("n", Kind.INT)),
        type_rule=_strncmp_type,
        lower=_strncmp,
    ),
    FunctionDef(
        name="memcmp",
        library=True,
        doc="Compare at most `n` bytes of two values of any type.\n\nThe difference of the first two bytes that "
        "differ, as "
        "signed characters; 0 if none do.",
        signatures=("int32 memcmp(left, right, uint64 n)",),
        params=(Param("left"), Param("right"), Param("n", Kind.INT)),
        type_rule=lambda site: INT32,
        lower=_memcmp,
    ),
    FunctionDef(
        name="strstr",
        library=True,
        doc="Where a string begins inside of another.\n\nThe index of the first place, -1 if there is none.",
        signatures=("int64 strstr(string haystack, string needle)",),
        params=(Param("haystack"), Param("needle")),
        type_rule=_strstr_type,
        lower=_strstr,
    ),
    FunctionDef(
        name="strcontains",
        library=True,
        doc="Whether a string is part of another.",
        signatures=("bool strcontains(string haystack, string needle)",),
        params=(Param("haystack"), Param("needle")),
        type_rule=_two_texts(BOOL),
        fold=_strcontains_fold,
    ),
    FunctionDef(
        name="str_concat",
        library=True,
        doc="Two strings, one behind the other, at most 1023 bytes.",
        signatures=("string str_concat(string first, string second)",),
        params=(Param("first"), Param("second")),
        type_rule=_two_texts(String(_CONCATENATED)),
        lower=_concat,
        lower_into=_concat_into,
    ),
    FunctionDef(
        name="assert_str",
        library=True,
        doc="Refuse, when compiling, what is not like a string.",
        signatures=("void assert_str(text)",),
        params=(Param("text"),),
        type_rule=_assert_str_type,
        lower=_nothing,
    ),
)

