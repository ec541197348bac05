"""Supplementary debug files: what several programs have in common, moved to one file of its own (dwz).

Place in the pipeline: under `runtime.dwarf_reader`.  In: an ELF file with debug information.  Out: the file that its
entries refer to.  What a newcomer would get wrong: this is no separate debug file; a separate debug file may itself
refer to one, by a path from its own folder (distributions keep them in /usr/lib/debug/.dwz).

Source: DWARF 5, section 7.3.6 (.debug_sup); dwz's .gnu_debugaltlink: a file's name and its build id.
"""

from __future__ import annotations

import os

from pytrace.runtime import dwarf_forms as forms
from pytrace.runtime.elf import ElfError, ElfFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = "/usr/lib/debug"


def link(elf: ElfFile) -> tuple[str, bytes] | None:
    """(name, identity) of the supplementary file of `elf`, None if it has none."""
    section = elf.section(".gnu_debugaltlink")
    if section is not None:
        name, _, identity = elf.bytes_of(section, decompress=True).partition(b"\0")
        return os.fsdecode(name), identity
    said = _supplementary(elf)
    return said[1:] if said is not None and not said[0] else None


def supplement(elf: ElfFile, name: str, identity: bytes) -> ElfFile | None:
    """The file that `link` names; None if it cannot be found, or is another one."""
    for path in _paths(elf.path, name, identity.hex()):
        try:
            found = ElfFile(path)
        except (ElfError, OSError):
            continue
        if _identity(found) == identity:
            return found
    return None


def _identity(elf: ElfFile) -> bytes:
    said = _supplementary(elf)
    return said[2] if said is not None and said[0] else bytes.fromhex(elf.build_id())


def _supplementary(elf: ElfFile) -> tuple[bool, str, bytes] | None:
    """(whether it is the supplementary file, the other's name, what both have in common) of .debug_sup."""
    section = elf.debug_section(".debug_sup")
    if section is None:
        return None
    data = elf.bytes_of(section, decompress=True)
    name, _, rest = data[3:].partition(b"\0")
    length, at = forms.uleb(rest, 0)
    return bool(data[2]), os.fsdecode(name), rest[at : at + length]


def _paths(program: str, name: str, identity: str) -> Iterator[str]:
    yield os.path.join(os.path.dirname(os.path.realpath(program)), name)
    yield f"{_ROOT}/.dwz/{os.path.basename(name)}"
    yield f"{_ROOT}/.build-id/{identity[:2]}/{identity[2:]}.debug"
