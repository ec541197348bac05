"""DWARF expressions and location lists: where a variable is when the program is at some address.

Place in the pipeline: under `runtime.dwarf_functions`.  In: an entry with DW_AT_location or DW_AT_const_value, an
address.  Out: `location.Location`.  What a newcomer would get wrong: the expression is not evaluated here but turned
into a formula, which the BPF program computes from the registers that it is given; what no register and no memory
holds any more (what the caller passed, what was optimised away) is a piece with a problem, not zero.

Source: DWARF 5, sections 2.5, 2.6 and 7.7.
"""

from __future__ import annotations

from pytrace.location import CONSTANT, READ, SIGNED, UNSIGNED, Location, Piece, plus, register
from pytrace.record import record
from pytrace.runtime import dwarf_forms as forms
from pytrace.runtime import dwarf_reader as dw
from pytrace.runtime.dwarf_calling import IN_VECTOR
from pytrace.runtime.dwarf_lists import expressions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from pytrace.location import Formula
    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit

    Operation = tuple[int, list[Any]]

REGISTERS = (
    "ax", "dx", "cx", "bx", "si", "di", "bp", "sp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "ip",
)  # fmt: skip
"""By DWARF's numbers (System V AMD64 ABI, figure 3.36); what follows are vector registers and such."""

GONE = "the compiler has not kept it"
_FRACTION = "it is a number with a fraction"
_BINARY = {
    0x1A: "and", 0x1B: "div", 0x1C: "minus", 0x1D: "mod", 0x1E: "mul", 0x21: "or", 0x22: "plus", 0x24: "shl",
    0x25: "shr", 0x26: "shra", 0x27: "xor", 0x29: "eq", 0x2A: "ge", 0x2B: "gt", 0x2C: "le", 0x2D: "lt", 0x2E: "ne",
}  # fmt: skip
_UNARY = {0x19: "abs", 0x1F: "neg", 0x20: "not"}


class Unavailable(Exception):
    """There is no value; the text is the end of a sentence that says why."""


@record(frozen=False)
class Place:
    """An address in the code of a function, with what its expressions refer to.

    `owner` has the entries, `program` the sections of addresses: the same, unless the information is split; `unit` and
    `skeleton` likewise.  `function` is the concrete one around the address, which begins at `entry`."""

    owner: Reader
    unit: Unit
    program: Reader
    skeleton: Unit
    function: Entry
    address: int
    entry: int
    frame: Callable[[int], Formula | None]
    """The canonical frame address in the code at an address, None where there is no call frame information."""


def listed(entry: Entry | None) -> bool:
    """Whether it is said for each address where the variable is, or that it has one value everywhere."""
    return entry is not None and (
        isinstance(entry.attributes.get(dw.AT_LOCATION), int) or dw.AT_CONST_VALUE in entry.attributes
    )


def location(place: Place, entry: Entry, size: int) -> Location:
    """Where the variable of `entry`, of `size` bytes, is at the place."""
    constant = entry.attributes.get(dw.AT_CONST_VALUE)
    try:
        if constant is not None:
            return Location(tuple(_constant(constant, size)))
        return Location(tuple(_pieces(place, _code(place, entry, dw.AT_LOCATION), size)))
    except Unavailable as problem:
        return nowhere(size, str(problem))


def nowhere(size: int, problem: str) -> Location:
    return Location((Piece(size, None, problem=problem),))


def _constant(value: object, size: int) -> Iterator[Piece]:
    if isinstance(value, int):
        value = (value & (1 << 128) - 1).to_bytes(16, "little")
    elif isinstance(value, str):
        value = value.encode("latin-1") + b"\0"
    assert isinstance(value, bytes)
    value = value[:size].ljust(size, b"\0")
    for at in range(0, size, 8):
        word = value[at : at + 8]
        yield Piece(len(word), (CONSTANT, int.from_bytes(word, "little")))


def _code(place: Place, entry: Entry, attribute: int) -> bytes:
    """The expression of a location attribute that holds at the place.  Raises Unavailable."""
    value = entry.attributes.get(attribute)
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        for low, high, code in expressions(place.owner, place.program, place.unit, place.skeleton, entry, attribute):
            if low <= place.address < high:
                return code
    raise Unavailable(GONE)


# ---------------------------------------------------------------- expressions


def _operations(code: bytes, offset_size: int) -> Iterator[Operation]:
    """(DW_OP_*, operands) in their order.  Raises Unavailable at one whose operands are not known."""
    at = 0
    while at < len(code):
        op = code[at]
        at += 1
        operands: list[Any] = []
        for kind in _OPERANDS.get(op, "" if op in _WITHOUT_OPERANDS else "?"):
            value: Any
            if kind == "u":
                value, at = forms.uleb(code, at)
            elif kind == "s":
                value, at = forms.sleb(code, at)
            elif kind in "bB":  # a block behind its length
                length, at = forms.uleb(code, at) if kind == "b" else (code[at], at + 1)
                value, at = code[at : at + length], at + length
            elif kind == "r":
                value, at = int.from_bytes(code[at : at + offset_size], "little"), at + offset_size
            elif kind == "?":
                raise Unavailable(f"its location is written in a way that is not known here (DW_OP {op:#x})")
            else:
                size = int(kind)
                value, at = int.from_bytes(code[at : at + size], "little", signed=op in _SIGNED), at + size
            operands.append(value)
        yield op, operands


