"""Where the parameters of a function are when it is entered: the System V calling convention of x86_64, section 3.2.3.

Place in the pipeline: under `runtime.dwarf_reader`.  In: the types of the parameters and of the result.  Out: a place
for each.  What a newcomer would get wrong: parameter number N need not be in
register number N.  A struct of 16 bytes takes two of them, a number with a fraction none, a big struct lies on the
stack, and a result that does not fit in registers makes the first of them the address where it is to go.
"""

from __future__ import annotations

from pytrace.location import READ, Location, Piece, plus, register
from pytrace.runtime import dwarf_reader as dw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.location import Formula
    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit

IN_VECTOR = "it is in a vector register, which a probe does not get"
_INTEGER_REGISTERS = ("di", "si", "dx", "cx", "r8", "r9")
_VECTOR_REGISTERS = 8
_RETURN_ADDRESS = 8
"""What lies between the stack pointer and the first parameter on the stack."""

_NONE, _INTEGER, _VECTOR, _MEMORY, _REFERENCE = range(5)
"""Classes of eight bytes, in the order in which a later one prevails; a reference to a copy stands for the whole."""

_FLOAT, _COMPLEX = 4, 3  # DW_ATE_*
_UNSPECIFIED, _MEMBER_POINTER = 0x3B, 0x1F  # DW_TAG_*
_BY_REFERENCE, _BY_VALUE = 4, 5  # DW_CC_pass_by_*
_CONTAINING_TYPE, _ARTIFICIAL, _DEFAULTED = 0x1D, 0x34, 0x8B  # DW_AT_*
_X87 = ("long double", "_Float64x")


def places(reader: Reader, parameters: Iterable[int | None], result: int | None) -> list[Location]:
    """Where each of the parameters is, whose types are at these offsets."""
    returned = _classes(reader, result) if result is not None else []
    integers, vectors, stack = int(returned[:1] in ([_MEMORY], [_REFERENCE])), 0, _RETURN_ADDRESS
    found = []
    for offset in parameters:
        classes, size = _classes(reader, offset), reader.types.size(offset)
        if classes == [_REFERENCE] and integers < len(_INTEGER_REGISTERS):
            found.append(_in_memory(size, register(_INTEGER_REGISTERS[integers])))
            integers += 1
            continue
        wanted, others = classes.count(_INTEGER), classes.count(_VECTOR)
        fits = integers + wanted <= len(_INTEGER_REGISTERS) and vectors + others <= _VECTOR_REGISTERS
        if classes[:1] in ([_MEMORY], [_REFERENCE]) or not fits:
            taken, align = (8, 8) if classes == [_REFERENCE] else _extent(reader, offset)
            stack = (stack - _RETURN_ADDRESS + align - 1) // align * align + _RETURN_ADDRESS
            address = plus(register("sp"), stack)
            found.append(_in_memory(size, (READ, 8, address) if classes == [_REFERENCE] else address))
            stack += (taken + 7) // 8 * 8
            continue
        pieces = []
        for n, kind in enumerate(classes):
            each = min(8, size - 8 * n)
            if kind == _INTEGER:
                pieces.append(Piece(each, register(_INTEGER_REGISTERS[integers])))
                integers += 1
            else:
                pieces.append(Piece(each, None, problem=IN_VECTOR))
                vectors += kind == _VECTOR
        found.append(Location(tuple(pieces)))
    return found


def _in_memory(size: int, address: Formula) -> Location:
    return Location((Piece(size, address, in_memory=True),))


def _resolved(reader: Reader, offset: int | None) -> tuple[Unit, Entry] | None:
    """What a type is behind its qualifiers and other names; None is void."""
    for _ in range(64):
        found = reader.at(offset) if isinstance(offset, int) else None
        if found is None or (found[1].tag != dw.TAG_TYPEDEF and found[1].tag not in dw.QUALIFIERS):
            return found
        offset = found[1].attributes.get(dw.AT_TYPE)
    return None


def _extent(reader: Reader, offset: int | None) -> tuple[int, int]:
    """Size of a type, and its alignment on the stack: 8, or 16."""
    t = reader.types.type(offset)
    size = reader.types.size(offset)
    return size, 16 if _is_wide(reader, offset) or t.align > 8 else 8


def _is_wide(reader: Reader, offset: int | None) -> bool:
    """Whether a basic type has 16 bytes, or a struct has a member that does."""
    found = _resolved(reader, offset)
    if found is None:
        return False
    unit, entry = found
    if entry.tag == dw.TAG_BASE:
        return entry.number(dw.AT_BYTE_SIZE) == 16 and entry.number(dw.AT_ENCODING) != _COMPLEX
    members = (c for c in reader.children(unit, entry) if c.tag == dw.TAG_MEMBER)
    return entry.tag in dw.AGGREGATES and any(_is_wide(reader, c.attributes.get(dw.AT_TYPE)) for c in members)


