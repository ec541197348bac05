"""What an address of a program is in its source: the functions it is in, inlined ones too, each with file and line.

Place in the pipeline: under `runtime.symbols`, when stacks show debug information (`show_debug_info`).  In: a program
with debug information, addresses.  Out: frames, the innermost first.  What a newcomer would get wrong: the line table
knows the line of the innermost frame only; where each outer one stands is written at the function inlined into it, as
the place of the call.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from pytrace.runtime import dwarf_reader as dw
from pytrace.runtime.dwarf_inlines import below
from pytrace.runtime.dwarf_lines import header, places
from pytrace.runtime.dwarf_lists import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.dwarf_lines import Program
    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit


class Frame(NamedTuple):
    """`name` as the linker has it; `file` "" where it is not known."""

    name: str
    file: str
    line: int


class _Scope(NamedTuple):
    """A function or an inlined one: from `low` to `high`, called in (file number, line) of the one around it."""

    low: int
    high: int
    name: str
    called: tuple[int, int]


class _Unit:
    """What is known of one unit: its functions from the outside in, and its lines by address."""

    def __init__(self, scopes: list[_Scope], program: Program | None, lines: list[tuple[int, int, int]]) -> None:
        self._scopes = scopes
        self._program = program
        self._lines = lines

    def frames(self, address: int) -> list[Frame]:
        around = [s for s in self._scopes if s.low <= address < s.high]
        at = bisect_right(self._lines, address, key=_address) - 1
        place = self._lines[at][1:] if at >= 0 else (0, 0)
        found = []
        for scope in reversed(around):  # an inner scope comes behind the one that it is in
            found.append(Frame(scope.name, self._file(place[0]), place[1]))
            place = scope.called
        return found

    def _file(self, number: int) -> str:
        files = self._program.files if self._program else []
        return files[number] if 0 < number < len(files) or (number == 0 and files and files[0]) else ""


class Frames:
    """The frames of one program; units are read when the first address in them is asked for."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._units: dict[int, _Unit] = {}
        self._ranges: list[tuple[int, int, Unit]] | None = None

    def at(self, address: int) -> list[Frame]:
        """The frames of an address, the innermost first; [] where nothing is known."""
        unit = self._reader.unit_at(address) or self._by_range(address)
        if unit is None:
            return []
        known = self._units.get(unit.offset)
        if known is None:
            known = self._units[unit.offset] = self._read(unit)
        return known.frames(address)

    def _by_range(self, address: int) -> Unit | None:
        """Without .debug_aranges: by what the units say of themselves."""
        if self._ranges is None:
            self._ranges = []
            for unit in self._reader.own_units:
                root = self._reader.root(unit)
                if root is not None and not unit.signature:
                    covered = ranges(self._reader, self._reader, unit, unit, root)
                    self._ranges += [(low, high, unit) for low, high in covered]
        return next((unit for low, high, unit in self._ranges if low <= address < high), None)

    def _read(self, skeleton: Unit) -> _Unit:
        whole = self._reader.whole(skeleton)
        if whole is None:
            return _Unit([], None, [])
        owner, unit, root = whole
        scopes = []
        for entry, _ in below(owner, unit, root):
            if entry.tag in (dw.TAG_SUBPROGRAM, dw.TAG_INLINED):
                covered = ranges(owner, self._reader, unit, skeleton, entry)
                called = (entry.number(dw.AT_CALL_FILE), entry.number(dw.AT_CALL_LINE))
                scopes += [_Scope(low, high, _name(owner, entry) if covered else "", called) for low, high in covered]
        top = self._reader.root(skeleton) or root
        if not isinstance(top.attributes.get(dw.AT_STMT_LIST), int):
            return _Unit(scopes, None, [])
        data = self._reader.section(".debug_line")
        program = header(skeleton, data, top.number(dw.AT_STMT_LIST), top.text(dw.AT_COMP_DIR))
        return _Unit(scopes, program, sorted(places(data, program), key=_in_order))


def _address(row: tuple[int, int, int]) -> int:
    return row[0]


def _in_order(row: tuple[int, int, int]) -> tuple[int, bool]:
    """By address, ends of code in front of what begins there; rows of one address stay as they are written."""
    return row[0], row[2] != 0


def _name(reader: Reader, entry: Entry) -> str:
    found = reader.inherited(entry, dw.AT_LINKAGE_NAME) or reader.inherited(entry, dw.AT_NAME)
    return found if isinstance(found, str) else ""
