"""LLVM proper: text of a module in, optimised text or a BPF object out, all in this process.

Place in the pipeline: behind the module builder, in front of `codegen.object`.  In: IR text.  Out: IR text, ELF
bytes. What a newcomer would get wrong: the module must carry the target's data layout as well as its triple; without
it LLVM assumes 4-byte alignment and takes each 64-bit access apart.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pytrace.diagnostics import InternalError

LEVEL = 2


@cache
def target_machine(cpu: str) -> Any:
    """The BPF target; `cpu` is v1 … v4."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple("bpfel").create_target_machine(cpu=cpu, opt=LEVEL)


def data_layout(cpu: str) -> str:
    return str(target_machine(cpu).target_data)


def parsed(text: str) -> Any:
    """The verified module of an IR text.  Raises InternalError with LLVM's complaint."""
    import llvmlite.binding as llvm

    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise InternalError("codegen", f"LLVM refuses the module: {error}") from error
    return module


def optimise(module: Any, cpu: str) -> Any:
    """Run the standard passes over a parsed module, in place."""
    import llvmlite.binding as llvm

    options = llvm.create_pipeline_tuning_options(speed_level=LEVEL)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(target_machine(cpu), options)
    builder.getModulePassManager().run(module, builder)
    return module


def emit_object(module: Any, cpu: str) -> bytes:
    """The ELF file.  Raises InternalError where LLVM cannot (a function too long for a jump)."""
    try:
        return bytes(target_machine(cpu).emit_object(module))
    except RuntimeError as error:
        raise InternalError("codegen", f"LLVM cannot emit the object: {error}") from error
