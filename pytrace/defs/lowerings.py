"""Pieces of code generation that several rows share: who is running, byte loops, values that must lie in memory.

Place in the pipeline: called by the lowerings of `defs.functions` and `defs.variables`, through the Lowering that
codegen gives them.  In: a Lowering and LLVM values.  Out: emitted code.  What a newcomer would get wrong: rows are
imported on a warm start too, so llvmlite may only be imported inside a function here.
"""

from __future__ import annotations

from pytrace.types import UINT8, UINT32, UINT64, Space, Struct, is_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.source import Span
    from pytrace.target import Target

    Into = Callable[["Lowering", Any, Any], None]



def in_memory(into: Into) -> Callable[[Lowering, Any], Any]:
    """The `lower` of a row whose value is written by `into`: fresh memory of the value's size, filled."""

    def lower(em: Lowering, node: typed.Call | typed.Builtin) -> Any:
        memory = em.local(node.type.size, max(node.type.align, 1))
        into(em, node, memory)
        return memory

    return lower


def settled_or_global(em: Lowering, call: typed.Call) -> Any:
    """The `lower` of a row whose `data` is a number, or what the runtime finds the number by (`kaddr:NAME`)."""
    return em.global_value(call.data) if isinstance(call.data, str) else em.const(call.data)


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
    return site.target.ahead or site.target.feature("initial_pid_namespace") is False


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


# ---------------------------------------------------------------- structures of the kernel


def kernel_offset(target: Target, struct: str, *path: str) -> int | None:
    """Where in a structure of the kernel a member lies, through those that contain it; None if it is not known."""
    at, t = 0, target.type_named(struct, "struct")
    for name in path:
        field = t.layout.find(name) if isinstance(t, Struct) and t.complete else None
        if field is None:
            return None
        at, t = at + field.offset, field.type
    return at


# ---------------------------------------------------------------- the function that returns

_TO_ENTRY = (("task_struct", "utask"), ("uprobe_task", "return_instances"), ("return_instance", "func"))


def kept_entry(site: CallSite) -> tuple[int, ...]:
    """In a uretprobe on a kernel whose bpf_get_func_ip knows no user probes (before commit a3c485a5d8d4 of Linux 6.6,
    which put is_uprobe into bpf_trace_run_ctx): where, from the task on, it keeps the entry of the function that
    returns.  Else empty."""
    if not site.provider.user_space or "retval" not in site.provider.features:
        return ()
    if kernel_offset(site.target, "bpf_trace_run_ctx", "is_uprobe") is not None:
        return ()
    offsets = [kernel_offset(site.target, *step) for step in _TO_ENTRY]
    return tuple(at for at in offsets if at is not None) if None not in offsets else ()


def function_entry(em: Lowering, offsets: tuple[int, ...], span: Span) -> Any:
    """i64: the entry of the traced function where no register has it.  `offsets`: `kept_entry`."""
    if not offsets:
        return em.helper("get_func_ip", em.ctx)
    address, found = em.helper_once("get_current_task"), em.local(8)
    for offset in offsets:
        em.read(found, em.const(8), em.builder.add(address, em.const(offset)), Space.KERNEL, span)
        address = em.load(found, UINT64)
    return address


# ---------------------------------------------------------------- arithmetic


def umin(em: Lowering, value: Any, limit: int) -> Any:
    """The smaller of an i64 and a constant, unsigned.

    The value is hidden from LLVM, which would leave the comparison out where it knows better than the verifier: behind
    `% 11` the kernel says "R2 unbounded memory access".
    """
    value, bound = em.opaque(value), em.const(limit)
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

    One loop over both positions, and without any branch but its end: LLVM turns each `select` into one for BPF, and the
    verifier would follow both ways in every round ("BPF program is too large").  For the same reason indexes are
    masked, not compared, so both texts are copied to memory of a power of two.  At most 4096 rounds, which is less
    than the worst case of backtracking in long texts that nearly repeat.
    """
    from llvmlite import ir

    b = em.builder
    i64 = ir.IntType(64)
    hay, hay_mask = _masked_copy(em, hay, hay_size)
    needle, needle_mask = _masked_copy(em, needle, needle_size)
    rounds = min(max(1, hay_size) * max(1, needle_size - 1) + needle_size, 4096)
    zero, one = em.const(0), em.const(1)
    head, body, done = (b.append_basic_block(n) for n in ("find.head", "find.body", "find.done"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    turn, start, length = b.phi(i64), b.phi(i64), b.phi(i64)
    for phi in (turn, start, length):
        phi.add_incoming(zero, before)
    b.cbranch(b.icmp_unsigned("<", turn, em.const(rounds)), body, done)
    b.position_at_end(body)
    wanted = em.extend(em.load(em.at(needle, b.and_(length, needle_mask)), UINT8), UINT8)
    given = em.extend(em.load(em.at(hay, b.and_(b.add(start, length), hay_mask)), UINT8), UINT8)
    wanted, given = em.opaque(wanted), em.opaque(given)
    differ = _is_set(em, b.xor(wanted, given))
    next_start = b.add(start, differ)
    next_length = b.mul(b.add(length, one), b.sub(one, differ))
    result = b.sub(start, b.mul(_is_set(em, wanted), b.add(start, one)))
    body_end = b.block
    turn.add_incoming(b.add(turn, one), body_end)
    start.add_incoming(next_start, body_end)
    length.add_incoming(next_length, body_end)
    # The needle's end: found.  The haystack's end first: no later start can match either.
    ended = b.icmp_unsigned("==", b.mul(wanted, given), zero)
    b.cbranch(ended, done, head)
    b.position_at_end(done)
    found = b.phi(i64)
    found.add_incoming(em.const(-1), head)
    found.add_incoming(result, body_end)
    return _forgotten(em, found)


def _is_set(em: Lowering, value: Any) -> Any:
    """1 for a positive number, 0 for zero, by arithmetic alone.

    Not as all ones and a mask: the verifier follows both values of `x &= constant` where x is -1 or 0 (since Linux
    6.18).
    """
    return em.opaque(em.builder.lshr(em.builder.sub(em.const(0), value), em.const(63)))


def _masked_copy(em: Lowering, text: Any, size: int) -> tuple[Any, Any]:
    """(`ptr` to a copy with zeros behind it, mask of its indexes)."""
    room = 8
    while room <= size:
        room *= 2
    memory = em.local(room, 8)
    em.zero(memory, room)
    if size:
        em.copy(memory, text, size)
    return memory, em.const(room - 1)


def _forgotten(em: Lowering, value: Any) -> Any:
    """`value`, of which the verifier knows nothing any more: what follows is then checked once and not once for each
    way out of a loop.  It goes through memory outside of the stack; the call keeps LLVM from seeing that."""
    memory = em.local(64, 8)
    em.put(memory, value, 0)
    em.helper("get_smp_processor_id")
    return em.load(memory, UINT64, 0)
