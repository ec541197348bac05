"""Split debug information: .dwo files, and .dwp packages of them.

Place in the pipeline: under `runtime.dwarf_reader`.  In: what a skeleton unit says.  Out: a Reader of the rest.  What a
newcomer would get wrong: a package concatenates the sections of all its files, so each unit has its own beginning in
the abbreviations and the string offsets; its index tells (DWARF 5, section 7.3.5).
"""

from __future__ import annotations

import os
from struct import unpack_from

from pytrace.runtime.dwarf_reader import Reader
from pytrace.runtime.elf import ElfError, ElfFile

_INFO = 1
"""DW_SECT_INFO."""


def open_split(program: str, name: str, folder: str, known: dict[str, Reader | None]) -> Reader | None:
    """The package beside the program, or the file that the skeleton names (from `folder`, or beside the program).

    `known`: what was opened before, by path."""
    beside = os.path.dirname(os.path.realpath(program))
    for path in (program + ".dwp", os.path.join(folder, name), os.path.join(beside, os.path.basename(name))):
        if path not in known:
            known[path] = _open(path)
        if (found := known[path]) is not None:
            return found
    return None


def _open(path: str) -> Reader | None:
    try:
        elf = ElfFile(path)
    except (ElfError, OSError):
        return None
    if elf.debug_section(".debug_info.dwo") is None:
        return None
    return Reader(elf, ".dwo", _package_index(elf, ".debug_cu_index") | _package_index(elf, ".debug_tu_index"))


def _package_index(elf: ElfFile, name: str) -> dict[int, dict[int, int]]:
    """Offset of each unit in .debug_info.dwo -> {DW_SECT_*: where its part of that section begins}."""
    section = elf.section(name)
    if section is None:
        return {}
    data = elf.bytes_of(section, decompress=True)
    columns, units, slots = unpack_from("<III", data, 4)
    at = 16 + 12 * slots  # behind the hash table: 8 bytes of signature and 4 of row number a slot
    kinds = unpack_from(f"<{columns}I", data, at)
    found = {}
    for row in range(units):
        offsets = dict(zip(kinds, unpack_from(f"<{columns}I", data, at + 4 * columns * (row + 1)), strict=True))
        found[offsets.get(_INFO, 0)] = offsets
    return found
