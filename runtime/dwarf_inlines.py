"""Functions that were inlined into others: where their code begins.

Place in the pipeline: under `runtime.dwarf`.  In: a reader, a name.  Out: `Instance`s.  What a
newcomer would get wrong: an inlined function's code may be in several pieces (DW_AT_ranges), of which the lowest is not
always where it begins; and its name is not in its own entry, but in the abstract instance that this refers to.
"""

from __future__ import annotations

from pytrace.record import record
from pytrace.runtime import dwarf_reader as dw
from pytrace.runtime.dwarf_lists import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit


@record
class Instance:
    """Code of a function inside of another: `entry` says of which, `function` is the one that it is in, None where that
    is not written.

    `owner` has the entries, `unit` is the one of them, `skeleton` what stands for it in the program (often itself)."""

    address: int
    owner: Reader
    unit: Unit
    skeleton: Unit
    entry: Entry
    function: Entry | None


def instances(reader: Reader, name: str) -> list[Instance]:
    """Each place where function `name` (plain, or as the linker has it) was inlined, by address."""
    found: dict[int, Instance] = {}
    for skeleton in reader.own_units:
        whole = reader.whole(skeleton)
        if whole is None or skeleton.signature:
            continue
        owner, unit, root = whole
        if owner.may_name(name) or reader.may_name(name):
            around: tuple[Entry | None, int] = None, 0
            for entry, depth in below(owner, unit, root):
                if depth <= around[1]:
                    around = None, 0
                if entry.tag == dw.TAG_SUBPROGRAM:
                    around = entry, depth
                elif entry.tag == dw.TAG_INLINED and name in _names(owner, entry):
                    start = _start(owner, reader, unit, skeleton, entry)
                    if start:
                        found.setdefault(start, Instance(start, owner, unit, skeleton, entry, around[0]))
    return [found[address] for address in sorted(found)]


def _names(reader: Reader, entry: Entry) -> tuple[object, object]:
    return reader.inherited(entry, dw.AT_NAME), reader.inherited(entry, dw.AT_LINKAGE_NAME)


def below(reader: Reader, unit: Unit, parent: Entry) -> Iterator[tuple[Entry, int]]:
    """All entries below one, in their order, each with how deep it is (1: its children)."""
    at, depth = parent.end, 1 if parent.has_children else 0
    while depth and at < unit.end:
        entry = reader.entry(unit, at)
        if entry is None:
            depth, at = depth - 1, at + 1
            continue
        yield entry, depth
        depth, at = depth + entry.has_children, entry.end


def _start(owner: Reader, program: Reader, unit: Unit, skeleton: Unit, entry: Entry) -> int:
    """The address of the first instruction of an inlined function, 0 where it has none."""
    low, entered = entry.number(dw.AT_LOW_PC), entry.number(dw.AT_ENTRY_PC)
    pieces = ranges(owner, program, unit, skeleton, entry)
    first = low or (pieces[0][0] if pieces else 0)
    if not entered:
        return first
    return entered if not first or entered >= first or any(a <= entered < b for a, b in pieces) else first + entered
