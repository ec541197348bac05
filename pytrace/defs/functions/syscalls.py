"""System calls recorded whole and shown as lines: the functions behind the tool strace; not in the reference.

Place in the pipeline: rows; type rules for sema, lowerings for codegen, handlers for the runtime.  In: calls in
rawtracepoint:sys_enter and sys_exit, later the records that they wrote.  Out: lines such as `close(3) = 0`.  What a
newcomer would get wrong: a line is made of two records, and all functions here share one `Lines` a run
(`Handling.kept`), so the handlers take records one by one, in their order, and there is no `bind_batch`.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_own_namespace, umin
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import BOOL, NONE, UINT32, UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.defs.syscalls.lines import Lines
    from pytrace.facets import CallSite, Handling, Lowering
    from pytrace.program import EventSpec
    from pytrace.registry import Handler
    from pytrace.sema import typed
    from pytrace.types import Type

_KEY = "functions.syscalls:"
_BITS = 512
"""System call numbers that a set can hold."""


def _lines(rt: Handling) -> Lines:
    """The lines of this run."""
    found: Lines | None = rt.kept.get("syscalls")
    if found is None:
        from pytrace.defs.syscalls.lines import Lines

        found = rt.kept["syscalls"] = Lines(rt)
    return found


# ---------------------------------------------------------------- which calls


def _set_rule(site: CallSite) -> Type:
    """`data`: the numbers as bits, least significant byte first; None for all."""
    from pytrace.defs.syscalls.sets import SetError, numbers_of

    text = site.literal(1)
    try:
        numbers = numbers_of(text if isinstance(text, str) else "")
    except SetError as problem:
        site.error(str(problem))
        numbers = None
    site.data = None if numbers is None else bytes(
        sum(1 << bit for bit in range(8) if at + bit in numbers) for at in range(0, _BITS, 8)
    )  # fmt: skip
    return BOOL


def _lower_set(em: Lowering, call: typed.Call) -> Any:
    if call.data is None:
        return em.const(1, 1)
    b = em.builder
    number = em.int64(call.args[0])
    bits = em.string_constant(call.data.decode("latin-1"))
    index = umin(em, number, _BITS - 1)
    byte = em.extend(em.builder.load(em.at(bits, b.lshr(index, em.const(3))), typ=em.const(0, 8).type), UINT32, 64)
    bit = b.and_(b.lshr(byte, b.and_(index, em.const(7))), em.const(1))
    inside = b.icmp_unsigned("<", number, em.const(_BITS))
    return b.and_(inside, b.icmp_unsigned("!=", bit, em.const(0)))


def _list_rule(site: CallSite) -> Type:
    """uint64; `data`: the numbers."""
    text = site.literal(0)
    words = [word.strip() for word in str(text or "").split(",")]
    wrong = next((w for w in words if w and not (w.isascii() and w.isdigit() and int(w) < 1 << 63)), "")
    if site.final and wrong:
        site.error(f"'{wrong}' in the list is no number")
    site.data = () if wrong else tuple(int(w) for w in words if w)
    return UINT64


def _lower_item(em: Lowering, call: typed.Call) -> Any:
    b = em.builder
    index = umin(em, em.int64(call.args[1]), len(call.data))
    table = em.string_constant(b"".join(n.to_bytes(8, "little") for n in (*call.data, 0)).decode("latin-1"))
    return em.load(em.aligned(em.at(table, b.mul(index, em.const(8))), 8), UINT64)


# ---------------------------------------------------------------- entry and return


def _translate_rule(result: Type) -> Any:
    def rule(site: CallSite) -> Type:
        """`data`: whether thread ids must be translated to the tracer's namespace."""
        site.data = in_own_namespace(site)
        return result

    return rule


def _lower_entry(em: Lowering, call: typed.Call) -> Any:
    from pytrace.defs.syscalls import captures
    from pytrace.defs.syscalls.recording import ENTRY_FIELDS, ENTRY_HEAD, Recorder

    recorder = Recorder(em, call, em.int64(call.args[1]), None)
    recorder.read_registers(em.int64(call.args[0]), em.at(recorder.area, ENTRY_HEAD))
    recorder.head(bool(call.data))
    recorder.begin(ENTRY_HEAD + captures.REGISTER_BYTES)
    recorder.copy(recorder.number(), range(captures.ENTRY))
    recorder.send(_KEY + "syscall_entry", ENTRY_FIELDS)
    return em.builder.not_(recorder.failed())


