"""The Emitter: code generation's state for one program, and the interface that the rows' lowerings work through.

Place in the pipeline: between the typed script and the LLVM module; `registry.Lowering` describes its public part.
In: typed nodes.  Out: instructions at the position of `builder`.  What a newcomer would get wrong: memory values are
passed by destination (`store(expr, dest)`), and a helper's result that is kept for the event (`helper_once`) is kept
per region of code, because a value computed under a condition does not dominate what follows it.
"""

from __future__ import annotations

from contextlib import contextmanager

from llvmlite import ir

from pytrace import types
from pytrace.codegen import control, events, expressions, maps, memory, strings
from pytrace.codegen.bpf_helpers import HELPERS
from pytrace.codegen.module import ENDED, GLOBALS, I1, I32, I64, PTR, RODATA, VOID, int_type
from pytrace.diagnostics import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Any

    from pytrace.codegen.frame import Frame
    from pytrace.codegen.module import ModuleBuilder
    from pytrace.program import Layout
    from pytrace.registry import Def, ProbeDef
    from pytrace.sema import typed
    from pytrace.source import Span
    from pytrace.types import Type
    from pytrace.unwinding import KernelOffsets

NO_RESULT = frozenset({"ringbuf_submit", "ringbuf_discard"})
"""Helpers of bpf.h that return void: their r0 must not be read."""
KERNEL_OBJECTS = frozenset({"get_current_task_btf"})
"""Helpers that return a pointer to a kernel object.  Its loads stay as they are, like the context's: LLVM would join
one with a load from a map's value ("same insn cannot be used with different pointers")."""
_RESULTS = {"i64": I64, "i32": I32, "ptr": PTR, "void": VOID}


