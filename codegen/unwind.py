"""Unwinding of user stacks by tables: the functions behind dw_ustack.

Place in the pipeline: behind the Emitter, for `Lowering.unwind`.  In: where the frames go, and of which process.  Out:
a function for each limit, shared by all programs; the tables that it reads are `pytrace.unwinding`'s.  What a newcomer
would get wrong: each loop is a call of bpf_loop, because the verifier follows a callback once and a loop as often as it
runs, with all its branches; so what a step leaves for the next lies in memory, in the slots below.
"""

from __future__ import annotations

from llvmlite import ir

from pytrace import types, unwinding
from pytrace.codegen import control, loops, memory
from pytrace.codegen.frame import Frame
from pytrace.codegen.module import I32, I64, PTR
from pytrace.unwinding import CALLER, INSTRUCTION, STACK_POINTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.codegen.emitter import Emitter
    from pytrace.unwinding import KernelOffsets

_REGISTERS = 17
_SLOTS = 64
"""Those that a rule's steps can name; the following are ours."""
_READ, _KEY, _ADDRESS, _OFFSET, _LOW, _HIGH, _RULE, _COUNT, _FAILED, _INDEX = 36, 38, 39, 40, 41, 42, 43, 44, 45, 46
_TRAMPOLINE, _STACK_TOP, _RETURN, _RETURN_STACK, _WHERE = 47, 48, 49, 50, 51
_TOKEN = 52
_SAVED = _SLOTS
_PT_REGS_SIZE = 168
_PT_REGS = (80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0, 128)
"""Offsets in struct pt_regs (arch/x86/include/asm/ptrace.h) of the registers by their DWARF numbers."""
_FAILURE = -1
_SEARCH_STEPS = 32
_MOST_RETURNS = 512
_PAGE = 4096
_LONGEST_INSTRUCTION = 15
_BY_ADDRESS = 2  # BPF_STACK_BUILD_ID_IP
_UNKNOWN, _DISTURBED = -1, -2
_TRIES = 3


def unwind(em: Emitter, dest: Any, process: Any, limit: int, build_ids: bool, kernel: KernelOffsets | None) -> Any:
    """Put up to `limit` frames of the current process to `dest`, zeros behind them; i64: how many, -1 when there are no
    tables for it, -2 when that did not work.  `process`: its id (i32).

    The slots are this CPU's, and an interrupt's program may walk in the middle of a walk: then that is begun anew.
    """
    key = ("unwind", limit, build_ids, kernel)
    function = em.module.subprograms.get(key)
    if function is None:
        function = control.static_function(em, f"unwind_{limit}", ir.FunctionType(I64, [PTR, I64]))
        em.module.subprograms[key] = function
        with em.in_frame(Frame(em.module, function, "cold"), em.instance.span), memory.padding(em, True):
            _Walk(em, limit, 5 if build_ids else 3, kernel).emit(*function.args)
    process = em.extend(process, types.UINT32, 64)
    slot = memory.local(em, 8)
    em.put(slot, em.builder.call(function, [dest, process]))
    for _ in range(_TRIES - 1):
        disturbed = em.builder.icmp_signed("==", em.load(slot, types.INT64), em.const(_DISTURBED))
        with em.when(disturbed):
            em.put(slot, em.builder.call(function, [dest, process]))
    return em.load(slot, types.INT64)


