"""Linking what imported BPF objects define behind the programs that call it (spec 01 §5).

Place in the pipeline: called by `codegen.assemble` for each linked program.  In: the calls that `codegen.object` left
open, the `BpfObject`s.  Out: the program with every imported function that it reaches, each once; the objects' maps and
data; one BTF of all.  What a newcomer would get wrong: the objects' functions are entered as *static* ones, whatever
they were: the verifier then follows each call with what it knows there, as if the function stood in the script, and
pointers can be passed.
"""

from __future__ import annotations

from struct import iter_unpack, pack, pack_into, unpack_from

from pytrace.codegen.object import CALL, LD_IMM64, PSEUDO_CALL, PSEUDO_FUNC, PSEUDO_KFUNC, Line, Linked
from pytrace.program import MapSpec, Relocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytrace.bpfobject import BpfObject, ObjectFunction, ObjectRelocation

RDONLY_PROG = 0x80
PREFIX = "extern:"
"""Of the symbols by which a script's programs call imported functions: `extern:OBJECT:NAME`."""


def symbol_of(number: int, name: str) -> str:
    return f"{PREFIX}{number}:{name}"


class Imports:
    """The imported objects of one script while its programs are put together."""

    def __init__(self, objects: Sequence[BpfObject], btf: bytes) -> None:
        self._objects = objects
        self.btf = btf
        self._first_ids: dict[int, tuple[int, int]] = {}
        self._maps: dict[str, MapSpec] = {}

    @property
    def maps(self) -> tuple[MapSpec, ...]:
        """What the linked functions refer to."""
        return tuple(self._maps.values())

    def complete(self, linked: Linked) -> None:
        """Append to `linked` what it calls, and close its open calls."""
        starts: dict[tuple[int, str], int] = {}
        calls = [(index, _target(name)) for index, name in linked.externs]
        placed: list[tuple[int, ObjectFunction, int]] = []
        waiting = [target for _, target in calls]
        while waiting:
            key = waiting.pop(0)
            if key in starts:
                continue
            function = self._objects[key[0]].functions[key[1]]
            starts[key] = len(linked.code) // 8
            placed.append((key[0], function, starts[key]))
            linked.code += function.code
            for item in function.relocations:
                target = self._function(key[0], item)
                if target is not None:
                    waiting.append(target)
        for index, target in calls:
            _point(linked, index, PSEUDO_CALL, starts[target])
        for number, function, start in placed:
            self._place(linked, number, function, start, starts)

    def _function(self, number: int, item: ObjectRelocation) -> tuple[int, str] | None:
        """The function that a relocation refers to, if it is one of the objects'."""
        if item.kind in ("function", "callback"):
            return number, item.name
        if item.kind == "extern":
            for other, found in enumerate(self._objects):
                function = found.functions.get(item.name)
                if function is not None and function.exported:
                    return other, item.name
        return None

    def _place(
        self, linked: Linked, number: int, function: ObjectFunction, start: int, starts: dict[tuple[int, str], int]
    ) -> None:
        first_type, first_text = self._types_of(number)
        for item in function.relocations:
            self._apply(linked, number, item, start + item.index, starts)
        linked.functions.append((start, first_type + function.btf_id))
        lines = [
            Line(start + row.index, row.file, row.line, row.column, row.text) for row in function.lines if row.line
        ]
        if not lines or lines[0].index != start:
            lines.insert(0, Line(start, self._objects[number].path, 1, 1, function.name))  # the kernel wants one there
        linked.lines += lines
        linked.core += [
            (start + row.index, first_type + row.type_id, first_text + row.access, row.kind) for row in function.core
        ]

    def _apply(
        self, linked: Linked, number: int, item: ObjectRelocation, index: int, starts: dict[tuple[int, str], int]
    ) -> None:
        target = self._function(number, item)
        if target is not None:
            callback = item.kind == "callback"
            _point(linked, index, PSEUDO_FUNC if callback else PSEUDO_CALL, starts[target])
            if callback:
                linked.relocations.append(Relocation(index, "func", item.name))
        elif item.kind == "kfunc":
            (registers,) = unpack_from("<B", linked.code, index * 8 + 1)
            pack_into("<B", linked.code, index * 8 + 1, registers & 15 | PSEUDO_KFUNC << 4)
            linked.relocations.append(Relocation(index, "kfunc", item.name))
        elif item.kind == "map":
            linked.relocations.append(Relocation(index, "map", self._map(number, item.name)))
        elif item.kind == "data":
            linked.relocations.append(Relocation(index, "data", self._data(number, item.name), item.addend))
        else:
            linked.relocations.append(Relocation(index, item.kind, item.name, item.addend))

    def _map(self, number: int, name: str) -> str:
        full = f"import{number}.{name}"
        if full not in self._maps:
            found = next(m for m in self._objects[number].maps if m.name == name)
            self._maps[full] = MapSpec(
                full, found.kind, found.key_size, found.value_size, found.max_entries, found.flags, storage="imported"
            )
        return full

    def _data(self, number: int, section: str) -> str:
        full = f"import{number}{section}"
        if full not in self._maps:
            found = next(d for d in self._objects[number].data if d.name == section)
            flags = RDONLY_PROG if found.constant else 0
            self._maps[full] = MapSpec(
                full, "array", 4, len(found.content), 1, flags, storage="imported", initial=found.content
            )
        return full

    def _types_of(self, number: int) -> tuple[int, int]:
        """(what to add to the object's type ids, to its string offsets), its types entered if they were not."""
        if number not in self._first_ids:
            self.btf, *moved = joined(self.btf, self._objects[number].btf)
            self._first_ids[number] = moved[0], moved[1]
        return self._first_ids[number]


