"""The language's types (spec 02 §1): sizes, layouts, and the names that messages and `typeinfo` show.

Place in the pipeline: shared by sema, codegen, Program (through `stored_types`) and runtime.  In: nothing.  Out:
immutable, hashable `Type` values.  What a newcomer would get wrong: a `Struct` is named and its members are resolved
on demand, since the kernel's structs point to each other in circles: never walk through pointers.
"""

from __future__ import annotations

from pytrace.record import field, record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from pytrace.location import Location


class Space:
    """Address spaces of pointers and integers (spec 02 §7)."""

    NONE = "none"
    KERNEL = "kernel"
    USER = "user"


class Type:
    """Base of all types.  `size` and `align` are bytes."""

    size: int = 0
    align: int = 1
    printable: ClassVar[bool] = True

    def __str__(self) -> str:
        raise NotImplementedError


@record
class NoneType(Type):
    """The type of `()` and of calls without a value."""

    printable = False

    def __str__(self) -> str:
        return "none"


@record
class VoidType(Type):
    """C's void, the pointee of `void *`."""

    def __str__(self) -> str:
        return "void"


@record
class Bool(Type):
    @property
    def size(self) -> int:  # type: ignore[override]
        return 1

    def __str__(self) -> str:
        return "bool"


@record
class Int(Type):
    """An integer of 8, 16, 32 or 64 bits.

    `flexible`: a non-negative literal (or a join of only such), whose sign follows what it meets (spec 02 §2); it is
    no part of equality.  `clock`: where a time of `nsecs()` comes from, for `strftime`; no part of equality either.
    """

    bits: int = 64
    signed: bool = True
    flexible: bool = field(default=False, compare=False)
    clock: str = field(default="", compare=False)

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.bits // 8

    @property
    def align(self) -> int:  # type: ignore[override]
        return self.bits // 8

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}"


@record
class String(Type):
    """NUL-terminated bytes in `capacity` bytes, NUL included.  An array of C `char` of any rank 1 is one too."""

    capacity: int = 0

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.capacity

    def __str__(self) -> str:
        return f"string[{self.capacity}]"


@record
class Buffer(Type):
    """`buf()`: a uint32 length, then up to `capacity` bytes."""

    capacity: int = 0

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.capacity + 4

    def __str__(self) -> str:
        return f"buffer[{self.capacity}]"


@record
class Pointer(Type):
    pointee: Type = field(default_factory=VoidType)

    @property
    def size(self) -> int:  # type: ignore[override]
        return 8

    @property
    def align(self) -> int:  # type: ignore[override]
        return 8

    def __str__(self) -> str:
        return f"{self.pointee} *"


@record
class Array(Type):
    element: Type = field(default_factory=NoneType)
    length: int = 0

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.element.size * self.length

    @property
    def align(self) -> int:  # type: ignore[override]
        return self.element.align

    def __str__(self) -> str:
        return f"{self.element}[{self.length}]"


_LAYOUTS: dict[tuple[Type, ...], tuple[tuple[int, ...], int, int]] = {}
"""What `_offsets` found: a tuple asks each element for size and alignment, without this 2 to the depth of nesting."""


def _offsets(types: tuple[Type, ...]) -> tuple[tuple[int, ...], int, int]:
    """Natural-alignment layout of a sequence: (offsets, size, alignment)."""
    found = _LAYOUTS.get(types)
    if found is None:
        found = _LAYOUTS[types] = _laid_out(types)
    return found


def _laid_out(types: tuple[Type, ...]) -> tuple[tuple[int, ...], int, int]:
    at, align, offsets = 0, 1, []
    for t in types:
        at = (at + t.align - 1) // t.align * t.align
        offsets.append(at)
        at += t.size
        align = max(align, t.align)
    return tuple(offsets), (at + align - 1) // align * align, align