class Emitter:
    """Emits one program and the functions it needs."""

    def __init__(self, module: ModuleBuilder, instance: typed.Instance) -> None:
        self.module = module
        self.instance = instance
        self.config: Mapping[str, Any] = module.script.config
        self.registry = module.script.registry
        self.provider: ProbeDef = instance.attach_points[0].provider
        self.program_index = instance.index
        self.shared = memory.shared_symbols((instance.predicate, instance.body))
        self.padded = True
        self.current: list[Any] = []
        """The values of `Current`, innermost last."""
        self.frame: Frame
        self.context_pointers: dict[int, Any] = {}
        self._aligns: dict[int, tuple[Any, int]] = {}

    # position -----------------------------------------------------------
    @property
    def builder(self) -> Any:
        return self.frame.builder

    @property
    def ctx(self) -> Any:
        return control.context_pointer(self, self.frame)

    @contextmanager
    def in_frame(self, frame: Frame, span: Span) -> Iterator[None]:
        """Emit into another function."""
        before = self.__dict__.get("frame")
        self.frame = frame
        frame.scope = self.module.debug.describe(frame.function, span, local=frame.kind != "program" or frame.is_part)
        self.mark(span)
        frame.at_entry.debug_metadata = self.builder.debug_metadata
        try:
            yield
            frame.finish()
        finally:
            if before is not None:
                self.frame = before

    def mark(self, span: Span) -> None:
        """What is emitted from here on belongs to `span`."""
        self.builder.debug_metadata = self.module.debug.location(self.frame.scope, span)

    @contextmanager
    def region(self, block: Any) -> Iterator[None]:
        """Emit into `block`; what is computed once in there is not known outside."""
        self.builder.position_at_end(block)
        self.frame.once.append({})
        try:
            yield
        finally:
            self.frame.once.pop()

    # values -------------------------------------------------------------
    def const(self, value: int, bits: int = 64) -> Any:
        return ir.Constant(ir.IntType(bits), value & ((1 << bits) - 1))

    def value(self, expr: typed.Expr) -> Any:
        if types.is_memory(expr.type):
            return memory.value_pointer(self, expr)
        return expressions.scalar(self, expr)

    def int64(self, expr: typed.Expr) -> Any:
        return self.extend(self.value(expr), expr.type, 64)

    def extend(self, value: Any, t: Type, bits: int = 64) -> Any:
        if isinstance(value.type, ir.PointerType):
            value = self.builder.ptrtoint(value, I64)
        width, goal = value.type.width, ir.IntType(bits)
        if width == bits:
            return value
        if width > bits:
            return self.builder.trunc(value, goal)
        signed = isinstance(t, (types.Int, types.Enum)) and t.signed
        return self.builder.sext(value, goal) if signed else self.builder.zext(value, goal)

    def coerce(self, value: Any, t: Type) -> Any:
        """A row's result as a scalar of type `t`: rows may hand back 64 bits or a `ptr` for anything."""
        goal = int_type(t)
        if isinstance(value.type, ir.PointerType):
            value = self.builder.ptrtoint(value, I64)
        if goal is I1 and value.type.width != 1:
            return self.builder.icmp_unsigned("!=", value, ir.Constant(value.type, 0))
        return self.extend(value, t, goal.width)

    def coerce_pointer(self, value: Any) -> Any:
        """A row's memory result as `ptr`."""
        if value is not None and isinstance(value.type, ir.IntType):
            return self.builder.inttoptr(value, PTR)
        return value

    def store(self, expr: typed.Expr, dest: Any) -> None:
        if types.is_memory(expr.type):
            memory.store(self, expr, dest)
        else:
            self.put(dest, expressions.scalar(self, expr))

    def effect(self, expr: typed.Expr) -> None:
        """Evaluate for its effects only."""
        expressions.effect(self, expr)

    def address(self, expr: typed.Expr) -> tuple[Any, str]:
        if not types.is_memory(expr.type):
            return self.int64(expr), expr.space
        return memory.address(self, expr)

    # memory -------------------------------------------------------------
    def local(self, size: int, align: int = 8, name: str = "") -> Any:
        return memory.local(self, size, align)

    def load(self, ptr: Any, t: Type, offset: int = 0) -> Any:
        return memory.load(self, ptr, t, offset)

    def put(self, ptr: Any, value: Any, offset: int = 0) -> None:
        memory.put(self, ptr, value, offset)

    def at(self, ptr: Any, offset: Any) -> Any:
        return memory.at(self, ptr, offset)

    def zero(self, ptr: Any, size: int) -> None:
        memory.zero(self, ptr, size)

    def copy(self, dest: Any, source: Any, size: int) -> None:
        memory.copy(self, dest, source, size)

    def align_of(self, ptr: Any) -> int:
        """The alignment that `ptr` is known to have."""
        known = self._aligns.get(id(ptr))
        if known is not None:
            return known[1]
        return getattr(ptr, "align", None) or 1 if isinstance(ptr, ir.AllocaInstr) else 1

    def aligned(self, ptr: Any, align: int) -> Any:
        """Note that `ptr` has this alignment."""
        self._aligns[id(ptr)] = (ptr, align)
        return ptr

    def variable(self, symbol: typed.VarSymbol) -> Any:
        return memory.variable(self, self.frame, symbol)

    def string_constant(self, text: str) -> Any:
        offset = self.module.text_offset(text)
        return self.aligned(self.at(self.module.map_data(RODATA), offset), 8)

    # control ------------------------------------------------------------
    def when(self, condition: Any) -> AbstractContextManager[None]:
        return control.when(self, condition)

    def when_else(self, condition: Any) -> AbstractContextManager[tuple[Any, Any]]:
        return control.when_else(self, condition)

    def choose(self, condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        return control.choose(self, condition, then, otherwise)

    def end_run(self) -> None:
        self.builder.store(self.const(1, 8), self.module.map_data(ENDED), align=1)

    def end_probe(self) -> None:
        control.end_probe(self)

    # kernel -------------------------------------------------------------
    def call_helper(self, name: str, args: tuple[Any, ...], result: Any) -> Any:
        number = HELPERS.get(name)
        if number is None:
            raise InternalError("codegen", f"no BPF helper is called {name}")
        operands = [self.const(a) if isinstance(a, int) else a for a in args]
        callee = ir.Constant(I64, number).inttoptr(PTR)
        callee.function_type = ir.FunctionType(result, [a.type for a in operands])
        return self.builder.call(callee, operands)

    def helper(self, name: str, *args: Any) -> Any:
        return self.call_helper(name, args, VOID if name in NO_RESULT else I64)

    def helper_pointer(self, name: str, *args: Any) -> Any:
        """As `helper`, for one that returns a pointer (or null) to 8-aligned memory."""
        pointer = self.aligned(self.call_helper(name, args, PTR), 8)
        if name in KERNEL_OBJECTS:
            control.note_context(self, pointer)
        return pointer

    def helper_once(self, name: str) -> Any:
        for known in self.frame.once:
            if name in known:
                return known[name]
        self.frame.once[-1][name] = value = self.helper(name)
        return value

    def kfunc(self, name: str, result: str, *args: Any) -> Any:
        operands = [self.const(a) if isinstance(a, int) else a for a in args]
        ftype = ir.FunctionType(_RESULTS[result], [a.type for a in operands])
        return self.builder.call(self.module.kfunc(name, ftype), operands)

    def kernel_variable(self, name: str) -> Any:
        return self.module.kernel_variable(name)

    def read(self, dest: Any, size: Any, address: Any, space: str, span: Span) -> Any:
        return memory.probe_read(self, dest, size, address, space, span)

    def read_string(self, dest: Any, size: Any, address: Any, space: str, span: Span) -> Any:
        return strings.probe_read_string(self, dest, size, address, space, span)

    def global_value(self, source: str) -> Any:
        offset = self.module.global_offset(source)
        return self.builder.load(self.at(self.module.map_data(GLOBALS), offset), typ=I64, align=8)

    def unwind(self, dest: Any, process: Any, limit: int, build_ids: bool, kernel: KernelOffsets | None) -> Any:
        from pytrace.codegen import unwind

        return unwind.unwind(self, dest, process, limit, build_ids, kernel)

    def null(self) -> Any:
        return ir.Constant(PTR, None)

    def is_null(self, ptr: Any) -> Any:
        return self.builder.icmp_unsigned("==", ptr, self.null())

    def not_null(self, ptr: Any) -> Any:
        return self.builder.icmp_unsigned("!=", ptr, self.null())

    def opaque(self, value: Any, *, movable: bool = False) -> Any:
        """`value`, but LLVM knows nothing about it; unless `movable`, it stays behind the check that precedes it."""
        ftype = ir.FunctionType(value.type, [value.type])
        return self.builder.asm(ftype, "", "=r,0", [value], not movable)

    # maps ---------------------------------------------------------------
    def map(self, symbol: typed.MapSymbol) -> Any:
        return self.module.map_handle(self.module.map_spec(symbol).name)

    def map_named(self, name: str) -> typed.MapSymbol | None:
        return next((m for m in self.module.script.maps if m.name == name), None)

    def lookup(self, symbol: typed.MapSymbol, key: typed.Expr | None) -> Any:
        return maps.lookup(self, symbol, key)

    def delete(self, symbol: typed.MapSymbol, key: typed.Expr | None) -> Any:
        return maps.delete(self, symbol, key)

    def fetch_add(self, symbol: typed.MapSymbol, amount: Any) -> Any:
        return maps.fetch_add(self, symbol, amount)

    def map_length(self, symbol: typed.MapSymbol) -> Any:
        return maps.length(self, symbol)

    # events -------------------------------------------------------------
    def event(self, row_key: str, layout: Layout, data: Any, span: Span) -> Any:
        return self.module.event(row_key, layout, data, span)

    def emit(
        self,
        row_key: str,
        fields: list[tuple[str, Type]],
        data: Any,
        span: Span,
        fill: Callable[[Any, Layout], None],
    ) -> None:
        events.emit(self, row_key, fields, data, span, fill)

    def send(
        self, row_key: str, fields: list[tuple[str, Type]], data: Any, span: Span, record: Any, size: Any
    ) -> None:
        events.send(self, row_key, fields, data, span, record, size)

    def runtime_error(self, kind: str, span: Span) -> None:
        events.runtime_error(self, kind, span)

    def row_key(self, row: Def) -> str:
        return self.registry.key_of(row)
