"""From the typed script to the Program, and the views of what lies between.

Place in the pipeline: called by the driver through `pytrace.codegen`.  In: TypedScript.  Out: Program; IR text,
optimised IR text, disassembly and ELF bytes for `-d` and `--emit-elf`.  What a newcomer would get wrong: everything
here is a function of the typed script, `cpu` and `verbose_warnings`; the same input gives the same bytes.
"""

from __future__ import annotations

from llvmlite import ir

from pytrace.codegen import assemble, backend, control
from pytrace.codegen.emitter import Emitter
from pytrace.codegen.frame import Frame
from pytrace.codegen.module import ENDED, I64, PTR, ModuleBuilder, add_attributes
from pytrace.diagnostics import WARNING, Diagnostic
from pytrace.grammar.depth import room
from pytrace.program import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytrace.program import Program
    from pytrace.sema import typed


def build(script: typed.TypedScript, verbose_warnings: bool, cpu_slots: int) -> ModuleBuilder:
    """The unoptimised module of a script."""
    with room():
        return _built(script, verbose_warnings, cpu_slots)


def _built(script: typed.TypedScript, verbose_warnings: bool, cpu_slots: int) -> ModuleBuilder:
    module = ModuleBuilder(script, verbose_warnings, cpu_slots)
    numbers = assemble.program_numbers(script)
    for number, instance in enumerate(script.instances):
        _program(module, instance, number, numbers[number])
    for entry, exit in assemble.sessions(script).items():
        _session(module, script.instances[entry], entry, script.instances[exit], exit)
    if module.can_end:
        for number, instance in enumerate(script.instances):
            if instance.attach_points[0].provider.phase == "attach":
                _end_with_the_run(module, instance, number)
    return module


def _end_with_the_run(module: ModuleBuilder, instance: typed.Instance, number: int) -> None:
    """Let a program return at once when another has ended the run: a branch in front of all but its entry block."""
    function = module.ir.get_global(assemble.body_name(instance, number))
    entry = function.entry_basic_block
    goes_on = entry.instructions.pop()
    entry.terminator = None
    alive, ended = function.append_basic_block("alive"), function.append_basic_block("ended")
    alive.instructions.append(goes_on)
    alive.terminator = goes_on
    goes_on.parent = alive
    builder = ir.IRBuilder(entry)
    builder.debug_metadata = goes_on.metadata.get("dbg")
    byte = builder.load(module.map_data(ENDED), typ=ir.IntType(8), align=1)
    builder.cbranch(builder.icmp_unsigned("==", byte, byte.type(0)), alive, ended)
    builder.position_at_end(ended)
    builder.ret(I64(instance.attach_points[0].provider.return_code))


def _session(module: ModuleBuilder, entry: typed.Instance, number: int, exit: typed.Instance, exit_number: int) -> None:
    """One program for entry and return: the kernel says which of the two it is."""
    name = assemble.program_name(entry, number)
    function = ir.Function(module.ir, ir.FunctionType(I64, [PTR]), name)
    function.section = assemble.section_name(name)
    add_attributes(function)
    em = Emitter(module, entry)
    with em.in_frame(Frame(module, function, "program"), entry.span):
        em.mark(entry.span)
        answer = em.kfunc("bpf_session_is_return", "i64")  # a bool: of the register only the lowest byte counts
        with em.when(em.builder.icmp_unsigned("!=", em.builder.and_(answer, em.const(1)), em.const(0))):
            part = module.ir.get_global(assemble.body_name(exit, exit_number))
            em.builder.ret(em.builder.call(part, [em.ctx]))
        part = module.ir.get_global(assemble.body_name(entry, number))
        em.builder.ret(em.builder.call(part, [em.ctx]))


def _program(module: ModuleBuilder, instance: typed.Instance, number: int, program: int) -> None:
    name = assemble.body_name(instance, number)
    function = ir.Function(module.ir, ir.FunctionType(I64, [PTR]), name)
    function.section = assemble.section_name(name)
    add_attributes(function)
    if name != assemble.program_name(instance, number):
        function.linkage = "internal"
        function.attributes.add("noinline")
    em = Emitter(module, instance)
    em.program_index = program
    with em.in_frame(Frame(module, function, "program"), instance.span):
        if instance.predicate is not None:
            em.mark(instance.predicate.span)
            with em.when(em.value(instance.predicate)):
                control.lower_block(em, instance.body)
        else:
            control.lower_block(em, instance.body)
        em.builder.ret(em.const(em.provider.return_code))


def generate(
    script: typed.TypedScript,
    *,
    cpu: str = "v3",
    cpu_slots: int = 0,
    verbose_warnings: bool = False,
    warnings: Iterable[Message] = (),
    emit: Callable[[str, str], bytes] | None = None,
) -> Program:
    """Compile.  `cpu`: v3 or v4; `verbose_warnings`: the option -k; `warnings` are kept in the Program.

    `emit` gives the object of a module's text and the cpu; None: `backend.emit`, here.
    `cpu_slots`: a power of two above all CPU numbers: scalar aggregates are arrays of so many slots; 0: per-CPU maps.
    """
    module = build(script, verbose_warnings, cpu_slots)
    data = (emit or backend.emit)(str(module.ir), cpu) if script.instances else b""
    if module.unspaced:
        text = Diagnostic(WARNING, "Addrspace is not set")
        warnings = (*warnings, Message(text.render(False), text.render(True)))
    return assemble.assemble(module, data, warnings)


def ir_text(script: typed.TypedScript, *, cpu: str = "v3", cpu_slots: int = 0, verbose_warnings: bool = False) -> str:
    """The module before optimisation (`-d codegen`)."""
    return backend.with_layout(str(build(script, verbose_warnings, cpu_slots).ir), cpu)


def optimised_ir_text(
    script: typed.TypedScript, *, cpu: str = "v3", cpu_slots: int = 0, verbose_warnings: bool = False
) -> str:
    """The module behind LLVM's passes (`-d codegen-opt`)."""
    text = ir_text(script, cpu=cpu, cpu_slots=cpu_slots, verbose_warnings=verbose_warnings)
    return str(backend.optimise(backend.parsed(text), cpu))


def object_bytes(
    script: typed.TypedScript, *, cpu: str = "v3", cpu_slots: int = 0, verbose_warnings: bool = False
) -> bytes:
    """The ELF object (`--emit-elf`)."""
    return backend.emit(ir_text(script, cpu=cpu, cpu_slots=cpu_slots, verbose_warnings=verbose_warnings), cpu)


def disassembly(
    script: typed.TypedScript, *, cpu: str = "v3", cpu_slots: int = 0, verbose_warnings: bool = False
) -> str:
    """The instructions of all programs (`-d dis`)."""
    from pytrace.codegen.disassembler import disassemble

    program = generate(script, cpu=cpu, cpu_slots=cpu_slots, verbose_warnings=verbose_warnings)
    return "\n".join(disassemble(spec) for spec in program.programs)
