"""LLVM proper: text of a module in, optimised text or a BPF object out, all in this process.

Place in the pipeline: behind the module builder, in front of `codegen.object`.  In: IR text.  Out: IR text, ELF
bytes. What a newcomer would get wrong: the module must carry the target's data layout as well as its triple; without
it LLVM assumes 4-byte alignment and takes each 64-bit access apart.
"""

from __future__ import annotations

from functools import cache

from pytrace.diagnostics import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LEVEL = 2
LARGE = 1 << 18
"""Characters of a module's text from which on the order of instructions is left as it is."""


@cache
def load() -> None:
    """Load LLVM and set up its BPF target."""
    import llvmlite.binding as llvm

    # Beyond 512 bytes LLVM would end the process with a message of its own; the verifier says it better, and where.
    llvm.set_option("pytrace", "-bpf-stack-size=16384")
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    _forget_loading()


@cache
def target_machine(cpu: str) -> Any:
    """The BPF target; `cpu` is v1 … v4."""
    import llvmlite.binding as llvm

    load()
    return llvm.Target.from_triple("bpfel").create_target_machine(cpu=cpu, opt=LEVEL)


def _forget_loading() -> None:
    """Give back the pages of LLVM's library that only its loading and the set-up of all its targets touched.

    They are clean pages of a file, so that those needed again come back from the page cache: 25 of 110 MiB at the
    peak of a cold start, for 2 ms.  Where the map of the process cannot be read nothing is lost but that.
    """
    import ctypes

    dont_need = 4  # MADV_DONTNEED of asm-generic/mman-common.h
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
    try:
        with open("/proc/self/maps") as maps:
            rows = [line.split() for line in maps if line.endswith("libllvmlite.so\n")]
    except OSError:
        return
    for number, (where, access, *_) in enumerate(rows):
        # Never what lies behind a writable part: data relocated at loading is not the file's, even if read-only now.
        if access == "r-xp" or (number == 0 and access == "r--p"):
            start, end = (int(x, 16) for x in where.split("-"))
            madvise(start, end - start, dont_need)


def with_layout(text: str, cpu: str) -> str:
    """The module with the target's data layout, which the module builder leaves open."""
    return text.replace('target datalayout = ""', f'target datalayout = "{target_machine(cpu).target_data}"', 1)


def emit(text: str, cpu: str) -> bytes:
    """The ELF object of a module's text, optimised.  Raises InternalError with LLVM's complaint."""
    module = optimise(parsed(with_layout(text, cpu)), cpu)
    if len(text) < LARGE:
        return emit_object(module, cpu)
    import llvmlite.binding as llvm

    # The target's own scheduler takes time with the square of a block's length: minutes for 50,000 assignments.
    llvm.set_option("pytrace", "-pre-RA-sched=source")
    try:
        return emit_object(module, cpu)
    finally:
        llvm.set_option("pytrace", "-pre-RA-sched=default")


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
