"""Control flow: conditions, blocks, the end of a probe, what crosses from a program into its callbacks.

Place in the pipeline: behind the Emitter.  In: statements, Python callables that emit.  Out: basic blocks.  What a
newcomer would get wrong: `return` inside a `for` body is a return from a *callback*: it stores a flag in the
program's frame, stops the loop, and the program checks the flag behind it.
"""

from __future__ import annotations

from contextlib import contextmanager

from llvmlite import ir

from pytrace import types
from pytrace.codegen import statements
from pytrace.codegen.module import I64, add_attributes
from pytrace.types import is_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.codegen.frame import Frame
    from pytrace.sema import typed


def lower_block(em: Emitter, block: typed.Block) -> None:
    """The statements of a block, each with its own temporary memory."""
    for statement in block.statements:
        em.mark(statement.span)
        with em.frame.temporaries():
            statements.lower(em, statement)


# ---------------------------------------------------------------- conditions


def new_block(em: Emitter, name: str) -> Any:
    return em.frame.function.append_basic_block(name)


def _flow_to(em: Emitter, block: Any) -> None:
    if not em.builder.block.is_terminated:
        em.builder.branch(block)


@contextmanager
def when(em: Emitter, condition: Any) -> Iterator[None]:
    """What is emitted inside runs if `condition` holds."""
    then, end = new_block(em, "then"), new_block(em, "end")
    em.builder.cbranch(condition, then, end)
    with em.region(then):
        yield
        _flow_to(em, end)
    em.builder.position_at_end(end)


@contextmanager
def when_else(
    em: Emitter, condition: Any
) -> Iterator[tuple[AbstractContextManager[None], AbstractContextManager[None]]]:
    """Two context managers, for the two branches."""
    then, otherwise, end = new_block(em, "then"), new_block(em, "else"), new_block(em, "end")
    em.builder.cbranch(condition, then, otherwise)

    @contextmanager
    def branch(block: Any) -> Iterator[None]:
        with em.region(block):
            yield
            _flow_to(em, end)

    yield branch(then), branch(otherwise)
    for block in (then, otherwise):
        if not block.instructions and not block.is_terminated:
            em.builder.position_at_end(block)
            em.builder.branch(end)
    em.builder.position_at_end(end)


def choose(em: Emitter, condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """A scalar or pointer that is computed on one of two paths."""
    b = em.builder
    yes, no, end = new_block(em, "yes"), new_block(em, "no"), new_block(em, "chosen")
    b.cbranch(condition, yes, no)
    found = []
    for block, emit in ((yes, then), (no, otherwise)):
        with em.region(block):
            value = emit()
            found.append((value, b.block))
    kind = max((value.type for value, _ in found), key=lambda t: getattr(t, "width", 0))
    phis = []
    for value, block in found:
        b.position_at_end(block)
        phis.append((value if value.type == kind else em.extend(value, types.UINT64, kind.width), block))
        b.branch(end)
    b.position_at_end(end)
    result = b.phi(kind)
    for value, block in phis:
        result.add_incoming(value, block)
    return result


# ---------------------------------------------------------------- the end

_RETURNED, _ENDED = 1, 2
"""What a callback has done, besides going on: left its function with a value, or ended the probe."""


def _root(frame: Frame) -> Frame:
    while frame.kind == "callback" and frame.parent is not None:
        frame = frame.parent
    return frame


def _exit_slot(em: Emitter, frame: Frame) -> Any:
    """Two words of the program or `fn`: what a callback has done, and the value that it returned."""
    if frame.kind == "callback":
        assert frame.parent is not None
        return em.aligned(frame.capture("exit", _exit_slot(em, frame.parent)), 8)
    if frame.exit_slot is None:
        slot = frame.stack(16)
        frame.exit_slot = em.aligned(slot, 8)
        frame.at_entry.store(I64(0), slot, align=8)
    return frame.exit_slot


def end_probe(em: Emitter) -> None:
    """End the probe, from wherever we are, with its kind's return code."""
    _leave(em, em.const(_ENDED), em.const(0 if _root(em.frame).kind == "subprogram" else em.provider.return_code))


def _leave(em: Emitter, how: Any, value: Any) -> None:
    """Leave the program or `fn` that we are in; `how` is `_RETURNED` or `_ENDED`, both i64."""
    frame = em.frame
    for record in reversed(frame.open_records):
        em.helper("ringbuf_discard", record, 0)
    if frame.kind == "callback":
        slot = _exit_slot(em, frame)
        em.put(slot, how)
        em.put(slot, value, 8)
        em.builder.ret(em.const(1))
    elif frame.kind == "subprogram" and frame.can_end_probe:
        if frame.result_place is not None and frame.result is not None and not is_memory(frame.result.return_type):
            em.put(em.aligned(frame.result_place, 8), value)
        ended = em.builder.icmp_unsigned("==", how, em.const(_ENDED))
        em.builder.ret(em.builder.zext(ended, I64))
    else:
        em.builder.ret(value)
    em.builder.position_at_end(new_block(em, "unreachable"))


def after_callbacks(em: Emitter, callback: Frame) -> None:
    """Behind a loop: leave the program or `fn` if the loop's body did."""
    if "exit" not in callback.captures:
        return
    slot = _exit_slot(em, em.frame)
    how = em.load(slot, types.UINT64)
    with em.when(em.builder.icmp_unsigned("!=", how, em.const(0))):
        _leave(em, how, em.load(slot, types.UINT64, 8))


def lower_return(em: Emitter, node: typed.Return) -> None:
    """`return` from the probe, or from a `fn`."""
    frame = em.frame
    if node.value is None:
        value = em.const(0 if _root(frame).kind == "subprogram" else em.provider.return_code)
    elif frame.result_place is not None and is_memory(node.value.type):
        em.store(node.value, frame.result_place)
        value = em.const(0)
    else:
        value = em.int64(node.value)
    _leave(em, em.const(_RETURNED), value)


# ---------------------------------------------------------------- context


def context_pointer(em: Emitter, frame: Frame) -> Any:
    """The program's context, also inside callbacks."""
    if frame.ctx is None and frame.parent is not None:
        frame.ctx = frame.capture("ctx", context_pointer(em, frame.parent))
    note_context(em, frame.ctx)
    return em.aligned(frame.ctx, 8) if id(frame.ctx) not in em._aligns else frame.ctx


def note_context(em: Emitter, pointer: Any) -> None:
    em.context_pointers[id(pointer)] = pointer


def is_context(em: Emitter, pointer: Any) -> bool:
    """Whether a pointer was derived from the program's context."""
    return id(pointer) in em.context_pointers


# ---------------------------------------------------------------- functions


def static_function(em: Emitter, name: str, ftype: ir.FunctionType) -> ir.Function:
    """A function of its own section that LLVM neither inlines nor changes the signature of."""
    unique = em.module.unique(name)
    function = ir.Function(em.module.ir, ftype, unique)
    function.linkage = "internal"
    function.section = "fn." + unique
    function.attributes.add("noinline")
    add_attributes(function)
    return function
