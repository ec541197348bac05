"""Call frame information as tables that a BPF program can follow.

Place in the pipeline: between `runtime.eh_frame` and `runtime.unwind`, which puts the tables into maps; the layouts are
in `pytrace.unwinding`, the code that reads them in `codegen.unwind`.  In: an ELF file.  Out: `Table`.  What a newcomer
would get wrong: tables count in offsets of the file, not in addresses, because that is what a mapping is given in.
"""

from __future__ import annotations

from array import array
from struct import Struct, error, pack

from pytrace.runtime import eh_frame
from pytrace.runtime.eh_frame import EXPRESSION, OFFSET, REGISTER, SAME, UNDEFINED, Cfa, Row, Rule
from pytrace.runtime.elf import ElfFile
from pytrace.unwinding import (
    CALLER,
    FRAME,
    INSTRUCTION,
    INTERRUPTED,
    LAST_FRAME,
    MOST_STEPS,
    PART,
    RULE_HEAD,
    RULE_SIZE,
    STACK_POINTER,
    STEP,
)

_HEAD, _STEP = Struct(RULE_HEAD), Struct(STEP)

Step = tuple[int, int, int, int]
"""(slot to set, slot it is made from, 1 to read memory there, offset)"""
_LIMIT = 1 << 31
_MOST_OFFSET = (1 << 32) - 2


class _Unsupported(Exception):
    """A rule that the tables cannot hold."""


class Table:
    """`places`: pairs (file offset, number of the rule from there on), ascending; number 0: nothing is known there.
    `rules`: their bytes, `RULE_SIZE` each, number 0 included."""

    def __init__(self, places: array[int], rules: list[bytes]) -> None:
        self.places = places
        self.rules = rules


class _Rules:
    """The different rules of a file, numbered."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {bytes(RULE_SIZE): 0}
        self._known: dict[tuple[bool, int, Cfa | None, tuple[tuple[int, Rule], ...]], int] = {}

    def number(self, cfa: Cfa | None, rules: dict[int, Rule], cie: eh_frame.Cie) -> int:
        key = cie.is_signal, cie.return_register, cfa, tuple(sorted(rules.items()))
        found = self._known.get(key)
        if found is None:
            try:
                data = packed(cfa, rules, cie)
            except (_Unsupported, IndexError, error):
                data = bytes(RULE_SIZE)
            found = self._known[key] = self.numbers.setdefault(data, len(self.numbers))
        return found


def table(elf: ElfFile) -> Table:
    """The table of a file, empty if it has no information.  Raises UnwindError."""
    rules = _Rules()
    seen: dict[tuple[int, bytes], list[tuple[int, int, int]]] = {}
    found: dict[int, int] = {}
    ends: list[int] = []
    for function in eh_frame.functions(elf):
        offset = elf.offset_of(function.start)
        inside = function.start < function.end and elf.offset_of(function.end - 1)
        if not offset or not inside or inside > _MOST_OFFSET:
            continue
        key = id(function.cie), function.code
        relative = seen.get(key)
        if relative is None:
            relative = seen[key] = _relative(function, rules)
        move, last = function.start - offset, function.end - function.start
        for at, number, late in relative:
            if at >= last:
                break
            found[offset + at] = number
            if late:
                _stubs(found, function, at, number, late, move)
        ends.append(offset + last)
    for end in ends:
        found.setdefault(end, 0)
    places = array("I")
    before = 0
    for offset in sorted(found):
        if found[offset] != before:
            before = found[offset]
            places.extend((offset, before))
    return Table(places, list(rules.numbers))


def _relative(function: eh_frame.Function, rules: _Rules) -> list[tuple[int, int, int]]:
    """(offset in the function, rule, 0); for stubs of the procedure linkage table (offset, the rule before their
    push, the byte within 16 behind it, and the rule then in the bits from 8 on)."""
    cie = function.cie
    found = []
    for at, cfa, given in _rows(function):
        push = _push_of_stub(cfa)
        if push:
            first, after = (rules.number((STACK_POINTER, n), given, cie) for n in (8, 16))
            found.append((at, first, push | after << 8))
        else:
            found.append((at, rules.number(cfa, given, cie), 0))
    return found


def _rows(function: eh_frame.Function) -> list[Row]:
    try:
        return eh_frame.run(function.cie, function.code)
    except (eh_frame.UnwindError, IndexError):
        return [(0, None, {})]


def _stubs(found: dict[int, int], function: eh_frame.Function, at: int, first: int, late: int, move: int) -> None:
    """Stubs of 16 bytes: `jmp`, `push`, `jmp`; what holds behind the push is another rule."""
    push, after = late & 0xFF, late >> 8
    start = function.start + at
    found[start - move] = first if start % 16 < push else after
    for stub in range(start // 16 * 16, function.end, 16):
        for place, number in ((stub, first), (stub + push, after)):
            if start <= place < function.end:
                found[place - move] = number


def _push_of_stub(cfa: Cfa | None) -> int:
    """N of the linker's expression `rsp + 8 + ((rip & 15) >= N) * 8`, 0 for any other CFA."""
    if isinstance(cfa, bytes) and len(cfa) == 11 and cfa[:6] == b"\x77\x08\x80\x00\x3f\x1a" and cfa[7:] == _STUB_TAIL:
        return cfa[6] - _LITERALS if _LITERALS < cfa[6] < _LITERALS + 16 else 0
    return 0


