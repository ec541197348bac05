"""The BPF code that records a system call: registers, and the memory that its arguments point to.

Place in the pipeline: called by the lowerings of `defs.functions.syscalls`.  In: a pointer to struct pt_regs, and the
table of `captures`.  Out: code that fills a record in the CPU's scratch memory and sends as much of it as is
used.  What a newcomer would get wrong: the place where the next capture goes is kept in memory and not in a register:
a value that was loaded is any value to the verifier, so that all ways through one capture look alike behind it, and
the next one is checked once ("BPF program is too large" otherwise).
"""

from __future__ import annotations

from pytrace.defs.lowerings import thread_id, umin
from pytrace.defs.registers import OFFSETS
from pytrace.defs.syscalls import captures
from pytrace.defs.syscalls.captures import CALLS, FIRST_REGISTER, REGISTER_BYTES
from pytrace.types import UINT32, UINT64, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

ENTRY_FIELDS: list[tuple[str, Type]] = [("time", UINT64), ("thread", UINT32), ("unused", UINT32)]
"""In front of the registers; times are nanoseconds of the monotonic clock."""
RETURN_FIELDS: list[tuple[str, Type]] = [
    ("time", UINT64), ("thread", UINT32), ("again", UINT32), ("result", UINT64), ("number", UINT64),
]  # fmt: skip
ENTRY_HEAD, RETURN_HEAD = 24, 40
"""Bytes of the fields, with the event's number in front."""
ELEMENT = 24
"""Bytes in front of an element of an array: length read, pointer, the length that the array says."""
_AREA = 16384
_LAST = _AREA - captures.PATH - ELEMENT - 8
"""No capture begins behind this."""
_AT, _FAILED, _WORDS = _AREA, _AREA + 8, _AREA + 16
_ROOM = 128
"""Bytes of the copied registers, a power of two beyond their number: an index is masked."""
_LIMIT_MOST = captures.PATH - 8


