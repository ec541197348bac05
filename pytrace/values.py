"""Values: what the bytes of a record, a map key or a map value mean, free of any presentation.

Place in the pipeline: below the runtime and the rows, above `types`.  In: a `Type` and the bytes that the BPF program
wrote.  Out: plain Python objects; `pytrace.runtime.output` turns them into text or JSON.  What a newcomer would get
wrong: a decoder is *compiled once a type* (`decoder(t)`) and called once a value, so nothing may look at the type in
the returned closure.

Which type gives what:

====================  ==========================================================================================
Int, Pointer          int
Bool                  bool
Enum                  EnumValue, an int that knows its name
String                bytes up to the NUL; as long as the capacity when it was cut off (spec 02 §4)
Buffer                bytes, its real length
Array, Tuple          tuple
Record, Struct        StructValue: names and values in the order of declaration, anonymous members opened
Stack                 StackValue
ksym_t                int, the address
usym_t                UserAddress
username_t            int, the uid
timestamp             Timestamp
mac_address           6 bytes
inet                  4 or 16 bytes, in network order; empty for another address family
cgroup_path_t         CgroupPath
====================  ==========================================================================================

The byte layouts of the opaque types (all little-endian, as the machine): ksym_t u64 address; usym_t u64 address, u32
pid, u32 probe; username_t u64 uid; timestamp u64 nanoseconds, u64 source; mac_address 6 bytes; inet u64 address family,
16 bytes; cgroup_path_t u64 cgroup id, u64 source.  A source is one more than the number of the EventSpec whose data say
how to show the value: (format, clock), (filter,); 0 for a value that was never set.  Stacks: u64 number of frames, for
user stacks u32 pid and u32 probe, then the frames.
"""

from __future__ import annotations

from struct import Struct as Packed
from struct import error as PackedError

from pytrace import types
from pytrace.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pytrace.types import Type

    Data = bytes | memoryview
    Decoder = Callable[[Data], Any]


@record
class UserAddress:
    """`usym()`: an address in process `pid`, seen by program number `probe` (an index into Program.programs)."""

    address: int
    pid: int
    probe: int


@record
class Timestamp:
    """`strftime()`: nanoseconds of a clock, which the event numbered `source` - 1 names, and the format."""

    nanoseconds: int
    source: int


@record
class CgroupPath:
    """`cgroup_path()`: a cgroup's id; the event numbered `source` - 1 has the filter."""

    id: int
    source: int


@record
class BuildId:
    """A frame of mode build_id: status 1: 20-byte `id` and `value` a file offset; else `value` is the address."""

    status: int
    id: bytes
    value: int


AF_INET, AF_INET6 = 2, 10


class EnumValue(int):
    """The number of an enumerator; `name` "" when the enum has none of that value."""

    name: str

    def __new__(cls, value: int, name: str) -> EnumValue:
        self = super().__new__(cls, value)
        self.name = name
        return self

    def __repr__(self) -> str:
        return self.name or int.__repr__(self)


class StackValue:
    """A stack.  `frames`: addresses, innermost first, or BuildId entries; `pid` and `probe` -1 for kernel stacks."""

    __slots__ = ("frames", "pid", "probe", "user")

    def __init__(self, frames: tuple[Any, ...], user: bool, pid: int, probe: int) -> None:
        self.frames = frames
        self.user = user
        self.pid = pid
        self.probe = probe

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StackValue) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.frames, self.user, self.pid, self.probe

    def __repr__(self) -> str:
        return f"StackValue({self.frames!r}, user={self.user}, pid={self.pid}, probe={self.probe})"


