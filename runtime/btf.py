"""BTF, the kernel's own description of its types, as our types.

Place in the pipeline: below `runtime.machine`, which answers the compiler's questions with it; the loader asks it for
the ids of functions.  In: /sys/kernel/btf (or the file named by BPFTRACE_BTF).  Out: `types.Type` values whose
structs are resolved on demand, functions, C declarations.  What a newcomer would get wrong: nothing here walks the
150,000 types in Python.  libbpf knows where a type id lies (0.6 µs a question); a name is found by searching the
string table and then the types for its offset, both at the speed of memory, and the id by bisection.
"""

from __future__ import annotations

from os import environ
from struct import Struct as Layout
from struct import unpack_from

from pytrace import types
from pytrace.target import Function
from pytrace.types import Bitfield, Field, Space, StructLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.sys.libbpf import Dumper, Library
    from pytrace.types import Type

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO = range(1, 14)
VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(14, 20)
MODIFIERS = frozenset((TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG, DECL_TAG))
_TYPES = (TYPEDEF, INT, STRUCT, UNION, ENUM, ENUM64)
_TAGS = {"struct": (STRUCT,), "union": (UNION,), "enum": (ENUM, ENUM64)}
_TAIL = {INT: (4, 0), ARRAY: (12, 0), STRUCT: (0, 12), UNION: (0, 12), ENUM: (0, 8), FUNC_PROTO: (0, 8),
         VAR: (4, 0), DATASEC: (0, 12), DECL_TAG: (4, 0), ENUM64: (0, 12)}  # fmt: skip
"""Bytes behind the 12 common ones of a record: (fixed, for each of vlen)."""
_HEADER = Layout("<III")
_SEARCHES = 16
"""So many functions are looked for one by one (4 ms each for vmlinux) before an index (30 ms) is made."""
_C_SPELLINGS = {
    "unsigned": "unsigned int", "short": "short int", "unsigned short": "short unsigned int", "long": "long int",
    "unsigned long": "long unsigned int", "long long": "long long int", "unsigned long long": "long long unsigned int",
    "signed char": "signed char", "signed int": "int",
}  # fmt: skip
"""Spellings of the C basic types that BTF has only in one form."""


