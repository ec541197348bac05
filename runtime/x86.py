"""The lengths of x86_64 instructions, to tell whether a probe's offset is the start of one.

Place in the pipeline: under `runtime.machine`, for `uprobe:BINARY:FUNCTION+OFFSET`.  In: a function's bytes.  Out:
whether an instruction begins at an offset.  What a newcomer would get wrong: this decodes lengths only, by which
opcodes have a ModRM byte and an immediate (Intel SDM volume 2, appendix A); an encoding that it does not know gives
None, never a guess.
"""

from __future__ import annotations

_PREFIXES = frozenset(b"\x66\x67\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65")


def _ranges(*parts: int | tuple[int, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in parts:
        found.update((part,) if isinstance(part, int) else range(part[0], part[1] + 1))
    return frozenset(found)


_ARITHMETIC = [row + n for row in range(0x00, 0x40, 8) for n in range(4)]
_MODRM_1 = _ranges(*_ARITHMETIC, 0x63, 0x69, 0x6B, (0x80, 0x8F), (0xC0, 0xC1), (0xC6, 0xC7), (0xD0, 0xD3), (0xD8, 0xDF),
                   0xF6, 0xF7, 0xFE, 0xFF)  # fmt: skip
_IMM8_1 = _ranges(*(row + 4 for row in range(0, 0x40, 8)), 0x6A, 0x6B, (0x70, 0x7F), 0x80, 0x82, 0x83, 0xA8,
                  (0xB0, 0xB7), 0xC0, 0xC1, 0xC6, 0xCD, 0xD4, 0xD5, (0xE0, 0xE7), 0xEB)  # fmt: skip
_IMM32_1 = _ranges(*(row + 5 for row in range(0, 0x40, 8)), 0x68, 0x69, 0x81, 0xA9, 0xC7)
"""Immediates of 4 bytes, 2 with the operand-size prefix."""
_INVALID_1 = _ranges(0x06, 0x07, 0x0E, 0x16, 0x17, 0x1E, 0x1F, 0x27, 0x2F, 0x37, 0x3F, 0x60, 0x61, 0x82, 0x9A, 0xCE,
                     0xD4, 0xD5, 0xD6, 0xEA)  # fmt: skip
_PLAIN_2 = _ranges((0x05, 0x09), 0x0B, 0x0E, (0x30, 0x35), 0x37, 0x77, (0xA0, 0xA2), (0xA8, 0xAA), (0xC8, 0xCF))
"""Two-byte opcodes (behind 0F) without a ModRM byte; 80 to 8F have a 4-byte displacement instead."""
_IMM8_2 = _ranges((0x70, 0x73), 0xA4, 0xAC, 0xBA, 0xC2, (0xC4, 0xC6))


def boundary(code: bytes, offset: int) -> bool | None:
    """Whether an instruction begins `offset` bytes into `code`; None: could not decode that far."""
    at = 0
    while at < offset:
        length = instruction_length(code, at)
        if length is None:
            return None
        at += length
    return at == offset


def instruction_length(code: bytes, at: int) -> int | None:
    """The length of the instruction at `at`, None for an unknown encoding or one that is cut off."""
    try:
        return _length(code, at)
    except IndexError:
        return None


def _length(code: bytes, start: int) -> int | None:
    at, small_operand, small_address = start, False, False
    while code[at] in _PREFIXES:
        small_operand |= code[at] == 0x66
        small_address |= code[at] == 0x67
        at += 1
        if at - start > 14:
            return None
    wide = False
    if code[at] & 0xF0 == 0x40:
        wide = bool(code[at] & 8)
        at += 1
    opcode = code[at]
    at += 1
    if opcode in (0xC4, 0xC5, 0x62):
        return _vector(code, start, at, opcode)
    if opcode == 0x0F:
        return _two_byte(code, start, at)
    if opcode in _INVALID_1:
        return None
    has_modrm, reg = opcode in _MODRM_1, 0
    if has_modrm:
        reg = code[at] >> 3 & 7
        if opcode == 0x8F and reg:
            return None  # XOP, which AMD has dropped
        at += _modrm(code, at)
    return at - start + _immediate(opcode, reg, wide, small_operand, small_address)


def _immediate(opcode: int, reg: int, wide: bool, small_operand: bool, small_address: bool) -> int:
    """Bytes of immediate operands, displacements of branches and absolute addresses of a one-byte opcode."""
    if opcode in _IMM8_1 or (opcode == 0xF6 and reg < 2):
        return 1
    if opcode in _IMM32_1 or (opcode == 0xF7 and reg < 2):
        return 2 if small_operand else 4
    if opcode in (0xE8, 0xE9):
        return 4
    if 0xB8 <= opcode <= 0xBF:
        return 8 if wide else 2 if small_operand else 4
    if 0xA0 <= opcode <= 0xA3:
        return 4 if small_address else 8
    return {0xC2: 2, 0xCA: 2, 0xC8: 3}.get(opcode, 0)


def _two_byte(code: bytes, start: int, at: int) -> int | None:
    opcode = code[at]
    at += 1
    if opcode in (0x38, 0x3A):
        at += 1
        at += _modrm(code, at)
        return at - start + (opcode == 0x3A)
    if 0x80 <= opcode <= 0x8F:
        return at + 4 - start
    if opcode in _PLAIN_2:
        return at - start
    if opcode in (0x04, 0x0A, 0x0C, 0x0F, 0x24, 0x25, 0x26, 0x27, 0x36, 0x39, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F):
        return None
    at += _modrm(code, at)
    return at - start + (opcode in _IMM8_2)


def _vector(code: bytes, start: int, at: int, kind: int) -> int | None:
    """VEX and EVEX: the map says whether there is an 8-bit immediate."""
    table = 1
    if kind == 0xC5:
        at += 1
    elif kind == 0xC4:
        table = code[at] & 0x1F
        at += 2
    else:
        table = code[at] & 7
        at += 3
    opcode = code[at]
    at += 1
    if table not in (1, 2, 3, 5, 6):
        return None
    if table == 1 and opcode == 0x77:
        return at - start
    at += _modrm(code, at)
    return at - start + (table == 3 or (table == 1 and opcode in _IMM8_2))


def _modrm(code: bytes, at: int) -> int:
    """Bytes of ModRM, SIB and displacement."""
    modrm = code[at]
    mode, low = modrm >> 6, modrm & 7
    if mode == 3:
        return 1
    size = 1
    if low == 4:
        size = 2
        if mode == 0 and code[at + 1] & 7 == 5:
            return 6
    elif mode == 0 and low == 5:
        return 5
    return size + (0, 1, 4)[mode]
