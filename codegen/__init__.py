"""Code generation: typed script → LLVM IR → BPF object → Program; the only code that imports llvmlite.

Place in the pipeline: between sema and the runtime.  In: `sema.typed.TypedScript`.  Out: `program.Program`.  What a
newcomer would get wrong: importing this package must stay cheap; llvmlite is imported when something is compiled.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pytrace.program import Message, Program, ProgramSpec
    from pytrace.sema.typed import TypedScript


def generate(script: TypedScript, *, warnings: Iterable[Message] = (), **settings: Any) -> Program:
    """Compile a typed script.  `settings`: as `pipeline.generate` takes them."""
    from pytrace.codegen import pipeline

    return pipeline.generate(script, warnings=warnings, **settings)


def ir_text(script: TypedScript, **settings: Any) -> str:
    """LLVM IR before optimisation."""
    from pytrace.codegen import pipeline

    return pipeline.ir_text(script, **settings)


def optimised_ir_text(script: TypedScript, **settings: Any) -> str:
    """LLVM IR behind LLVM's passes."""
    from pytrace.codegen import pipeline

    return pipeline.optimised_ir_text(script, **settings)


def object_bytes(script: TypedScript, **settings: Any) -> bytes:
    """The ELF object."""
    from pytrace.codegen import pipeline

    return pipeline.object_bytes(script, **settings)


def disassemble(program: ProgramSpec) -> str:
    """A program's instructions as text, with the script's lines between them."""
    from pytrace.codegen.disassembler import disassemble as stage

    return stage(program)
