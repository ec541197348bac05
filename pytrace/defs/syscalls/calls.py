"""One recorded call, taken out of its records: arguments, and what was copied for them.

Place in the pipeline: between records (`lines`) and `arguments`, which writes what stands here.  In: the bytes of
records, as `recording` makes them.  Out: `Call` and `Copied`.  What a newcomer would get wrong: a record may end before
all its captures do: what had no room any more is missing.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.defs.syscalls import captures
from pytrace.defs.syscalls.recording import ELEMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytrace.defs.syscalls.captures import Capture


class Copied:
    """What was copied for one argument: `length` that was read, negative for an error; its bytes, or its elements.  Of
    an element also its `address` and the `size` that the call gave."""

    __slots__ = ("address", "data", "elements", "length", "size")

    def __init__(
        self, length: int, data: bytes = b"", elements: Sequence[Copied] = (), address: int = 0, size: int = 0
    ) -> None:
        self.length = length
        self.data = data
        self.elements = elements
        self.address = address
        self.size = size

    @property
    def is_whole(self) -> bool:
        """Nothing of it could not be read."""
        return self.length >= 0 and all(e.length >= 0 for e in self.elements)


class Call:
    """One call: its arguments as unsigned numbers, what was copied at its begin and end, its result if it returned."""

    __slots__ = ("arguments", "entered", "failed", "hexadecimal", "limit", "result", "returned")

    def __init__(self, arguments: Sequence[int], entered: dict[int, Copied], limit: int, hexadecimal: bool) -> None:
        self.arguments = arguments
        self.entered = entered
        self.returned: dict[int, Copied] = {}
        self.result: int | None = None
        self.failed = False
        self.limit = limit
        self.hexadecimal = hexadecimal

    def finish(self, result: int, returned: dict[int, Copied]) -> None:
        self.result = result
        self.failed = -4096 < result < 0
        self.returned = returned


def copied(wanted: Sequence[Capture], data: bytes, at: int, arguments: Sequence[int]) -> tuple[dict[int, Copied], int]:
    """What a record holds of the captures, by argument, and where it goes on; what did not fit is missing."""
    found: dict[int, Copied] = {}
    for capture in wanted:
        if at + 8 > len(data):
            break
        if capture.how in (captures.STRINGS, captures.VECTORS):
            strings = capture.how == captures.STRINGS
            most = captures.STRINGS_SHOWN if strings else arguments[capture.other]
            found[capture.index], at = _elements(data, at, most, strings)
            continue
        if capture.how == captures.MESSAGE:
            found[capture.index], at = _message(data, at)
            continue
        (length,) = unpack_from("<q", data, at)
        at += 8
        if length > 0:
            if at + length > len(data):
                break
            found[capture.index] = Copied(length, data[at : at + length])
            at += length + 7 & ~7
        else:
            found[capture.index] = Copied(length)
    return found, at


def _message(data: bytes, at: int) -> tuple[Copied, int]:
    """struct user_msghdr; its elements are the socket's address and then the buffers."""
    parts, at = copied((_HEADER, _NAME), data, at, ())
    header, name = parts.get(0, Copied(-1)), parts.get(1, Copied(-1))
    if header.length < captures.MESSAGE_SIZE:
        return Copied(-1), at
    vectors, at = _elements(data, at, unpack_from("<Q", header.data, captures.VECTOR_LENGTH)[0], False)
    return Copied(header.length, header.data, (name, *vectors.elements)), at


_HEADER, _NAME = captures.Capture(0, captures.BYTES), captures.Capture(1, captures.BYTES)


def _elements(data: bytes, at: int, most: int, strings: bool) -> tuple[Copied, int]:
    """Strings up to a null pointer, or as many buffers as the call says (and as are copied)."""
    most = most if strings else min(most, captures.VECTORS_SHOWN)
    found: list[Copied] = []
    while len(found) < most and at + ELEMENT <= len(data):
        length, address, size = unpack_from("<qQQ", data, at)
        at += ELEMENT
        if strings and not address:
            break
        found.append(Copied(length, data[at : at + length] if length > 0 else b"", (), address, size))
        at += max(length, 0) + 7 & ~7
    return Copied(1 if found or not most else -1, elements=found), at


def program(data: bytes, at: int) -> tuple[Copied, Copied]:
    """Path and argument list of a new program, as `Recorder.program` records them."""
    path, words = (found for found in copied(_PROGRAM, data, at, ())[0].values())
    split = words.data.split(b"\0")[:-1]
    return path, Copied(words.length, elements=[Copied(len(word) + 1, word) for word in split])


_PROGRAM = (captures.Capture(0, captures.STRING), captures.Capture(1, captures.BYTES))
