"""The stubs through which a program calls its libraries (procedure linkage table): code without symbols.

Place in the pipeline: under `runtime.symbol_table`.  In: an ELF file.  Out: (address, size, `name@plt`) of each stub,
as debuggers call it.  What a newcomer would get wrong: which stub is whose is written nowhere; each jumps through a
slot of the global offset table, and a relocation says which function's address goes into that slot.

Source: System V AMD64 ABI, section 5.2; binutils writes .plt, .plt.got and, for indirect branch tracking, .plt.sec.
"""

from __future__ import annotations

from struct import Struct, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.elf import ElfFile

_RELA = Struct("<QQq")
_SHT_RELA = 4
_SYMBOL = 24
"""Bytes of an entry of a symbol table."""
_STUB_SECTIONS = (".plt", ".plt.sec", ".plt.got")
_JUMP = b"\xff\x25"
"""jmp *displacement(%rip)"""


def stubs(elf: ElfFile) -> Iterator[tuple[int, int, str]]:
    """Every stub whose function is known."""
    names = _names_by_slot(elf)
    for section in elf.sections:
        if section.name not in _STUB_SECTIONS:
            continue
        code = elf.bytes_of(section)
        size = 8 if section.name == ".plt.got" and not code.startswith(b"\xf3\x0f\x1e\xfa") else 16
        for at in range(0, len(code) - size + 1, size):
            jump = code.find(_JUMP, at, at + size)
            if jump >= 0 and jump + 6 <= len(code):
                slot = section.address + jump + 6 + unpack_from("<i", code, jump + 2)[0]
                if slot in names:
                    yield section.address + at, size, f"{names[slot]}@plt"


def _names_by_slot(elf: ElfFile) -> dict[int, str]:
    """The function whose address the dynamic linker puts at an address."""
    found = {}
    for section in elf.sections:
        if section.type != _SHT_RELA or section.link >= len(elf.sections):
            continue
        symbols = elf.sections[section.link]
        if symbols.link >= len(elf.sections):
            continue
        rows, strings = elf.bytes_of(symbols), elf.bytes_of(elf.sections[symbols.link])
        raw = elf.bytes_of(section)
        for slot, info, _ in _RELA.iter_unpack(raw[: len(raw) // _RELA.size * _RELA.size]):
            at = (info >> 32) * _SYMBOL
            if info >> 32 and at + 4 <= len(rows):
                (name,) = unpack_from("<I", rows, at)
                found[slot] = strings[name : strings.find(b"\0", name)].decode("latin-1")
    return found