class BtfObject:
    """The BTF of vmlinux (`base` None) or of one module."""

    def __init__(self, lib: Library, handle: int, name: str, base: BtfObject | None = None) -> None:
        self.name = name
        self.base = base
        self.handle = handle
        self.lib = lib
        self._address, self.data = lib.raw(handle)
        header_size, type_at, self._type_size, string_at, self._string_size = unpack_from("<5I", self.data, 4)
        self._type_at = header_size + type_at
        self._string_at = header_size + string_at
        self.end = lib.type_count(handle)
        self.first = base.end if base else 1
        self._string_base: int = base.strings_end if base else 0
        self.strings_end: int = self._string_base + self._string_size
        self._where = lib.lib.btf__type_by_id
        self._types: dict[int, Type] = {}
        self._named: dict[str, dict[int, int]] = {}
        self._functions: dict[bytes, tuple[int, int]] | None = None
        self._searched = 0
        self._declarations: Dumper | None = None
        self.described = False
        """Whether the members of a struct, an enum's names or a function's parameters were asked for: what differs
        between kernels, other than that `pid_t` is an int."""

    # records --------------------------------------------------------------
    def at(self, type_id: int) -> int:
        """The offset of a type's record in `data`; only for ids of this object's own."""
        return int(self._where(self.handle, type_id)) - self._address

    def owner(self, type_id: int) -> BtfObject:
        return self.base if self.base and type_id < self.first else self

    def record(self, type_id: int) -> tuple[int, str, int, int, int]:
        """(kind, name, vlen, size or type, offset of what follows) of a type of this object's own."""
        at = self.at(type_id)
        name, info, size = _HEADER.unpack_from(self.data, at)
        return info >> 24 & 0x1F, self.string(name), info & 0xFFFF, size, at + 12

    def flag(self, type_id: int) -> bool:
        """kind_flag: bit-field sizes in the members of a struct, signedness of an enum."""
        return bool(_HEADER.unpack_from(self.data, self.at(type_id))[1] >> 31)

    def string(self, offset: int) -> str:
        if self.base and offset < self._string_base:
            return self.base.string(offset)
        begin = self._string_at + offset - self._string_base
        return self.data[begin : self.data.index(b"\0", begin)].decode("latin-1")

    def _string_offset(self, name: str) -> int | None:
        """The offset under which types refer to `name`; BTF has each string once."""
        found = self.data.find(b"\0" + name.encode("latin-1") + b"\0", self._string_at)
        if found >= 0:
            return int(found + 1 - self._string_at + self._string_base)
        return self.base._string_offset(name) if self.base else None

    # look-up ----------------------------------------------------------------
    def _places(self, name: str) -> Iterator[int]:
        """The offset of every word in the records that holds `name`, as a record's own or a member's."""
        offset = self._string_offset(name)
        if offset is None:
            return
        wanted, end = offset.to_bytes(4, "little"), self._type_at + self._type_size
        at = self.data.find(wanted, self._type_at, end)
        while at >= 0:
            if (at - self._type_at) % 4 == 0:
                yield at
            at = self.data.find(wanted, at + 1, end)

    def _id_at(self, offset: int) -> int:
        """The id of the type whose record holds byte `offset` (records lie in the order of their ids)."""
        low, high = self.first, self.end
        while high - low > 1:
            middle = (low + high) // 2
            if self.at(middle) <= offset:
                low = middle
            else:
                high = middle
        return low

    def find(self, name: str, kinds: tuple[int, ...]) -> int | None:
        """The id of the type called `name`; earlier kinds win."""
        found = self._named.get(name)
        if found is None:  # type rules ask for the same name in every round of inference
            found = self._named[name] = {}
            for offset in self._places(name):
                kind = self.data[offset + 7] & 0x1F
                if kind:  # of a member it would be the highest byte of its type's id: 0
                    type_id = self._id_at(offset)
                    if self.at(type_id) == offset:
                        found.setdefault(kind, type_id)
        return next((found[kind] for kind in kinds if kind in found), None)

    def find_enumerator(self, name: str) -> tuple[int, int] | None:
        """(id of the enum, value) of an enumerator."""
        for offset in self._places(name):
            type_id = self._id_at(offset)
            kind, _, _, _, tail = self.record(type_id)
            step = {ENUM: 8, ENUM64: 12}.get(kind)
            if step and offset >= tail and (offset - tail) % step == 0:
                self.described = True
                return type_id, _enum_value(self.data, offset, kind, self.flag(type_id))
        return None

    def named(self, name: str, tag: str = "") -> Type | None:
        """The type called `name`: with a tag a struct, union or enum, with "" typedefs and basic types first."""
        kinds = _TAGS.get(tag, ()) if tag else _TYPES
        for spelling in (name,) if tag else (name, _C_SPELLINGS.get(name, name)):
            type_id = self.find(spelling, kinds)
            if type_id is not None:
                return self.type(type_id)
        return None

    def enumerator(self, name: str) -> tuple[types.Enum, int] | None:
        found = self.find_enumerator(name)
        if found is None:
            return None
        enum = self.type(found[0])
        if not isinstance(enum, types.Enum):  # an enum without a name
            enum = types.Enum("", enum.size * 8, isinstance(enum, types.Int) and enum.signed)
        return enum, found[1]

    def walk(self) -> Iterator[tuple[int, int, int, int]]:
        """(id, kind, name offset, record offset) of each type, in order.  For listings: 60 ms for vmlinux."""
        at, unpack, data, tails = self._type_at, _HEADER.unpack_from, self.data, _TAIL
        for type_id in range(self.first, self.end):
            name, info, _ = unpack(data, at)
            kind = info >> 24 & 0x1F
            yield type_id, kind, name, at
            fixed, each = tails.get(kind, (0, 0))
            at += 12 + fixed + each * (info & 0xFFFF)

    # types -------------------------------------------------------------------
    def type(self, type_id: int) -> Type:
        """The type with that id, qualifiers and typedefs resolved."""
        if type_id == 0:
            return types.VOID
        if self.base and type_id < self.first:
            return self.base.type(type_id)
        known = self._types.get(type_id)
        if known is None:
            known = self._types[type_id] = self._convert(type_id)
        return known

    def _convert(self, type_id: int) -> Type:
        kind, name, vlen, size, tail = self.record(type_id)
        if kind in MODIFIERS:
            return self.type(size)
        if kind == PTR:
            return types.Pointer(self.type(self.skip_tags(size)[0]))
        if kind in (STRUCT, UNION):
            tag = "struct" if kind == STRUCT else "union"
            return types.Struct(tag, name or f"(anonymous {self.name} {type_id})", lambda: self._layout(type_id))
        if kind == FWD:
            return types.Struct("union" if self.flag(type_id) else "struct", name, None)
        if kind == INT:
            return _integer(unpack_from("<I", self.data, tail)[0])
        if kind == ARRAY:
            return self._array(tail)
        if kind in (ENUM, ENUM64):
            return self._enum(type_id, name, kind, vlen, size, tail)
        if kind == FUNC_PROTO:
            return types.VOID  # a pointer to a function is an address
        return types.NONE  # FLOAT and what newer kernels may add: not accessible

    def _array(self, tail: int) -> Type:
        element, _, length = unpack_from("<3I", self.data, tail)
        inner = self.type(element)
        if isinstance(inner, types.Int) and inner.bits == 8:
            return types.String(length)
        return types.Array(inner, length)

    def _enum(self, type_id: int, name: str, kind: int, vlen: int, size: int, tail: int) -> Type:
        signed = self.flag(type_id)
        if not name:
            return types.Int(size * 8, signed)
        step = 8 if kind == ENUM else 12
        variants = tuple(
            (self.string(unpack_from("<I", self.data, at)[0]), _enum_value(self.data, at, kind, signed))
            for at in range(tail, tail + vlen * step, step)
        )
        return types.Enum(name, size * 8, signed, variants)

    def skip_tags(self, type_id: int) -> tuple[int, str]:
        """(the id behind the type tags, the first of them) of a pointee."""
        tag = ""
        while type_id:
            owner = self.owner(type_id)
            kind, name, _, target, _ = owner.record(type_id)
            if kind != TYPE_TAG:
                break
            tag, type_id = tag or name, target
        return type_id, tag

    def _layout(self, type_id: int) -> StructLayout:
        self.described = True
        _, _, vlen, size, tail = self.record(type_id)
        bitfields = self.flag(type_id)
        fields = []
        for at in range(tail, tail + vlen * 12, 12):
            name, member, where = unpack_from("<3I", self.data, at)
            bits, bit_offset = (where >> 24, where & 0xFFFFFF) if bitfields else (0, where)
            fields.append(self._field(self.string(name), member, bit_offset, bits))
        align = max((f.type.align for f in fields if not f.bitfield), default=1)
        return StructLayout(size, align if size % align == 0 else 1, tuple(fields))

    def _field(self, name: str, type_id: int, bit_offset: int, bits: int) -> Field:
        t = self.type(type_id)
        offset, bitfield = bit_offset // 8, None
        if bits:
            # read the declared type's own storage unit where the bits lie inside one, so that no byte behind is touched
            unit = t.size or 4
            start = offset // unit * unit
            if bit_offset - start * 8 + bits > unit * 8:
                start = offset
            offset, bitfield = start, Bitfield(bit_offset - start * 8, bits)
        tag = self.pointer_tag(type_id) if isinstance(t, types.Pointer) else ""
        return Field(name, t, offset, bitfield, space=Space.USER if tag == "user" else "", tag=tag)

    def pointer_tag(self, type_id: int) -> str:
        """The type tag of what a pointer type (behind qualifiers) points to."""
        while type_id:
            owner = self.owner(type_id)
            kind, _, _, target, _ = owner.record(type_id)
            if kind == PTR:
                return owner.skip_tags(target)[1]
            if kind not in MODIFIERS:
                break
            type_id = target
        return ""

    # functions ---------------------------------------------------------------
    def function_id(self, name: str) -> int | None:
        """The id of a function: the first ones are searched for, from then on there is an index of all."""
        if self._functions is None:
            self._searched += 1
            if self._searched <= _SEARCHES:
                return self.find(name, (FUNC,))
        found = self._indexed(name)
        return found[0] if found else None

    def parameter_count(self, name: str) -> int | None:
        """The fewest of the functions of that name; None if there is none."""
        found = self._indexed(name)
        return found[1] if found else None

    def _indexed(self, name: str) -> tuple[int, int] | None:
        if self._functions is None:
            self._functions = self._function_index()
        return self._functions.get(name.encode("latin-1"))

    def _function_index(self) -> dict[bytes, tuple[int, int]]:
        """(id, number of parameters) of all functions: of the first of a name, and of the one with the fewest.  As
        `walk` and `string` do it, but for their calls: half the time."""
        names: dict[int, list[int]] = {}
        counts: dict[int, int] = {}
        at, unpack, data, tails = self._type_at, _HEADER.unpack_from, self.data, _TAIL
        for type_id in range(self.first, self.end):
            name, info, proto = unpack(data, at)
            kind = info >> 24 & 0x1F
            at += 12
            if kind == FUNC:
                names.setdefault(name, [type_id]).append(proto)
            elif kind in tails:
                fixed, each = tails[kind]
                at += fixed + each * (info & 0xFFFF)
                if kind == FUNC_PROTO:
                    counts[type_id] = info & 0xFFFF
        index: dict[bytes, tuple[int, int]] = {}
        shift = self._string_at - self._string_base
        for offset, (type_id, *protos) in names.items():
            count = min(counts[proto] if proto in counts else self.owner(proto).record(proto)[2] for proto in protos)
            if offset < self._string_base:
                index.setdefault(self.string(offset).encode("latin-1"), (type_id, count))
            else:
                begin = offset + shift
                index.setdefault(data[begin : data.index(b"\0", begin)], (type_id, count))
        return index

    def function(self, name: str, declarations: bool = False) -> Function | None:
        func_id = self.function_id(name)
        return None if func_id is None else self.function_at(func_id, declarations)

    def function_at(self, func_id: int, declarations: bool = False) -> Function:
        """The function of a FUNC record.  `declarations`: also each parameter's and the result's type in C."""
        self.described = True
        _, name, _, proto, _ = self.record(func_id)
        owner = self.owner(proto)
        _, _, vlen, result, tail = owner.record(proto)
        rows = [unpack_from("<2I", owner.data, tail + 8 * n) for n in range(vlen)]
        written: tuple[str, ...] = ()
        if declarations:
            if self._declarations is None:
                self._declarations = self.dumper()  # takes longer to make than to use; lives as long as the process
            written = tuple(self._declarations.declaration(t) for t in (*(t for _, t in rows), result))
        params = tuple((owner.string(n), self.type(t)) for n, t in rows)
        return Function(name, self.name, params, self.type(result), written)

    def dumper(self) -> Dumper:
        return self.lib.dumper(self.handle)


