"""BPF instructions as text, in the notation of the kernel's verifier log.

Place in the pipeline: a view (`-d dis`); nothing depends on it.  In: a ProgramSpec.  Out: lines, with the script's
line in front of the instructions that came from it.  What a newcomer would get wrong: this is what is *in the
Program*: map references are still names, and jump targets count from the start of the linked program.  Source: RFC
9669 (BPF ISA).
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.codegen.bpf_helpers import HELPER_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.program import ProgramSpec, Relocation

_SIZES = {0x00: "u32", 0x08: "u16", 0x10: "u8", 0x18: "u64"}
_SIGNED = {0x00: "s32", 0x08: "s16", 0x10: "s8"}
_ALU = {
    0: "+=",
    1: "-=",
    2: "*=",
    3: "/=",
    4: "|=",
    5: "&=",
    6: "<<=",
    7: ">>=",
    9: "%=",
    10: "^=",
    11: "=",
    12: "s>>=",
}
_JUMPS = {1: "==", 2: ">", 3: ">=", 4: "&", 5: "!=", 6: "s>", 7: "s>=", 10: "<", 11: "<=", 12: "s<", 13: "s<="}
_SIGNED_DIVISION = {3: "s/=", 9: "s%="}


def disassemble(program: ProgramSpec) -> str:
    """All instructions of a program and the functions behind it."""
    relocations = {r.index: r for r in program.relocations}
    lines = {row.index: row for row in program.line_info}
    starts = {index for index, _ in program.func_info}
    out = [f"{program.name}:"]
    for index, text in _instructions(program.insns, relocations):
        if index in starts and index:
            out.append(f"function at {index}:")
        if index in lines:
            row = lines[index]
            out.append(f"; {row.line}:{row.column}: {row.text.strip()}")
        out.append(f"{index:6}: {text}")
    return "\n".join(out) + "\n"


def _instructions(code: bytes, relocations: dict[int, Relocation]) -> Iterator[tuple[int, str]]:
    index, count = 0, len(code) // 8
    while index < count:
        opcode, registers, offset, value = unpack_from("<BBhi", code, index * 8)
        if opcode == 0x18:
            high = unpack_from("<i", code, index * 8 + 12)[0] if index + 1 < count else 0
            yield index, _wide(registers, value, high, index, relocations.get(index))
            index += 2
        else:
            yield index, _one(opcode, registers & 15, registers >> 4, offset, value, index, relocations.get(index))
            index += 1


def _wide(registers: int, low: int, high: int, index: int, relocation: Relocation | None) -> str:
    target = f"r{registers & 15}"
    if relocation is None:
        return f"{target} = 0x{(low & 0xFFFFFFFF) | (high & 0xFFFFFFFF) << 32:x} ll"
    if relocation.kind == "func":
        return f"{target} = function at {index + low + 1}"
    extra = f" + {relocation.addend}" if relocation.addend else ""
    return f"{target} = {relocation.kind} {relocation.name}{extra}"


def _one(opcode: int, dst: int, src: int, offset: int, value: int, index: int, relocation: Relocation | None) -> str:
    kind = opcode & 7
    if kind in (4, 7):
        return _alu(opcode, "w" if kind == 4 else "r", dst, src, offset, value)
    if kind in (5, 6):
        return _jump(opcode, "r" if kind == 5 else "w", dst, src, offset, value, index, relocation)
    return _memory(opcode, dst, src, offset, value)


def _alu(opcode: int, bank: str, dst: int, src: int, offset: int, value: int) -> str:
    operation = opcode >> 4
    left = f"{bank}{dst}"
    if operation == 8:
        return f"{left} = -{left}"
    if operation == 13:
        name = "bswap" if opcode & 7 == 7 else ("be" if opcode & 8 else "le")
        return f"r{dst} = {name}{value} r{dst}"
    right = f"{bank}{src}" if opcode & 8 else str(value)
    if operation == 11 and offset:
        return f"{left} = (s{offset}){right}"
    if offset and operation in _SIGNED_DIVISION:
        return f"{left} {_SIGNED_DIVISION[operation]} {right}"
    return f"{left} {_ALU.get(operation, '?')} {right}"


def _jump(
    opcode: int, bank: str, dst: int, src: int, offset: int, value: int, index: int, relocation: Relocation | None
) -> str:
    operation = opcode >> 4
    if operation == 9:
        return "exit"
    if operation == 8:
        if relocation is not None:
            return f"call {relocation.name}"
        return f"call function at {index + value + 1}" if src == 1 else f"call {HELPER_NAMES.get(value, value)}#{value}"
    if operation == 0:
        return f"goto {index + 1 + (value if bank == 'w' else offset)}"
    right = f"{bank}{src}" if opcode & 8 else str(value)
    return f"if {bank}{dst} {_JUMPS.get(operation, '?')} {right} goto {index + 1 + offset}"


def _memory(opcode: int, dst: int, src: int, offset: int, value: int) -> str:
    size, mode, kind = _SIZES[opcode & 0x18], opcode & 0xE0, opcode & 7
    if kind == 1:
        size = _SIGNED.get(opcode & 0x18, size) if mode == 0x80 else size
        return f"r{dst} = *({size} *)(r{src} {offset:+d})"
    place = f"*({size} *)(r{dst} {offset:+d})"
    if kind == 2:
        return f"{place} = {value}"
    return f"lock {place} 0x{value:x} r{src}" if mode == 0xC0 else f"{place} = r{src}"
