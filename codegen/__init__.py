"""Code generation: typed script → LLVM IR → BPF object → Program; the only code that imports llvmlite.

Place in the pipeline: between sema and the runtime.  In: `sema.typed.TypedScript`.  Out: `program.Program`.  What a
newcomer would get wrong: importing this package must stay cheap; llvmlite is imported when something is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytrace.program import Message, Program, ProgramSpec
    from pytrace.sema.typed import TypedScript


def generate(
    script: TypedScript, *, cpu: str = "v3", warnings: Iterable[Message] = (), verbose_warnings: bool = False
) -> Program:
    """Compile a typed script.  `verbose_warnings`: also report failed reads and look-ups at run time (-k)."""
    from pytrace.codegen import pipeline as stage

    return stage.generate(script, cpu=cpu, warnings=warnings, verbose_warnings=verbose_warnings)


def ir_text(script: TypedScript, *, cpu: str = "v3", verbose_warnings: bool = False) -> str:
    """LLVM IR before optimisation."""
    from pytrace.codegen import pipeline as stage

    return stage.ir_text(script, cpu=cpu, verbose_warnings=verbose_warnings)


def optimised_ir_text(script: TypedScript, *, cpu: str = "v3", verbose_warnings: bool = False) -> str:
    """LLVM IR behind LLVM's passes."""
    from pytrace.codegen import pipeline as stage

    return stage.optimised_ir_text(script, cpu=cpu, verbose_warnings=verbose_warnings)


def object_bytes(script: TypedScript, *, cpu: str = "v3", verbose_warnings: bool = False) -> bytes:
    """The ELF object."""
    from pytrace.codegen import pipeline as stage

    return stage.object_bytes(script, cpu=cpu, verbose_warnings=verbose_warnings)


def disassemble(program: ProgramSpec) -> str:
    """A program's instructions as text, with the script's lines between them."""
    from pytrace.codegen.disassembler import disassemble as stage

    return stage(program)