_REGN, _BREGN, _LITN = range(0x50, 0x70), range(0x70, 0x90), range(0x30, 0x50)
_PIECE, _BIT_PIECE = 0x93, 0x9D
_SIGNED = (0x09, 0x0B, 0x0D, 0x0F)
"""const1s, const2s, const4s, const8s."""
_OPERANDS = {
    **dict.fromkeys(_BREGN, "s"),
    0x03: "8", 0x08: "1", 0x09: "1", 0x0A: "2", 0x0B: "2", 0x0C: "4", 0x0D: "4", 0x0E: "8", 0x0F: "8", 0x10: "u",
    0x11: "s", 0x15: "1", 0x23: "u", 0x28: "2", 0x2F: "2", 0x90: "u", 0x91: "s", 0x92: "us", 0x93: "u", 0x94: "1",
    0x9D: "uu", 0x9E: "b", 0xA0: "rs", 0xA1: "u", 0xA2: "u", 0xA3: "b", 0xA4: "uB", 0xA5: "uu", 0xA6: "1u", 0xA8: "u",
    0xA9: "u", 0xF2: "rs", 0xF3: "b", 0xF4: "uB", 0xF5: "uu", 0xF6: "1u", 0xF7: "u", 0xF9: "u", 0xFA: "4", 0xFB: "u",
    0xFC: "u",
}  # fmt: skip
"""What follows an operation: u, s LEB128; b, B a block; r an offset as wide as the unit's; a number of bytes."""
_WITHOUT_OPERANDS = frozenset(
    (*_REGN, *_LITN, *_BINARY, *_UNARY, 0x06, 0x12, 0x13, 0x14, 0x16, 0x17, 0x96, 0x97, 0x9B, 0x9C, 0x9F, 0xE0, 0xF0)
)


