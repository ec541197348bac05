"""What is copied from the caller's memory for each kind of argument, and the table that the BPF programs read.

Place in the pipeline: between `signatures` and both halves: `recording` makes BPF code that follows the packed table,
`arguments` finds the copied bytes in a record by the same `captures_of`.  In: signatures.  Out: `Capture`s, and
`packed()`, 8 bytes a capture, `ENTRY` and then `RETURN` ones for each call.  What a newcomer would get wrong: the
order is that of the arguments, and a record holds a capture's length in front of it, so that what could not be read
takes 8 bytes as well.
"""

from __future__ import annotations

from pytrace.defs.registers import OFFSETS
from pytrace.defs.syscalls.signatures import SIGNATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

REGISTERS = ("di", "si", "dx", "r10", "r8", "r9")
"""Where a system call's arguments are (x86_64; arch/x86/entry/entry_64.S)."""
FIRST_REGISTER, REGISTER_BYTES = OFFSETS["r10"], OFFSETS["cs"] + 8 - OFFSETS["r10"]
"""The part of struct pt_regs that is copied: from r10 to cs."""
CALLS = 512
"""Rows of the table.  The last one is that of all greater numbers, without captures."""
ENTRY = RETURN = 4
"""The most captures of one call, when it begins and when it returns."""
PATH = 4096
"""PATH_MAX of linux/limits.h."""
LIMITED = 0
"""As the room of a capture: what the option for string sizes says."""

# How to copy, and where the length is known from: numbers in the packed table.  Arrays come last.
STRING, BYTES, COUNT, MESSAGE, STRINGS, VECTORS = 1, 2, 3, 4, 5, 6
FIXED, ARGUMENT, RESULT, WORD = 0, 1, 2, 3


class Capture:
    """One copy: argument `index`, `how`, its length (`source`, `unit`, the `other` argument), at most `room` bytes."""

    __slots__ = ("how", "index", "other", "returning", "room", "source", "unit")

    def __init__(
        self, index: int, how: int, source: int = FIXED, unit: int = 0, other: int = 0, room: int = PATH,
        returning: bool = False,
    ) -> None:  # fmt: skip
        self.index = index
        self.how = how
        self.source = source
        self.unit = unit
        self.other = other
        self.room = room
        self.returning = returning

    def pack(self) -> bytes:
        """8 bytes: the argument's place among the copied registers, how, source, the other's place, unit, room."""
        places = [(OFFSETS[name] - FIRST_REGISTER) for name in REGISTERS]
        head = bytes((places[self.index], self.how, self.source, places[self.other]))
        return head + self.unit.to_bytes(2, "little") + self.room.to_bytes(2, "little")


_SIZES = {
    "clone_args": 88, "epoll_event": 12, "fdset": 128, "ints1": 4, "ints2": 8, "itimerspec": 32, "itimerval": 32,
    "length": 4, "microseconds_left": 16, "nanoseconds_left": 16, "option": 4, "rlimit": 16, "sigaction": 32,
    "sigset": 8, "stack": 24, "stat": 144, "statfs": 120, "statx": 256, "sysinfo": 112, "timespec": 16, "timespecs": 32,
    "timeval": 16, "timevals": 32, "utsname": 390, "wait_status": 4,
}  # fmt: skip
"""Bytes of what a kind of argument points to, where that does not depend on the call (x86_64)."""


def _captures_of_word(index: int, word: str) -> list[Capture]:
    kind, _, given = word.partition(":")
    returning = kind.endswith(">")
    name, other = kind.rstrip(">"), int(given) if given.isdigit() else 0
    match name:
        case "path":
            return [Capture(index, STRING, returning=returning)]
        case "text":
            return [Capture(index, STRING, room=PATH if returning else LIMITED, returning=returning)]
        case "in":
            return [Capture(index, BYTES, ARGUMENT, 1, other, LIMITED)]
        case "out" | "noise":
            return [Capture(index, BYTES, RESULT, 1, room=LIMITED, returning=True)]
        case "strings":
            return [Capture(index, STRINGS)]
        case "count":
            return [Capture(index, COUNT)]
        case "vectors":
            return [Capture(index, VECTORS, ARGUMENT, 16, other, 16 * VECTORS_SHOWN, returning)]
        case "sockaddr" if returning:
            return [Capture(index, BYTES, WORD, 1, other, 128, True)]
        case "sockaddr":
            return [Capture(index, BYTES, ARGUMENT, 1, other, 128)]
        case "message":
            return [Capture(index, MESSAGE, returning=returning)]
        case "length" | "fdset" | "microseconds_left" | "nanoseconds_left":
            size = _SIZES[name]
            return [Capture(index, BYTES, FIXED, size), Capture(index, BYTES, FIXED, size, returning=True)]
        case "pollfds":
            entry = Capture(index, BYTES, ARGUMENT, 8, other, 256)
            return [entry, Capture(index, BYTES, ARGUMENT, 8, other, 256, True)]
        case "epoll_events":
            return [Capture(index, BYTES, RESULT, 12, room=384, returning=True)]
        case "open_how" | "clone_args":
            return [Capture(index, BYTES, ARGUMENT, 1, other, 88)]
        case "futex" if index == 3:
            return [Capture(index, BYTES, FIXED, 16)]
    if name in _SIZES:
        return [Capture(index, BYTES, FIXED, _SIZES[name], room=512, returning=returning)]
    return []


MESSAGE_SIZE, ADDRESS_SIZE = 56, 128
"""Bytes of struct user_msghdr, and the most of a socket's address (struct sockaddr_storage)."""
NAME, NAME_LENGTH, VECTOR, VECTOR_LENGTH = 0, 8, 16, 24
"""Where struct user_msghdr (linux/socket.h) has the address, the buffers, and how long they are."""
VECTORS_SHOWN = 8
"""The most elements of a struct iovec array that are copied."""
STRINGS_SHOWN = 33
"""The most strings of an argument list that are copied; the last one says that there are more."""
PAGE = 4096
"""Bytes of a page (x86_64), and the most that is read of an array of pointers."""


def captures_of(words: Sequence[str]) -> tuple[list[Capture], list[Capture]]:
    """What is copied when the call begins, and when it returns."""
    found = [capture for index, word in enumerate(words) for capture in _captures_of_word(index, word)]
    return [c for c in found if not c.returning], [c for c in found if c.returning]


def kinds_in(slot: int) -> set[int]:
    """How captures in that place of a row of the packed table are copied."""
    returning, place = divmod(slot, ENTRY)
    found = (captures_of(signature.arguments)[returning] for signature in SIGNATURES.values())
    return {captures[place].how for captures in found if len(captures) > place}


def packed(names: dict[int, str]) -> bytes:
    """The table by call number: `ENTRY` captures of 8 bytes, then `RETURN` ones, zeros where there are none."""
    rows = bytearray(CALLS * (ENTRY + RETURN) * 8)
    for number, name in names.items():
        signature = SIGNATURES.get(name)
        if signature is None or number >= CALLS - 1:
            continue
        for captures, most, first in zip(captures_of(signature.arguments), (ENTRY, RETURN), (0, ENTRY), strict=True):
            assert len(captures) <= most, name
            at = (number * (ENTRY + RETURN) + first) * 8
            data = b"".join(capture.pack() for capture in captures)
            rows[at : at + len(data)] = data
    return bytes(rows)
