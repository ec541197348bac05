"""How a row sees the stage that calls it: protocols, for type checkers and readers only.

Place in the pipeline: beside `registry`, and never imported at run time: a Protocol costs a warm start 2 ms, so modules
name these under TYPE_CHECKING.  In: nothing.  Out: `CallSite` (type rules, implemented in sema), `FoldSite` (folding),
`Lowering` (code generation, implemented by codegen.emitter), `Handling` (the runtime's session).  What a newcomer would
get wrong: a row may use what stands here and nothing else of a stage.
"""

from __future__ import annotations

from typing import Protocol

from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from typing import Any

    from pytrace.attach_points import AttachPoint
    from pytrace.program import Layout
    from pytrace.registry import Def, ProbeDef
    from pytrace.sema import typed
    from pytrace.source import Span
    from pytrace.target import Target
    from pytrace.types import Type
    from pytrace.unwinding import KernelOffsets


class CallSite(Protocol):
    """One call of a function, builtin or aggregate, as the type rule sees it (implemented by sema.infer).

    Type rules run several times, while types still widen; they must not report twice (the diagnostics drop repeats)
    and should report errors only when `final` is true.
    """

    span: Span
    final: bool
    data: Any
    """Whatever the row wants to find again in `Call.data`."""
    args: tuple[Any, ...]
    """`ast.Expr`, or `ast.TypeOf`."""

    @property
    def target(self) -> Target: ...

    @property
    def config(self) -> Mapping[str, Any]: ...

    @property
    def named(self) -> Mapping[str, int | str | bool]:
        """The values of the script's named parameters."""
        ...

    @property
    def provider(self) -> ProbeDef: ...

    @property
    def attach_point(self) -> AttachPoint:
        """The first of the instance's attach points; `uses_attach_point` makes it the only one."""
        ...

    @property
    def inlined(self) -> bool:
        """Whether one of the attach points is code that was inlined: no function is entered there."""
        ...

    @property
    def in_loop(self) -> bool:
        """Inside the body of a loop."""
        ...

    @property
    def in_for(self) -> bool:
        """Inside the body of a `for`, which is a function of its own."""
        ...

    def arg_type(self, index: int) -> Type:
        """The type of argument `index` so far (NONE while unknown)."""
        ...

    def arg_space(self, index: int) -> str: ...

    def literal(self, index: int) -> int | str | bool | None:
        """The value of argument `index` if it is a literal, else None."""
        ...

    def word(self, index: int) -> str:
        """The bare identifier at `index`, "" if it is something else."""
        ...

    def map(self, index: int) -> typed.MapSymbol:
        """The map passed at `index`."""
        ...

    def variable(self, index: int) -> typed.VarSymbol: ...

    def assign_variable(self, index: int, t: Type, space: str = Space.NONE) -> None:
        """Join `t` into the type of the variable passed at `index` (find())."""
        ...

    def type_named(self, name: str, tag: str = "") -> Type | None:
        """A type by name: script definitions first, then BTF."""
        ...

    def uses_attach_point(self) -> None:
        """The result differs from one attach point to the next: compile the body once for each."""
        ...

    def convert_arg(self, index: int, t: Type) -> None:
        """Ask for argument `index` to be converted to `t` before lowering."""
        ...

    def set_space(self, space: str) -> None:
        """The address space of the result."""
        ...

    def error(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None: ...

    def warning(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None: ...


class FoldSite(Protocol):
    """A call as the folding pass sees it: arguments are folded already, types are not known."""

    span: Span
    args: tuple[Any, ...]
    """`ast.Expr`, or `ast.TypeOf`."""

    @property
    def target(self) -> Target: ...

    @property
    def config(self) -> Mapping[str, Any]: ...

    @property
    def unsafe(self) -> bool:
        """--unsafe was given."""
        ...

    @property
    def provider(self) -> ProbeDef | None: ...

    @property
    def attach_point(self) -> AttachPoint | None: ...

    def literal(self, index: int) -> int | str | bool | None: ...
    def error(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None: ...
    def warning(self, message: str, span: Span | None = None, hints: Iterable[str] = ()) -> None: ...
    def uses_attach_point(self) -> None: ...


class Lowering(Protocol):
    """Code generation as a row sees it (implemented by codegen.emitter.Emitter).

    `Any` stands for an LLVM value; scalars have their type's width, pointers to memory are `ptr`.  Everything is
    emitted at the current position of `builder` (an llvmlite IRBuilder, for what is not offered here).
    """

    instance: typed.Instance
    config: Mapping[str, Any]
    padded: bool
    """Whether the bytes behind a string's NUL must be zero where a value is stored just now (false in a record)."""

    @property
    def builder(self) -> Any: ...

    @property
    def ctx(self) -> Any:
        """The program's context (`ptr`)."""
        ...

    # values -------------------------------------------------------------
    def const(self, value: int, bits: int = 64) -> Any: ...

    def value(self, expr: typed.Expr) -> Any:
        """A scalar in its own width (pointers as i64), or a `ptr` to readable memory for memory types."""
        ...

    def int64(self, expr: typed.Expr) -> Any:
        """A scalar extended to 64 bits by its own signedness."""
        ...

    def extend(self, value: Any, t: Type, bits: int = 64) -> Any:
        """A scalar of type `t` widened (by its sign) or cut to `bits`."""
        ...

    def store(self, expr: typed.Expr, dest: Any) -> None:
        """Evaluate straight into `dest`: all `expr.type.size` bytes get a defined value (padding zeroed)."""
        ...

    def address(self, expr: typed.Expr) -> tuple[Any, str]:
        """(address as i64, space) of what a pointer, integer, string or array expression points to or holds."""
        ...

    # memory -------------------------------------------------------------
    def local(self, size: int, align: int = 8, name: str = "") -> Any:
        """Uninitialised memory, valid to the end of the event: stack up to on_stack_limit, else per-CPU scratch."""
        ...

    def load(self, ptr: Any, t: Type, offset: int = 0) -> Any: ...

    def put(self, ptr: Any, value: Any, offset: int = 0) -> None:
        """Store a scalar LLVM value at byte `offset`."""
        ...

    def at(self, ptr: Any, offset: Any) -> Any:
        """`ptr` plus byte offset (int or i64)."""
        ...

    def aligned(self, ptr: Any, align: int) -> Any:
        """Note that `ptr` has this alignment; a pointer made from a number has none known, and is read by bytes."""
        ...

    def zero(self, ptr: Any, size: int) -> None: ...

    def copy(self, dest: Any, source: Any, size: int) -> None: ...

    def variable(self, symbol: typed.VarSymbol) -> Any:
        """`ptr` to a scratch variable's memory (out-arguments: `VarRef`)."""
        ...

    def string_constant(self, text: str) -> Any:
        """`ptr` to read-only bytes with a NUL behind them."""
        ...

    # control ------------------------------------------------------------
    def when(self, condition: Any) -> AbstractContextManager[None]:
        """`with em.when(i1):` emits the body under the condition."""
        ...

    def when_else(self, condition: Any) -> AbstractContextManager[tuple[Any, Any]]:
        """`with em.when_else(i1) as (then, otherwise): with then: … with otherwise: …`."""
        ...

    def choose(self, condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        """A scalar that is computed on one of two paths."""
        ...

    def end_run(self) -> None:
        """No probe that is attached runs its body from here on: what the run leaves does not depend on how soon the
        runtime hears of exit()."""
        ...

    def end_probe(self) -> None:
        """Return from the program here (exit(), return); what follows is unreachable."""
        ...

    # kernel -------------------------------------------------------------
    def helper(self, name: str, *args: Any) -> Any:
        """Call BPF helper `name` (bpf.h without `bpf_`); i64 result."""
        ...

    def helper_pointer(self, name: str, *args: Any) -> Any:
        """As `helper`, for one whose result is a `ptr` to 8-aligned memory that the program may load from."""
        ...

    def helper_once(self, name: str) -> Any:
        """As `helper` without arguments, read once an event: pid, uid, cpu, current task … do not change in it."""
        ...

    def kfunc(self, name: str, result: str, *args: Any) -> Any:
        """Call kernel function `name`; `result` is `i64`, `i32`, `ptr` or `void`."""
        ...

    def kernel_variable(self, name: str) -> Any:
        """`ptr` to a variable of the kernel that BTF knows (per-CPU ones: for this_cpu_ptr and per_cpu_ptr)."""
        ...

    def read(self, dest: Any, size: Any, address: Any, space: str, span: Span) -> Any:
        """probe_read_{user,kernel}; zeroes `dest` on failure; warns at run time with -k.  The helper's i64 result."""
        ...

    def read_string(self, dest: Any, size: Any, address: Any, space: str, span: Span) -> Any:
        """probe_read_{user,kernel}_str; the helper's i64 result (length with NUL, or negative errno)."""
        ...

    def global_value(self, source: str) -> Any:
        """The i64 that the runtime set before loading; `source` as in `program.GlobalSpec`."""
        ...

    def unwind(self, dest: Any, process: Any, limit: int, build_ids: bool, kernel: KernelOffsets | None) -> Any:
        """Put up to `limit` return addresses of the current process (or struct bpf_stack_build_id) to `dest`, by the
        tables that the runtime makes, and zeros behind them; i64: how many, -1 when there are none for the process, -2
        for another failure.  `kernel`: for stacks with return probes on them, None if not known."""
        ...

    def opaque(self, value: Any) -> Any:
        """`value`, but LLVM knows nothing about it."""
        ...

    # maps ---------------------------------------------------------------
    def map(self, symbol: typed.MapSymbol) -> Any:
        """The map as a helper argument."""
        ...

    def map_named(self, name: str) -> typed.MapSymbol | None:
        """The script's map of that name, without its `@`."""
        ...

    def lookup(self, symbol: typed.MapSymbol, key: typed.Expr | None) -> Any:
        """`ptr` to the element's value or null; scalar maps: null when never assigned."""
        ...

    def delete(self, symbol: typed.MapSymbol, key: typed.Expr | None) -> Any:
        """Remove an element; i1, true if there was one."""
        ...

    def fetch_add(self, symbol: typed.MapSymbol, amount: Any) -> Any:
        """Add the i64 to a scalar map's 64-bit number in one step; the number before."""
        ...

    def map_length(self, symbol: typed.MapSymbol) -> Any:
        """The number of elements, i64."""
        ...

    # events -------------------------------------------------------------
    def event(self, row_key: str, layout: Layout, data: Any, span: Span) -> Any:
        """Register an EventSpec; what it returns is passed to `reserve`."""
        ...

    def emit(
        self, row_key: str, fields: list[tuple[str, Type]], data: Any, span: Span, fill: Callable[[Any, Layout], None]
    ) -> None:
        """Reserve a ring-buffer record, write its id, let `fill(ptr, layout)` write the fields in place, submit; a
        failed reservation counts as a lost event of this probe.  `data`: plain values for the handler."""
        ...

    def send(
        self, row_key: str, fields: list[tuple[str, Type]], data: Any, span: Span, record: Any, size: Any
    ) -> None:
        """As `emit`, for records whose size is only known at run time: `size` (i64) bytes of memory that the program
        has filled, the fields at the places of a layout that starts at byte 8 and whatever stands behind them."""
        ...

    def runtime_error(self, kind: str, span: Span) -> None:
        """Report `divide_by_zero`, `out_of_bounds`, `no_cpid` … at run time (spec 07 §6)."""
        ...

    def row_key(self, row: Def) -> str: ...


class Handling(Protocol):
    """The runtime as a row's handler sees it (implemented by runtime.session.Session)."""

    config: Mapping[str, Any]
    output: Any
    """runtime.output.Output: text or JSON."""
    maps: Mapping[str, Any]
    """`@name` -> runtime.maps.MapReader."""
    kept: dict[str, Any]
    """What the handlers of several events have in common, by a name that their rows choose; what can be closed is
    closed at the end of the run."""

    @property
    def links(self) -> Iterable[Any]:
        """The attachments (runtime.link.Link)."""
        ...

    def render(self, t: Type, data: bytes | memoryview) -> str:
        """A value's text form (spec 05 §4)."""
        ...

    def value(self, t: Type, data: bytes | memoryview) -> Any:
        """A decoded value (pytrace.values)."""
        ...

    def request_exit(self, code: int) -> None:
        """Stop after this event; later events are dropped."""
        ...

    def user_error(self, message: str) -> None:
        """`ERROR: message` on stderr; the run goes on (spec 07 §6)."""
        ...
