"""The LLVM module of one script, and the tables that grow beside it: maps, events, globals, read-only text.

Place in the pipeline: made by `codegen.generate`, filled by one Emitter a program, read by `codegen.assemble`. In:
the typed script.  Out: an `llvmlite.ir.Module` whose external symbols `map:NAME` and `data:NAME` become relocations,
and the MapSpec, EventSpec and GlobalSpec rows.  What a newcomer would get wrong: a symbol with no prefix is a
function; `data:` is the address of element 0 of a one-element array, so no look-up call is needed.
"""

from __future__ import annotations

from llvmlite import ir

from pytrace import types, unwinding
from pytrace.codegen.debuginfo import DebugInfo
from pytrace.codegen.map_storage import NO_PREALLOC, kernel_name, script_map_spec, with_cpu_slots
from pytrace.diagnostics import excerpt
from pytrace.program import EventSpec, GlobalSpec, Location, MapSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.program import Layout
    from pytrace.sema import typed
    from pytrace.source import Span

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
PTR = ir.PointerType()
VOID = ir.VoidType()

RING, LOST, GLOBALS, SCRATCH, RODATA, ENDED = "ring", "lost", "globals", "scratch", "rodata", "ended"
RDONLY_PROG = 0x80
SCRATCH_ELEMENT = 32 * 1024
"""The most that one element of a per-CPU array may hold (PCPU_MIN_UNIT_SIZE, include/linux/percpu.h)."""


def add_attributes(function: ir.Function) -> None:
    """What every function of ours has.  Without the second LLVM turns a chain of comparisons into a table in a section
    of its own, which is no map."""
    function.attributes.add("nounwind")
    set.add(function.attributes, '"no-jump-tables"="true"')  # not among the names that llvmlite knows


LONGEST_LINE = 4096
"""A Program holds a line of the script for each event: longer ones, that programs wrote, are left out."""


def _excerpt(span: Span) -> str:
    line, _ = span.source.line_col(span.start)
    return excerpt(span) if len(span.source.line(line)) <= LONGEST_LINE else ""


def location_of(span: Span) -> Location:
    """Where a run-time message of `span` comes from."""
    line, column = span.source.line_col(span.start)
    outer, use = [], span.expanded_from
    while use is not None:
        outer.append((use.location(), _excerpt(use)))
        use = use.expanded_from
    return Location(span.location(), _excerpt(span), span.source.name, line, column, tuple(outer))


