"""The function that is being emitted: its entry block, variables, stack and scratch memory, captured outer variables.

Place in the pipeline: one Frame per LLVM function (a program, a loop's callback, a subprogram), owned by the Emitter.
In: requests for memory.  Out: `ptr` values that are valid everywhere in the function.  What a newcomer would get
wrong: `entry` has no terminator until `finish`, so that allocations can be added to it at any time; the sizes and
offsets of scratch memory are constants that are filled in by `finish`, when all of it is known.
"""

from __future__ import annotations

from contextlib import contextmanager

from llvmlite import ir

from pytrace.codegen.bpf_helpers import HELPERS
from pytrace.codegen.module import I1, I8, I32, I64, PTR, SCRATCH
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.codegen.module import ModuleBuilder
    from pytrace.sema import typed

STACK_BUDGET = 288
"""Bytes of a program's 512 that objects may take; the rest is for registers that LLVM spills."""
CALLBACK_BUDGET = 128
"""The same for a callback or subprogram: the kernel adds up the frames of a chain of calls."""
MAX_SCALARS = 24
"""Scalar variables of a function that may each need a word of stack; further ones lie in the scratch area."""
SHARED_ON_STACK = 128
"""Bytes of variables shared with callbacks that still lie on the stack."""


@record(frozen=False)
class Capture:
    """A pointer of the enclosing function that a callback uses: `slot` is its place in the context record."""

    slot: int
    outer: Any
    inner: Any


@record(frozen=False)
class LoopTargets:
    """Where `break` and `continue` go; None inside a callback, where they are its return values."""

    on_break: Any
    on_continue: Any


