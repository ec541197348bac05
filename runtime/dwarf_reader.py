"""DWARF 4 and 5: the units of a file and their entries.

Place in the pipeline: under `runtime.dwarf`.  In: an ELF file with .debug_info.  Out: `Unit`s and `Entry`s; what they
mean is read by `dwarf_types`, `dwarf_functions`, `dwarf_inlines` and `dwarf_lines`.  What a newcomer would get wrong: a
large program has millions of entries, so nothing is read that is not needed: the unit of an address is found in
.debug_aranges where there is one, and only that unit is walked.
"""

from __future__ import annotations

from functools import cached_property
from struct import error, unpack_from

from pytrace.diagnostics import MachineError
from pytrace.record import field, record
from pytrace.runtime import dwarf_forms as forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.runtime.dwarf_types import Types
    from pytrace.runtime.elf import ElfFile

# fmt: off
# DW_TAG_* and DW_AT_* of the standard, section 7.5
TAG_ARRAY, TAG_CLASS, TAG_ENUM, TAG_PARAMETER, TAG_MEMBER, TAG_POINTER, TAG_REFERENCE = 1, 2, 4, 5, 0xD, 0xF, 0x10
TAG_STRUCT, TAG_SUBROUTINE, TAG_TYPEDEF, TAG_UNION, TAG_INHERITANCE, TAG_SUBRANGE = 0x13, 0x15, 0x16, 0x17, 0x1C, 0x21
TAG_BASE, TAG_CONST, TAG_SUBPROGRAM, TAG_VOLATILE, TAG_RESTRICT, TAG_NAMESPACE = 0x24, 0x26, 0x2E, 0x35, 0x37, 0x39
TAG_RVALUE_REFERENCE, TAG_ATOMIC, TAG_MEMBER_POINTER, TAG_INLINED = 0x42, 0x47, 0x1F, 0x1D
AT_NAME, AT_BYTE_SIZE, AT_BIT_OFFSET, AT_BIT_SIZE, AT_LOW_PC, AT_COMP_DIR = 3, 0xB, 0xC, 0xD, 0x11, 0x1B
AT_UPPER_BOUND, AT_ABSTRACT_ORIGIN, AT_COUNT, AT_MEMBER_LOCATION, AT_DECLARATION = 0x2F, 0x31, 0x37, 0x38, 0x3C
AT_ENCODING, AT_EXTERNAL, AT_SPECIFICATION, AT_TYPE, AT_RANGES, AT_DATA_BIT_OFFSET = 0x3E, 0x3F, 0x47, 0x49, 0x55, 0x6B
AT_LINKAGE_NAME, AT_DWO_NAME, AT_GNU_DWO_NAME, AT_GNU_DWO_ID, AT_SIGNATURE = 0x6E, 0x76, 0x2130, 0x2131, 0x69
AT_ENTRY_PC, AT_HIGH_PC, AT_CALL_FILE, AT_CALL_LINE, AT_STR_OFFSETS_BASE = 0x52, 0x12, 0x58, 0x59, 0x72
AT_ADDR_BASE, AT_GNU_ADDR_BASE, AT_RNGLISTS_BASE, AT_GNU_RANGES_BASE, AT_STMT_LIST = 0x73, 0x2133, 0x74, 0x2132, 0x10
AT_LOCATION, AT_CONST_VALUE, AT_FRAME_BASE, AT_LOCLISTS_BASE, AT_CALLING_CONVENTION = 2, 0x1C, 0x40, 0x8C, 0x36
# fmt: on
QUALIFIERS = {TAG_CONST: "const", TAG_VOLATILE: "volatile", TAG_RESTRICT: "restrict", TAG_ATOMIC: "_Atomic"}
POINTERS = {TAG_POINTER: "*", TAG_REFERENCE: "&", TAG_RVALUE_REFERENCE: "&&"}
ABBREVIATIONS, LOCATION_LISTS, STRING_OFFSETS, RANGE_LISTS = 3, 5, 6, 8
"""DW_SECT_* of a package's index."""
AGGREGATES = {TAG_STRUCT: "struct", TAG_CLASS: "struct", TAG_UNION: "union"}


Abbreviations = dict[int, tuple[int, bool, list[tuple[int, int, int]]]]
"""code -> (tag, has children, [(attribute, form, implicit constant)])."""


@record(frozen=False)
class Entry:
    """A debugging information entry; `attributes` by number, references as offsets in .debug_info."""

    offset: int
    tag: int
    attributes: dict[int, Any]
    has_children: bool
    end: int
    """Where the next entry begins."""

    def text(self, number: int) -> str:
        value = self.attributes.get(number)
        return value if isinstance(value, str) else ""

    def number(self, number: int, default: int = 0) -> int:
        value = self.attributes.get(number)
        return value if isinstance(value, int) else default