class ModuleBuilder:
    """What all programs of a script share while they are compiled."""

    def __init__(self, script: typed.TypedScript, verbose_warnings: bool, cpu_slots: int = 0) -> None:
        self.script = script
        self.cpu_slots = cpu_slots
        self.verbose_warnings = verbose_warnings
        self.ir = ir.Module("pytrace")
        self.ir.triple = "bpfel"
        self.debug = DebugInfo(self.ir)
        self.events: list[EventSpec] = []
        self.subprograms: dict[Any, ir.Function] = {}
        self._event_ids: dict[Any, int] = {}
        self._externals: dict[str, ir.GlobalVariable] = {}
        self._functions: dict[str, ir.Function] = {}
        self._map_specs: dict[str, MapSpec] = {}
        self._globals: dict[str, GlobalSpec] = {}
        self._text = bytearray()
        self._text_offsets: dict[str, int] = {}
        self._scratch: list[int] = []
        self.unspaced = False
        """Whether memory is read of which it is not known whose it is, user's or kernel's (spec 02 §7)."""
        self._counter = 0
        for symbol in script.maps:
            self.map_spec(symbol)

    # symbols ------------------------------------------------------------
    def _external(self, name: str) -> ir.GlobalVariable:
        if name not in self._externals:
            self._externals[name] = found = ir.GlobalVariable(self.ir, I8, name)
            found.type = PTR
        return self._externals[name]

    def map_handle(self, name: str) -> Any:
        """`ptr` that becomes the map's address in the kernel."""
        return self._external("map:" + name)

    def map_data(self, name: str) -> Any:
        """`ptr` to element 0 of a one-element array map."""
        return self._external("data:" + name)

    @property
    def can_end(self) -> bool:
        """Whether a program of the script ends the run, and sets the byte that says so."""
        return f"data:{ENDED}" in self._externals

    def kernel_variable(self, name: str) -> Any:
        """`ptr` to a variable of the kernel, by BTF id."""
        return self._external("ksym:" + name)

    def kfunc(self, name: str, ftype: ir.FunctionType) -> ir.Function:
        """A kernel function, called by BTF id."""
        if name not in self._functions:
            self._functions[name] = ir.Function(self.ir, ftype, name)
        return self._functions[name]

    def intrinsic(self, name: str, ftype: ir.FunctionType) -> ir.Function:
        return self.kfunc(name, ftype)

    def unique(self, stem: str) -> str:
        """A function name that no other has."""
        self._counter += 1
        return f"{stem}_{self._counter}"

    # maps ---------------------------------------------------------------
    def map_spec(self, symbol: typed.MapSymbol) -> MapSpec:
        """The kernel map behind a map of the script."""
        spec = self._map_specs.get(kernel_name(symbol))
        if spec is None:
            spec = script_map_spec(symbol, self.script.registry, self.script.config, location_of(symbol.span))
            spec = with_cpu_slots(spec, self.cpu_slots)
            self._map_specs[spec.name] = spec
        return spec

    def global_offset(self, source: str) -> int:
        """Byte offset in the `globals` map of the value that the runtime fills in from `source`."""
        if source not in self._globals:
            self._globals[source] = GlobalSpec(source, 8 * len(self._globals), source)
        return self._globals[source].offset

    def text_offset(self, text: str) -> int:
        """Byte offset in the read-only data of `text` and a NUL; 8-aligned, so that words can be compared."""
        if text not in self._text_offsets:
            self._text += bytes(-len(self._text) % 8)
            self._text_offsets[text] = len(self._text)
            self._text += text.encode("latin-1") + b"\0"
        return self._text_offsets[text]

    def place_scratch(self, size: int) -> tuple[int, int]:
        """(element, byte offset) of a function's scratch area in the per-CPU `scratch` map."""
        size = (size + 7) // 8 * 8
        if self._scratch and self._scratch[-1] + size <= SCRATCH_ELEMENT:
            offset = self._scratch[-1]
            self._scratch[-1] += size
        else:
            offset = 0
            self._scratch.append(size)
        return len(self._scratch) - 1, offset

    def maps(self, programs: int) -> tuple[MapSpec, ...]:
        """All maps of the finished module: the script's, then the internal ones that are in use."""
        specs = list(self._map_specs.values())
        used = self._externals
        if f"map:{RING}" in used:
            specs.append(MapSpec(RING, "ringbuf", 0, 0, 0))
        if f"map:{LOST}" in used:
            specs.append(MapSpec(LOST, "percpu_array", 4, 8, max(1, programs)))
        if f"data:{ENDED}" in used:
            specs.append(MapSpec(ENDED, "array", 4, 8, 1))
        if self._globals:
            specs.append(MapSpec(GLOBALS, "array", 4, 8 * len(self._globals), 1, RDONLY_PROG))
        if self._scratch:
            specs.append(MapSpec(SCRATCH, "percpu_array", 4, max(self._scratch), len(self._scratch)))
        if f"map:{unwinding.PLACES}" in used:
            specs += _unwind_maps(f"map:{unwinding.IDS}" in used)
        if self._text:
            data = bytes(self._text)
            specs.append(MapSpec(RODATA, "array", 4, len(data), 1, RDONLY_PROG, initial=data))
        return tuple(specs)

    def globals(self) -> tuple[GlobalSpec, ...]:
        return tuple(self._globals.values())

    # events -------------------------------------------------------------
    def event(self, row_key: str, layout: Layout, data: Any, span: Span) -> int:
        """The id of an event; bodies that are compiled several times share it."""
        where = location_of(span)
        key = (row_key, layout, repr(data), span.start, where)
        if key not in self._event_ids:
            self._event_ids[key] = len(self.events)
            self.events.append(EventSpec(row_key, layout, data, where))
        return self._event_ids[key]


def _unwind_maps(ids: bool) -> list[MapSpec]:
    """The maps of `pytrace.unwinding`."""
    tables = unwinding.MOST_TABLES
    specs = [
        MapSpec(unwinding.PLACES, "lpm_trie", 16, 16, unwinding.MOST_PLACES, NO_PREALLOC),
        MapSpec(unwinding.TABLES, "array_of_maps", 4, unwinding.PAIR_SIZE, tables),
        MapSpec(unwinding.RULES, "array_of_maps", 4, unwinding.RULE_SIZE, tables),
    ]
    return [*specs, MapSpec(unwinding.IDS, "array", 4, unwinding.ID_SIZE, tables)] if ids else specs


def int_type(t: types.Type) -> ir.IntType:
    """The register type of a scalar: its own width; `bool` is i1, pointers and 8-byte opaque values are i64."""
    if isinstance(t, types.Bool):
        return I1
    return ir.IntType(t.size * 8) if t.size in (1, 2, 4, 8) else I64
