"""Where the arguments of a USDT probe are, as its note says in assembler syntax.

Place in the pipeline: under the usdt row.  In: `-4@%edi 8@-16(%rbp) 4@$7`.  Out: `Argument`s, and code that reads
one.  What a newcomer would get wrong: the number before `@` gives size and sign of the *value*; a 4-byte value in
`%edi` is widened by that sign, and what lies above it in the register is of no meaning.
"""

from __future__ import annotations

from pytrace import types
from pytrace.defs.registers import INSTRUCTION, OFFSETS
from pytrace.record import record, replace
from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.source import Span

_LETTERS = {"a": "ax", "b": "bx", "c": "cx", "d": "dx"}


@record
class Argument:
    """`kind`: constant (`offset` is the value), register, memory (at base + index * scale + offset), relative (at
    `offset` from the probe's own address), unknown.  `base`, `index_register`: byte offsets in struct pt_regs, -1 =
    none.  `shift`: bits to drop of a register (`%ah`).  `symbol`: the operand of an unknown one, else what is to be
    added to `offset` once it is known."""

    size: int
    signed: bool
    kind: str
    base: int = -1
    index_register: int = -1
    scale: int = 1
    offset: int = 0
    shift: int = 0
    symbol: str = ""


def parse(text: str) -> list[Argument]:
    """All arguments of a note."""
    return [_argument(word) for word in text.split()]


def _argument(word: str) -> Argument:
    prefix, at, operand = word.partition("@")
    if not at:
        prefix, operand = "8", word
    try:
        size = int(prefix.rstrip("f"))
    except ValueError:
        return Argument(8, False, "unknown", symbol=word)
    argument = Argument(abs(size), size < 0, "unknown", symbol=word)
    if abs(size) not in (1, 2, 4, 8) or "f" in prefix:
        return argument
    if operand.startswith("$"):
        value = _number(operand[1:])
        return argument if value is None else replace(argument, kind="constant", offset=value, symbol="")
    if operand.startswith("%"):
        register, shift = _register(operand[1:])
        return argument if register < 0 else replace(argument, kind="register", base=register, shift=shift, symbol="")
    return _memory(argument, operand)


def _memory(argument: Argument, operand: str) -> Argument:
    """`displacement(%base,%index,scale)`."""
    displacement, bracket, inside = operand.partition("(")
    if not bracket or not inside.endswith(")"):
        return argument
    base_text, index_text, scale_text = [*(p.strip() for p in inside[:-1].split(",")), "", ""][:3]
    symbol, offset = _displacement(displacement)
    if base_text == "%rip":
        return argument if offset is None else replace(argument, kind="relative", symbol=symbol, offset=offset)
    base = _register(base_text[1:])[0] if base_text else -1
    index = _register(index_text[1:])[0] if index_text else -1
    if offset is None or (base_text and base < 0) or (index_text and index < 0):
        return argument
    return replace(
        argument,
        kind="memory", base=base, index_register=index, scale=_number(scale_text) or 1, offset=offset, symbol=symbol
    )


def _displacement(text: str) -> tuple[str, int | None]:
    """(symbol, offset) of `-16`, `table`, `table+8` or `table-8`; offset None for what is none of them."""
    if not text or _number(text) is not None:
        return "", _number(text or "0")
    at = max(text.rfind("+"), text.rfind("-"))
    return (text[:at], _number(text[at:])) if at > 0 else (text, 0)


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def _register(name: str) -> tuple[int, int]:
    """(offset in struct pt_regs or -1, bits to drop)."""
    if len(name) == 2 and name[1] == "h" and name[0] in _LETTERS:
        return OFFSETS[_LETTERS[name[0]]], 8
    if name.startswith("r") and name[1:2].isdecimal():
        return OFFSETS.get(name.rstrip("dwb"), -1), 0
    plain = name[1:] if len(name) == 3 and name[0] in "re" else name
    if plain.endswith("l"):
        plain = _LETTERS.get(plain[0], plain[:-1]) if len(plain) == 2 else plain[:-1]
    return OFFSETS.get(plain, -1), 0


def lower(em: Lowering, argument: Argument, span: Span) -> Any:
    """The argument's value widened to 64 bits; 0 for one that cannot be read."""
    value_type = types.Int(8 * argument.size, argument.signed)
    if argument.kind == "constant":
        value = em.const(argument.offset & (1 << 8 * argument.size) - 1, 8 * argument.size)
        return em.extend(value, value_type)
    if argument.kind == "register":
        word = em.load(em.ctx, types.UINT64, argument.base)
        if argument.shift:
            word = em.builder.lshr(word, em.const(argument.shift))
        return em.extend(em.extend(word, types.UINT64, 8 * argument.size), value_type)
    if argument.kind == "unknown":
        return em.const(0)
    address = em.const(argument.offset & (1 << 64) - 1)
    if argument.kind == "relative":
        address = em.builder.add(address, em.load(em.ctx, types.UINT64, OFFSETS[INSTRUCTION]))
    if argument.base >= 0:
        address = em.builder.add(address, em.load(em.ctx, types.UINT64, argument.base))
    if argument.index_register >= 0:
        index = em.load(em.ctx, types.UINT64, argument.index_register)
        address = em.builder.add(address, em.builder.mul(index, em.const(argument.scale)))
    memory = em.local(8, 8, "usdt")
    em.read(memory, em.const(argument.size, 32), address, Space.USER, span)
    return em.extend(em.load(memory, value_type), value_type)
