"""Program: the frozen, serialisable contract between compiler and runtime.

Place in the pipeline: out of codegen, into `pytrace.runtime` and the compile cache.  In: nothing.  Out:
plain, immutable records; `to_plain`/`from_plain` turn one into nested tuples of builtin values and back.
What a newcomer would get wrong: nothing here names an address, an fd or an id of the running kernel; what
differs between two runs on one machine is filled in by the runtime through relocations and globals.
"""

from __future__ import annotations

from pytrace import stored_types
from pytrace.record import record
from pytrace.types import Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT_VERSION = 4
"""Raised whenever a record below changes; part of the cache key and of a stored Program."""

UNWIND_PLACES = "unwind_places"
"""The map of a Program that unwinds user stacks by tables (`pytrace.unwinding`)."""


@record
class Location:
    """Where a run-time message comes from: `text` as in diagnostics, `excerpt` the source line and marker line.
    `outer`: (text, excerpt) of each macro call that the place was expanded from, innermost first."""

    text: str
    excerpt: str
    filename: str
    line: int
    column: int
    outer: tuple[tuple[str, str], ...] = ()


@record
class LayoutField:
    name: str
    type: Type
    offset: int


@record
class Layout:
    """The bytes of a record: codegen writes with the object that the runtime decodes with."""

    fields: tuple[LayoutField, ...]
    size: int

    @staticmethod
    def of(items: list[tuple[str, Type]], start: int = 0) -> Layout:
        """Natural alignment, in order, from byte `start`; the size is rounded up to 8."""
        at, fields = start, []
        for name, t in items:
            at = (at + t.align - 1) // t.align * t.align
            fields.append(LayoutField(name, t, at))
            at += t.size
        return Layout(tuple(fields), (at + 7) // 8 * 8)


@record
class MapSpec:
    """A kernel map.

    `kind`: hash, percpu_hash, lru_hash, lru_percpu_hash, array, percpu_array, ringbuf, stack_trace, lpm_trie,
    cpu_slots, array_of_maps (of arrays of any length, with values of `value_size`).
    `cpu_slots` is a scalar map with one value per CPU like percpu_array, but made of *one* element of a kernel array
    that holds `max_entries` copies of `value_size` bytes, indexed by CPU number: programs reach it without a look-up.
    `name`: `@x` for the script's maps; internal ones have no `@`.  Sizes in bytes.
    `key_type`: None for a scalar map and for internal ones.  `value_type`: an Aggregate for `count()` and such.
    `storage`: how the value lies in the map —
      "plain"    the value type's bytes (hash kinds);
      "slot"     scalar map in an array element: uint64 flag (1 = assigned), then the value (array kinds);
      "aggregate"/"aggregate_slot": the AggregateDef's per-CPU record, the latter behind the uint64 flag;
      "buckets"  keyed hist/lhist/tseries: key is (key bytes padded to 8, uint64 bucket), value the bucket's record;
      "bucket_slots" scalar hist/lhist/tseries: array element: uint64 flag, then the buckets' records;
      "internal" ring buffer, globals, scratch;
      "imported" maps and data of imported objects, of which only their own functions know more.
    """

    name: str
    kind: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    key_type: Type | None = None
    value_type: Type | None = None
    storage: str = "internal"
    location: Location | None = None
    initial: bytes = b""
    """What element 0 holds before the programs are loaded (read-only data); the globals are set by their own records.
    A map with the flag BPF_F_RDONLY_PROG (0x80) is frozen then, so that the verifier knows its contents."""

    @property
    def is_script_map(self) -> bool:
        return self.name.startswith("@")


@record
class Relocation:
    """Instruction `index` (8-byte units) refers to `name`.

    `kind`: map (ld_imm64 of a map fd), data (ld_imm64 of the address of byte `addend` in map `name`'s element 0),
    func (ld_imm64 of a subprogram, already pc-relative in the bytes), kfunc (call by BTF id), ksym (ld_imm64 of a
    kernel variable by BTF id).
    """

    index: int
    kind: str
    name: str
    addend: int = 0


@record
class LineRow:
    """`line_info` of bpf_prog_load: instruction index, and what the script says there; `end`: the column behind the
    expression, 0 if not known."""

    index: int
    line: int
    column: int
    text: str
    end: int = 0
    file: str = ""
    """Where it stands if not in the script: the source of an imported object."""


@record
class ProgramSpec:
    """One loadable BPF program, its subprograms already linked behind it.

    `type`, `attach_type`: names of bpf.h without prefix, lower case (`kprobe`, `tracepoint`, `perf_event`,
    `raw_tracepoint`, `tracing`; `trace_fentry`, `trace_iter`, `trace_uprobe_multi` …).
    `attach_to`: the kernel function, raw tracepoint or iterator whose BTF id the load needs, "" if none; `module`
    the kernel module that has it.  `func_info`: pairs (instruction index, BTF type id in `Program.btf`).
    """

    name: str
    type: str
    attach_type: str
    insns: bytes
    relocations: tuple[Relocation, ...]
    func_info: tuple[tuple[int, int], ...] = ()
    line_info: tuple[LineRow, ...] = ()
    attach_to: str = ""
    module: str = ""
    sleepable: bool = False
    location: Location | None = None
    core_relocations: tuple[tuple[int, int, int, int], ...] = ()
    """(instruction index, type id, string offset, kind): `struct bpf_core_relo`, which the kernel applies."""


@record
class ProbeSpec:
    """One attachment: `row` is the ProbeDef's key, `name` the canonical probe name, `program` an index into
    `Program.programs`, `params` the provider's own plain values (category, event, path, offset …)."""

    row: str
    name: str
    program: int
    params: dict[str, Any]
    location: Location | None = None


@record
class EventSpec:
    """One kind of ring-buffer record.  Its id (uint64, first in the record) is its index in `Program.events`.

    `row` is the key of the row whose `handle` processes it; `layout` its bytes after the id (offsets count from the
    record's start, so the first field lies at 8); `data` the row's own plain values (format, map name …).
    """

    row: str
    layout: Layout
    data: Any = None
    location: Location | None = None


@record
class GlobalSpec:
    """A uint64 in the internal `globals` map that the runtime sets before loading; `source` says from what:
    start_ns, cpid, ncpus, tai_offset, pidns_dev, pidns_ino, tracer_pid …"""

    name: str
    offset: int
    source: str


@record
class Message:
    """A compile-time warning, kept so that a run from the cache prints it too."""

    plain: str
    coloured: str


@record
class Program:
    """Everything that is needed to run a script.  `config`: the settings after block and environment, by key."""

    maps: tuple[MapSpec, ...]
    programs: tuple[ProgramSpec, ...]
    probes: tuple[ProbeSpec, ...]
    events: tuple[EventSpec, ...]
    globals: tuple[GlobalSpec, ...]
    btf: bytes
    config: dict[str, Any]
    warnings: tuple[Message, ...] = ()

    def to_plain(self) -> tuple[Any, ...]:
        """Nested tuples, dicts, str, int, bool, bytes and None only."""
        return (FORMAT_VERSION, *(_plain(getattr(self, name)) for name in _PROGRAM_FIELDS))

    @staticmethod
    def from_plain(data: tuple[Any, ...]) -> Program:
        """The inverse of `to_plain`.  Raises ValueError for another format version or a damaged tree."""
        if not isinstance(data, tuple) or not data or data[0] != FORMAT_VERSION:
            raise ValueError("a Program of another version")
        return Program(*(_from_plain(item) for item in data[1:]))


_PROGRAM_FIELDS = ("maps", "programs", "probes", "events", "globals", "btf", "config", "warnings")
_RECORDS: tuple[type, ...] = (
    Location, LayoutField, Layout, MapSpec, Relocation, LineRow, ProgramSpec, ProbeSpec, EventSpec, GlobalSpec, Message,
)  # fmt: skip
_TAGS = {cls: n for n, cls in enumerate(_RECORDS)}


def _plain(value: Any) -> Any:
    """Records become ("R", tag, fields…), types ("T", …), tuples ("S", …); other builtins stay."""
    if isinstance(value, Type):
        return ("T", stored_types.plain_fields(value))
    tag = _TAGS.get(type(value))
    if tag is not None:
        return ("R", tag, *(_plain(getattr(value, name)) for name in type(value).__slots__))
    if isinstance(value, (tuple, list)):
        return ("S", *map(_plain, value))
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if value is None or isinstance(value, (str, int, bool, bytes)):
        return value
    raise TypeError(f"not plain data in a Program: {value!r}")


def _from_plain(value: Any) -> Any:
    if isinstance(value, tuple):
        kind = value[0]
        if kind == "S":
            return tuple(map(_from_plain, value[1:]))
        if kind == "R":
            return _RECORDS[value[1]](*map(_from_plain, value[2:]))
        if kind == "T":
            return stored_types.from_plain(value[1])
        raise ValueError(f"damaged Program: {kind!r}")
    if isinstance(value, dict):
        return {k: _from_plain(v) for k, v in value.items()}
    return value
