"""The script's `fn`s: static functions of BPF, their calls and the way out of them.

Place in the pipeline: behind the Emitter.  In: calls and bodies of `fn`s.  Out: one LLVM function for each `fn` and
program.  What a newcomer would get wrong: where `exit()` can be reached in a `fn`, what the LLVM function returns is
not the result but whether the probe is to end, which each caller passes on; the result then goes through a pointer.
"""

from __future__ import annotations

from llvmlite import ir

from pytrace import types
from pytrace.codegen import control, memory
from pytrace.codegen.frame import Frame
from pytrace.codegen.module import I64, PTR, int_type
from pytrace.sema.subprograms import may_end_probe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.sema import typed

MAX_ARGUMENTS = 5
"""What BPF passes in registers; the context is the first."""


class Convention:
    """How one `fn` is called: `ends`, it tells whether the probe is to end; `by_pointer`, the result is stored through
    the second argument; `packed`, the parameters are the words of a record instead of arguments."""

    __slots__ = ("by_pointer", "ends", "packed")

    def __init__(self, symbol: typed.SubprogramSymbol) -> None:
        in_memory = types.is_memory(symbol.return_type)
        self.ends = may_end_probe(symbol)
        self.by_pointer = in_memory or (self.ends and gives_value(symbol))
        self.packed = 1 + self.by_pointer + len(symbol.params) > MAX_ARGUMENTS

    def parameters(self, symbol: typed.SubprogramSymbol) -> list[Any]:
        own = [PTR] if self.packed else [PTR if types.is_memory(p.type) else I64 for p in symbol.params]
        return [PTR] + [PTR] * self.by_pointer + own


def gives_value(symbol: typed.SubprogramSymbol) -> bool:
    return not isinstance(symbol.return_type, (types.NoneType, types.VoidType))


def call(em: Emitter, expr: typed.SubprogramCall, dest: Any) -> Any:
    """Call a `fn`; a result in memory goes to `dest` if that is given, and is what is returned."""
    symbol = expr.symbol
    function, convention = _function(em, symbol)
    args = [em.ctx]
    if convention.by_pointer:
        size = max(8, symbol.return_type.size)
        dest = dest if dest is not None else em.aligned(memory.local(em, size), 8)
        args.append(dest)
    given = [em.value(item) if types.is_memory(item.type) else em.int64(item) for item in expr.args]
    if convention.packed:
        record = em.aligned(em.frame.stack_temporary(8 * len(given)), 8)  # a map could not hold pointers
        for n, value in enumerate(given):
            em.put(record, value, 8 * n)
        given = [record]
    result = em.builder.call(function, args + given)
    if convention.ends:
        with em.when(em.builder.icmp_unsigned("!=", result, em.const(0))):
            em.end_probe()
    if types.is_memory(symbol.return_type):
        return dest
    if not gives_value(symbol):
        return None
    if convention.by_pointer:
        result = em.load(dest, types.UINT64)
    return em.extend(result, types.UINT64, int_type(symbol.return_type).width)


def _function(em: Emitter, symbol: typed.SubprogramSymbol) -> tuple[ir.Function, Convention]:
    """The function of a `fn`, emitted once per program (a row may look at the program's attach point)."""
    key = (em.instance.index, id(symbol))
    known = em.module.subprograms.get(key)
    if known is None:
        convention = Convention(symbol)
        ftype = ir.FunctionType(I64, convention.parameters(symbol))
        known = control.static_function(em, symbol.name, ftype), convention
        em.module.subprograms[key] = known
        _emit_body(em, symbol, *known)
    return known


def _emit_body(em: Emitter, symbol: typed.SubprogramSymbol, function: ir.Function, convention: Convention) -> None:
    frame = Frame(em.module, function, "subprogram")
    frame.result, frame.can_end_probe = symbol, convention.ends
    frame.result_place = function.args[1] if convention.by_pointer else None
    own = function.args[1 + convention.by_pointer :]
    with em.in_frame(frame, symbol.span):
        for n, parameter in enumerate(symbol.params):
            slot = em.variable(parameter)
            in_memory = types.is_memory(parameter.type)
            if convention.packed:
                place = em.at(em.aligned(own[0], 8), 8 * n)
                argument = em.builder.load(place, typ=PTR if in_memory else I64, align=8)
            else:
                argument = own[n]
            if in_memory:
                em.copy(slot, argument, parameter.type.size)
            else:
                em.put(slot, em.extend(argument, types.UINT64, int_type(parameter.type).width))
        if symbol.body is not None:
            control.lower_block(em, symbol.body)
        em.builder.ret(em.const(0))
