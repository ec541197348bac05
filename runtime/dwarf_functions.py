"""Functions of a program from its debug information: parameters, result, and where the parameters are.

Place in the pipeline: under `runtime.dwarf`.  In: a reader and a symbol's name.  Out: `target.Function`.  What a
newcomer would get wrong: what is written about a function may be spread over three entries (the code, the declaration
inside of its class, the abstract instance of one that is also inlined), each with a part of its attributes.
"""

from __future__ import annotations

from pytrace.runtime import dwarf_reader as dw
from pytrace.runtime.dwarf_calling import places
from pytrace.target import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit


def function(reader: Reader, name: str) -> Function | None:
    """Parameters and result of the function with that symbol name; None if it is not described."""
    for candidate in _candidates(reader, name):
        whole = reader.whole(candidate)
        if whole is None:
            continue
        found = _find(*whole, name)
        if found is not None:
            return _describe(whole[0], whole[1], found, name)
    return None


def _candidates(reader: Reader, name: str) -> list[Unit]:
    """The unit that has the symbol's address, or all."""
    for symbol in reader.elf.named(name):
        unit = reader.unit_at(symbol.address)
        if unit is not None:
            return [unit]
    return reader.own_units


def _find(reader: Reader, unit: Unit, parent: Entry, name: str) -> Entry | None:
    for entry in reader.children(unit, parent):
        if entry.tag == dw.TAG_SUBPROGRAM and (dw.AT_LOW_PC in entry.attributes or dw.AT_RANGES in entry.attributes):
            if name in (reader.inherited(entry, dw.AT_LINKAGE_NAME), reader.inherited(entry, dw.AT_NAME)):
                return entry
        elif entry.tag == dw.TAG_NAMESPACE:
            found = _find(reader, unit, entry, name)
            if found is not None:
                return found
    return None


def _describe(reader: Reader, unit: Unit, entry: Entry, name: str) -> Function:
    params, declarations, references = [], [], []
    for child in reader.children(unit, entry):
        if child.tag == dw.TAG_PARAMETER:
            reference = reader.inherited(child, dw.AT_TYPE)
            references.append(reference)
            params.append((str(reader.inherited(child, dw.AT_NAME) or ""), reader.types.type(reference)))
            declarations.append(reader.types.declaration(reference))
    result = reader.inherited(entry, dw.AT_TYPE)
    return Function(
        name,
        reader.elf.path,
        tuple(params),
        reader.types.type(result),
        (*declarations, reader.types.declaration(result)),
        tuple(places(reader, references, result)),
    )
