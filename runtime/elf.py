"""Function symbols, file offsets and notes of executables and libraries.

Place in the pipeline: below `runtime.machine`.  In: a path.  Out: `ElfSymbol`, `UsdtNote` and such.  What a newcomer
would get wrong: this reads the tables itself, with `struct` over a mapped file.  libbcc does the same through
ctypes, but loading it takes 60 ms (it brings clang), more than reading the symbols of a large program; a single name
is found in the string table with `find`, without decoding the symbols.
"""

from __future__ import annotations

import mmap
import os
from struct import Struct, error, unpack_from

from pytrace.record import record
from pytrace.target import ElfSymbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SHDR = Struct("<IIQQQQIIQQ")
_PHDR = Struct("<IIQQQQQQ")
_SYM = Struct("<IBBHQQ")
_SHT_SYMTAB, _SHT_NOTE, _SHT_DYNSYM = 2, 7, 11
_PT_LOAD, _PF_X = 1, 1
_SHF_COMPRESSED = 0x800
_STT_OBJECT, _STT_FUNC, _STT_GNU_IFUNC = 1, 2, 10
FUNCTIONS = frozenset((_STT_FUNC, _STT_GNU_IFUNC))
FUNCTIONS_AND_OBJECTS = FUNCTIONS | {_STT_OBJECT}
ET_EXEC, ET_DYN = 2, 3
_DEBUG_PLACES = ":.debug:/usr/lib/debug"


@record
class Section:
    name: str
    type: int
    address: int
    offset: int
    size: int
    link: int
    flags: int


@record
class Segment:
    """A loaded part: `size` bytes at `offset` of the file appear at `address`."""

    address: int
    offset: int
    size: int
    executable: bool


class ElfError(Exception):
    """Not a readable 64-bit little-endian ELF file; the text says why."""


