"""Control flow: conditions, blocks, the end of a probe, what crosses from a program into its callbacks, subprograms.

Place in the pipeline: behind the Emitter.  In: statements, Python callables that emit.  Out: basic blocks.  What a
newcomer would get wrong: `return` inside a `for` body is a return from a *callback*: it stores a flag in the
program's frame, stops the loop, and the program checks the flag behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from pytrace import types
from pytrace.codegen import memory, statements
from pytrace.codegen.frame import Frame
from pytrace.codegen.module import I64, PTR, int_type
from pytrace.diagnostics import InternalError
from pytrace.sema import typed

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter


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


def _root(frame: Frame) -> Frame:
    while frame.kind == "callback" and frame.parent is not None:
        frame = frame.parent
    return frame


def _exit_slot(em: Emitter, frame: Frame) -> Any:
    """Two words of the program: whether a callback returned from the probe, and with what."""
    if frame.kind == "callback":
        assert frame.parent is not None
        return em.aligned(frame.capture("exit", _exit_slot(em, frame.parent)), 8)
    if frame.exit_slot is None:
        slot = frame.stack(16)
        frame.exit_slot = em.aligned(slot, 8)
        frame.at_entry.store(I64(0), slot, align=8)
    return frame.exit_slot


def end_probe(em: Emitter, value: Any) -> None:
    """Leave the probe, from wherever we are; `value` None gives the probe kind's return code."""
    frame = em.frame
    for record in reversed(frame.open_records):
        em.helper("ringbuf_discard", record, 0)
    if frame.kind == "callback":
        slot = _exit_slot(em, frame)
        em.put(slot, em.const(1))
        em.put(slot, _program_result(em, value), 8)
        em.builder.ret(em.const(1))
    elif frame.kind == "subprogram":
        _return_from_subprogram(em, value)
    else:
        em.builder.ret(_program_result(em, value))
    em.builder.position_at_end(new_block(em, "unreachable"))


def _program_result(em: Emitter, value: Any) -> Any:
    return value if value is not None else em.const(em.provider.return_code)


def after_callbacks(em: Emitter, callback: Frame) -> None:
    """Behind a loop: leave the probe if its body did."""
    if "exit" not in callback.captures:
        return
    slot = _exit_slot(em, em.frame)
    left = em.builder.icmp_unsigned("!=", em.load(slot, types.UINT64), em.const(0))
    with em.when(left):
        end_probe(em, em.load(slot, types.UINT64, 8))


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


# ---------------------------------------------------------------- subprograms

MAX_PARAMETERS = 4
"""BPF passes five arguments; the context is the first."""


def call_subprogram(em: Emitter, expr: typed.SubprogramCall, dest: Any) -> Any:
    """Call a `fn` of the script; memory values are passed and returned by pointer."""
    symbol = expr.symbol
    in_memory = types.is_memory(symbol.return_type)
    if len(symbol.params) + in_memory > MAX_PARAMETERS:
        raise InternalError("codegen", f"{symbol.name}() has too many parameters", expr.span)
    args = [em.ctx]
    if in_memory:
        dest = dest if dest is not None else memory.local(em, symbol.return_type.size)
        args.append(dest)
    for item in expr.args:
        args.append(em.value(item) if types.is_memory(item.type) else em.int64(item))
    result = em.builder.call(_subprogram(em, symbol), args)
    if in_memory:
        return dest
    if isinstance(symbol.return_type, types.NoneType):
        return None
    return em.extend(result, types.UINT64, int_type(symbol.return_type).width)


def _subprogram(em: Emitter, symbol: typed.SubprogramSymbol) -> ir.Function:
    """The function of a `fn`, emitted once per program (a row may look at the program's attach point)."""
    key = (em.instance.index, id(symbol))
    known = em.module.subprograms.get(key)
    if known is not None:
        return known
    in_memory = types.is_memory(symbol.return_type)
    params = [PTR] * (1 + in_memory) + [PTR if types.is_memory(p.type) else I64 for p in symbol.params]
    function = static_function(em, symbol.name, ir.FunctionType(I64, params))
    em.module.subprograms[key] = function
    frame = Frame(em.module, function, "subprogram")
    frame.result = symbol
    with em.in_frame(frame, symbol.span):
        for parameter, argument in zip(symbol.params, function.args[1 + in_memory :], strict=True):
            slot = em.variable(parameter)
            if types.is_memory(parameter.type):
                em.copy(slot, argument, parameter.type.size)
            else:
                em.put(slot, em.extend(argument, types.UINT64, int_type(parameter.type).width))
        if symbol.body is not None:
            lower_block(em, symbol.body)
        em.builder.ret(em.const(0))
    return function


def static_function(em: Emitter, name: str, ftype: ir.FunctionType) -> ir.Function:
    """A function of its own section that LLVM neither inlines nor changes the signature of."""
    unique = em.module.unique(name)
    function = ir.Function(em.module.ir, ftype, unique)
    function.linkage = "internal"
    function.section = "fn." + unique
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    return function


def _return_from_subprogram(em: Emitter, value: Any) -> None:
    em.builder.ret(value if value is not None else em.const(0))


def lower_return(em: Emitter, node: typed.Return) -> None:
    """`return` from the probe, or from a `fn`."""
    frame = em.frame
    if frame.kind == "subprogram" and frame.result is not None and node.value is not None:
        if types.is_memory(frame.result.return_type):
            em.store(node.value, frame.function.args[1])
            end_probe(em, em.const(0))
            return
        end_probe(em, em.int64(node.value))
        return
    end_probe(em, None if node.value is None else em.int64(node.value))
