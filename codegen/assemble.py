"""The Program: linked programs, maps, events and probes put together.

Place in the pipeline: the last step of code generation.  In: the module builder's tables and the object.  Out: the
frozen Program.  What a newcomer would get wrong: `ProbeSpec.program` counts instances; several attach points share
one.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytrace.codegen.module import RDONLY_PROG, ModuleBuilder, location_of
from pytrace.codegen.object import Linked, ObjectFile
from pytrace.program import LineRow, MapSpec, Message, ProbeSpec, Program, ProgramSpec
from pytrace.sema import typed


def program_name(instance: typed.Instance, number: int) -> str:
    """A C identifier: the first attach point's name and the program's number, from 1."""
    name = instance.attach_points[0].name
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)[:80] + f"_{number + 1}"


def section_name(name: str) -> str:
    # Not the function's own name: "changed binding to STB_GLOBAL", says LLVM when both are equal.
    return "prog." + name


def assemble(module: ModuleBuilder, data: bytes, warnings: Iterable[Message]) -> Program:
    """Everything that is needed to run the script."""
    script = module.script
    found = ObjectFile(data) if script.instances else None
    programs, probes = [], []
    for number, instance in enumerate(script.instances):
        assert found is not None
        name = program_name(instance, number)
        programs.append(_program(module, instance, name, found.link(section_name(name))))
        for point in instance.attach_points:
            row = script.registry.key_of(point.provider)
            probes.append(ProbeSpec(row, point.name, number, dict(point.params), location_of(point.span)))
    maps = module.maps(len(programs))
    if found is not None and found.rodata:
        maps += (MapSpec("constants", "array", 4, len(found.rodata), 1, RDONLY_PROG, initial=bytes(found.rodata)),)
    return Program(
        maps,
        tuple(programs),
        tuple(probes),
        tuple(module.events),
        module.globals(),
        found.btf if found else b"",
        dict(script.config),
        tuple(warnings),
    )


def _program(module: ModuleBuilder, instance: typed.Instance, name: str, linked: Linked) -> ProgramSpec:
    point = instance.attach_points[0]
    return ProgramSpec(
        name,
        point.program_type,
        point.attach_type,
        bytes(linked.code),
        tuple(linked.relocations),
        tuple(linked.functions),
        tuple(_lines(module, linked)),
        point.attach_to,
        point.module,
        location=location_of(instance.span),
    )


def _lines(module: ModuleBuilder, linked: Linked) -> Iterable[LineRow]:
    last = -1
    for row in linked.lines:
        if row.index > last:  # the kernel wants them strictly ascending
            source = module.debug.sources.get(row.file)
            yield LineRow(row.index, row.line, row.column, source.line(row.line) if source else "")
            last = row.index