class Frame:
    """State of one function.  `kind`: program, callback, subprogram (`fn`), or cold (ours, without a context)."""

    def __init__(self, module: ModuleBuilder, function: ir.Function, kind: str, parent: Frame | None = None) -> None:
        self.module = module
        self.function = function
        self.kind = kind
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.entry = function.append_basic_block("entry")
        self.at_entry = ir.IRBuilder(self.entry)
        self._setup = ir.IRBuilder(function.append_basic_block("setup"))
        self.builder = ir.IRBuilder(function.append_basic_block("body"))
        self.scope: Any = None
        self.variables: dict[typed.VarSymbol, Any] = {}
        self.once: list[dict[str, Any]] = [{}]
        self.loops: list[LoopTargets] = []
        self.open_records: list[Any] = []
        self.captures: dict[Any, Capture] = {}
        self.context: Any = function.args[-1] if kind == "callback" else None
        """The callback's pointer to the captured pointers."""
        self.ctx: Any = function.args[0] if kind in ("program", "subprogram") else None
        self.exit_slot: Any = None
        """Of a program: two words, whether a callback has returned from the probe, and the value."""
        self.result: typed.SubprogramSymbol | None = None
        """Of a `fn`: which it is.  `result_place`: where its result goes, None for the return value; `can_end_probe`:
        it returns whether the probe is to end."""
        self.result_place: Any = None
        self.can_end_probe = False
        self.is_part = function.linkage == "internal"
        """Of a program: called by another function that is the program's first (sessions)."""
        self.last_callback: Frame
        self.shared: dict[typed.VarSymbol, int] = {}
        """Variables that callbacks use, by their offset in `shared_area`."""
        self.shared_area: Any = None
        self._shared_size = 0
        self._scalars = 0
        self.stack_used = 0
        self._free: dict[int, list[Any]] = {}
        self._taken: list[tuple[int, Any]] = []
        self._zero_key: Any = None
        self._scratch_base: Any = None
        self._scratch_key: ir.Constant | None = None
        self._scratch_start: ir.Constant | None = None
        self._fixed_size = 0
        self._temporary_at = 0
        self._temporary_size = 0
        self._temporaries: list[tuple[ir.Constant, int]] = []

    # memory -------------------------------------------------------------
    def _allocate(self, t: Any) -> Any:
        slot = self.at_entry.alloca(t)
        slot.align = 8
        slot.type = PTR  # llvmlite's own is a typed pointer, which it then wants every store and phi to match
        return slot

    def stack(self, size: int) -> Any:
        slot = self._allocate(ir.ArrayType(I8, max(1, size)))
        self.stack_used += (size + 7) // 8 * 8
        return slot

    def scalar(self, t: ir.IntType) -> Any:
        """A slot for a scalar; LLVM keeps it in a register unless its address is needed."""
        self._scalars += 1
        if self._scalars > MAX_SCALARS:
            return self._scratch(8, True)
        stored = I8 if t is I1 else t
        slot = self._allocate(stored)
        self.at_entry.store(stored(0), slot)
        return slot

    def share(self, symbol: typed.VarSymbol, limit: int, size: int) -> Any:
        """The place of a variable that callbacks use too; all of them lie in one area of `size` bytes, so that a
        callback needs one pointer only."""
        if self.shared_area is None:
            small = size <= max(limit, SHARED_ON_STACK) and self.stack_used + size <= STACK_BUDGET
            self.shared_area = self.stack(size) if small else self._scratch(size, True)
            if small:
                for offset in range(0, (size + 7) // 8 * 8, 8):
                    place = self.at_entry.gep(self.shared_area, [I64(offset)], source_etype=I8)
                    self.at_entry.store(I64(0), place, align=8)
        self.shared[symbol] = self._shared_size
        at = self.at_entry if self.shared_area.parent is self.entry else self._setup
        place = at.gep(self.shared_area, [I64(self._shared_size)], source_etype=I8)
        self._shared_size += (max(1, symbol.type.size) + 7) // 8 * 8
        return place

    def zero_key(self) -> Any:
        """`ptr` to a 32-bit 0, the key of one-element arrays."""
        if self._zero_key is None:
            self._zero_key = self._allocate(I32)
            self.at_entry.store(I32(0), self._zero_key)
        return self._zero_key

    def local(self, size: int, limit: int, persistent: bool) -> Any:
        """Uninitialised memory: the stack for small objects while there is room, else this CPU's scratch area."""
        rounded = max(8, (size + 7) // 8 * 8)
        free = self._free.get(rounded)
        if free and not persistent:
            slot = free.pop()
        else:
            budget = STACK_BUDGET if self.kind == "program" else CALLBACK_BUDGET
            if size > limit or self.stack_used + rounded > budget:
                return self._scratch(size, persistent)
            slot = self.stack(rounded)
        if not persistent:
            self._taken.append((rounded, slot))
        return slot

    def _scratch(self, size: int, persistent: bool) -> Any:
        if self._scratch_base is None:
            self._scratch_key = ir.Constant(I32, 0)
            self._scratch_start = ir.Constant(I64, 0)
            key = self._allocate(I32)
            self.at_entry.store(self._scratch_key, key)
            callee = ir.Constant(I64, HELPERS["map_lookup_elem"]).inttoptr(PTR)
            callee.function_type = ir.FunctionType(PTR, [PTR, PTR])
            self._scratch_base = self.at_entry.call(callee, [self.module.map_handle(SCRATCH), key])
        size = (size + 7) // 8 * 8
        offset = ir.Constant(I64, 0)
        if persistent:
            offset.constant = self._fixed_size
            self._fixed_size += size
        else:
            self._temporaries.append((offset, self._temporary_at))
            self._temporary_at += size
            self._temporary_size = max(self._temporary_size, self._temporary_at)
        assert self._scratch_start is not None
        # Behind the null check: "R0 pointer arithmetic on map_value_or_null prohibited, null-check it first".
        area = self._setup.gep(self._scratch_base, [self._scratch_start], source_etype=I8)
        return self._setup.gep(area, [offset], source_etype=I8)

    def stack_temporary(self, size: int) -> Any:
        """Memory that must be on the stack (a callback's context)."""
        free = self._free.get(size)
        slot = free.pop() if free else self.stack(size)
        self._taken.append((size, slot))
        return slot

    @contextmanager
    def temporaries(self) -> Iterator[None]:
        """Memory taken inside that is not persistent is free again behind it."""
        mark, taken = self._temporary_at, len(self._taken)
        try:
            yield
        finally:
            self._temporary_at = mark
            for size, slot in self._taken[taken:]:
                self._free.setdefault(size, []).append(slot)
            del self._taken[taken:]

    # captures -----------------------------------------------------------
    def capture(self, key: Any, outer: Any) -> Any:
        """The pointer `outer` of the enclosing function, as this callback gets it through its context."""
        found = self.captures.get(key)
        if found is None:
            slot = len(self.captures)
            place = self.at_entry.gep(self.context, [I64(8 * slot)], source_etype=I8)
            found = Capture(slot, outer, self.at_entry.load(place, typ=PTR, align=8))
            self.captures[key] = found
        return found.inner

    def capture_local(self, ptr: Any) -> tuple[str, int]:
        """A key to `capture` with, for memory that is no variable."""
        return ("local", id(ptr))

    # the end ------------------------------------------------------------
    def finish(self) -> None:
        """Join the entry block to the body; every offset of the scratch memory is known now."""
        setup, body = self.function.blocks[1:3]
        self._setup.branch(body)
        if self._scratch_base is None:
            self.at_entry.branch(setup)
            return
        for offset, at in self._temporaries:
            offset.constant = self._fixed_size + at
        assert self._scratch_key is not None and self._scratch_start is not None
        element, start = self.module.place_scratch(self._fixed_size + self._temporary_size)
        self._scratch_key.constant = element
        self._scratch_start.constant = start
        missing = self.function.append_basic_block("no_scratch")
        present = self.at_entry.icmp_unsigned("!=", self._scratch_base, ir.Constant(PTR, None))
        self.at_entry.cbranch(present, setup, missing)
        end = ir.IRBuilder(missing)
        end.debug_metadata = self.at_entry.debug_metadata
        if isinstance(self.function.function_type.return_type, ir.VoidType):
            end.ret_void()
        else:
            end.ret(ir.Constant(self.function.function_type.return_type, 0))