_STUB_TAIL = b"\x2a\x33\x24\x22"


# ---------------------------------------------------------------- one rule


def packed(cfa: Cfa | None, rules: dict[int, Rule], cie: eh_frame.Cie) -> bytes:
    """A rule's bytes: number of steps, flags, the steps.  Raises _Unsupported."""
    back = rules.get(cie.return_register)
    if back is not None and back[0] == UNDEFINED:
        return _HEAD.pack(0, LAST_FRAME, 0).ljust(RULE_SIZE, b"\0")
    if cfa is None or back is None or back[0] == SAME:
        raise _Unsupported
    steps: list[Step] = []
    base, offset = cfa if isinstance(cfa, tuple) else _chain(cfa, None, steps)
    steps.append((FRAME, base, 0, offset))
    if STACK_POINTER not in rules:
        steps.append((CALLER + STACK_POINTER, FRAME, 0, 0))
    for register, rule in sorted(rules.items()):
        target = INSTRUCTION if register == cie.return_register else register
        if target <= INSTRUCTION and rule[0] not in (UNDEFINED, SAME):
            _restore(CALLER + target, rule, steps)
    if len(steps) > MOST_STEPS or any(not -_LIMIT <= s[3] < _LIMIT or s[1] > PART for s in steps):
        raise _Unsupported
    flags = INTERRUPTED if cie.is_signal else 0
    return (_HEAD.pack(len(steps), flags, 0) + b"".join(_STEP.pack(*s) for s in steps)).ljust(RULE_SIZE, b"\0")


def _restore(target: int, rule: Rule, steps: list[Step]) -> None:
    kind, value = rule
    if isinstance(value, bytes):
        base, offset = _chain(value, FRAME, steps)
        steps.append((target, base, int(kind == EXPRESSION), offset))
    elif kind == REGISTER:
        if value > INSTRUCTION:
            raise _Unsupported
        steps.append((target, value, 0, 0))
    else:
        steps.append((target, FRAME, int(kind == OFFSET), value))


_LITERALS, _BASES = 0x30, 0x70
_DEREF, _PLUS, _PLUS_CONSTANT, _MINUS = 0x06, 0x22, 0x23, 0x1C
_CONSTANTS = {8: "<B", 9: "<b", 10: "<H", 11: "<h", 12: "<I", 13: "<i", 14: "<Q", 15: "<q"}


def _chain(code: bytes, start: int | None, steps: list[Step]) -> tuple[int, int]:
    """(slot, offset) of an expression's value, what it reads from memory appended to `steps`.

    One value is followed: a register, and what is added to it or read through it; that is all that compilers and
    hand-written code use, but for the linkage stubs (`_push_of_stub`).  `start`: the slot whose value is on the stack.
    """
    from struct import calcsize, unpack_from

    base, offset, constant = start, 0, None
    at = 0
    while at < len(code):
        op = code[at]
        at += 1
        if _BASES <= op < _BASES + 17 and constant is None:
            base = op - _BASES
            offset, at = eh_frame.sleb(code, at)
        elif _LITERALS <= op < _LITERALS + 32 and constant is None:
            constant = op - _LITERALS
        elif op in _CONSTANTS and constant is None:
            (constant,) = unpack_from(_CONSTANTS[op], code, at)
            at += calcsize(_CONSTANTS[op])
        elif op in (_PLUS, _MINUS) and constant is not None:
            offset += constant if op == _PLUS else -constant
            constant = None
        elif op == _PLUS_CONSTANT and constant is None:
            more, at = eh_frame.uleb(code, at)
            offset += more
        elif op == _DEREF and base is not None and constant is None:
            steps.append((PART, base, 1, offset))
            base, offset = PART, 0
        else:
            raise _Unsupported
    if base is None or constant is not None:
        raise _Unsupported
    return base, offset


def packed_places(places: array[int]) -> bytes:
    """The pairs as they lie in the map: two 32-bit numbers each."""
    return places.tobytes() if places.itemsize == 4 else pack(f"<{len(places)}I", *places)
