"""Pieces of code generation that several rows share: who is running, byte loops, values that must lie in memory.

Place in the pipeline: called by the lowerings of `defs.functions` and `defs.variables`, through the Lowering that
codegen gives them.  In: a Lowering and LLVM values.  Out: emitted code.  What a newcomer would get wrong: rows are
imported on a warm start too, so llvmlite may only be imported inside a function here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytrace.types import UINT8, UINT32, UINT64, is_memory

if TYPE_CHECKING:
    from pytrace.registry import CallSite, Lowering
    from pytrace.sema import typed

Into = Callable[["Lowering", Any, Any], None]


def in_memory(into: Into) -> Callable[[Lowering, Any], Any]:
    """The `lower` of a row whose value is written by `into`: fresh memory of the value's size, filled."""

    def lower(em: Lowering, node: typed.Call | typed.Builtin) -> Any:
        memory = em.local(node.type.size, max(node.type.align, 1))
        into(em, node, memory)
        return memory

    return lower


def bytes_of(em: Lowering, expr: typed.Expr) -> Any:
    """`ptr` to the value of `expr` in readable memory, scalars included."""
    if is_memory(expr.type):
        return em.value(expr)
    memory = em.local(max(expr.type.size, 1), max(expr.type.align, 1))
    em.store(expr, memory)
    return memory


# ---------------------------------------------------------------- the current process


def in_own_namespace(site: CallSite) -> bool:
    """Whether pids must be translated: the tracer runs outside the initial PID namespace."""
    return site.target.feature("initial_pid_namespace") is False


def _namespace_ids(em: Lowering) -> Any:
    """`ptr` to struct bpf_pidns_info of linux/bpf.h: uint32 tid, uint32 pid, as the tracer's namespace sees them."""
    info = em.local(8, 8)
    em.helper(
        "get_ns_current_pid_tgid", em.global_value("pidns_dev"), em.global_value("pidns_ino"), info, em.const(8)
    )
    return info


def process_id(em: Lowering, translate: bool) -> Any:
    """i32: the process's id (`tgid` of the kernel)."""
    if translate:
        return em.load(_namespace_ids(em), UINT32, 4)
    both = em.helper_once("get_current_pid_tgid")
    return em.extend(em.builder.lshr(both, em.const(32)), UINT64, 32)


def thread_id(em: Lowering, translate: bool) -> Any:
    """i32: the thread's id (`pid` of the kernel)."""
    if translate:
        return em.load(_namespace_ids(em), UINT32, 0)
    return em.extend(em.helper_once("get_current_pid_tgid"), UINT64, 32)


# ---------------------------------------------------------------- arithmetic


def umin(em: Lowering, value: Any, limit: int) -> Any:
    """The smaller of an i64 and a constant, unsigned."""
    bound = em.const(limit)
    return em.builder.select(em.builder.icmp_unsigned("<=", value, bound), value, bound)


# ---------------------------------------------------------------- loops over bytes


def first_difference(em: Lowering, left: Any, right: Any, count: Any, text: bool) -> Any:
    """The bytes at the first place where two byte strings differ, as one i64: left byte << 8 | right byte; 0 if none.

    At most `count` (i64, verifier-bounded) bytes are compared; `text` also stops behind a common NUL.  A loop and not
    unrolled: the verifier follows bounded loops (since Linux 5.3, commit 2589726d12a1), and code stays small.
    """
    from llvmlite import ir

    b = em.builder
    i64 = ir.IntType(64)
    head, body, more, done = (b.append_basic_block(n) for n in ("cmp.head", "cmp.body", "cmp.more", "cmp.done"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    at = b.phi(i64)
    at.add_incoming(em.const(0), before)
    b.cbranch(b.icmp_unsigned("<", at, count), body, done)
    b.position_at_end(body)
    one = em.extend(em.load(em.at(left, at), UINT8), UINT8)
    two = em.extend(em.load(em.at(right, at), UINT8), UINT8)
    pair = b.or_(b.shl(one, em.const(8)), two)
    differ = b.icmp_unsigned("!=", one, two)
    body_end = b.block
    if text:
        ended = b.icmp_unsigned("==", one, em.const(0))
        b.cbranch(b.or_(differ, ended), done, more)
    else:
        b.cbranch(differ, done, more)
    b.position_at_end(more)
    following = b.add(at, em.const(1))
    at.add_incoming(following, more)
    b.branch(head)
    b.position_at_end(done)
    found = b.phi(i64)
    found.add_incoming(em.const(0), head)
    found.add_incoming(pair, body_end)
    return found


def find_text(em: Lowering, hay: Any, hay_size: int, needle: Any, needle_size: int) -> Any:
    """The index (i64) of a NUL-terminated needle in a NUL-terminated haystack, -1 if it is not there.

    One loop with both positions in selects, so that each round has one path for the verifier; its length is bounded by
    the worst case of backtracking, or by 4096 rounds where that is longer (only texts that nearly repeat get there).
    """
    from llvmlite import ir

    b = em.builder
    i64 = ir.IntType(64)
    rounds = min(max(1, hay_size) * max(1, needle_size - 1) + needle_size, 4096)
    head, body, done = (b.append_basic_block(n) for n in ("find.head", "find.body", "find.done"))
    zero, one = em.const(0), em.const(1)
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    turn, start, length = b.phi(i64), b.phi(i64), b.phi(i64)
    for phi in (turn, start, length):
        phi.add_incoming(zero, before)
    b.cbranch(b.icmp_unsigned("<", turn, em.const(rounds)), body, done)
    b.position_at_end(body)
    wanted = em.extend(em.load(em.at(needle, umin(em, length, needle_size - 1)), UINT8), UINT8)
    position = b.add(start, length)
    inside = b.icmp_unsigned("<", position, em.const(hay_size))
    given = em.extend(em.load(em.at(hay, umin(em, position, hay_size - 1)), UINT8), UINT8)
    given = b.select(inside, given, zero)
    at_end = b.icmp_unsigned("==", wanted, zero)
    matched = b.or_(at_end, b.icmp_unsigned(">=", length, em.const(needle_size)))
    exhausted = b.icmp_unsigned("==", given, zero)
    same = b.icmp_unsigned("==", given, wanted)
    next_start = b.select(same, start, b.add(start, one))
    next_length = b.select(same, b.add(length, one), zero)
    # Out of haystack while the needle goes on: no later start can match either.
    result = b.select(matched, start, em.const(-1))
    body_end = b.block
    turn.add_incoming(b.add(turn, one), body_end)
    start.add_incoming(next_start, body_end)
    length.add_incoming(next_length, body_end)
    b.cbranch(b.or_(matched, exhausted), done, head)
    b.position_at_end(done)
    found = b.phi(i64)
    found.add_incoming(em.const(-1), head)
    found.add_incoming(result, body_end)
    return found