def _target(symbol: str) -> tuple[int, str]:
    number, _, name = symbol.removeprefix(PREFIX).partition(":")
    return int(number), name


def _point(linked: Linked, index: int, source: int, target: int) -> None:
    """Make instruction `index` refer to the function at `target`, relative to what follows it."""
    opcode, registers = unpack_from("<BB", linked.code, index * 8)
    assert opcode in (CALL, LD_IMM64)
    pack_into("<B", linked.code, index * 8 + 1, registers & 15 | source << 4)
    pack_into("<i", linked.code, index * 8 + 4, target - index - 1)


# ---------------------------------------------------------------- BTF

_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT = range(1, 12)
_FUNC, _PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64 = range(12, 20)
_FIXED = {_INT: 4, _ARRAY: 12, _VAR: 4, _DECL_TAG: 4}
_EACH = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _PROTO: 8, _DATASEC: 12, _ENUM64: 12}
_REFERRING = frozenset((_PTR, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _FUNC, _TYPE_TAG))
_EXTERN = 2


def joined(base: bytes, more: bytes) -> tuple[bytes, int, int]:
    """`base` with the types of `more` behind its own; what was added to the ids and to the offsets of strings.

    What the loader of an object would have to complete first (variables, sections, declarations of functions that lie
    elsewhere) becomes a nameless `const void`, so that ids stay in their order.
    """
    header, type_at, type_size, text_at, text_size = unpack_from("<5I", base, 4)
    types = bytearray(base[header + type_at : header + type_at + type_size])
    texts = base[header + text_at : header + text_at + text_size]
    first = _count(types)
    header, type_at, type_size, text_at, text_size = unpack_from("<5I", more, 4)
    added = more[header + type_at : header + type_at + type_size]
    types += _moved(added, first, len(texts))
    texts += more[header + text_at : header + text_at + text_size]
    head = pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(texts))
    return head + bytes(types) + texts, first, len(texts) - text_size


def _records(types: bytes) -> list[tuple[int, int, int]]:
    """(offset, kind, vlen) of each type."""
    found, at = [], 0
    while at < len(types):
        _, info, _ = unpack_from("<III", types, at)
        kind, vlen = info >> 24 & 31, info & 0xFFFF
        found.append((at, kind, vlen))
        at += 12 + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * vlen
    return found


def _count(types: bytes | bytearray) -> int:
    return len(_records(bytes(types)))


def _moved(types: bytes, ids: int, texts: int) -> bytes:
    """The records with all references moved."""
    out = bytearray()

    def type_id(number: int) -> int:
        return number + ids if number else 0

    def text(offset: int) -> int:
        return offset + texts if offset else 0

    for at, kind, vlen in _records(types):
        name, info, size = unpack_from("<III", types, at)
        tail = types[at + 12 : at + 12 + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * vlen]
        if kind in (_VAR, _DATASEC, _DECL_TAG) or (kind == _FUNC and vlen == _EXTERN):
            out += pack("<III", 0, _CONST << 24, 0)
            continue
        if kind == _FUNC:
            info &= ~0xFFFF  # static
        out += pack("<III", text(name), info, type_id(size) if kind in _REFERRING or kind == _PROTO else size)
        if kind == _ARRAY:
            element, index, count = unpack_from("<III", tail)
            tail = pack("<III", type_id(element), type_id(index), count)
        elif kind in (_STRUCT, _UNION):
            tail = b"".join(pack("<III", text(n), type_id(t), where) for n, t, where in iter_unpack("<III", tail))
        elif kind == _PROTO:
            tail = b"".join(pack("<II", text(n), type_id(t)) for n, t in iter_unpack("<II", tail))
        elif kind == _ENUM:
            tail = b"".join(pack("<Ii", text(n), v) for n, v in iter_unpack("<Ii", tail))
        elif kind == _ENUM64:
            tail = b"".join(pack("<III", text(n), low, high) for n, low, high in iter_unpack("<III", tail))
        out += tail
    return bytes(out)
