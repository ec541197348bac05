"""Where a value is at a place of a program: in registers, in memory, computed from them, or nowhere.

Place in the pipeline: part of `types.Field`; made from debug information (`runtime.dwarf_locations`) or the calling
convention (`runtime.dwarf_calling`), turned into code by `defs.register_arguments`.  In: nothing.  Out: immutable
values.  What a newcomer would get wrong: a location holds at one address only; the same parameter is elsewhere an
instruction later, and a value may be in several pieces of which some are nowhere.
"""

from __future__ import annotations

from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Formula = tuple[Any, ...]
    """A 64-bit value: (REGISTER, name), (CONSTANT, n), (READ, bytes, address), (SIGNED or UNSIGNED, bits, value), or
    (operation, value, value) with an operation of DWARF's: see `dwarf_locations`."""

REGISTER, CONSTANT, READ, SIGNED, UNSIGNED = "register", "constant", "read", "signed", "unsigned"


@record
class Piece:
    """`size` bytes of a value: what `formula` gives, or with `in_memory` what lies at that address in user space.

    `problem`: why it cannot be had, as the end of a sentence; `formula` is None then."""

    size: int
    formula: Formula | None
    in_memory: bool = False
    problem: str = ""


@record
class Location:
    """The pieces of a value, in the order of its bytes."""

    pieces: tuple[Piece, ...]

    def problem(self, offset: int, size: int) -> str:
        """Why `size` bytes from `offset` on cannot be had, "" if they can."""
        at = 0
        for piece in self.pieces:
            if piece.problem and at < offset + size and offset < at + piece.size:
                return piece.problem
            at += piece.size
        return ""

    @property
    def complete(self) -> bool:
        return not any(piece.problem for piece in self.pieces)


def register(name: str) -> Formula:
    """The value of a register, by its name in `defs.registers`."""
    return (REGISTER, name)


def plus(base: Formula, offset: int) -> Formula:
    """A value and a constant added."""
    return ("plus", base, (CONSTANT, offset)) if offset else base
