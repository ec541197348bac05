"""USDT probes: the notes that `DTRACE_PROBE` leaves in a binary.

Place in the pipeline: under `runtime.machine`.  In: an ELF file.  Out: `UsdtNote`s with file offsets.  What a
newcomer would get wrong: addresses in the notes are those of link time; when the file was prelinked, the recorded
address of `.stapsdt.base` tells by how much they have moved.  Source: systemtap's sys/sdt.h.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.target import UsdtNote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.elf import ElfFile

_OWNER, _TYPE = "stapsdt", 3


def notes(elf: ElfFile) -> list[UsdtNote]:
    """Every USDT probe, in the order of the file; one probe may have several places."""
    section = elf.section(".note.stapsdt")
    if section is None:
        return []
    base = elf.section(".stapsdt.base")
    found = []
    for owner, kind, data in elf.notes(section):
        if owner != _OWNER or kind != _TYPE or len(data) < 24:
            continue
        address, linked_base, semaphore = unpack_from("<QQQ", data)
        if base is not None and linked_base:
            moved = base.address - linked_base
            address += moved
            semaphore += moved if semaphore else 0
        provider, name, arguments = [*data[24:].split(b"\0"), b"", b"", b""][:3]
        found.append(
            UsdtNote(
                provider.decode("latin-1"),
                name.decode("latin-1"),
                address,
                elf.offset_of(address) or address,
                elf.data_offset_of(semaphore) if semaphore else 0,
                arguments.decode("latin-1"),
            )
        )
    return found