@record(frozen=False)
class Unit:
    """A compilation unit: its header's facts, and its abbreviations."""

    offset: int
    end: int
    first: int
    version: int
    offset_size: int
    sections: forms.Sections
    """Of the file that it is in."""
    abbreviations: Abbreviations
    bases: dict[str, int] = field(default_factory=dict)
    """Where the unit's part of a section begins that is read by index."""
    signature: int = 0
    """Of a type unit, with the offset of the type; else 0."""
    type_at: int = 0
    split_id: int = 0
    """What a skeleton unit and the rest of it in another file have in common."""


class DwarfError(MachineError):
    """Debug information that is damaged, or written in a way that is not known here."""

    def __init__(self, path: str, problem: Exception) -> None:
        super().__init__(
            f"The debug information of {path} cannot be read: {problem or type(problem).__name__}",
            advice="without `args` and places in the source it is not needed",
        )


DAMAGE = (IndexError, KeyError, ValueError, RecursionError, error)
"""What reading such information ends in."""


class Reader:
    """Debug information of one file."""

    def __init__(self, elf: ElfFile, suffix: str = "", packages: dict[int, dict[int, int]] | None = None) -> None:
        """`suffix`: ".dwo" for a split file; `packages`: of a .dwp, by unit (see `dwarf_split`)."""
        self.elf = elf
        self.suffix = suffix
        self.packages = packages or {}
        self.info = self.section(".debug_info")
        self._types_at = len(self.info)
        self.info += self.section(".debug_types")  # where DWARF 4 keeps its type units; offsets go on
        self._abbreviation_tables: dict[tuple[int, int], Abbreviations] = {}
        self._splits: dict[str, Reader | None] = {}
        self._named: dict[str, bool] = {}
        self.missing: list[str] = []
        """Files with a part of the information that were looked for and are not there."""
        self.program = elf.path
        """The file that units refer to: the skeleton's for a split file."""
        self.sections = forms.Sections(
            self.section(".debug_str"),
            self.section(".debug_line_str"),
            self.section(".debug_str_offsets"),
            self.section(".debug_addr"),
            self.section(".debug_abbrev"),
        )
        self._add_supplement()

    def _add_supplement(self) -> None:
        """Let the entries of the file that several programs share follow ours, so that one number names an entry."""
        from pytrace.runtime.dwarf_supplement import link, supplement

        said = link(self.elf)
        shared = supplement(self.elf, *said) if said is not None else None
        if said is not None and shared is None:
            self.missing.append(said[0])
        if shared is not None:
            other = Reader(shared)
            other.sections.start = len(self.info)
            self.sections.supplement = other.sections
            self.info += other.info

    def section(self, name: str) -> bytes:
        if self.suffix:  # an object file: each of its type units is a section of its own
            found = [s for s in self.elf.sections if s.name == name + self.suffix]
            return b"".join([self.elf.bytes_of(s, decompress=True) for s in found])
        section = self.elf.debug_section(name)
        return self.elf.bytes_of(section, decompress=True) if section else b""

    # units ------------------------------------------------------------------
    @cached_property
    def units(self) -> list[Unit]:
        """Every unit of .debug_info, headers only; those of a supplementary file come last."""
        found, at = [], 0
        try:
            while at + 11 <= len(self.info):
                unit = self._unit(at)
                found.append(unit)
                at = unit.end
        except DAMAGE as problem:
            raise DwarfError(self.elf.path, problem) from None
        return found

    @property
    def own_units(self) -> list[Unit]:
        """Those that may have code: not what a supplementary file holds."""
        return [unit for unit in self.units if unit.sections is self.sections]

    def _unit(self, start: int) -> Unit:
        length, at, size = unpack_from("<I", self.info, start)[0], start + 4, 4
        if length == 0xFFFFFFFF:
            length, at, size = unpack_from("<Q", self.info, at)[0], at + 8, 8
        end = at + length
        version = unpack_from("<H", self.info, at)[0]
        at += 2
        kind = 1
        if version >= 5:
            kind = self.info[at]
            at += 2
        table = int.from_bytes(self.info[at : at + size], "little")
        at += size + (0 if version >= 5 else 1)
        supplement = self.sections.supplement
        sections = supplement if supplement is not None and start >= supplement.start else self.sections
        if start >= self._types_at and sections is self.sections:
            kind = 2
        signature, type_at, split_id = 0, 0, 0
        if kind in (4, 5):  # a skeleton, and what belongs to it
            split_id = unpack_from("<Q", self.info, at)[0]
        if kind in (2, 6):  # a type unit, perhaps of a split file
            signature = unpack_from("<Q", self.info, at)[0]
            type_at = start + int.from_bytes(self.info[at + 8 : at + 8 + size], "little")
        at += {4: 8, 5: 8, 2: 8 + size, 6: 8 + size}.get(kind, 0)  # skeleton and type units have more in their header
        package = self.packages.get(start, {})
        abbreviations = self._abbreviations(sections, table + package.get(ABBREVIATIONS, 0))
        unit = Unit(start, end, at, version, size, sections, abbreviations)
        header = 2 * size if version >= 5 else 0
        lists = 8 + size if version >= 5 else 0
        unit.bases = {
            "str_offsets": header + package.get(STRING_OFFSETS, 0),
            "addr": header,
            "loclists": lists + package.get(LOCATION_LISTS, 0),
            "rnglists": lists + (package.get(RANGE_LISTS, 0) if version >= 5 else 0),
        }
        unit.signature, unit.type_at, unit.split_id = signature, type_at, split_id
        root = self.entry(unit, at)
        if root is not None:
            unit.split_id = root.number(AT_GNU_DWO_ID, split_id)
            unit.bases["str_offsets"] = root.number(AT_STR_OFFSETS_BASE, unit.bases["str_offsets"])
            unit.bases["addr"] = root.number(AT_ADDR_BASE, root.number(AT_GNU_ADDR_BASE, unit.bases["addr"]))
            unit.bases["loclists"] = root.number(AT_LOCLISTS_BASE, unit.bases["loclists"])
            unit.bases["rnglists"] = root.number(AT_RNGLISTS_BASE, unit.bases["rnglists"])
        return unit

    def _abbreviations(self, sections: forms.Sections, start: int) -> Abbreviations:
        """The table at an offset of a file's .debug_abbrev."""
        known = self._abbreviation_tables.get((sections.start, start))
        if known is not None:
            return known
        data, at = sections.abbreviations, start
        table: Abbreviations = {}
        while True:
            code, at = forms.uleb(data, at)
            if not code:
                break
            tag, at = forms.uleb(data, at)
            children = bool(data[at])
            at += 1
            rows = []
            while True:
                attribute, at = forms.uleb(data, at)
                form, at = forms.uleb(data, at)
                constant = 0
                if form == forms.IMPLICIT_CONST:
                    constant, at = forms.sleb(data, at)
                if not attribute and not form:
                    break
                rows.append((attribute, form, constant))
            table[code] = (tag, children, rows)
        self._abbreviation_tables[sections.start, start] = table
        return table

    def entry(self, unit: Unit, at: int) -> Entry | None:
        """The entry at `at`, None for the null entry that ends a list of siblings."""
        start = at
        try:
            code, at = forms.uleb(self.info, at)
            if not code:
                return None
            tag, children, rows = unit.abbreviations[code]
            attributes: dict[int, Any] = {}
            for attribute, form, constant in rows:
                value, at = forms.read(self.info, at, form, unit, constant)
                attributes[attribute] = value
        except DAMAGE as problem:
            raise DwarfError(self.elf.path, problem) from None
        return Entry(start, tag, attributes, children, at)

    def form_of(self, unit: Unit, at: int, wanted: int) -> int:
        """The form in which the entry at `at` writes an attribute, 0 if it has none."""
        code, _ = forms.uleb(self.info, at)
        return next((form for attribute, form, _ in unit.abbreviations[code][2] if attribute == wanted), 0)

    def children(self, unit: Unit, parent: Entry) -> Iterator[Entry]:
        """The entries directly below `parent`."""
        if not parent.has_children:
            return
        at = parent.end
        while at < unit.end:
            entry = self.entry(unit, at)
            if entry is None:
                return
            yield entry
            at = self._behind(unit, entry)

    def _behind(self, unit: Unit, entry: Entry) -> int:
        """Where the next sibling begins."""
        if not entry.has_children:
            return entry.end
        sibling = entry.attributes.get(1)
        if isinstance(sibling, int) and sibling >= entry.end:
            return sibling
        at, depth = entry.end, 1
        while depth and at < unit.end:
            inner = self.entry(unit, at)
            if inner is None:
                depth -= 1
                at += 1
            else:
                depth += inner.has_children
                at = inner.end
        return at

    def _unit_of(self, offset: int) -> Unit:
        low, high = 0, len(self.units)
        while high - low > 1:
            middle = (low + high) // 2
            if self.units[middle].offset <= offset:
                low = middle
            else:
                high = middle
        return self.units[low]

    def at(self, offset: int) -> tuple[Unit, Entry] | None:
        """The entry at an offset, or in the type unit that it means: what only declares such a type stands for it."""
        if isinstance(offset, forms.Signature):
            offset = self._type_units.get(int(offset), -1)
        if not 0 <= offset < len(self.info):
            return None
        unit = self._unit_of(offset)
        entry = self.entry(unit, offset)
        if entry is not None and isinstance(entry.attributes.get(AT_SIGNATURE), forms.Signature):
            return self.at(entry.attributes[AT_SIGNATURE])
        return None if entry is None else (unit, entry)

    @cached_property
    def _type_units(self) -> dict[int, int]:
        """The offset of each type that has a unit of its own, by signature."""
        return {unit.signature: unit.type_at for unit in self.units if unit.signature}

    def root(self, unit: Unit) -> Entry | None:
        return self.entry(unit, unit.first)

    def inherited(self, entry: Entry, number: int) -> Any:
        """An attribute, or that of the declaration or abstract instance that the entry refers to."""
        for _ in range(8):
            if number in entry.attributes:
                return entry.attributes[number]
            origin = entry.attributes.get(AT_ABSTRACT_ORIGIN, entry.attributes.get(AT_SPECIFICATION))
            found = self.at(origin) if isinstance(origin, int) else None
            if found is None:
                return None
            entry = found[1]
        return None

    def definitions(self, name: str, tags: tuple[int, ...]) -> Iterator[tuple[Unit, Entry]]:
        """The types of that name with one of the tags that a unit of this file defines, also in C++ namespaces that are
        part of the name."""
        if not self.may_name(name.rpartition("::")[2]):
            return
        for unit in self.units:
            root = self.root(unit)
            if root is not None:
                yield from self._defined_in(unit, root, name, tags)

    def _defined_in(self, unit: Unit, parent: Entry, name: str, tags: tuple[int, ...]) -> Iterator[tuple[Unit, Entry]]:
        outer, _, inner = name.partition("::")
        for entry in self.children(unit, parent):
            if entry.tag in tags and entry.text(AT_NAME) == name and AT_DECLARATION not in entry.attributes:
                yield unit, entry
            elif inner and entry.text(AT_NAME) == outer and (entry.tag == TAG_NAMESPACE or entry.tag in AGGREGATES):
                yield from self._defined_in(unit, entry, inner, tags)

    def may_name(self, name: str) -> bool:
        """Whether a name is written anywhere in the debug information, without decoding it."""
        found = self._named.get(name)
        if found is None:  # asked for each unit; megabytes are searched
            text = name.encode("latin-1") + b"\0"
            shared = self.sections.supplement
            found = text in self.sections.strings or text in self.info or bool(shared and text in shared.strings)
            self._named[name] = found
        return found

    @cached_property
    def types(self) -> Types:
        from pytrace.runtime.dwarf_types import Types

        return Types(self)

    # parts of a program ---------------------------------------------------------
    def whole(self, unit: Unit) -> tuple[Reader, Unit, Entry] | None:
        """A unit with its root entry and the reader that has both: of the split file, for a skeleton that has one."""
        root = self.root(unit)
        if root is None:
            return None
        name = root.text(AT_DWO_NAME) or root.text(AT_GNU_DWO_NAME)
        if not name:
            return self, unit, root
        from pytrace.runtime.dwarf_split import open_split

        found = open_split(self.elf.path, name, root.text(AT_COMP_DIR), self._splits)
        part = found.part(unit) if found is not None else None
        if found is None or part is None:
            self.missing.append(name)
            return self, unit, root
        found.program, found.sections.addresses = self.elf.path, self.sections.addresses
        return found, part, found.root(part) or root

    def part(self, skeleton: Unit) -> Unit | None:
        """The unit of this split file that belongs to a skeleton."""
        units = [u for u in self.units if u.split_id == skeleton.split_id and not u.signature]
        if not units:
            return None
        units[0].bases["addr"] = skeleton.bases["addr"]
        return units[0]

    def unit_at(self, address: int) -> Unit | None:
        """The unit that covers an address, by .debug_aranges."""
        data, at = self.section(".debug_aranges"), 0
        while at + 16 <= len(data):
            length = unpack_from("<I", data, at)[0]
            offset = unpack_from("<I", data, at + 6)[0]
            for pair in range(at + 16, at + 4 + length, 16):
                begin, size = unpack_from("<QQ", data, pair)
                if begin <= address < begin + size:
                    return self._unit_of(int(offset))
            at += 4 + length
        return None
