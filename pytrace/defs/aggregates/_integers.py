"""What the aggregates over integers share: type rule, update of (total, count), reading of records.

Place in the pipeline: under the rows of `pytrace.defs.aggregates`; no rows of its own.  What a newcomer would get
wrong: a record is per CPU, so an update is a plain load, add and store; a record that was never touched is all zero.
"""

from __future__ import annotations

from struct import Struct

from pytrace.program import Layout
from pytrace.types import INT64, UINT64, Aggregate, Enum, Int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_two_signed = Struct("<qq").unpack_from
_two_unsigned = Struct("<QQ").unpack_from
_MASK = (1 << 64) - 1

COUNTER = Layout.of([("count", UINT64)])


def is_signed(t: Type) -> bool:
    return t.signed if isinstance(t, (Int, Enum, Aggregate)) else True


def integer_rule(name: str) -> Callable[[CallSite], Type]:
    """The type rule of `name(n)`: NAME_t, or uNAME_t when n is unsigned."""

    def rule(site: CallSite) -> Type:
        given = site.arg_type(0)
        if site.final and not isinstance(given, (Int, Enum)):
            site.error(f"{name}() only supports integer arguments ({given} provided)")
        signed = is_signed(given)
        return Aggregate(f"{name}_t" if signed else f"u{name}_t", name, signed)

    return rule


def word(t: Type) -> Int:
    """The 64-bit integer of an aggregate's sign."""
    return INT64 if isinstance(t, Aggregate) and t.signed else UINT64


# ---------------------------------------------------------------- in BPF


def add(em: Lowering, record: Any, offset: int, amount: Any) -> None:
    em.put(record, em.builder.add(em.load(record, UINT64, offset), amount), offset)


def lower_total(em: Lowering, record: Any, args: tuple[typed.Expr, ...], t: Type) -> None:
    """(total, count): one more value."""
    value = em.int64(args[0])
    add(em, record, 0, value)
    add(em, record, 8, em.const(1))


def merge_words(words: int) -> Callable[[Lowering, Any, Any, Type], None]:
    """The merge of records whose words are added up."""

    def merge(em: Lowering, total: Any, record: Any, t: Type) -> None:
        for i in range(words):
            add(em, total, 8 * i, em.load(record, UINT64, 8 * i))

    return merge


def finish_first(em: Lowering, total: Any, t: Type) -> Any:
    return em.load(total, UINT64, 0)


# ---------------------------------------------------------------- when shown


def sum_words(t: Type, records: list[Any]) -> int:
    """The first words added up, with the wrap and sign of 64 bits."""
    return wrap(sum([int.from_bytes(r[:8], "little") for r in records]), t)


def wrap(value: int, t: Type) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 and isinstance(t, Aggregate) and t.signed else value


def pair(t: Type, record: bytes) -> tuple[int, int]:
    """A record's two words in the aggregate's sign."""
    two: tuple[int, int] = (_two_signed if isinstance(t, Aggregate) and t.signed else _two_unsigned)(record)
    return two


def divide(value: int, div: int) -> int:
    """Toward zero."""
    return -(-value // div) if value < 0 else value // div


def total_and_count(t: Type, records: list[Any]) -> tuple[int, int]:
    totals = [pair(t, r) for r in records]
    return wrap(sum([x for x, _ in totals]), t), wrap(sum([n for _, n in totals]), t)


def render_number(t: Type, value: Any, div: int) -> str:
    return str(divide(value, div))


def plain_number(t: Type, value: Any, div: int) -> Any:
    return divide(value, div)


def by_value(t: Type, value: Any) -> Any:
    return value