def _classes(reader: Reader, offset: int | None) -> list[int]:
    """The class of each of a type's eight bytes; [_MEMORY] or [_REFERENCE] for the whole, [] for an empty one."""
    found = _resolved(reader, offset)
    if found is None:
        return []
    if _by_reference(reader, *found):
        return [_REFERENCE]
    size = reader.types.size(offset)
    if size > 16 and found[1].tag != dw.TAG_BASE:
        return [_MEMORY]
    words = [_NONE] * ((size + 7) // 8)
    if not _classify(reader, found, 0, words):
        return [_MEMORY]
    if _MEMORY in words:
        return [_MEMORY]
    return [] if set(words) == {_NONE} else words


def _by_reference(reader: Reader, unit: Unit, entry: Entry) -> bool:
    """Whether C++ passes the address of a copy: of a class whose copies are more than their bytes.

    clang says so; gcc does not, and leaves it to the reader to know the language's rules (Itanium C++ ABI, 3.1.1)."""
    if entry.tag not in dw.AGGREGATES:
        return False
    said = entry.attributes.get(dw.AT_CALLING_CONVENTION)
    if said in (_BY_REFERENCE, _BY_VALUE):
        return bool(said == _BY_REFERENCE)
    if _CONTAINING_TYPE in entry.attributes:  # it has virtual functions
        return True
    name = entry.text(dw.AT_NAME).partition("<")[0]
    for child in reader.children(unit, entry):
        if child.tag == dw.TAG_SUBPROGRAM:
            if _copies_or_ends(reader, unit, child, name):
                return True
        elif child.tag in (dw.TAG_MEMBER, dw.TAG_INHERITANCE) and dw.AT_EXTERNAL not in child.attributes:
            inner = _resolved(reader, child.attributes.get(dw.AT_TYPE))
            if inner is not None and _by_reference(reader, *inner):
                return True
    return False


def _copies_or_ends(reader: Reader, unit: Unit, method: Entry, name: str) -> bool:
    """Whether a method is a destructor, or a constructor from the same class, that somebody has written."""
    if _ARTIFICIAL in method.attributes or method.attributes.get(_DEFAULTED) == 1:
        return False
    if method.text(dw.AT_NAME) == f"~{name}":
        return True
    if method.text(dw.AT_NAME) != name or not name:
        return False
    parameters = [c for c in reader.children(unit, method) if c.tag == dw.TAG_PARAMETER]
    if len(parameters) != 2:
        return False
    given = _resolved(reader, parameters[1].attributes.get(dw.AT_TYPE))
    if given is None or given[1].tag not in (dw.TAG_REFERENCE, dw.TAG_RVALUE_REFERENCE):
        return False
    referred = _resolved(reader, given[1].attributes.get(dw.AT_TYPE))
    return referred is not None and referred[1].text(dw.AT_NAME).partition("<")[0] == name


def _classify(reader: Reader, found: tuple[Unit, Entry], at: int, words: list[int]) -> bool:
    """Merge the class of what lies `at` bytes into a parameter into its words; False when it goes through memory."""
    unit, entry = found
    size = entry.number(dw.AT_BYTE_SIZE, 8)
    if entry.tag == dw.TAG_BASE:
        encoding = entry.number(dw.AT_ENCODING)
        if encoding in (_FLOAT, _COMPLEX) and any(name in entry.text(dw.AT_NAME) for name in _X87):
            return False
        kind = _VECTOR if encoding in (_FLOAT, _COMPLEX) else _INTEGER
        if encoding == _FLOAT and size == 16:  # __float128: one register, the second word belongs to it
            size = 8
        return _merge(words, at, size, kind)
    if entry.tag in dw.AGGREGATES:
        members = (c for c in reader.children(unit, entry) if c.tag in (dw.TAG_MEMBER, dw.TAG_INHERITANCE))
        return all(_classify_member(reader, c, at, words) for c in members if dw.AT_EXTERNAL not in c.attributes)
    if entry.tag == dw.TAG_ARRAY:
        element = _resolved(reader, entry.attributes.get(dw.AT_TYPE))
        each = reader.types.size(entry.attributes.get(dw.AT_TYPE))
        total = reader.types.size(entry.offset)
        return element is not None and all(
            _classify(reader, element, at + step, words) for step in range(0, total, each or total or 1)
        )
    return _merge(words, at, 16 if _is_method_pointer(reader, entry) else size, _INTEGER)


def _is_method_pointer(reader: Reader, entry: Entry) -> bool:
    if entry.tag != _MEMBER_POINTER:
        return False
    pointee = _resolved(reader, entry.attributes.get(dw.AT_TYPE))
    return pointee is not None and pointee[1].tag == dw.TAG_SUBROUTINE


def _classify_member(reader: Reader, child: Entry, at: int, words: list[int]) -> bool:
    field = reader.types.member(child)
    if field.bitfield is not None:
        first = field.offset * 8 + field.bitfield.shift
        return _merge(words, at + first // 8, max(1, field.bitfield.bits // 8), _INTEGER)
    inner = _resolved(reader, child.attributes.get(dw.AT_TYPE))
    return inner is None or _classify(reader, inner, at + field.offset, words)


def _merge(words: list[int], at: int, size: int, kind: int) -> bool:
    """False for what is not aligned: it goes through memory."""
    if size in (2, 4, 8) and at % size:
        return False
    for n in range(at // 8, min((at + max(size, 1) + 7) // 8, len(words))):
        words[n] = _INTEGER if _INTEGER in (words[n], kind) else max(words[n], kind)
    return True
