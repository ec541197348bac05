"""Strings and other byte sequences: constants, reads, comparison.

Place in the pipeline: behind the Emitter.  In: typed nodes, pointers.  Out: bytes, or an i1.  What a newcomer would
get wrong: what lies behind a string's NUL is only defined where `Emitter.padded` asked for it, so strings are
compared up to their NUL, never as blocks.
"""

from __future__ import annotations

from llvmlite import ir

from pytrace import types
from pytrace.codegen import events, memory
from pytrace.codegen.module import I1, I8, I64
from pytrace.sema import typed
from pytrace.types import Space, String

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.source import Span

IMMEDIATE = 64
"""Constants of up to so many bytes are stored as immediates, longer ones copied from read-only data."""


def store_constant(em: Emitter, text: str, size: int, dest: Any) -> None:
    """`text` and its NUL in `size` bytes; the rest zero if it must be."""
    data = text.encode("latin-1")[:size]
    used = min(size, len(data) + 1)
    data = data + bytes(used - len(data))
    end = used
    if used > IMMEDIATE:
        em.copy(dest, em.string_constant(text), used)
    else:
        end = min(size, (used + 7) // 8 * 8)
        padded = data + bytes(end - used)
        for offset, width in memory._chunks(em.align_of(dest), end):
            value = int.from_bytes(padded[offset : offset + width], "little")
            em.put(dest, em.const(value, width * 8), offset)
    if em.padded and size > end:
        em.zero(em.at(dest, end), size - end)


def probe_read_string(em: Emitter, dest: Any, size: Any, address: Any, space: str, span: Span) -> Any:
    """Read a NUL-terminated string; the kernel zeroes `dest` on failure, we do in front where padding is needed."""
    if em.padded and isinstance(size, int):
        em.zero(dest, size)
    em.module.unspaced |= space == Space.NONE
    name = memory.READERS.get(space, "probe_read") + "_str"
    size = ir.Constant(ir.IntType(32), size) if isinstance(size, int) else em.extend(size, types.UINT64, 32)
    result = em.helper(name, dest, size, address)
    events.check_read(em, name, result, span)
    return result


# ---------------------------------------------------------------- comparison


def _constant(expr: typed.Expr) -> str | None:
    while isinstance(expr, typed.Convert) and isinstance(expr.type, String):
        expr = expr.operand
    return expr.value if isinstance(expr, typed.StringConst) else None


def equal_values(em: Emitter, left: typed.Expr, right: typed.Expr) -> Any:
    """i1: two memory values are equal."""
    if isinstance(left.type, String) and isinstance(right.type, String):
        for text, other in ((_constant(right), left), (_constant(left), right)):
            if text is not None:
                return equal_constant(em, memory.value_pointer(em, other), other.type.size, text)
        first = memory.value_pointer(em, left)
        return equal_strings(em, first, left.type.size, memory.value_pointer(em, right), right.type.size)
    with memory.padding(em, True):
        first = memory.value_pointer(em, left)
        second = memory.value_pointer(em, right)
    return equal_bytes(em, first, second, min(left.type.size, right.type.size))


def equal_constant(em: Emitter, pointer: Any, capacity: int, text: str) -> Any:
    """i1: the string at `pointer` is `text`."""
    data = text.encode("latin-1").split(b"\0")[0]
    if len(data) > capacity:
        return I1(0)
    wanted = (data + b"\0")[:capacity]
    return _chained(em, pointer, [(at, wanted[at : at + width]) for at, width in _pieces(em, pointer, len(wanted))])


def _pieces(em: Emitter, pointer: Any, size: int) -> list[tuple[int, int]]:
    return memory._chunks(em.align_of(pointer), size)


def _chained(em: Emitter, pointer: Any, pieces: list[tuple[int, bytes]]) -> Any:
    """Compare groups of four pieces; the next group is only looked at when the one before it was equal."""

    def differs(at: int, data: bytes) -> Any:
        value = memory.load(em, pointer, types.Int(len(data) * 8, False), at)
        same = em.builder.xor(value, em.const(int.from_bytes(data, "little"), len(data) * 8))
        return em.extend(same, types.UINT64)

    difference = differs(*pieces[0])
    for at, data in pieces[1:4]:
        difference = em.builder.or_(difference, differs(at, data))
    equal = em.builder.icmp_unsigned("==", difference, em.const(0))
    if len(pieces) <= 4:
        return equal
    return em.choose(equal, lambda: _chained(em, pointer, pieces[4:]), lambda: I1(0))


def equal_bytes(em: Emitter, first: Any, second: Any, size: int) -> Any:
    """i1: `size` bytes are the same; a loop of words, or of bytes without alignment."""
    align = min(em.align_of(first), em.align_of(second))
    chunks = memory._chunks(align, size)
    if not chunks:
        return I1(1)
    if len(chunks) <= 16:
        difference = None
        for at, width in chunks:
            t = types.Int(width * 8, False)
            one = em.builder.xor(memory.load(em, first, t, at), memory.load(em, second, t, at))
            one = em.extend(one, types.UINT64)
            difference = one if difference is None else em.builder.or_(difference, one)
        return em.builder.icmp_unsigned("==", difference, em.const(0))
    width = min(8, align)
    while size % width:
        width //= 2

    def step(index: Any) -> tuple[Any, Any]:
        at, t = em.builder.mul(index, em.const(width)), types.Int(width * 8, False)
        one = memory.load(em, em.aligned(em.at(first, at), width), t)
        two = memory.load(em, em.aligned(em.at(second, at), width), t)
        difference = em.extend(em.builder.xor(one, two), types.UINT64)
        return difference, em.builder.icmp_unsigned("!=", difference, em.const(0))

    return _scan(em, size // width, step, em.const(0))


def equal_strings(em: Emitter, first: Any, first_size: int, second: Any, second_size: int) -> Any:
    """i1: two strings are equal up to their NUL (or the end of their capacity)."""
    common = min(first_size, second_size)

    def step(index: Any) -> tuple[Any, Any]:
        one = em.extend(em.builder.load(em.at(first, index), typ=I8, align=1), types.UINT8)
        two = em.extend(em.builder.load(em.at(second, index), typ=I8, align=1), types.UINT8)
        difference = em.builder.xor(one, two)
        # One jump for both ways out, and none that tells them apart: with two, each character is another two paths
        # that the verifier walks to the end of the program.  Going on is no difference and no NUL.
        weighted = em.builder.shl(difference, em.const(8))
        return difference, em.builder.icmp_unsigned("<=", one, weighted)

    if first_size == second_size:
        return _scan(em, common, step, em.const(0))
    longer = first if first_size > second_size else second
    rest = em.extend(em.builder.load(em.at(longer, common), typ=I8, align=1), types.UINT8)
    return _scan(em, common, step, rest)


def _scan(em: Emitter, count: int, step: Any, at_end: Any) -> Any:
    """i1: no difference.  `step(index)` gives (difference, stop); `at_end` is the difference after `count` steps."""
    b, function = em.builder, em.frame.function
    before = b.block
    head, after = function.append_basic_block("scan"), function.append_basic_block("scanned")
    b.branch(head)
    with em.region(head):
        index = b.phi(I64)
        index.add_incoming(em.const(0), before)
        difference, stop = step(index)
        following = b.add(index, em.const(1))
        more = function.append_basic_block("scan_more")
        here = b.block
        b.cbranch(stop, after, more)
        b.position_at_end(more)
        b.cbranch(b.icmp_unsigned("<", following, em.const(count)), head, after)
        index.add_incoming(following, more)
    b.position_at_end(after)
    result = b.phi(I64)
    result.add_incoming(difference, here)
    result.add_incoming(at_end, more)
    return b.icmp_unsigned("==", result, em.const(0))