class Btf:
    """vmlinux's BTF and, once something is not found there, the modules'."""

    def __init__(self, lib: Library, vmlinux: BtfObject) -> None:
        self._lib = lib
        self.vmlinux = vmlinux
        self._modules: dict[str, BtfObject | None] = {}
        self._named: dict[tuple[str, str], Type | None] = {}

    @staticmethod
    def load() -> Btf | None:
        """None when the kernel has no BTF, or libbpf is not installed.  `BPFTRACE_BTF` names another file."""
        from pytrace.runtime.sys.libbpf import Library

        try:
            lib = Library()
        except OSError:
            return None
        path = environ.get("BPFTRACE_BTF")
        handle = lib.parse(path) if path else lib.load_vmlinux()
        return None if handle is None else Btf(lib, BtfObject(lib, handle, "vmlinux"))

    @property
    def described(self) -> bool:
        """Whether anything was told that differs between kernels."""
        return any(o is not None and o.described for o in (self.vmlinux, *self._modules.values()))

    def module_names(self) -> list[str]:
        from os import listdir

        try:
            return sorted(n for n in listdir("/sys/kernel/btf") if n != "vmlinux")
        except OSError:
            return []

    def module(self, name: str) -> BtfObject | None:
        """A loaded module's BTF, None if it has none."""
        if name == "vmlinux":
            return self.vmlinux
        if name not in self._modules:
            handle = None
            if "/" not in name:
                handle = self._lib.parse_split(f"/sys/kernel/btf/{name}", self.vmlinux.handle)
            self._modules[name] = None if handle is None else BtfObject(self._lib, handle, name, self.vmlinux)
        return self._modules[name]

    def objects(self, module: str = "") -> Iterator[BtfObject]:
        """The object of `module`, or vmlinux and then all modules."""
        for name in [module] if module else ["vmlinux", *self.module_names()]:
            found = self.module(name)
            if found is not None:
                yield found

    def type_named(self, name: str, tag: str = "") -> Type | None:
        """`task_struct` with tag "struct"; with "" typedefs, basic types, then tagged ones."""
        key = (name, tag)
        if key not in self._named:
            self._named[key] = self._find_type(name, tag)
        return self._named[key]

    def _find_type(self, name: str, tag: str) -> Type | None:
        kinds = _TAGS.get(tag, ()) if tag else _TYPES
        for spelling in (name,) if tag else (name, _C_SPELLINGS.get(name, name)):
            for btf in self.objects():
                type_id = btf.find(spelling, kinds)
                if type_id is not None:
                    return btf.type(type_id)
        return None

    def enumerator(self, name: str) -> tuple[types.Enum, int] | None:
        answers = (btf.enumerator(name) for btf in self.objects())
        return next((found for found in answers if found is not None), None)

    def find_func_id(self, name: str, module: str = "", kind: int = FUNC) -> tuple[int, str] | None:
        """(BTF id, module) of a function (or of another `kind`), for attaching and calls of kernel functions."""
        for btf in self.objects(module):
            type_id = btf.function_id(name) if kind == FUNC else btf.find(name, (kind,))
            if type_id is not None:
                return type_id, btf.name
        return None

    def functions(self, name: str, module: str = "", declarations: bool = False) -> list[Function]:
        found = (btf.function(name, declarations) for btf in self.objects(module))
        return [f for f in found if f is not None]

    def parameter_count(self, name: str, module: str) -> int | None:
        """Of a module's function; None if there is none."""
        found = self.module(module)
        return None if found is None else found.parameter_count(name)

    def function_names(self, module: str = "") -> Iterator[tuple[str, str]]:
        """(module, name) of every function."""
        for btf in self.objects(module):
            for _, kind, name, _ in btf.walk():
                if kind == FUNC:
                    yield btf.name, btf.string(name)


def _integer(info: int) -> Type:
    """btf.h: encoding 1 signed, 2 char, 4 bool in bits 24 to 27; the number of bits in the lowest byte."""
    bits, encoding = info & 0xFF, info >> 24 & 0xF
    if encoding & 4:
        return types.BOOL
    if bits > 64:
        return types.Array(types.UINT64, bits // 64)
    return types.Int(bits, bool(encoding & 1))


def _enum_value(data: bytes, at: int, kind: int, signed: bool) -> int:
    if kind == ENUM:
        return int(unpack_from("<i" if signed else "<I", data, at + 4)[0])
    low, high = unpack_from("<II", data, at + 4)
    value = int(low | high << 32)
    return value - (1 << 64) if signed and value >> 63 else value