class Recorder:
    """Code for one record: `area` is its memory, `registers` where the copied ones are."""

    def __init__(self, em: Lowering, call: typed.Call, limit: Any, result: Any) -> None:
        self.em = em
        self.call = call
        self.area = em.local(_AREA + 16 + 16)
        self.limit = umin(em, limit, _LIMIT_MOST)
        self.result = result
        self.registers: Any = None

    def read_registers(self, pointer: Any, dest: Any) -> None:
        """Copy the part of struct pt_regs that holds the arguments."""
        em = self.em
        source = em.builder.add(pointer, em.const(FIRST_REGISTER))
        em.read(dest, em.const(REGISTER_BYTES), source, Space.KERNEL, self.call.span)
        self.registers = dest

    def number(self) -> Any:
        """The call's number, i64."""
        return self.em.load(self.registers, UINT64, OFFSETS["orig_rax"] - FIRST_REGISTER)

    def head(self, translate: bool) -> None:
        """Time and thread."""
        em = self.em
        em.put(self.area, em.helper("ktime_get_ns"), 8)
        em.put(self.area, thread_id(em, translate), 16)

    def begin(self, at: int) -> None:
        """Captures go to `at` and behind."""
        self.em.put(self.area, self.em.const(at), _AT)
        self.em.put(self.area, self.em.const(0), _FAILED)

    def at(self) -> Any:
        return self.em.load(self.area, UINT64, _AT)

    def failed(self) -> Any:
        """i1: an argument that points somewhere could not be read."""
        em = self.em
        return em.builder.icmp_unsigned("!=", em.load(self.area, UINT64, _FAILED), em.const(0))

    def send(self, row_key: str, fields: list[tuple[str, Type]]) -> None:
        self.em.send(row_key, fields, self.call.data, self.call.span, self.area, umin(self.em, self.at(), _AREA))

    def program(self, file: Any, words: Any, end: Any) -> None:
        """What a new program was started with, from its own memory: its file's name, and all arguments in a row."""
        em, b = self.em, self.em.builder
        self._text(file, em.const(captures.PATH))
        at = umin(em, self.at(), _LAST)
        dest = em.aligned(em.at(self.area, b.add(at, em.const(8))), 8)
        self._keep(at, self._bytes(dest, b.sub(end, words), words), words)

    # ---------------------------------------------------------------- captures

    def copy(self, number: Any, slots: range) -> None:
        """The captures in `slots` of call `number` (i64).  Code is made for what stands in that slot of any call."""
        em, b = self.em, self.em.builder
        row = b.mul(umin(em, number, CALLS - 1), em.const((captures.ENTRY + captures.RETURN) * 8))
        self._copy_slots(em.at(em.string_constant(captures.packed(_names()).decode("latin-1")), row), slots)

    def _copy_slots(self, row: Any, slots: range) -> None:
        em, b = self.em, self.em.builder
        kinds = captures.kinds_in(slots[0]) if slots else set()
        if not kinds:
            return
        word = em.load(em.aligned(em.at(row, 8 * slots[0]), 8), UINT64)
        with em.when(b.icmp_unsigned("!=", word, em.const(0))):
            with em.when(b.icmp_unsigned("<=", self.at(), em.const(_LAST))):
                self._capture(word, kinds)
            self._copy_slots(row, slots[1:])

    def _part(self, word: Any, shift: int, mask: int) -> Any:
        em = self.em
        return em.builder.and_(em.builder.lshr(word, em.const(shift)), em.const(mask))

    def _register(self, word: Any, shift: int) -> Any:
        """The argument whose place stands in a byte of the table's word."""
        em = self.em
        place = em.opaque(self._part(word, shift, _ROOM - 8))
        place = em.builder.and_(place, em.const(_ROOM - 8))
        return em.load(em.aligned(em.at(self.registers, place), 8), UINT64)

    def _capture(self, word: Any, kinds: set[int]) -> None:
        em, b = self.em, self.em.builder
        how, address = self._part(word, 8, 0xFF), self._register(word, 0)
        room = b.lshr(word, em.const(48))
        room = b.select(b.icmp_unsigned("==", room, em.const(captures.LIMITED)), self.limit, room)
        shown = umin(em, self._register(word, 24), captures.VECTORS_SHOWN)
        ways: dict[int, Callable[[], None]] = {
            captures.STRING: lambda: self._text(address, room),
            captures.BYTES: lambda: self._data(word, address, room),
            captures.COUNT: lambda: self._pointers(address),
            captures.MESSAGE: lambda: self._message(address),
            captures.STRINGS: lambda: self._elements(address, em.const(captures.STRINGS_SHOWN), True),
            captures.VECTORS: lambda: self._elements(address, shown, False),
        }
        for kind in sorted(kinds):
            with em.when(b.icmp_unsigned("==", how, em.const(kind))):
                ways[kind]()

    def _length(self, word: Any) -> Any:
        """The bytes of what has a length."""
        em, b = self.em, self.em.builder
        source, unit, other = self._part(word, 16, 0xFF), self._part(word, 32, 0xFFFF), self._register(word, 24)
        em.put(self.area, em.const(0), _WORDS)
        with em.when(b.icmp_unsigned("==", source, em.const(captures.WORD))):
            em.helper("probe_read_user", em.at(self.area, _WORDS), em.const(4), other)
        factor = b.select(b.icmp_unsigned("==", source, em.const(captures.ARGUMENT)), other, em.const(1))
        if self.result is not None:
            factor = b.select(b.icmp_unsigned("==", source, em.const(captures.RESULT)), self.result, factor)
        word_length = em.load(self.area, UINT64, _WORDS)
        is_word = b.icmp_unsigned("==", source, em.const(captures.WORD))
        return b.select(is_word, word_length, b.mul(umin(em, factor, 1 << 31), unit))

    def _data(self, word: Any, address: Any, room: Any) -> None:
        """Bytes of which the length is known."""
        em, b = self.em, self.em.builder
        at = umin(em, self.at(), _LAST)
        dest = em.aligned(em.at(self.area, b.add(at, em.const(8))), 8)
        length = self._length(word)
        length = b.select(b.icmp_unsigned("<", length, room), length, room)
        self._keep(at, self._bytes(dest, length, address), address)

    def _text(self, address: Any, room: Any) -> None:
        """Up to a NUL.  Two bytes more than shown: the NUL, and one that says that there are more."""
        em, b = self.em, self.em.builder
        at = umin(em, self.at(), _LAST)
        dest = em.aligned(em.at(self.area, b.add(at, em.const(8))), 8)
        size = umin(em, b.add(room, em.const(2)), captures.PATH)
        self._keep(at, self._string(dest, size, address), address)

    def _string(self, dest: Any, size: Any, address: Any) -> Any:
        """Copy up to a NUL; the bytes with it, or a negative error.  Before Linux 6.2 (commit 8678ea06852c) the helper
        says 0 for an empty string of the user's."""
        b = self.em.builder
        result = self.em.helper("probe_read_user_str", dest, size, address)
        return b.select(b.icmp_unsigned("==", result, self.em.const(0)), self.em.const(1), result)

    def _bytes(self, dest: Any, length: Any, address: Any) -> Any:
        """Copy bytes; their number, or a negative error."""
        em, b = self.em, self.em.builder
        length = umin(em, length, captures.PATH)
        result = em.helper("probe_read_user", dest, length, address)
        return b.select(b.icmp_signed("<", result, em.const(0)), result, length)

    def _keep(self, at: Any, result: Any, address: Any, head: int = 8) -> None:
        """Store how much was read in front of it, and go on behind it."""
        em, b = self.em, self.em.builder
        em.put(em.aligned(em.at(self.area, at), 8), result)
        below = b.icmp_signed("<", result, em.const(0))
        taken = umin(em, b.select(below, em.const(0), result), captures.PATH)
        following = b.and_(b.add(b.add(at, taken), em.const(head + 7)), em.const(-8))
        em.put(self.area, following, _AT)
        with em.when(b.and_(below, b.icmp_unsigned("!=", address, em.const(0)))):
            em.put(self.area, em.const(1), _FAILED)

    def _pointers(self, address: Any) -> None:
        """An array of pointers that are counted: a page's length, or what the page has left if the next one cannot be
        read.  A loop up to its end is more than the verifier of Linux 6.1 follows ("The sequence of 8193 jumps is too
        complex")."""
        em, b = self.em, self.em.builder
        at = umin(em, self.at(), _LAST)
        dest = em.aligned(em.at(self.area, b.add(at, em.const(8))), 8)
        em.put(self.area, self._bytes(dest, em.const(captures.PAGE), address), _WORDS)
        with em.when(b.icmp_signed("<", em.load(self.area, UINT64, _WORDS), em.const(0))):
            left = b.sub(em.const(captures.PAGE), b.and_(address, em.const(captures.PAGE - 1)))
            em.put(self.area, self._bytes(dest, left, address), _WORDS)
        self._keep(at, em.load(self.area, UINT64, _WORDS), address)

    def _message(self, address: Any) -> None:
        """struct user_msghdr, the socket address in it, and the buffers."""
        em, b = self.em, self.em.builder
        at = umin(em, self.at(), _LAST)
        header = em.aligned(em.at(self.area, b.add(at, em.const(8))), 8)
        self._keep(at, self._bytes(header, em.const(captures.MESSAGE_SIZE), address), address)
        # What could not be read is zero.
        name, vector = (em.load(header, UINT64, place) for place in (captures.NAME, captures.VECTOR))
        size = em.extend(em.load(header, UINT32, captures.NAME_LENGTH), UINT32, 64)
        count = umin(em, em.load(header, UINT64, captures.VECTOR_LENGTH), captures.VECTORS_SHOWN)
        at = umin(em, self.at(), _LAST)
        dest = em.aligned(em.at(self.area, b.add(at, em.const(8))), 8)
        self._keep(at, self._bytes(dest, umin(em, size, captures.ADDRESS_SIZE), name), name)
        self._elements(vector, count, False)

    def _elements(self, address: Any, count: Any, strings: bool) -> None:
        """Strings up to a null pointer, or buffers with their lengths: each with its own head."""
        em, b = self.em, self.em.builder
        stride = 8 if strings else 16

        def one(index: Any) -> Any:
            fits = b.icmp_unsigned("<=", self.at(), em.const(_LAST))
            with em.when(fits):
                self._element(b.add(address, b.mul(index, em.const(stride))), stride, strings)
            # A vector of no bytes does not end the array, a null string does.
            there = b.icmp_unsigned("!=", em.load(self.area, UINT64, _WORDS), em.const(0))
            return b.and_(fits, there) if strings else fits

        _loop(em, count, captures.STRINGS_SHOWN if strings else captures.VECTORS_SHOWN, one)

    def _element(self, where: Any, stride: int, strings: bool) -> None:
        em, b = self.em, self.em.builder
        at = umin(em, self.at(), _LAST)
        em.put(self.area, em.const(0), _WORDS)
        em.put(self.area, em.const(0), _WORDS + 8)
        read = em.helper("probe_read_user", em.at(self.area, _WORDS), em.const(stride), where)
        with em.when(b.icmp_signed("<", read, em.const(0))):
            em.put(self.area, em.const(1), _FAILED)
        pointer, length = em.load(self.area, UINT64, _WORDS), em.load(self.area, UINT64, _WORDS + 8)
        head = em.aligned(em.at(self.area, at), 8)
        em.put(head, pointer, 8)
        em.put(head, length, 16)
        dest = em.aligned(em.at(self.area, b.add(at, em.const(ELEMENT))), 8)
        if strings:
            size = umin(em, b.add(self.limit, em.const(2)), captures.PATH)
            result = self._string(dest, size, pointer)
        else:
            result = self._bytes(dest, b.select(b.icmp_unsigned("<", length, self.limit), length, self.limit), pointer)
        self._keep(at, result, pointer, ELEMENT)


def _names() -> dict[int, str]:
    from pytrace.defs.name_tables import SYSCALLS

    return SYSCALLS


def _loop(em: Lowering, end: Any, most: int, body: Callable[[Any], Any]) -> None:
    """`body(index)` for the numbers from 0 up to `end`, while the i1 that it gives is true; at most `most`.

    The index is compared with the constant by itself: before Linux 6.8 the verifier does not see that a loop ends
    whose index is compared with something that it only knows a limit of.
    """
    from llvmlite import ir

    b = em.builder
    head, check, inside, after = (b.append_basic_block(n) for n in ("each", "each.check", "each.body", "each.end"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    index = b.phi(ir.IntType(64))
    index.add_incoming(em.const(0), before)
    b.cbranch(b.icmp_unsigned("<", em.opaque(index), em.const(most)), check, after)
    b.position_at_end(check)
    b.cbranch(b.icmp_unsigned("<", index, end), inside, after)
    b.position_at_end(inside)
    go_on = body(index)
    following = b.add(index, em.const(1))
    index.add_incoming(following, b.block)
    b.cbranch(go_on, head, after)
    b.position_at_end(after)