class _Walk:
    """Emits one such function.  `stride`: log2 of a frame's size."""

    def __init__(self, em: Emitter, limit: int, stride: int, kernel: KernelOffsets | None) -> None:
        self.em = em
        self.limit = limit
        self.stride = stride
        self.kernel = kernel
        self.state: Any = None
        """`ptr` to the slots, in the function that is being emitted."""
        self.frames: Any = None

    # ---------------------------------------------------------------- memory
    def get(self, slot: int) -> Any:
        return self.em.load(self.state, types.UINT64, 8 * slot)

    def set(self, slot: int, value: Any) -> None:
        self.em.put(self.state, value if not isinstance(value, int) else self.em.const(value), 8 * slot)

    def slot(self, number: Any) -> Any:
        """`ptr` to a slot that only the rule knows."""
        b = self.em.builder
        offset = b.shl(b.and_(number, self.em.const(_SLOTS - 1)), self.em.const(3))
        return self.em.aligned(self.em.at(self.state, offset), 8)

    def read_kernel(self, slot: int, address: Any, offset: int) -> None:
        """Set a slot to a word of the kernel's memory, 0 if it cannot be read."""
        b = self.em.builder
        self.em.helper(
            "probe_read_kernel", self.em.at(self.state, 8 * slot), I32(8), b.add(address, self.em.const(offset))
        )

    def stop_if(self, condition: Any) -> None:
        """Leave the loop whose callback is being emitted."""
        with self.em.when(condition):
            self.em.builder.ret(self.em.const(1))

    def loop(self, name: str, rounds: Any, body: Callable[[Any], None], **outer: Any) -> None:
        """A loop; `body` gets the number of the round.  `outer`: pointers of this function that are attributes of the
        walk inside."""
        em = self.em
        outer = {"state": self.state, **outer}
        before = {attribute: getattr(self, attribute, None) for attribute in outer}

        def emit(args: Any) -> None:
            for attribute, pointer in outer.items():
                setattr(self, attribute, em.aligned(em.frame.capture(("unwind", attribute), pointer), 8))
            body(em.extend(args[0], types.UINT64, 64))

        function, record = loops.callback(em, f"unwind_{name}", [I64, PTR], em.instance.span, emit)
        for attribute, pointer in before.items():
            setattr(self, attribute, pointer)
        em.helper("loop", rounds if not isinstance(rounds, int) else I32(rounds), function, record, 0)

    # ---------------------------------------------------------------- the function
    def emit(self, dest: Any, process: Any) -> None:
        em, b = self.em, self.em.builder
        self.state = memory.local(em, 8 * _SLOTS + _PT_REGS_SIZE, persistent=True)
        self.frames = em.aligned(dest, 8)
        em.zero(self.frames, self.limit << self.stride)
        token = em.helper("ktime_get_ns")
        self.set(_TOKEN, token)
        em.put(self.state, I32(unwinding.PLACE_BITS), 8 * _KEY)
        em.put(self.state, em.extend(process, types.UINT64, 32), 8 * _KEY + 4)
        task = em.helper_pointer("get_current_task_btf")
        saved = em.at(self.state, 8 * _SAVED)
        em.helper("probe_read_kernel", saved, I32(_PT_REGS_SIZE), em.helper("task_pt_regs", task))
        for register, offset in enumerate(_PT_REGS):
            value = em.load(saved, types.UINT64, offset)
            self.set(register, value)
            self.set(CALLER + register, value)
        with em.when(em.is_null(self.place(self.get(INSTRUCTION)))):
            em.builder.ret(em.const(_UNKNOWN))
        self.set(_COUNT, 0)
        self.set(_FAILED, 0)
        if self.kernel:
            self.surroundings(b.ptrtoint(task, I64), self.kernel)
        self.append(self.get(INSTRUCTION))
        if self.limit > 1:
            self.loop("step", self.limit - 1, lambda number: self.step(), frames=self.frames)
        if self.stride == 5:
            self.loop("name", self.limit, self.name, frames=self.frames)
        alone = em.builder.icmp_unsigned("==", self.get(_TOKEN), token)
        em.builder.ret(em.builder.select(alone, self.get(_COUNT), em.const(_DISTURBED)))

    def surroundings(self, task: Any, kernel: KernelOffsets) -> None:
        """Where the stack of the process begins, and the page to which functions with a return probe return."""
        em = self.em
        self.read_kernel(_READ, task, kernel.mm)
        mm = self.get(_READ)
        self.read_kernel(_STACK_TOP, mm, kernel.start_stack)
        self.read_kernel(_READ, mm, kernel.xol_area)
        self.read_kernel(_TRAMPOLINE, self.get(_READ), kernel.vaddr)
        with em.when(self.on_the_page()):
            self.leave_copy(kernel)

    def on_the_page(self) -> Any:
        """Whether the instruction pointer is on the page of the process that is the kernel's, for probes."""
        b = self.em.builder
        page = self.get(_TRAMPOLINE)
        inside = b.icmp_unsigned("<", b.sub(self.get(INSTRUCTION), page), self.em.const(_PAGE))
        return b.and_(inside, b.icmp_unsigned("!=", page, self.em.const(0)))

    def leave_copy(self, kernel: KernelOffsets) -> None:
        """An instruction with a probe is executed there, as a copy: the task knows of which."""
        em = self.em
        self.read_kernel(_RETURN, em.helper("get_current_task"), kernel.utask)
        self.read_kernel(_READ, self.get(_RETURN), kernel.xol_vaddr)
        distance = em.builder.sub(self.get(INSTRUCTION), self.get(_READ))
        with em.when(em.builder.icmp_unsigned("<", distance, em.const(_LONGEST_INSTRUCTION + 1))):
            self.read_kernel(_READ, self.get(_RETURN), kernel.probed)
            self.set(INSTRUCTION, em.builder.add(self.get(_READ), distance))

    def place(self, address: Any) -> Any:
        """`ptr` to what is known of an address of the process, null if there are no tables for the process."""
        em = self.em
        swap = em.module.intrinsic("llvm.bswap.i64", ir.FunctionType(I64, [I64]))
        self.set(_ADDRESS, em.builder.call(swap, [address]))
        return self.lookup(unwinding.PLACES, em.at(self.state, 8 * _KEY))

    def lookup(self, name: str, key: Any) -> Any:
        return self.em.helper_pointer("map_lookup_elem", self.em.module.map_handle(name), key)

    def element(self, array: Any, index: Any) -> Any:
        """`ptr` to an element of an array (a name or a `ptr`), or null."""
        em = self.em
        em.put(self.state, em.extend(index, types.UINT64, 32), 8 * _INDEX)
        key = em.at(self.state, 8 * _INDEX)
        if isinstance(array, str):
            return self.lookup(array, key)
        return em.helper_pointer("map_lookup_elem", array, key)

    def append(self, address: Any) -> None:
        """One more frame; what has no room is dropped."""
        em, b = self.em, self.em.builder
        count = self.get(_COUNT)
        with em.when(b.icmp_unsigned("<", count, em.const(self.limit))):
            frame = self.frame(count)
            if self.stride == 5:
                em.put(frame, I32(_BY_ADDRESS))
            em.put(frame, address, self.address_at)
            self.set(_COUNT, em.builder.add(count, em.const(1)))

    @property
    def address_at(self) -> int:
        return 24 if self.stride == 5 else 0

    def frame(self, number: Any) -> Any:
        """`ptr` to a frame; the number must have been compared with the limit."""
        return self.em.aligned(self.em.at(self.frames, self.em.builder.shl(number, self.em.const(self.stride))), 8)

    def correct_last(self) -> None:
        """Nothing called from the last frame: what a signal's handler returns to begins at the return address."""
        em = self.em
        before = em.builder.sub(self.get(_COUNT), em.const(2))  # not the first frame: that is where the program is
        with em.when(em.builder.icmp_unsigned("<", before, em.const(self.limit - 1))):
            address = em.builder.add(self.get(INSTRUCTION), em.const(1))
            em.put(self.frame(before), address, (1 << self.stride) + self.address_at)

    def fail_if(self, condition: Any) -> None:
        """Leave the walk with a frame that says so."""
        em = self.em
        with em.when(condition):
            if self.stride == 3:
                self.append(em.const(_FAILURE))
            em.builder.ret(em.const(1))

    # ---------------------------------------------------------------- one frame
    def step(self) -> None:
        """From one frame to its caller."""
        em = self.em
        rule = self.rule()
        flags = em.load(em.aligned(rule, 2), types.UINT16, 2)
        self.stop_if(self.has(flags, unwinding.LAST_FRAME))
        with em.when(self.has(flags, unwinding.INTERRUPTED)):
            self.correct_last()
        steps = em.extend(em.load(rule, types.UINT16), types.UINT16, 32)
        self.loop("apply", steps, self.apply, current=rule)
        b = em.builder
        self.fail_if(b.icmp_unsigned("!=", self.get(_FAILED), em.const(0)))
        for register in range(_REGISTERS):
            self.set(register, self.get(CALLER + register))
        if self.kernel:
            top = em.builder.sub(self.get(_STACK_TOP), em.const(8))
            self.stop_if(em.builder.icmp_unsigned(">=", self.get(STACK_POINTER), top))
            self.leave_trampoline(self.kernel)
        address = self.get(INSTRUCTION)
        self.stop_if(em.builder.icmp_unsigned("==", address, em.const(0)))
        # A return address lies behind the call, perhaps in another function; not where a signal interrupted.
        call = em.builder.sub(address, em.const(1))
        address = em.builder.select(self.has(flags, unwinding.INTERRUPTED), address, call)
        self.set(INSTRUCTION, address)
        self.append(address)

    def has(self, flags: Any, flag: int) -> Any:
        b = self.em.builder
        return b.icmp_unsigned("!=", b.and_(flags, flags.type(flag)), flags.type(0))

    def rule(self) -> Any:
        """`ptr` to the rule for the instruction pointer."""
        em = self.em
        address = self.get(INSTRUCTION)
        place = self.place(address)
        self.fail_if(em.is_null(place))
        table = em.load(place, types.UINT32)
        self.fail_if(em.builder.icmp_unsigned("==", table, I32(unwinding.NO_TABLE)))
        self.set(_OFFSET, em.builder.add(address, em.load(place, types.UINT64, 8)))
        self.set(_LOW, 0)
        self.set(_HIGH, em.extend(em.load(place, types.UINT32, 4), types.UINT32, 64))
        self.set(_RULE, 0)
        self.set(_WHERE, em.extend(table, types.UINT32, 64))
        pairs = self.element(unwinding.TABLES, table)
        self.fail_if(em.is_null(pairs))
        self.loop("search", _SEARCH_STEPS, lambda number: self.search(), pairs=pairs)
        number = self.get(_RULE)
        self.fail_if(em.builder.icmp_unsigned("==", number, em.const(0)))
        rules = self.element(unwinding.RULES, self.get(_WHERE))
        self.fail_if(em.is_null(rules))
        rule = self.element(rules, number)
        self.fail_if(em.is_null(rule))
        return rule

    pairs: Any = None
    current: Any = None

    def search(self) -> None:
        """Halve the part of the table in which the last pair at or before the offset lies."""
        em = self.em
        low, high = self.get(_LOW), self.get(_HIGH)
        self.stop_if(em.builder.icmp_unsigned(">=", low, high))
        middle = em.builder.lshr(em.builder.add(low, high), em.const(1))
        pair = self.element(self.pairs, middle)
        self.stop_if(em.is_null(pair))
        start = em.extend(em.load(pair, types.UINT32), types.UINT32, 64)
        behind = em.builder.icmp_unsigned("<=", start, self.get(_OFFSET))
        with em.when_else(behind) as (then, otherwise):
            with then:
                self.set(_LOW, em.builder.add(middle, em.const(1)))
                self.set(_RULE, em.extend(em.load(pair, types.UINT32, 4), types.UINT32, 64))
            with otherwise:
                self.set(_HIGH, middle)

    def apply(self, number: Any) -> None:
        """One step of a rule."""
        em = self.em
        self.stop_if(em.builder.icmp_unsigned(">=", number, em.const(unwinding.MOST_STEPS)))
        b = em.builder
        place = em.aligned(em.at(self.current, b.shl(number, em.const(3))), 8)
        word = em.load(place, types.UINT64, 8)
        base = em.load(self.slot(b.lshr(word, em.const(8))), types.UINT64)
        address = b.add(base, b.ashr(word, em.const(32)))
        self.set(_READ, address)
        in_memory = b.icmp_unsigned("!=", b.and_(b.lshr(word, em.const(16)), em.const(1)), em.const(0))
        with em.when(in_memory):
            result = em.helper("probe_read_user", em.at(self.state, 8 * _READ), I32(8), address)
            with em.when(em.builder.icmp_signed("<", result, em.const(0))):
                self.set(_FAILED, 1)
                em.builder.ret(em.const(1))
        em.put(self.slot(word), self.get(_READ))

    # ---------------------------------------------------------------- return probes
    def leave_trampoline(self, kernel: KernelOffsets) -> None:
        """A function with a return probe returns to a page of the kernel's; the task remembers where it came from."""
        em = self.em
        with em.when(self.on_the_page()):
            self.read_kernel(_READ, em.helper("get_current_task"), kernel.utask)
            self.read_kernel(_RETURN, self.get(_READ), kernel.return_instances)
            self.loop("return", _MOST_RETURNS, lambda number: self.find_return(kernel))

    def find_return(self, kernel: KernelOffsets) -> None:
        em = self.em
        instance = self.get(_RETURN)
        self.stop_if(em.builder.icmp_unsigned("==", instance, em.const(0)))
        self.read_kernel(_RETURN_STACK, instance, kernel.stack)
        behind = em.builder.add(self.get(_RETURN_STACK), em.const(8))
        with em.when(em.builder.icmp_unsigned("==", behind, self.get(STACK_POINTER))):
            self.read_kernel(INSTRUCTION, instance, kernel.orig_ret_vaddr)
            em.builder.ret(em.const(1))
        self.read_kernel(_RETURN, instance, kernel.next)

    # ---------------------------------------------------------------- build ids
    def name(self, number: Any) -> None:
        """Give a frame (struct bpf_stack_build_id) its file's build id and the offset there, if there is one."""
        em = self.em
        self.stop_if(em.builder.icmp_unsigned(">=", number, self.get(_COUNT)))
        self.stop_if(em.builder.icmp_unsigned(">=", number, em.const(self.limit)))
        frame = self.frame(number)
        address = em.load(frame, types.UINT64, 24)
        place = self.place(address)
        self.stop_if(em.is_null(place))
        self.set(_OFFSET, em.builder.add(address, em.load(place, types.UINT64, 8)))
        known = self.element(unwinding.IDS, em.load(place, types.UINT32))
        self.stop_if(em.is_null(known))
        with em.when(em.builder.icmp_unsigned("==", em.load(known, types.UINT32), I32(1))):
            em.copy(frame, known, unwinding.ID_SIZE)
            em.put(frame, self.get(_OFFSET), 24)
