"""Names of numbers: strerror, signal_name, syscall_name (spec 04 §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: the name is looked up inside of the program, in a table in its read-only data, so the result is an
ordinary string that compares and keys like any other.
"""

from __future__ import annotations

from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import String

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_CAPACITY = 64


def _tables(name: str) -> Mapping[int, str]:
    from pytrace.defs import name_tables

    found = getattr(name_tables, name)
    assert isinstance(found, dict)
    return found


def _packed(names: Mapping[int, str], unknown: str) -> tuple[str, int]:
    """(table of 64-byte entries, their number: a power of two, so that a mask bounds the index for the verifier)."""
    count = 1
    while count <= max(names):
        count *= 2
    return "".join(names.get(n, unknown).ljust(_CAPACITY, "\0") for n in range(count)), count


def _rule(site: CallSite) -> Type:
    """string[64]; `data`: the number if it is a literal."""
    given = site.literal(0)
    site.data = given if isinstance(given, int) and not isinstance(given, bool) else None
    return String(_CAPACITY)


def _lower(table: str, unknown: str, negative: bool) -> Callable[[Lowering, typed.Call], Any]:
    """`negative`: minus a number means the same as the number (errors)."""

    def lower(em: Lowering, call: typed.Call) -> Any:
        names = _tables(table)
        if call.data is not None:
            number = abs(call.data) if negative else call.data
            return em.string_constant(names.get(number, unknown).ljust(_CAPACITY - 1, "\0"))
        text, count = _packed(names, unknown)
        b = em.builder
        number = em.int64(call.args[0])
        if negative:
            below = b.icmp_signed("<", number, em.const(0))
            number = b.select(below, b.sub(em.const(0), number), number)
        known = b.icmp_unsigned("<", number, em.const(count))
        index = b.and_(b.select(known, number, em.const(_first_unknown(names, count))), em.const(count - 1))
        return em.at(em.string_constant(text), b.mul(index, em.const(_CAPACITY)))

    return lower


def _first_unknown(names: Mapping[int, str], count: int) -> int:
    return next(n for n in range(count) if n not in names)


def _errno_names() -> Mapping[str, int]:
    from errno import errorcode

    return {name: number for number, name in errorcode.items()}


ROWS = (
    FunctionDef(
        name="strerror",
        library=True,
        constants=_errno_names,
        doc="The text of an error number, also of a negative one: `No such file or directory`.",
        signatures=("string strerror(int errno)",),
        params=(Param("errno", Kind.INT),),
        type_rule=_rule,
        lower=_lower("ERRORS", "Unknown error", True),
    ),
    FunctionDef(
        name="signal_name",
        library=True,
        doc="The text of a signal number: `Killed`.",
        signatures=("string signal_name(int signal)",),
        params=(Param("signal", Kind.INT),),
        type_rule=_rule,
        lower=_lower("SIGNALS", "N/A", False),
    ),
    FunctionDef(
        name="syscall_name",
        library=True,
        doc="The name of a system call number (x86_64): `read`.",
        signatures=("string syscall_name(int number)",),
        params=(Param("number", Kind.INT),),
        type_rule=_rule,
        lower=_lower("SYSCALLS", "Unknown syscall", False),
    ),
)
