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
        for name, t in found.params:
            at = (at + t.align - 1) // t.align * t.align
            fields.append(Field(name, t, at, space=Space.USER))
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
    if not types.is_memory(read.field.type):
        return lower_register_argument(em, read.index)
    size = read.field.type.size
    if dest is None:
        dest = em.local(size, read.field.type.align, read.field.name)
    em.read(dest, em.const(size, 32), lower_register_argument(em, read.index), Space.USER, read.span)
    return dest
