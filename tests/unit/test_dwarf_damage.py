"""Damaged debug information ends in an answer or in a message, never in an exception of Python and never in a loop."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pytrace.runtime import dwarf
from pytrace.runtime.dwarf_reader import DwarfError
from pytrace.runtime.elf import ElfFile
from pytrace.runtime.source_places import Sources
from pytrace.types import Pointer, Struct

VARIANTS = 40
"""Of each program; the seed of a failure is its parameter."""


def ask_everything(program: str, names: tuple[str, ...], line: int) -> None:
    """All questions that a script can ask of debug information."""
    for name in names:
        dwarf.declarations(program, name)
        places = dwarf.inlined(program, name)
        for place in (None, *places):
            found = dwarf.function(program, name, "", place)
            for _, t in found.params if found else ():
                inner = t.pointee if isinstance(t, Pointer) else t
                if isinstance(inner, Struct):
                    assert inner.layout.fields is not None
        for place in places:
            dwarf.where_inlined(program, name, place)
    dwarf.type_named(program, "pair", "struct")
    dwarf.line_address(program, "optimised.c", line, 0)
    dwarf.missing_file(program)


@pytest.mark.parametrize("part", range(3))
def test_damage(part: int, test_programs: Path, tmp_path: Path) -> None:
    original = (test_programs / "optimised").read_bytes()
    sections = [s for s in ElfFile(str(test_programs / "optimised")).sections if s.name.startswith(".debug")]
    answered = 0
    for seed in range(part * VARIANTS, (part + 1) * VARIANTS):
        chance = random.Random(seed)
        data = bytearray(original)
        for _ in range(chance.choice((1, 2, 5, 20))):
            section = chance.choice(sections)
            byte = chance.choice((0, 0x7F, 0xFF, chance.randrange(256)))
            data[section.offset + chance.randrange(section.size)] = byte
        program = tmp_path / f"damaged{seed}"
        program.write_bytes(data)
        try:
            ask_everything(str(program), ("apart", "spent", "copied.constprop.0"), 25)
            answered += 1
        except DwarfError as problem:
            assert str(program) in str(problem)
        assert isinstance(Sources(demangle=True).at(str(program), 0x1200, "", outer=True), list)
    assert 0 < answered < VARIANTS