def _bind_entry(rt: Handling, event: EventSpec) -> Handler:
    return _lines(rt).entry


def _lower_program(em: Lowering, call: typed.Call) -> None:
    from pytrace.defs.syscalls.recording import ENTRY_FIELDS, ENTRY_HEAD, Recorder

    file, words, end = (em.int64(arg) for arg in call.args)
    recorder = Recorder(em, call, em.const(0), None)
    recorder.head(bool(call.data))
    recorder.begin(ENTRY_HEAD)
    recorder.program(file, words, end)
    recorder.send(_KEY + "syscall_program", ENTRY_FIELDS)


def _bind_program(rt: Handling, event: EventSpec) -> Handler:
    return _lines(rt).started


def _lower_return(em: Lowering, call: typed.Call) -> None:
    from pytrace.defs.syscalls import captures
    from pytrace.defs.syscalls.recording import RETURN_FIELDS, RETURN_HEAD, Recorder

    b = em.builder
    result = em.int64(call.args[1])
    recorder = Recorder(em, call, em.int64(call.args[2]), result)
    again = em.value(call.args[3])
    recorder.read_registers(em.int64(call.args[0]), em.local(128))
    recorder.head(bool(call.data))
    em.put(recorder.area, em.extend(again, BOOL, 32), 20)
    em.put(recorder.area, result, 24)
    em.put(recorder.area, recorder.number(), 32)
    recorder.begin(RETURN_HEAD)
    number = recorder.number()
    with em.when(again):
        recorder.copy(number, range(captures.ENTRY))
    with em.when(b.icmp_signed(">=", result, em.const(0))):
        recorder.copy(number, range(captures.ENTRY, captures.ENTRY + captures.RETURN))
    recorder.send(_KEY + "syscall_return", RETURN_FIELDS)


def _bind_return(rt: Handling, event: EventSpec) -> Handler:
    return _lines(rt).returned


# ---------------------------------------------------------------- how lines look, and what stands between them


def _plain(name: str, method: str, doc: str, params: tuple[str, ...]) -> FunctionDef:
    """A function whose arguments, numbers, go to a method of `Lines` when the record is handled."""

    def lower(em: Lowering, call: typed.Call) -> None:
        values = [em.int64(arg) for arg in call.args]
        fields: list[tuple[str, Type]] = [(f"v{i}", UINT64) for i in range(len(values))]

        def fill(record: Any, layout: Any) -> None:
            for field, value in zip(layout.fields, values, strict=True):
                em.put(record, value, field.offset)

        em.emit(_KEY + name, fields, None, call.span, fill)

    def bind(rt: Handling, event: EventSpec) -> Handler:
        from struct import Struct

        read, act = Struct(f"<8x{len(event.layout.fields)}q").unpack_from, getattr(_lines(rt), method)
        return lambda data: act(*read(data))

    return FunctionDef(
        name=name,
        doc=doc,
        signatures=(f"void {name}({', '.join(f'int64 {p}' for p in params)})",),
        params=tuple(Param(p, Kind.INT) for p in params),
        type_rule=lambda site: NONE,
        lower=lower,
        bind=bind,
        asynchronous=True,
    )


_RAW = ("rawtracepoint",)

