"""Arguments and results of functions from the registers of `struct pt_regs`, by number or by debug information.

Place in the pipeline: under the uprobe and kprobe rows.  In: a lowering, or a program's path.  Out: code, structs of
arguments.  What a newcomer would get wrong: this holds on entry only; behind it a compiler may use the registers for
something else, so there is no `args` for a place inside a function.
"""

from __future__ import annotations

from pytrace import types
from pytrace.defs import registers
from pytrace.types import Field, Space, Struct, StructLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.sema import typed
    from pytrace.target import Target
    from pytrace.types import Type


def function_args(target: Target, path: str, function: str) -> Struct | None:
    """The struct of `args` from debug information: lazily, since few scripts use it."""

    def layout() -> StructLayout | None:
        found = target.dwarf_function(path, function)
        if found is None or len(found.params) > len(registers.ARGUMENTS):
            return None
        fields, at = [], 0
        for (name, t), place in zip(found.params, found.places, strict=True):
            at = (at + t.align - 1) // t.align * t.align
            fields.append(Field(name, t, at, space=Space.USER, place=place))
            at += t.size
        return StructLayout(at, 8, tuple(fields))

    return Struct("struct", f"uprobe:{path}:{function}_args", layout)


def args_problem(target: Target, path: str, function: str, probe: str) -> str:
    """Why there is no struct of arguments, "" if there is one."""
    head = f'Could not parse arguments of "{probe}": '
    if not target.has_dwarf(path):
        return f"{head}no debuginfo found for {path}"
    found = target.dwarf_function(path, function)
    if found is not None and len(found.params) > len(registers.ARGUMENTS):
        return f"{head}'args' builtin is not supported for probes with stack-passed arguments."
    return ""


def lower_register_argument(em: Lowering, n: int) -> Any:
    """argN: register N of the calling convention, from `struct pt_regs`."""
    return em.load(em.ctx, types.UINT64, registers.OFFSETS[registers.ARGUMENTS[n]])


def lower_result(em: Lowering, t: Type) -> Any:
    return em.load(em.ctx, types.UINT64, registers.OFFSETS[registers.RESULT])


def lower_argument(em: Lowering, read: typed.ArgRead, dest: Any) -> Any:
    """A parameter, from where `Field.place` says that it is."""
    t, place = read.field.type, read.field.place
    if not types.is_memory(t):
        if "(" not in place and not place.startswith("*"):
            return _register(em, place)
        word = em.local(8, 8, read.field.name)
        em.read(word, em.const(t.size, 32), _address(em, place, read), Space.USER, read.span)
        return em.extend(em.load(word, t), t)
    if dest is None:
        dest = em.local(t.size, 8, read.field.name)
    if "(" in place or place.startswith("*"):
        em.read(dest, em.const(t.size, 32), _address(em, place, read), Space.USER, read.span)
    else:
        _from_registers(em, place.split(",") if place else [], t.size, dest)
    return dest


def _register(em: Lowering, name: str) -> Any:
    """A register's 64 bits, 0 for one that a probe does not get."""
    return em.load(em.ctx, types.UINT64, registers.OFFSETS[name]) if name in registers.OFFSETS else em.const(0)


def _address(em: Lowering, place: str, read: typed.ArgRead) -> Any:
    """The address of a parameter that lies in memory: `16(sp)`, or what `*di`, `*16(sp)` points to."""
    inner = place.removeprefix("*")
    displacement, bracket, base = inner.rstrip(")").partition("(")
    if not bracket:
        return _register(em, inner)
    address = em.builder.add(_register(em, base), em.const(int(displacement)))
    if inner == place:
        return address
    pointer = em.local(8, 8, "reference")
    em.read(pointer, em.const(8, 32), address, Space.USER, read.span)
    return em.load(pointer, types.UINT64)


def _from_registers(em: Lowering, names: list[str], size: int, dest: Any) -> None:
    """A struct that registers hold, eight bytes each."""
    em.zero(dest, size)
    for n, name in enumerate(names):
        word, at, rest = _register(em, name), 8 * n, min(8, size - 8 * n)
        for step in (8, 4, 2, 1):
            if rest >= step:
                em.put(dest, em.extend(word, types.UINT64, 8 * step), at)
                at, rest = at + step, rest - step
                if rest:
                    word = em.builder.lshr(word, em.const(8 * step))
