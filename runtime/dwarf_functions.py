"""Functions of a program from its debug information: parameters, result, and where the parameters are.

Place in the pipeline: under `runtime.dwarf`.  In: a reader and a symbol's name, or an inlined instance.  Out:
`target.Function`.  What a newcomer would get wrong: what is written about a function may be spread over three entries
(the code, the declaration inside of its class, the abstract instance of one that is also inlined), each with a part of
its attributes; and the calling convention says where parameters are, unless the compiler made a copy of the function
with others (`f.constprop.0`), or the program is already inside of it.
"""

from __future__ import annotations

from pytrace.runtime import dwarf_reader as dw
from pytrace.runtime.dwarf_calling import places
from pytrace.runtime.dwarf_lines import file_of_call, prologue_end
from pytrace.runtime.dwarf_lists import ranges
from pytrace.runtime.dwarf_locations import GONE, Place, listed, location, nowhere
from pytrace.target import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytrace.location import Formula, Location
    from pytrace.runtime.dwarf_inlines import Instance
    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit

    Frame = Callable[[int], Formula | None]

_NO_CALL = 3
"""DW_CC_nocall: parameters are not where the convention has them."""


def function(reader: Reader, name: str, address: int | None, frame: Frame) -> Function | None:
    """The function with that symbol name, its parameters where they are on entry or at an address in it; None if it is
    not described."""
    starts = {symbol.address for symbol in reader.elf.named(name)}
    for candidate in _candidates(reader, starts):
        whole = reader.whole(candidate)
        if whole is None:
            continue
        owner, unit, root = whole
        found = _find(owner, unit, root, starts, name)
        if found is None:
            continue
        pieces = ranges(owner, reader, unit, candidate, found)
        entry = found.number(dw.AT_LOW_PC) or (pieces[0][0] if pieces else 0)
        place = Place(owner, unit, reader, candidate, found, entry if address is None else address, entry, frame)
        return _described(place, found, name, _on_the_way)
    return None


def inlined(reader: Reader, instance: Instance, name: str, frame: Frame) -> Function:
    """What was inlined, its parameters where they are when its code begins."""
    around = instance.function or instance.entry
    place = Place(
        instance.owner, instance.unit, reader, instance.skeleton, around, instance.address,
        around.number(dw.AT_LOW_PC), frame,
    )  # fmt: skip
    return _described(place, instance.entry, name, _inside)


def where_inlined(reader: Reader, instance: Instance) -> str:
    """`in first (inlined.c:18)`."""
    around = _names(instance.owner, instance.function)[0] if instance.function is not None else None
    file, line = file_of_call(reader, instance.skeleton, instance.entry)
    return f"in {around or f'{instance.address:#x}'}" + (f" ({file}:{line})" if file else "")


def _candidates(reader: Reader, starts: set[int]) -> list[Unit]:
    """The unit that has the symbol's address, or all."""
    for address in starts:
        unit = reader.unit_at(address)
        if unit is not None:
            return [unit]
    return reader.own_units


def _names(reader: Reader, entry: Entry) -> tuple[object, object]:
    return reader.inherited(entry, dw.AT_NAME), reader.inherited(entry, dw.AT_LINKAGE_NAME)


def _find(reader: Reader, unit: Unit, root: Entry, starts: set[int], name: str) -> Entry | None:
    """The code at one of the addresses, else the first of that name: code in several pieces has no single beginning."""
    named = None
    for entry in _with_code(reader, unit, root):
        if entry.number(dw.AT_LOW_PC) in starts:
            return entry
        if named is None and name in _names(reader, entry):
            named = entry
    return named


def _with_code(reader: Reader, unit: Unit, parent: Entry) -> Iterator[Entry]:
    """The functions of a unit that are more than declarations."""
    for entry in reader.children(unit, parent):
        if entry.tag == dw.TAG_SUBPROGRAM and (dw.AT_LOW_PC in entry.attributes or dw.AT_RANGES in entry.attributes):
            yield entry
        elif entry.tag == dw.TAG_NAMESPACE:
            yield from _with_code(reader, unit, entry)


# ---------------------------------------------------------------- parameters


def _described(
    place: Place, entry: Entry, name: str, locate: Callable[[Place, Entry, str, list[_Parameter]], list[Location]]
) -> Function:
    reader = place.owner
    parameters = _parameters(reader, place.unit, entry)
    result = reader.inherited(entry, dw.AT_TYPE)
    return Function(
        name,
        reader.elf.path,
        tuple((p.name, reader.types.type(p.type)) for p in parameters),
        reader.types.type(result),
        (*(reader.types.declaration(p.type) for p in parameters), reader.types.declaration(result)),
        tuple(locate(place, entry, name, parameters)),
    )


class _Parameter:
    """`entry` has its location; None where only the abstract instance knows it."""

    def __init__(self, reader: Reader, said: Entry, entry: Entry | None) -> None:
        self.name = str(reader.inherited(said, dw.AT_NAME) or "")
        self.type = reader.inherited(said, dw.AT_TYPE)
        self.size = reader.types.size(self.type)
        self.entry = entry


def _parameters(reader: Reader, unit: Unit, entry: Entry) -> list[_Parameter]:
    """As they were declared: code may have fewer than the abstract instance that it was made from."""
    own = [c for c in reader.children(unit, entry) if c.tag == dw.TAG_PARAMETER]
    origin = reader.at(entry.number(dw.AT_ABSTRACT_ORIGIN, -1))
    declared = [c for c in reader.children(*origin) if c.tag == dw.TAG_PARAMETER] if origin is not None else []
    if not declared:
        return [_Parameter(reader, c, c) for c in own]
    by_origin = {c.attributes.get(dw.AT_ABSTRACT_ORIGIN): c for c in own}
    return [_Parameter(reader, c, by_origin.get(c.offset)) for c in declared]


def _on_the_way(place: Place, entry: Entry, name: str, parameters: list[_Parameter]) -> list[Location]:
    """Of a function that was called: by the convention until its code has moved them, then where it says."""
    reader = place.owner
    said = [_location(place, p) for p in parameters]
    if place.address == place.entry:
        usual = places(reader, [p.type for p in parameters], reader.inherited(entry, dw.AT_TYPE))
        copied = "." in name and name not in _names(reader, entry)
        altered = copied or entry.number(dw.AT_CALLING_CONVENTION) == _NO_CALL
        return [
            own if altered or (listed(p.entry) and own.complete) else convention
            for p, own, convention in zip(parameters, said, usual, strict=True)
        ]
    if not any(listed(p.entry) for p in parameters):
        end = prologue_end(place.program, place.skeleton, place.entry)
        if place.address < end:  # not optimised: they are on their way from where they came to where they stay
            return places(reader, [p.type for p in parameters], reader.inherited(entry, dw.AT_TYPE))
    return said


def _inside(place: Place, entry: Entry, name: str, parameters: list[_Parameter]) -> list[Location]:
    return [_location(place, p) for p in parameters]


def _location(place: Place, parameter: _Parameter) -> Location:
    if parameter.entry is None:
        return nowhere(parameter.size, GONE)
    return location(place, parameter.entry, parameter.size)
