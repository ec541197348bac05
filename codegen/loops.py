"""Loops: `while` and `unroll` inside the function, `for` as a callback that the kernel calls.

Place in the pipeline: behind the Emitter.  In: loop statements.  Out: blocks, or a static function and a call of
bpf_loop / bpf_for_each_map_elem.  What a newcomer would get wrong: a callback gets a record of pointers to the outer
variables it uses; which ones is known only after its body was emitted, and then the record is written in front of the
call.
"""

from __future__ import annotations

from llvmlite import ir

from pytrace import types
from pytrace.codegen import aggregates, control, conversions, events, memory
from pytrace.codegen.frame import Frame, LoopTargets
from pytrace.codegen.module import I32, I64, PTR, int_type
from pytrace.sema import typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.source import Span

MAX_LOOPS = 1 << 23
"""The most rounds that bpf_loop makes (BPF_MAX_LOOPS of linux/bpf_verifier.h); it refuses larger numbers with E2BIG."""

# ---------------------------------------------------------------- inside the function


def lower_while(em: Emitter, node: typed.While) -> None:
    """`while`: the verifier must find the bound."""
    head, body, end = (control.new_block(em, name) for name in ("while", "while_body", "while_end"))
    em.builder.branch(head)
    with em.region(head):
        em.builder.cbranch(em.value(node.cond), body, end)
        with em.region(body):
            em.frame.loops.append(LoopTargets(end, head))
            control.lower_block(em, node.body)
            em.frame.loops.pop()
            em.builder.branch(head)
    em.builder.position_at_end(end)


def lower_unroll(em: Emitter, node: typed.Unroll) -> None:
    """`unroll`: the body as often as the number says."""
    end = control.new_block(em, "unroll_end")
    for _ in range(node.count):
        following = control.new_block(em, "unroll")
        em.frame.loops.append(LoopTargets(end, following))
        em.frame.once.append({})
        control.lower_block(em, node.body)
        em.frame.once.pop()
        em.frame.loops.pop()
        em.builder.branch(following)
        em.builder.position_at_end(following)
    em.builder.branch(end)
    em.builder.position_at_end(end)


def _jump(em: Emitter, stop: bool) -> None:
    if em.frame.loops:
        targets = em.frame.loops[-1]
        em.builder.branch(targets.on_break if stop else targets.on_continue)
    else:
        em.builder.ret(em.const(int(stop)))
    em.builder.position_at_end(control.new_block(em, "unreachable"))


def lower_break(em: Emitter, node: typed.Break) -> None:
    _jump(em, True)


def lower_continue(em: Emitter, node: typed.Continue) -> None:
    _jump(em, False)


# ---------------------------------------------------------------- callbacks


def callback(em: Emitter, name: str, params: list[Any], span: Span, body: Callable[[Any], None]) -> tuple[Any, Any]:
    """Emit a callback; returns (function, pointer to its filled context record)."""
    outer = em.frame
    function = control.static_function(em, name, ir.FunctionType(I64, params))
    frame = Frame(em.module, function, "callback", outer)
    with em.in_frame(frame, span), memory.padding(em, True):
        body(function.args)
        em.builder.ret(em.const(0))
    record = em.aligned(outer.stack_temporary(8 * max(1, len(frame.captures))), 8)
    for captured in frame.captures.values():
        em.put(record, captured.outer, 8 * captured.slot)
    outer.last_callback = frame
    return function, record


def lower_for_range(em: Emitter, node: typed.ForRange) -> None:
    """`for ($i : start..end)`."""
    t = node.symbol.type
    signed = isinstance(t, types.Int) and t.signed
    start, end = em.int64(node.start), em.int64(node.end)
    first = memory.local(em, 8)
    em.put(first, start)
    begin = em.frame.capture_local(first)

    def body(args: Any) -> None:
        number = em.extend(args[0], types.UINT64, 64)
        base = em.load(em.aligned(em.frame.capture(begin, first), 8), types.UINT64)
        value = em.builder.add(base, number)
        em.put(_own_variable(em, node.symbol), em.extend(value, types.UINT64, int_type(t).width))
        control.lower_block(em, node.body)

    function, record = callback(em, "for_range", [I64, PTR], node.span, body)
    last_callback = em.frame.last_callback
    compare = em.builder.icmp_signed if signed else em.builder.icmp_unsigned
    # A range that is empty for certain must not be called: with three such callbacks Linux 6.18 refuses the program
    # ("verifier bug: No program to jit").
    with em.when(compare("<", start, end)):
        count = em.builder.sub(end, start)
        limit = em.const(0xFFFFFFFF)  # the helper takes 32 bits: a larger range must not wrap round to a small one
        count = em.builder.select(em.builder.icmp_unsigned(">", count, limit), limit, count)
        result = em.helper("loop", em.builder.trunc(count, I32), function, record, 0)
        code = em.builder.trunc(result, I32)
        with em.when(em.builder.icmp_signed("<", code, I32(0))):
            events.helper_error(em, "loop", code, node.span)
    control.after_callbacks(em, last_callback)


def _own_variable(em: Emitter, symbol: typed.VarSymbol) -> Any:
    """The loop's own variable lives in the callback, whatever depth its symbol was given."""
    frame = em.frame
    if symbol not in frame.variables:
        parent, frame.parent, depth = frame.parent, None, frame.depth
        try:
            memory.variable(em, frame, symbol)
        finally:
            frame.parent, frame.depth = parent, depth
    return frame.variables[symbol]


def lower_for_map(em: Emitter, node: typed.ForMap) -> None:
    """`for ($kv : @m)`."""
    pair = node.symbol.type
    assert isinstance(pair, types.Tuple)
    aggregate = isinstance(node.map.value_type, types.Aggregate)

    def body(args: Any) -> None:
        key, value = em.aligned(args[1], 8), em.aligned(args[2], 8)
        variable = _own_variable(em, node.symbol)
        if pair.size != sum(e.size for e in pair.elements):
            em.zero(variable, pair.size)
        assert node.map.key_type is not None
        conversions.convert_memory(
            em, key, node.map.key_type, pair.elements[0], em.at(variable, pair.offsets[0]), _blame(node)
        )
        place = em.at(variable, pair.offsets[1])
        if aggregate:
            total = aggregates.total(em, node.map, key)
            em.put(place, em.coerce(total, pair.elements[1]))
        else:
            conversions.convert_memory(em, value, node.map.value_type, pair.elements[1], place, _blame(node))
        control.lower_block(em, node.body)

    handle = em.map(node.map)
    function, record = callback(em, "for_map", [PTR, PTR, PTR, PTR], node.span, body)
    em.helper("for_each_map_elem", handle, function, record, 0)
    control.after_callbacks(em, em.frame.last_callback)


def _blame(node: typed.ForMap) -> typed.Expr:
    return typed.VarRead(node.symbol, type=node.symbol.type, span=node.span)


def count_elements(em: Emitter, symbol: typed.MapSymbol) -> Any:
    """How many elements a keyed map has: what for_each_map_elem returns."""
    handle = em.map(symbol)
    function, record = callback(em, "count", [PTR, PTR, PTR, PTR], em.instance.span, lambda args: None)
    return em.helper("for_each_map_elem", handle, function, record, 0)