ROWS = (
    FunctionDef(
        name="syscall_in",
        doc="Whether a system call (x86_64) is one of a set.\n\nThe set is that of strace's `-e trace=`: names with "
        "commas between them, `/REGEX`, `%file`, `%desc`, `%process`, `%network`, `%signal`, `%ipc`, `%memory`, "
        "`%creds` and `%clock`, `all` or `none`; `!` in front takes all others, `?` in front of a name allows one that "
        "is not known.",
        signatures=("bool syscall_in(int64 number, const string set)",),
        params=(Param("number", Kind.INT), Param("set", Kind.STRING_LITERAL)),
        type_rule=_set_rule,
        lower=_lower_set,
        long_literals=True,
    ),
    FunctionDef(
        name="list_item",
        doc="Number `index` of a list of numbers with commas between them, counted from 0; 0 behind its end.",
        signatures=("uint64 list_item(const string list, uint64 index)",),
        params=(Param("list", Kind.STRING_LITERAL), Param("index", Kind.INT)),
        type_rule=_list_rule,
        lower=_lower_item,
        long_literals=True,
    ),
    FunctionDef(
        name="syscall_entry",
        doc="Records a system call that begins: its arguments and what they point to, up to `size` bytes of each text "
        "and buffer (paths: all).\n\nFor rawtracepoint:sys_enter.  A line is written when `syscall_return` has "
        "recorded the end.  The result is false when memory could not be read because it was not there yet.",
        signatures=("bool syscall_entry(struct pt_regs * regs, uint64 size)",),
        params=(Param("regs"), Param("size", Kind.INT)),
        type_rule=_translate_rule(BOOL),
        lower=_lower_entry,
        bind=_bind_entry,
        providers=_RAW,
        asynchronous=True,
    ),
    FunctionDef(
        name="syscall_program",
        doc="Records what a program was started with, for the execve(2) whose `syscall_return` follows.\n\nFor memory "
        "of the caller that was not there when the call began and is gone when it returns: `file` is where the new "
        "program has the path (`curtask.mm.env_end`), its arguments lie from `words` to `end`.",
        signatures=("void syscall_program(uint64 file, uint64 words, uint64 end)",),
        params=(Param("file", Kind.INT), Param("words", Kind.INT), Param("end", Kind.INT)),
        type_rule=_translate_rule(NONE),
        lower=_lower_program,
        bind=_bind_program,
        providers=_RAW,
        asynchronous=True,
    ),
    FunctionDef(
        name="syscall_return",
        doc="Records a system call that returns: its result and what it filled in, up to `size` bytes of each "
        "buffer.\n\nFor rawtracepoint:sys_exit.  With `again`, what `syscall_entry` records is read once more.",
        signatures=("void syscall_return(struct pt_regs * regs, int64 ret, uint64 size, bool again)",),
        params=(Param("regs"), Param("ret", Kind.INT), Param("size", Kind.INT), Param("again")),
        type_rule=_translate_rule(NONE),
        lower=_lower_return,
        bind=_bind_return,
        providers=_RAW,
        asynchronous=True,
    ),
    _plain(
        "syscall_style",
        "style",
        "How lines of system calls look; to be called in `begin`.\n\n`flags` are added up: 1 the thread in front, 2 "
        "the time spent, 4 only calls that failed, 8 only calls that did not, 16 a table of all calls at the end, 32 "
        "no lines, 64 texts with other than ASCII characters in hexadecimal, 128 calls of which only the end was seen "
        "too.  `size`: that of texts.  `clock`: what stands in front: 0 nothing, 1 the time of day, 2 with "
        "microseconds, 3 seconds since the epoch, 4 seconds since the call before.",
        ("flags", "size", "clock"),
    ),
    _plain(
        "syscall_attach",
        "attach",
        "Ends the run with an error if there is no such process or thread.",
        ("process",),
    ),
    _plain(
        "syscall_signal",
        "signal",
        "Writes a line about a signal that the current thread gets, as strace does.\n\n`time` is nsecs(monotonic), "
        "`code` si_code, `first` and `second` are the next two words of siginfo_t.",
        ("time", "thread", "number", "code", "first", "second"),
    ),
    _plain(
        "syscall_exit",
        "exited",
        "Writes a line about a thread that ends.\n\n`time` is nsecs(monotonic), `status` that of wait(2).",
        ("time", "thread", "status"),
    ),
    _plain(
        "syscall_waiting",
        "waiting",
        "Shows the system call that the last record began and that has not returned yet, up to where it is known.",
        (),
    ),
    _plain(
        "syscall_rest",
        "rest",
        "Writes the system calls that have not returned, and the table of all calls if `syscall_style` asked for it; "
        "to be called in `end`.",
        (),
    ),
)  # fmt: skip