class StructValue:
    """A record, struct or union: `value.field`, `value["field"]`, iteration over (name, value)."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self._names = names
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return zip(self._names, self._values, strict=True)

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StructValue) and (self._names, self._values) == (other._names, other._values)

    def __hash__(self) -> int:
        return hash((self._names, self._values))

    def __repr__(self) -> str:
        return "StructValue(" + ", ".join(f"{n}={v!r}" for n, v in self) + ")"


# ---------------------------------------------------------------- compiling decoders

_CODES = {(8, True): "b", (8, False): "B", (16, True): "h", (16, False): "H",
          (32, True): "i", (32, False): "I", (64, True): "q", (64, False): "Q"}  # fmt: skip

_compiled: dict[Type, Decoder] = {}


def scalar_code(t: Type) -> str:
    """The `struct` letter that reads `t` as the very value that its decoder gives, "" if there is none."""
    match t:
        case types.Int():
            return _CODES[t.bits, t.signed]
        case types.Bool():
            return "?"
        case types.Pointer():
            return "Q"
        case types.Opaque(name="ksym_t" | "username_t"):
            return "Q"
    return ""


def decoder(t: Type) -> Decoder:
    """`decode(data) -> value` for bytes that begin with a value of type `t`.  Raises TypeError for a type without
    values (none, hist_t …); the decoder raises ValueError when the data is too short."""
    found = _compiled.get(t)
    if found is None:
        inner = _compile(t, 0)

        def checked(data: Data) -> Any:
            try:
                return inner(data)
            except (PackedError, IndexError) as e:
                raise ValueError(f"{len(data)} bytes are too short for {t}") from e

        found = _compiled[t] = checked
    return found


def decode(t: Type, data: Data) -> Any:
    """One value; compile with `decoder` where there are many."""
    return decoder(t)(data)


def _compile(t: Type, at: int) -> Decoder:
    """The decoder of a `t` that lies at byte `at` of its data."""
    code = scalar_code(t)
    if code:
        unpack = Packed("<" + code).unpack_from
        return lambda data: unpack(data, at)[0]
    match t:
        case types.String():
            return _string(at, t.capacity)
        case types.Enum():
            return _enum(t, at)
        case types.Array():
            return _array(t, at)
        case types.Tuple():
            return _sequence(t.elements, tuple(at + o for o in t.offsets))
        case types.Record():
            return _named(t.names, _sequence(t.elements, tuple(at + o for o in t.offsets)))
        case types.Struct():
            return _struct(t, at)
        case types.Buffer():
            return _buffer(at, t.capacity)
        case types.Stack():
            return _stack(t, at)
        case types.Opaque():
            return _opaque(t, at)
        case types.NoneType() | types.VoidType():
            return lambda data: None
    raise TypeError(f"{t} has no values")


def _string(at: int, capacity: int) -> Decoder:
    end = at + capacity

    def string(data: Data) -> bytes:
        return bytes(data[at:end]).split(b"\0", 1)[0]

    return string


def _enum(t: types.Enum, at: int) -> Decoder:
    unpack = Packed("<" + _CODES[t.bits, False]).unpack_from
    mask = (1 << t.bits) - 1
    names: dict[int, str] = {}
    for name, value in t.variants:
        names.setdefault(value & mask, name)
    return lambda data: EnumValue(n := unpack(data, at)[0], names.get(n, ""))


def _array(t: types.Array, at: int) -> Decoder:
    code = scalar_code(t.element)
    if code:
        unpack = Packed(f"<{t.length}{code}").unpack_from
        return lambda data: unpack(data, at)
    one, size = _compile(t.element, 0), t.element.size
    starts = tuple(at + i * size for i in range(t.length))
    return lambda data: tuple(one(data[o : o + size]) for o in starts)


def _sequence(elements: tuple[Type, ...], offsets: tuple[int, ...]) -> Decoder:
    """The values of several members, as a tuple; scalars that stand in a row are read at once."""
    codes = [scalar_code(e) for e in elements]
    if elements and all(codes):
        form, end = "<", offsets[0]
        for e, offset, code in zip(elements, offsets, codes, strict=True):
            if offset < end:  # a union
                break
            form += f"{offset - end}x{code}"
            end = offset + e.size
        else:
            unpack, start = Packed(form).unpack_from, offsets[0]
            return lambda data: unpack(data, start)
    parts = tuple(_compile(e, o) for e, o in zip(elements, offsets, strict=True))
    return lambda data: tuple([part(data) for part in parts])


def _named(names: tuple[str, ...], values: Decoder) -> Decoder:
    return lambda data: StructValue(names, values(data))


def members(t: types.Struct) -> tuple[types.Field, ...]:
    """The members of a struct or union as a value has them: those of anonymous ones in their place."""
    found: list[types.Field] = []
    for f in t.layout.fields:
        if not f.name and isinstance(f.type, types.Struct):
            found += [replace(inner, offset=f.offset + inner.offset) for inner in members(f.type)]
        else:
            found.append(f)
    return tuple(found)


def _struct(t: types.Struct, at: int) -> Decoder:
    names, parts = [], []
    for f in members(t):
        names.append(f.name)
        if f.bitfield is not None:
            parts.append(_bitfield(f, at + f.offset))
        else:
            parts.append(_compile(f.type, at + f.offset))
    fixed, readers = tuple(names), tuple(parts)
    return lambda data: StructValue(fixed, tuple([part(data) for part in readers]))


def _bitfield(f: types.Field, at: int) -> Decoder:
    assert f.bitfield is not None
    shift, bits, end = f.bitfield.shift, f.bitfield.bits, at + f.type.size
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)
    signed = isinstance(f.type, types.Int) and f.type.signed
    variants = {v & mask: n for n, v in reversed(f.type.variants)} if isinstance(f.type, types.Enum) else None
    is_bool = isinstance(f.type, types.Bool)

    def read(data: Data) -> Any:
        n = int.from_bytes(data[at:end], "little") >> shift & mask
        if variants is not None:
            return EnumValue(n, variants.get(n, ""))
        if is_bool:
            return n != 0
        return (n ^ sign) - sign if signed else n

    return read


def _buffer(at: int, capacity: int) -> Decoder:
    unpack, start = Packed("<I").unpack_from, at + 4
    return lambda data: bytes(data[start : start + min(unpack(data, at)[0], capacity)])


def _stack(t: types.Stack, at: int) -> Decoder:
    head = Packed("<QII" if t.user else "<Q").unpack_from
    start, limit, user = at + (16 if t.user else 8), t.limit, t.user
    build_ids = Packed("<i20sQ").unpack_from if t.mode == "build_id" else None

    def stack(data: Data) -> StackValue:
        count, pid, probe = head(data, at) if user else (*head(data, at), -1, -1)
        count = min(count, limit)
        if build_ids is not None:
            ids = tuple([BuildId(*build_ids(data, start + 32 * i)) for i in range(count)])
            return StackValue(ids, user, pid, probe)
        return StackValue(tuple(memoryview(data)[start : start + 8 * count].cast("Q")), user, pid, probe)

    return stack


def _opaque(t: types.Opaque, at: int) -> Decoder:
    match t.name:
        case "usym_t":
            unpack = Packed("<QII").unpack_from
            return lambda data: UserAddress(*unpack(data, at))
        case "timestamp":
            time = Packed("<QQ").unpack_from
            return lambda data: Timestamp(*time(data, at))
        case "mac_address" | "macaddr_t":
            return lambda data: bytes(data[at : at + 6])
        case "inet":
            return _inet(at)
        case "cgroup_path_t":
            group = Packed("<QQ").unpack_from
            return lambda data: CgroupPath(*group(data, at))
    raise TypeError(f"{t} has no values")


def _inet(at: int) -> Decoder:
    family, start = Packed("<Q").unpack_from, at + 8
    lengths = {AF_INET: 4, AF_INET6: 16}
    return lambda data: bytes(data[start : start + lengths.get(family(data, at)[0], 0)])
