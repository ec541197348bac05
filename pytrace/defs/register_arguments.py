"""Arguments and results of functions from the registers of `struct pt_regs`, by number or by debug information.

Place in the pipeline: under the uprobe and kprobe rows.  In: a lowering, or a program's path.  Out: code, structs of
arguments.  What a newcomer would get wrong: argN holds on entry only, for behind it a compiler may use the registers
for something else; `args` has a `location.Location` for each parameter, which holds at its own place and nowhere
else.
"""

from __future__ import annotations

from pytrace import types
from pytrace.defs import registers
from pytrace.location import CONSTANT, READ, REGISTER, SIGNED, UNSIGNED
from pytrace.types import Field, Space, Struct, StructLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.location import Formula, Location
    from pytrace.sema import typed
    from pytrace.target import Function, Target
    from pytrace.types import Type


def function_args(target: Target, path: str, function: str, address: int | None = None) -> Struct | None:
    """The struct of `args` from debug information: lazily, since few scripts use it.

    `address`: where the program is, if not at the function's entry."""

    def layout() -> StructLayout | None:
        found = target.dwarf_function(path, function, address)
        if found is None or (address is None and _uses_stack(found)):
            return None
        fields, at = [], 0
        for (name, t), place in zip(found.params, found.places, strict=True):
            at = (at + t.align - 1) // t.align * t.align
            fields.append(Field(name, t, at, space=Space.USER, place=place))
            at += t.size
        return StructLayout(at, 8, tuple(fields))

    place = "" if address is None else f"@{address:x}"
    return Struct("struct", f"uprobe:{path}:{function}{place}_args", layout)


def _uses_stack(function: Function | None) -> bool:
    """Whether a function has more parameters than registers: as the reference, `args` refuses those."""
    return function is not None and len(function.params) > len(registers.ARGUMENTS)


def args_problem(target: Target, path: str, function: str, probe: str, address: int | None = None) -> str:
    """Why there is no struct of arguments, "" if there is one."""
    head = f'Could not parse arguments of "{probe}": '
    if not target.has_dwarf(path):
        return f"{head}no debuginfo found for {path}"
    found = target.dwarf_function(path, function, address)
    missing = target.missing_debug_file(path)
    if missing and (found is None or not all(name and t != types.VOID for name, t in found.params)):
        return f"{head}its debug information is partly in {missing}, which was not found"
    if address is None and _uses_stack(found):
        return f"{head}'args' builtin is not supported for probes with stack-passed arguments."
    return ""


def lower_register_argument(em: Lowering, n: int) -> Any:
    """argN: register N of the calling convention, from `struct pt_regs`."""
    return em.load(em.ctx, types.UINT64, registers.OFFSETS[registers.ARGUMENTS[n]])


def lower_result(em: Lowering, t: Type) -> Any:
    return em.load(em.ctx, types.UINT64, registers.OFFSETS[registers.RESULT])


def lower_argument(em: Lowering, read: typed.ArgRead, dest: Any) -> Any:
    """A parameter, from where `Field.place` says that it is; bytes that are nowhere are zero."""
    t, place = read.field.type, read.field.place
    assert place is not None
    if not types.is_memory(t):
        if len(place.pieces) == 1 and not place.pieces[0].in_memory and place.complete:
            return em.extend(em.extend(_value(em, place.pieces[0].formula, read), types.UINT64, 8 * t.size), t)
        word = em.local(8, 8, read.field.name)
        _assemble(em, place, word, 8, read)
        return em.extend(em.load(word, t), t)
    if dest is None:
        dest = em.local(t.size, 8, read.field.name)
    _assemble(em, place, dest, t.size, read)
    return dest


def _assemble(em: Lowering, place: Location, dest: Any, size: int, read: typed.ArgRead) -> None:
    """The bytes of a value from its pieces."""
    whole = len(place.pieces) == 1 and place.pieces[0].in_memory and place.pieces[0].size == size
    if not whole:
        em.zero(dest, size)
    at = 0
    for piece in place.pieces:
        if piece.formula is not None and piece.size:
            value = _value(em, piece.formula, read)
            if piece.in_memory:
                em.read(em.at(dest, at), em.const(piece.size, 32), value, Space.USER, read.span)
            else:
                _put(em, dest, at, value, min(piece.size, 8))
        at += piece.size


def _put(em: Lowering, dest: Any, at: int, word: Any, size: int) -> None:
    """The low `size` bytes of a register."""
    for step in (8, 4, 2, 1):
        if size >= step:
            em.put(dest, em.extend(word, types.UINT64, 8 * step), at)
            at, size = at + step, size - step
            if size:
                word = em.builder.lshr(word, em.const(8 * step))


# ---------------------------------------------------------------- formulas


def _value(em: Lowering, formula: Formula | None, read: typed.ArgRead) -> Any:
    """The 64 bits that a formula stands for."""
    if formula is None:
        return em.const(0)
    kind, *operands = formula
    if kind == REGISTER:
        return em.load(em.ctx, types.UINT64, registers.OFFSETS[operands[0]])
    if kind == CONSTANT:
        return em.const(operands[0] & (1 << 64) - 1)
    if kind == READ:
        word = em.local(8, 8, "word")
        em.zero(word, 8)
        em.read(word, em.const(operands[0], 32), _value(em, operands[1], read), Space.USER, read.span)
        return em.load(word, types.UINT64)
    if kind in (SIGNED, UNSIGNED):
        bits, inner = operands
        number = types.Int(bits, kind == SIGNED)
        return em.extend(em.extend(_value(em, inner, read), types.UINT64, bits), number)
    values = [_value(em, operand, read) for operand in operands]
    return _UNARY[kind](em, *values) if kind in _UNARY else _binary(em, kind, *values)


def _binary(em: Lowering, kind: str, left: Any, right: Any) -> Any:
    if kind in _COMPARISONS:
        return em.extend(em.builder.icmp_signed(_COMPARISONS[kind], left, right), types.BOOL)
    if kind == "div":
        return _signed_quotient(em, left, right)
    return getattr(em.builder, _INSTRUCTIONS[kind])(left, right)


def _signed_quotient(em: Lowering, left: Any, right: Any) -> Any:
    """BPF has no signed division before its fourth version."""
    quotient = em.builder.udiv(_absolute(em, left), _absolute(em, right))
    differ = em.builder.icmp_signed("<", em.builder.xor(left, right), em.const(0))
    return em.builder.select(differ, em.builder.neg(quotient), quotient)


def _absolute(em: Lowering, value: Any) -> Any:
    return em.builder.select(em.builder.icmp_signed("<", value, em.const(0)), em.builder.neg(value), value)


_COMPARISONS = {"eq": "==", "ge": ">=", "gt": ">", "le": "<=", "lt": "<", "ne": "!="}
_INSTRUCTIONS = {
    "plus": "add", "minus": "sub", "mul": "mul", "mod": "urem", "and": "and_", "or": "or_",
    "xor": "xor", "shl": "shl", "shr": "lshr", "shra": "ashr",
}  # fmt: skip
_UNARY = {
    "neg": lambda em, value: em.builder.neg(value),
    "not": lambda em, value: em.builder.not_(value),
    "abs": _absolute,
}