@record
class Tuple(Type):
    elements: tuple[Type, ...] = ()

    @property
    def offsets(self) -> tuple[int, ...]:
        return _offsets(self.elements)[0]

    @property
    def size(self) -> int:  # type: ignore[override]
        return _offsets(self.elements)[1]

    @property
    def align(self) -> int:  # type: ignore[override]
        return _offsets(self.elements)[2]

    def __str__(self) -> str:
        return f"({','.join(map(str, self.elements))})"


@record
class Record(Type):
    """Named, immutable fields in the order of `names`."""

    names: tuple[str, ...] = ()
    elements: tuple[Type, ...] = ()

    @property
    def offsets(self) -> tuple[int, ...]:
        return _offsets(self.elements)[0]

    @property
    def size(self) -> int:  # type: ignore[override]
        return _offsets(self.elements)[1]

    @property
    def align(self) -> int:  # type: ignore[override]
        return _offsets(self.elements)[2]

    def __str__(self) -> str:
        inner = ", ".join(f".{n} = {t}" for n, t in zip(self.names, self.elements, strict=True))
        return f"record {{ {inner} }}"


@record
class Bitfield:
    """A bit-field member: read `size` bytes at the member's offset, shift right `shift`, keep `bits`."""

    shift: int
    bits: int


@record
class Field:
    """A struct or union member.  `offset` is bytes from the start of the outermost named struct.

    `data_loc`: a tracepoint `__data_loc` field (a uint32 of offset|length<<16), read as the string it points to.
    `tag`: BTF type tag of a pointer (`percpu`, `user`, `rcu` …), empty if none.
    `place`: where a parameter of a user function is.
    """

    name: str
    type: Type
    offset: int
    bitfield: Bitfield | None = None
    data_loc: bool = False
    space: str = ""
    tag: str = ""
    declaration: str = ""
    place: Location | None = None


@record
class StructLayout:
    """The resolved members of a struct or union; `fields` in order of declaration, anonymous members flattened
    for look-up by `find` but kept nested (name "") in `fields`."""

    size: int
    align: int
    fields: tuple[Field, ...]

    def find(self, name: str) -> Field | None:
        """The member called `name`, also inside anonymous members; its offset is from the start of this layout."""
        for f in self.fields:
            if f.name == name:
                return f
            if not f.name and isinstance(f.type, Struct):
                inner = f.type.layout.find(name)
                if inner is not None:
                    return replace(inner, offset=f.offset + inner.offset)
        return None


class Struct(Type):
    """`struct X` or `union X` (`tag`), equal by tag and name.  `layout` is asked of `resolve` once, when needed.

    `resolve` returns None for a type that is only declared: `complete` is then False and `size` 0.
    """

    __slots__ = ("_layout", "_resolve", "name", "tag")

    def __init__(
        self, tag: str, name: str, resolve: Callable[[], StructLayout | None] | StructLayout | None
    ) -> None:
        self.tag = tag
        self.name = name
        self._layout = resolve if isinstance(resolve, StructLayout) else None
        self._resolve = None if isinstance(resolve, StructLayout) else resolve

    @property
    def layout(self) -> StructLayout:
        if self._layout is None:
            found = self._resolve() if self._resolve else None
            self._layout = found or StructLayout(0, 1, ())
        return self._layout

    @property
    def complete(self) -> bool:
        return self.layout.size > 0 or bool(self.layout.fields)

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.layout.size

    @property
    def align(self) -> int:  # type: ignore[override]
        return self.layout.align

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Struct) and (self.tag, self.name) == (other.tag, other.name)

    def __hash__(self) -> int:
        return hash((self.tag, self.name))

    def __str__(self) -> str:
        return f"{self.tag} {self.name}".rstrip()

    def __repr__(self) -> str:
        return f"Struct({self.tag!r}, {self.name!r})"


class UnprintableStruct(Struct):
    """A struct whose members can be printed, but not the whole: the record of a tracepoint."""

    __slots__ = ()
    printable: ClassVar[bool] = False


