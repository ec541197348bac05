"""How to get from each instruction of a file to its caller: the call frame information of .eh_frame.

Place in the pipeline: under `runtime.unwind_rules`.  In: an ELF file.  Out: for each function the places at which the
rules change, and the rules.  What a newcomer would get wrong: instructions that stand in the CIE hold for all its
functions, and `restore` goes back to those, not to what was in force before.

Source: DWARF 5 §6.4, and the LSB's ".eh_frame" pages for pointer encodings and augmentations.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error, unpack_from

from pytrace.runtime.elf import ElfFile

OFFSET, VAL_OFFSET, REGISTER, EXPRESSION, VAL_EXPRESSION, UNDEFINED, SAME = range(7)
"""Kinds of a register's rule: in memory at CFA+n, the value CFA+n, another register, in memory where an expression
says, an expression's value, not kept, not changed."""

Rule = tuple[int, "int | bytes"]
Cfa = tuple[int, int] | bytes
"""(register, offset), or an expression."""
Row = tuple[int, "Cfa | None", "dict[int, Rule]"]
"""(bytes from the function's start, CFA, rules by DWARF register)"""

_SIZED = {2: Struct("<H"), 3: Struct("<I"), 4: Struct("<Q"), 10: Struct("<h"), 11: Struct("<i"), 12: Struct("<q")}
_ABSOLUTE, _ULEB, _SLEB, _RELATIVE, _OMITTED = 0, 1, 9, 0x10, 0xFF


class UnwindError(Exception):
    """Call frame information that cannot be read."""


class Cie:
    """What several functions have in common."""

    __slots__ = (
        "code",
        "code_factor",
        "data_factor",
        "encoding",
        "has_data",
        "initial",
        "is_signal",
        "return_register",
    )

    def __init__(self) -> None:
        self.code = b""
        self.code_factor = self.data_factor = 1
        self.return_register = 16
        self.encoding = _ABSOLUTE
        self.has_data = False
        self.is_signal = False
        """Its functions are where a signal handler returns to: the caller did not call, it was interrupted."""
        self.initial: Row = (0, None, {})


class Function:
    """One FDE: the addresses from `start` to `end` and their instructions."""

    __slots__ = ("cie", "code", "end", "start")

    def __init__(self, cie: Cie, start: int, end: int, code: bytes) -> None:
        self.cie = cie
        self.start = start
        self.end = end
        self.code = code


def functions(elf: ElfFile) -> Iterator[Function]:
    """All that .eh_frame says, in its order; nothing without that section.  Raises UnwindError for a damaged one."""
    section = elf.section(".eh_frame")
    if section is None:
        return
    data = bytes(elf.bytes_of(section))
    known: dict[int, Cie] = {}
    at = 0
    try:
        while at + 4 <= len(data):
            (length,) = unpack_from("<I", data, at)
            at += 4
            if length == 0xFFFF_FFFF:
                (length,) = unpack_from("<Q", data, at)
                at += 8
            if not length:
                continue  # the end of one object's part
            end = at + length
            (back,) = unpack_from("<I", data, at)
            if back:
                start = at - back
                cie = known.get(start)
                if cie is None:
                    cie = known[start] = _cie(data, start)
                yield _function(data, at + 4, end, cie, section.address)
            at = end
    except (error, IndexError, ValueError) as problem:
        raise UnwindError(f"damaged .eh_frame: {problem}") from None


def frame_address(elf: ElfFile, address: int) -> Cfa | None:
    """How the canonical frame address is found in front of the instruction at `address`; None where nothing says it.
    Raises UnwindError."""
    for function in functions(elf):
        if function.start <= address < function.end:
            rows = run(function.cie, function.code)
            return next((cfa for at, cfa, _ in reversed(rows) if at <= address - function.start), None)
    return None


def _cie(data: bytes, at: int) -> Cie:
    """The CIE that begins at `at`."""
    cie = Cie()
    (length,) = unpack_from("<I", data, at)
    at += 4
    if length == 0xFFFF_FFFF:
        (length,) = unpack_from("<Q", data, at)
        at += 8
    end = at + length
    if data[at + 4] not in (1, 3):
        raise UnwindError(f"version {data[at + 4]} of .eh_frame")
    at += 5
    stop = data.index(0, at)
    augmentation = data[at:stop]
    cie.code_factor, at = uleb(data, stop + 1)
    cie.data_factor, at = sleb(data, at)
    cie.return_register, at = uleb(data, at)
    if augmentation[:1] == b"z":
        size, at = uleb(data, at)
        code_at = at + size
        cie.has_data = True
        for letter in augmentation[1:]:
            if letter == 0x52:  # R: how the FDEs' addresses are written
                cie.encoding = data[at]
                at += 1
            elif letter == 0x50:  # P: the personality routine
                _, at = _pointer(data, at + 1, data[at] & 0x7F, 0)
            elif letter == 0x4C:  # L: how language specific data is written
                at += 1
            elif letter == 0x53:
                cie.is_signal = True
            elif letter != 0x42:
                break  # the size says where the instructions are
        at = code_at
    elif augmentation:
        raise UnwindError("an augmentation of .eh_frame that is not known")
    cie.code = data[at:end]
    rows = run(cie, cie.code)
    cie.initial = rows[-1]
    return cie