class ElfFile:
    """A mapped ELF file.  Raises ElfError, OSError."""

    def __init__(self, path: str, content: bytes | None = None) -> None:
        """`content`: the file's bytes when it is not a file of its own (a member of an archive)."""
        self.path = path
        self.data: mmap.mmap | bytes
        if content is not None:
            self.data = content
        else:
            with open(path, "rb") as file:
                if os.fstat(file.fileno()).st_size < 64:
                    raise ElfError("too short for an ELF file")
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            if self.data[:6] != b"\x7fELF\x02\x01":
                raise ElfError("not a 64-bit little-endian ELF file")
            self.kind, self.machine = unpack_from("<HH", self.data, 16)
            self._ph_at, self._sh_at = unpack_from("<QQ", self.data, 32)
            self._ph_size, self._ph_count, self._sh_size, self._sh_count, self._sh_names = unpack_from(
                "<5H", self.data, 54
            )
            self.sections = self._read_sections()
            self.segments = self._read_segments()
        except (error, ValueError) as problem:
            raise ElfError(f"damaged ELF file: {problem}") from None

    def _read_sections(self) -> list[Section]:
        rows = [
            _SHDR.unpack_from(self.data, self._sh_at + n * self._sh_size)
            for n in range(self._sh_count if self._sh_at else 0)
        ]
        if not rows:
            return []
        names = rows[self._sh_names][4] if self._sh_names < len(rows) else 0
        return [Section(self._string(names + r[0]), r[1], r[3], r[4], r[5], r[6], r[2]) for r in rows]

    def _read_segments(self) -> list[Segment]:
        rows = (_PHDR.unpack_from(self.data, self._ph_at + n * self._ph_size) for n in range(self._ph_count))
        return [Segment(r[3], r[2], r[6], bool(r[1] & _PF_X)) for r in rows if r[0] == _PT_LOAD]

    def _string(self, at: int) -> str:
        end = self.data.find(b"\0", at)
        return self.data[at : end if end >= 0 else at].decode("latin-1")

    def section(self, name: str) -> Section | None:
        return next((s for s in self.sections if s.name == name), None)

    def bytes_of(self, section: Section, decompress: bool = False) -> bytes:
        """A section's bytes; empty for one without (SHT_NOBITS).  `decompress`: undo SHF_COMPRESSED, or what older
        tools did to sections that they called `.zdebug_…`."""
        if section.type == 8:
            return b""
        raw = self.data[section.offset : section.offset + section.size]
        if decompress and (section.flags & _SHF_COMPRESSED or section.name.startswith(".zdebug_")):
            from pytrace.runtime.compressed import section_bytes

            return section_bytes(raw, bool(section.flags & _SHF_COMPRESSED))
        return raw

    def debug_section(self, name: str) -> Section | None:
        """`.debug_…`, under whatever name it is kept."""
        return self.section(name) or self.section(name.replace(".debug_", ".zdebug_", 1))

    def mini_debug_info(self) -> ElfFile | None:
        """The symbols that a stripped file keeps in `.gnu_debugdata` (MiniDebugInfo: an ELF file, compressed by xz)."""
        section = self.section(".gnu_debugdata")
        if section is None:
            return None
        from pytrace.runtime.compressed import unxz

        content = unxz(self.bytes_of(section))
        try:
            return ElfFile(self.path, content) if content else None
        except ElfError:
            return None

    def offset_of(self, address: int) -> int:
        """The file offset of a virtual address in an executable segment, 0 if it lies in none."""
        return self._offset(address, executable=True)

    def data_offset_of(self, address: int) -> int:
        """The file offset of a virtual address in any loaded segment, 0 if it lies in none."""
        return self._offset(address, executable=False)

    def _offset(self, address: int, executable: bool) -> int:
        for s in self.segments:
            if s.address <= address < s.address + s.size and (s.executable or not executable):
                return address - s.address + s.offset
        return 0

    def _tables(self) -> Iterator[Section]:
        for s in self.sections:
            if s.type in (_SHT_SYMTAB, _SHT_DYNSYM) and s.size and s.link < len(self.sections):
                yield s

    def symbols(self, wanted: frozenset[int] = FUNCTIONS) -> Iterator[ElfSymbol]:
        """Every symbol of the wanted types that has an address; `offset` is left at 0."""
        for table in self._tables():
            strings = self.bytes_of(self.sections[table.link])
            raw = self.bytes_of(table)
            for name, info, _, _, value, size in _SYM.iter_unpack(raw[: len(raw) // 24 * 24]):
                if value and info & 0xF in wanted:
                    yield ElfSymbol(strings[name : strings.find(b"\0", name)].decode("latin-1"), value, size, 0)

    def named(self, name: str, wanted: frozenset[int] = FUNCTIONS_AND_OBJECTS) -> list[ElfSymbol]:
        """The symbols called `name`, without decoding the others."""
        found: list[ElfSymbol] = []
        text = name.encode("latin-1") + b"\0"
        for table in self._tables():
            strings = self.bytes_of(self.sections[table.link])
            raw = self.bytes_of(table)
            at = strings.find(text)
            while at >= 0:  # a name may be stored as the tail of a longer one, and more than once
                found += self._at_name(raw, at, name, wanted)
                at = strings.find(text, at + 1)
        return found

    def _at_name(self, raw: bytes, name_offset: int, name: str, wanted: frozenset[int]) -> Iterator[ElfSymbol]:
        key = name_offset.to_bytes(4, "little")
        at = raw.find(key)
        while at >= 0:
            if at % 24 == 0:
                _, info, _, _, value, size = _SYM.unpack_from(raw, at)
                if value and info & 0xF in wanted:
                    yield ElfSymbol(name, value, size, self.offset_of(value))
            at = raw.find(key, at + 1)

    def notes(self, section: Section) -> Iterator[tuple[str, int, bytes]]:
        """(owner, type, description) of a note section."""
        data, at = self.bytes_of(section), 0
        while at + 12 <= len(data):
            name_size, size, kind = unpack_from("<III", data, at)
            name_at = at + 12
            text_at = name_at + (name_size + 3) // 4 * 4
            yield (
                data[name_at : name_at + name_size].rstrip(b"\0").decode("latin-1"),
                kind,
                data[text_at : text_at + size],
            )
            at = text_at + (size + 3) // 4 * 4

    def build_id(self) -> str:
        """The GNU build id in hex, "" without one."""
        section = self.section(".note.gnu.build-id")
        if section is not None:
            for owner, kind, text in self.notes(section):
                if owner == "GNU" and kind == 3:
                    return text.hex()
        return ""


def elf_type(path: str) -> int | None:
    """e_type of an ELF file of any class, None for what is none or cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(18)
    except OSError:
        return None
    if len(head) < 18 or head[:4] != b"\x7fELF":
        return None
    return int.from_bytes(head[16:18], "big" if head[5] == 2 else "little")


def debug_file(elf: ElfFile, folders: str = "") -> ElfFile | None:
    """The separate file with what was stripped off: by build id, by .gnu_debuglink, or NAME.debug (as libdwfl).

    `folders`: where to look first, separated by colons: "" is the program's own folder, a relative one
    is below it, an absolute one the root of a tree like it; a leading `+` or `-` (check the CRC or not) is accepted.
    """
    build_id = elf.build_id()
    for path in dict.fromkeys(_debug_paths(elf, build_id, [*_listed(folders), *_listed(_DEBUG_PLACES)])):
        if os.path.isfile(path) and not os.path.samefile(path, elf.path):
            try:
                found = ElfFile(path)
            except (ElfError, OSError):
                continue
            if not build_id or found.build_id() in ("", build_id):
                return found
    return None


def _listed(folders: str) -> list[str]:
    return [f.lstrip("+-") for f in folders.split(":")] if folders else []


def _debug_paths(elf: ElfFile, build_id: str, places: list[str]) -> Iterator[str]:
    if build_id:
        for place in places:
            if place.startswith("/"):
                yield f"{place}/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
    link = elf.section(".gnu_debuglink")
    linked = elf.bytes_of(link).split(b"\0", 1)[0].decode("latin-1") if link else ""
    folder = os.path.dirname(os.path.realpath(elf.path))
    for name in filter(None, (linked, os.path.basename(elf.path) + ".debug")):
        for place in places:
            yield f"{place}{folder}/{name}" if place.startswith("/") else os.path.join(folder, place, name)
            if place.startswith("/"):
                yield f"{place}/{name}"