class ContextStruct(UnprintableStruct):
    """What `ctx` points to.  The kernel keeps another struct there, and translates a program's own loads only."""

    __slots__ = ()


@record
class Enum(Type):
    """`enum X`; `bits` is its C width (64 for an enumerator used as a value).  `variants`: (name, value) pairs."""

    name: str = ""
    bits: int = 64
    signed: bool = False
    variants: tuple[tuple[str, int], ...] = field(default=(), repr=False)

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.bits // 8

    @property
    def align(self) -> int:  # type: ignore[override]
        return self.bits // 8

    def __str__(self) -> str:
        return f"enum {self.name}"


@record
class Stack(Type):
    """`kstack`/`ustack`: record stored is described in spec 02 §1.  `mode`: bpftrace, perf, raw, build_id."""

    user: bool = False
    mode: str = "bpftrace"
    limit: int = 127

    @property
    def entry_size(self) -> int:
        """Bytes of a frame: an address, or struct bpf_stack_build_id of linux/bpf.h (status, 20-byte id, offset)."""
        return 32 if self.mode == "build_id" else 8

    @property
    def size(self) -> int:  # type: ignore[override]
        return (16 if self.user else 8) + self.limit * self.entry_size

    @property
    def align(self) -> int:  # type: ignore[override]
        return 8

    def __str__(self) -> str:
        return f"{'u' if self.user else 'k'}stack_{self.mode}_{self.limit}"


@record
class Opaque(Type):
    """A printable value that is not arithmetic: ksym_t, usym_t, username_t, timestamp, mac_address,
    cgroup_path_t, inet (spec 02 §1).  `params` holds what printing needs and the bytes do not say."""

    name: str = ""
    bytes: int = 8
    alignment: int = 8
    params: tuple[str, ...] = ()

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.bytes

    @property
    def align(self) -> int:  # type: ignore[override]
        return self.alignment

    def __str__(self) -> str:
        return f"inet[{self.bytes}]" if self.name == "inet" else self.name


KSYM = Opaque("ksym_t", 8, 8)
USYM = Opaque("usym_t", 16, 8)
USERNAME = Opaque("username_t", 8, 8)
MAC_ADDRESS = Opaque("mac_address", 6, 1)
INET = Opaque("inet", 24, 8)
CGROUP_PATH = Opaque("cgroup_path_t", 16, 8)
TIMESTAMP = Opaque("timestamp", 16, 8)


@record
class Aggregate(Type):
    """A map-only value: `name` is count_t, sum_t, usum_t, … (spec 02 §1); `row` the AggregateDef's name;
    `params` its literal parameters (hist bits; lhist min, max, step; tseries interval, number, function)."""

    name: str = ""
    row: str = ""
    signed: bool = True
    params: tuple[Any, ...] = ()

    @property
    def size(self) -> int:  # type: ignore[override]
        return 8

    @property
    def align(self) -> int:  # type: ignore[override]
        return 8

    def __str__(self) -> str:
        return self.name


@record
class TimestampMode(Type):
    """The type of the words `boot`, `monotonic`, `tai`, `sw_tai` inside `nsecs(...)`."""

    printable = False

    def __str__(self) -> str:
        return "timestamp_mode"


NONE = NoneType()
VOID = VoidType()
BOOL = Bool()
INT8, INT16, INT32, INT64 = (Int(b, True) for b in (8, 16, 32, 64))
UINT8, UINT16, UINT32, UINT64 = (Int(b, False) for b in (8, 16, 32, 64))


def is_integral(t: Type) -> bool:
    """Integers, bools and enums: what arithmetic takes directly."""
    return isinstance(t, (Int, Bool, Enum))


def is_memory(t: Type) -> bool:
    """True for types whose values live in memory (strings, tuples, stacks …), false for scalars in a register."""
    return not isinstance(t, (Int, Bool, Enum, Pointer, NoneType, VoidType, Aggregate)) and not (
        isinstance(t, Opaque) and t.bytes == 8
    )