def _function(data: bytes, at: int, end: int, cie: Cie, base: int) -> Function:
    start, at = _pointer(data, at, cie.encoding, base)
    size, at = _pointer(data, at, cie.encoding & 0x0F, 0)
    if cie.has_data:
        skip, at = uleb(data, at)
        at += skip
    return Function(cie, start, start + size, data[at:end])


def _pointer(data: bytes, at: int, encoding: int, base: int) -> tuple[int, int]:
    """(value, offset behind it).  `base`: the section's address, for relative ones."""
    if encoding == _OMITTED:
        return 0, at
    form, start = encoding & 0x0F, at
    if form == _ULEB:
        value, at = uleb(data, at)
    elif form == _SLEB:
        value, at = sleb(data, at)
    else:
        reader = _SIZED.get(form or 4)
        if reader is None:
            raise UnwindError(f"pointer encoding {encoding:#x}")
        (value,) = reader.unpack_from(data, at)
        at += reader.size
    application = encoding & 0x70
    if application == _RELATIVE:
        value += base + start
    elif application:
        raise UnwindError(f"pointer encoding {encoding:#x}")
    return value & (1 << 64) - 1, at


def uleb(data: bytes, at: int) -> tuple[int, int]:
    """(value, offset behind it) of an unsigned LEB128 number."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, at


def sleb(data: bytes, at: int) -> tuple[int, int]:
    """As `uleb`, signed."""
    start = at
    value, at = uleb(data, at)
    bits = 7 * (at - start)
    return (value - (1 << bits) if value >> (bits - 1) else value), at


# ---------------------------------------------------------------- the instructions


def run(cie: Cie, code: bytes) -> list[Row]:
    """The rows of a function with these instructions, the first at 0.  Raises UnwindError for unknown ones."""
    _, cfa, given = cie.initial
    rules = dict(given)
    rows: list[Row] = []
    kept: list[tuple[Cfa | None, dict[int, Rule]]] = []
    place, at, end, factor = 0, 0, len(code), cie.data_factor
    while at < end:
        op = code[at]
        at += 1
        high, low = op & 0xC0, op & 0x3F
        if high == 0x80:
            value, at = uleb(code, at)
            rules[low] = (OFFSET, value * factor)
        elif high == 0x40 or op in _ADVANCES:
            step = low
            if high != 0x40:
                step = int.from_bytes(code[at : at + _ADVANCES[op]], "little")
                at += _ADVANCES[op]
            if step:
                rows.append((place, cfa, dict(rules)))
                place += step * cie.code_factor
        elif high == 0xC0:
            _restore(cie, rules, low)
        elif op == 0x0A:
            kept.append((cfa, dict(rules)))
        elif op == 0x0B:
            if not kept:
                raise UnwindError("restore without remember")
            cfa, rules = kept.pop()
        elif op in _CFA_OPERATIONS:
            cfa, at = _change_cfa(op, code, at, cfa, factor)
        elif op:
            at = _rare(op, code, at, cie, rules)
    rows.append((place, cfa, rules))
    return rows


_ADVANCES = {0x02: 1, 0x03: 2, 0x04: 4}
_CFA_OPERATIONS = frozenset((0x0C, 0x0D, 0x0E, 0x0F, 0x12, 0x13))


def _restore(cie: Cie, rules: dict[int, Rule], register: int) -> None:
    first = cie.initial[2].get(register)
    if first is None:
        rules.pop(register, None)
    else:
        rules[register] = first


def _change_cfa(op: int, code: bytes, at: int, cfa: Cfa | None, factor: int) -> tuple[Cfa, int]:
    if op == 0x0F:
        size, at = uleb(code, at)
        return code[at : at + size], at + size
    if op in (0x0C, 0x12):
        register, at = uleb(code, at)
        offset, at = uleb(code, at) if op == 0x0C else sleb(code, at)
        return (register, offset if op == 0x0C else offset * factor), at
    if not isinstance(cfa, tuple):
        raise UnwindError("a part of a CFA that is an expression")
    if op == 0x0D:
        register, at = uleb(code, at)
        return (register, cfa[1]), at
    offset, at = uleb(code, at) if op == 0x0E else sleb(code, at)
    return (cfa[0], offset if op == 0x0E else offset * factor), at


def _rare(op: int, code: bytes, at: int, cie: Cie, rules: dict[int, Rule]) -> int:
    """What compilers seldom write; the offset behind it."""
    value, at = uleb(code, at)
    if op == 0x2E:  # GNU_args_size, for exceptions only
        return at
    register = value
    factor = cie.data_factor
    if op == 0x06:
        _restore(cie, rules, register)
    elif op == 0x07:
        rules[register] = (UNDEFINED, 0)
    elif op == 0x08:
        rules[register] = (SAME, 0)
    elif op in (0x10, 0x16):
        size, at = uleb(code, at)
        rules[register] = (EXPRESSION if op == 0x10 else VAL_EXPRESSION, code[at : at + size])
        at += size
    elif op in _OFFSETS:
        kind, signed = _OFFSETS[op]
        number, at = sleb(code, at) if signed else uleb(code, at)
        rules[register] = (kind, number if kind == REGISTER else number * (-factor if op == 0x2F else factor))
    else:
        raise UnwindError(f"call frame instruction {op:#x}")
    return at


_OFFSETS = {
    0x05: (OFFSET, False), 0x11: (OFFSET, True), 0x14: (VAL_OFFSET, False), 0x15: (VAL_OFFSET, True),
    0x09: (REGISTER, False), 0x2F: (OFFSET, False),
}  # fmt: skip
