"""The Program: linked programs, maps, events and probes put together.

Place in the pipeline: the last step of code generation.  In: the module builder's tables and the object.  Out: the
frozen Program.  What a newcomer would get wrong: `ProbeSpec.program` counts instances; several attach points share
one.
"""

from __future__ import annotations

from pytrace.codegen.imported import Imports
from pytrace.codegen.module import RDONLY_PROG, location_of
from pytrace.codegen.object import ObjectFile
from pytrace.program import LineRow, MapSpec, ProbeSpec, Program, ProgramSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.codegen.module import ModuleBuilder
    from pytrace.codegen.object import Linked
    from pytrace.program import Message
    from pytrace.sema import typed


def program_name(instance: typed.Instance, number: int) -> str:
    """A C identifier: the first attach point's name and the program's number, from 1."""
    name = instance.attach_points[0].name
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)[:80] + f"_{number + 1}"


def sessions(script: typed.TypedScript) -> dict[int, int]:
    """The number of the instance for the return by that for the entry, where both are one program."""
    found: dict[int, int] = {}
    entries: dict[str, int] = {}
    points = [(n, instance.attach_points[0]) for n, instance in enumerate(script.instances)]
    pairs = [(n, point) for n, point in points if point.params.get("session")]
    for number, point in pairs:
        if point.provider.session is not None:
            entries[point.session] = number
    for number, point in pairs:
        if point.provider.session is None:
            found[entries[point.session]] = number
    return found


def program_numbers(script: typed.TypedScript) -> list[int]:
    """Which program of the Program each instance is in."""
    joined = {exit: entry for entry, exit in sessions(script).items()}
    alone = [n for n in range(len(script.instances)) if n not in joined]
    return [alone.index(joined.get(n, n)) for n in range(len(script.instances))]


def body_name(instance: typed.Instance, number: int) -> str:
    """The function of an instance: the program itself, or in a session a part of it."""
    return program_name(instance, number) + ("_part" if instance.attach_points[0].params.get("session") else "")


def section_name(name: str) -> str:
    # Not the function's own name: "changed binding to STB_GLOBAL", says LLVM when both are equal.
    return "prog." + name


def assemble(module: ModuleBuilder, data: bytes, warnings: Iterable[Message]) -> Program:
    """Everything that is needed to run the script."""
    script = module.script
    found = ObjectFile(data) if script.instances else None
    imports = Imports(script.objects, found.btf if found else b"")
    programs: list[ProgramSpec] = []
    probes: list[ProbeSpec] = []
    returns = set(sessions(script).values())
    for number, instance in enumerate(script.instances):
        if number in returns:
            continue
        assert found is not None
        name = program_name(instance, number)
        for point in instance.attach_points:
            row = script.registry.key_of(point.provider)
            probes.append(ProbeSpec(row, point.name, len(programs), dict(point.params), location_of(point.span)))
        linked = found.link(section_name(name))
        imports.complete(linked)
        programs.append(_program(module, instance, name, linked))
    maps = module.maps(len(programs)) + imports.maps
    if found is not None and found.rodata:
        maps += (MapSpec("constants", "array", 4, len(found.rodata), 1, RDONLY_PROG, initial=bytes(found.rodata)),)
    return Program(
        maps,
        tuple(programs),
        tuple(probes),
        tuple(module.events),
        module.globals(),
        imports.btf,
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
        core_relocations=tuple(linked.core),
    )


def _lines(module: ModuleBuilder, linked: Linked) -> Iterable[LineRow]:
    last = -1
    for row in linked.lines:
        if row.index > last:  # the kernel wants them strictly ascending
            source = module.debug.sources.get(row.file)
            end = module.debug.ends.get((row.file, row.line, row.column), 0)
            text = source.line(row.line) if source else row.text
            yield LineRow(row.index, row.line, row.column, text, end, "" if source else row.file)
            last = row.index