def _pieces(place: Place, code: bytes, size: int) -> Iterator[Piece]:
    """What an expression says of a value of that size.  Raises Unavailable where all of it is nowhere."""
    run: list[Operation] = []
    done = 0
    for op, operands in _operations(code, place.unit.offset_size):
        if op not in (_PIECE, _BIT_PIECE):
            run.append((op, operands))
            continue
        if op == _BIT_PIECE and (operands[0] % 8 or operands[1]):
            raise Unavailable("it is in pieces that are no bytes")
        length = min(operands[0] if op == _PIECE else operands[0] // 8, size - done)
        try:
            yield from _Expression(place, run).described(length)
        except Unavailable as problem:
            yield Piece(length, None, problem=str(problem))
        done, run = done + length, []
    if not done:
        yield from _Expression(place, run).described(size)
    elif done < size:
        yield Piece(size - done, None, problem=GONE)


class _Expression:
    """One expression, or what it says of one piece, at one place."""

    def __init__(self, place: Place, operations: Iterable[Operation], is_frame: bool = False) -> None:
        """`is_frame`: it says where the frame is, and so cannot be relative to it."""
        self.place = place
        self.is_frame = is_frame
        self.stack: list[Formula] = []
        self.found: list[Piece] | None = None
        """What the value itself is; None: the stack has its address."""
        for op, operands in operations:
            self._run(op, operands)

    def described(self, size: int) -> list[Piece]:
        if self.found is None:
            return [Piece(size, self._pop(), in_memory=True)]
        return [Piece(size, self.found[0].formula)] if len(self.found) == 1 else self.found

    @property
    def value(self) -> Formula:
        """Of an expression that stands for a number: a frame's base, what a register had."""
        if self.found is not None and self.found[0].formula is not None:
            return self.found[0].formula
        return self._pop()

    def _pop(self) -> Formula:
        if not self.stack:
            raise Unavailable(GONE)
        return self.stack.pop()

    def _run(self, op: int, operands: list[Any]) -> None:
        if op in _REGN or op == 0x90:
            self.found = [Piece(0, _register(operands[0] if operands else op - _REGN[0]))]
        elif op in _BREGN or op == 0x92:
            self.stack.append(plus(_register(operands[0] if op == 0x92 else op - _BREGN[0]), operands[-1]))
        elif op in _LITN:
            self.stack.append((CONSTANT, op - _LITN[0]))
        elif 0x08 <= op <= 0x11:  # const1u … consts
            self.stack.append((CONSTANT, operands[0]))
        elif op in _BINARY:
            right = self._pop()
            self.stack.append((_BINARY[op], self._pop(), right))
        elif op in _UNARY:
            self.stack.append((_UNARY[op], self._pop()))
        elif op in _REASONS:
            raise Unavailable(_REASONS[op])
        else:
            _OPERATIONS[op](self, *operands)

    def _push(self, value: Formula) -> None:
        self.stack.append(value)

    def _pick(self, depth: int) -> None:
        if depth >= len(self.stack):
            raise Unavailable(GONE)
        self.stack.append(self.stack[-1 - depth])

    def _swap(self) -> None:
        self._pick(1)
        del self.stack[-3]

    def _rotate(self) -> None:
        self.stack.insert(-2, self._pop())

    def _frame_relative(self, offset: int) -> None:
        if self.is_frame:
            raise Unavailable(GONE)
        code = _code(self.place, self.place.function, dw.AT_FRAME_BASE)
        base = _Expression(self.place, _operations(code, self.place.unit.offset_size), is_frame=True)
        self._push(plus(base.value, offset))

    def _frame_address(self) -> None:
        found = self.place.frame(self.place.address)
        if found is None:
            raise Unavailable("the program has no call frame information for it")
        self._push(found)

    def _entry_value(self, code: bytes) -> None:
        if self.place.address != self.place.entry:
            name = self.place.owner.inherited(self.place.function, dw.AT_NAME)
            raise Unavailable(f"{name or 'the function around it'} has not kept what it was called with")
        self._push(_Expression(self.place, _operations(code, self.place.unit.offset_size)).value)

    def _static(self, address: int) -> None:
        """An address of the file, which is loaded anywhere: from the instruction pointer."""
        self._push(plus(register("ip"), address - self.place.address))

    def _indexed(self, index: int) -> int:
        return forms.indexed_address(index, self.place.unit)

    def _converted(self, value: Formula, kind: int) -> None:
        """As a base type, named by its offset in the unit; 0 is the type of addresses."""
        found = self.place.owner.at(self.place.unit.offset + kind) if kind else None
        if found is None:
            return self._push(value)
        bits, encoding = 8 * found[1].number(dw.AT_BYTE_SIZE, 8), found[1].number(dw.AT_ENCODING)
        if encoding in (3, 4) or bits > 64:
            raise Unavailable(_FRACTION if encoding in (3, 4) else "it is computed in more than 64 bits")
        return self._push((SIGNED if encoding in (5, 6, 0xD) else UNSIGNED, bits, value))

    def _implicit(self, data: bytes) -> None:
        self.found = list(_constant(data, len(data)))

    def _value(self) -> None:
        self.found = [Piece(0, self._pop())]


def _register(number: int) -> Formula:
    if number >= len(REGISTERS):
        raise Unavailable(IN_VECTOR)
    return register(REGISTERS[number])


_OPERATIONS: dict[int, Callable[..., Any]] = {
    0x03: _Expression._static,  # addr
    0x06: lambda e: e._push((READ, 8, e._pop())),  # deref
    0x12: lambda e: e._pick(0),  # dup
    0x13: _Expression._pop,  # drop
    0x14: lambda e: e._pick(1),  # over
    0x15: _Expression._pick,
    0x16: _Expression._swap,
    0x17: _Expression._rotate,
    0x23: lambda e, offset: e._push(plus(e._pop(), offset)),  # plus_uconst
    0x91: _Expression._frame_relative,  # fbreg
    0x94: lambda e, size: e._push((READ, size, e._pop())),  # deref_size
    0x96: lambda e: None,  # nop
    0x9C: _Expression._frame_address,  # call_frame_cfa
    0x9E: _Expression._implicit,  # implicit_value
    0x9F: _Expression._value,  # stack_value
    0xA1: lambda e, index: e._static(e._indexed(index)),  # addrx
    0xA2: lambda e, index: e._push((CONSTANT, e._indexed(index))),  # constx
    0xA3: _Expression._entry_value,
    0xA4: lambda e, kind, data: e._converted((CONSTANT, int.from_bytes(data, "little")), kind),  # const_type
    0xA5: lambda e, number, kind: e._converted(_register(number), kind),  # regval_type
    0xA6: lambda e, size, kind: e._converted((READ, size, e._pop()), kind),  # deref_type
    0xA8: lambda e, kind: e._converted(e._pop(), kind),  # convert
    0xA9: lambda e, kind: None,  # reinterpret: the bits stay
}
_OPERATIONS |= {
    gnu: _OPERATIONS[op]
    for gnu, op in (
        (0xF3, 0xA3), (0xF4, 0xA4), (0xF5, 0xA5), (0xF6, 0xA6), (0xF7, 0xA8), (0xF9, 0xA9), (0xFB, 0xA1), (0xFC, 0xA2),
    )
}  # fmt: skip
"""What GCC wrote before DWARF 5 had it."""
_OF_A_THREAD, _CONDITIONAL = "it belongs to a thread", "where it is depends on a condition"
_APART = "what it points to has no address: the compiler has taken it apart"
_REASONS = {
    0x28: _CONDITIONAL, 0x2F: _CONDITIONAL,  # bra, skip
    0x97: "where it is depends on an object",  # push_object_address
    0x9B: _OF_A_THREAD, 0xE0: _OF_A_THREAD,  # form_tls_address, GNU_push_tls_address
    0xA0: _APART, 0xF2: _APART,  # implicit_pointer
    0xF0: GONE,  # GNU_uninit
    0xFA: "it is no longer passed",  # GNU_parameter_ref
}  # fmt: skip
