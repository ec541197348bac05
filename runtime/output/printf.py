"""printf at run time: records of one format to bytes, a single one or a whole batch (spec 04 §6).

Place in the pipeline: called by the handlers of printf(), print(), errorf(), cat(), system().  In: the format, split at
compile time, and the layout of its record.  Out: bytes.  What a newcomer would get wrong: the cut of integers to 32
bits happened when the record was written, so a field is read at the width it has there; and a whole batch is one `%` on
a repeated template.
"""

from __future__ import annotations

from itertools import chain
from struct import Struct

from pytrace import types, values
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.program import Layout
    from pytrace.runtime.output.render import Renderer
    from pytrace.types import Type

    Convert = Callable[[Any], bytes]

_CHUNK = 1024
_INTEGERS = frozenset("diuoxXc")


@record
class Spec:
    """One conversion: its letters (`d`, `s`, `rx` …), flags, `width` 0 = none, length modifiers as written."""

    conversion: str
    left: bool
    plus: bool
    alternate: bool
    zero: bool
    width: int
    length: str


SHOWN = Spec("s", False, False, False, False, 0, "")
"""The print() form."""


class Formatter:
    """The compiled form of one format over one record layout (offsets count from the record's start, id included)."""

    def __init__(self, literals: tuple[str, ...], specs: tuple[Spec, ...], layout: Layout, renderer: Renderer) -> None:
        template, form, end = [_escape(literals[0])], "<", 0
        self._converts: list[tuple[int, Convert]] = []
        columns = 0
        for spec, field, literal in zip(specs, layout.fields, literals[1:], strict=True):
            for text, column in _pieces(spec, field.type, field.offset, renderer):
                template.append(text)
                if column is None:
                    continue
                form += f"{column.offset - end}x{column.code}"
                end = column.offset + column.size
                if column.convert is not None:
                    self._converts.append((columns, column.convert))
                columns += 1
            template.append(_escape(literal))
        self._size = max(layout.size, end)
        self._record = Struct(f"{form}{self._size - end}x")
        self._columns = columns
        self._template = b"".join(template)
        self._repeated = self._template * _CHUNK
        self._apart = self._template + b"\0"

    def one(self, data: bytes | memoryview) -> bytes:
        """The text of one record."""
        found = self._record.unpack_from(data)
        if not self._converts:
            return self._template % found
        row = list(found)
        for i, convert in self._converts:
            row[i] = convert(row[i])
        return self._template % tuple(row)

    def many(self, records: list[bytes]) -> bytes:
        """The text of many records of this event, behind each other."""
        if len(records) == 1 or len(records[0]) != self._size:
            return b"".join([self.one(r) for r in records])
        if not self._columns:
            return (self._template % ()) * len(records)
        return b"".join([self._block(records[at : at + _CHUNK]) for at in range(0, len(records), _CHUNK)])

    __call__ = many

    def each(self, records: list[bytes]) -> list[bytes]:
        """The texts of many records of this event."""
        count, data = len(records), b"".join(records)
        if len(data) == self._size * count:
            texts = (self._apart * count % self._values(data)).split(b"\0")
            if len(texts) == count + 1:  # else a text itself has NUL bytes, from %c
                return texts[:-1]
        return [self.one(r) for r in records]

    def _block(self, records: list[bytes]) -> bytes:
        count = len(records)
        template = self._repeated if count == _CHUNK else self._template * count
        return template % self._values(b"".join(records))

    def _values(self, data: bytes) -> tuple[Any, ...]:
        """What the template is filled with, for all records of `data`."""
        row: Any = chain.from_iterable(self._record.iter_unpack(data))
        if self._converts:
            row = list(row)
            for i, convert in self._converts:
                row[i :: self._columns] = map(convert, row[i :: self._columns])
        return tuple(row)


def _escape(literal: str) -> bytes:
    return literal.replace("%", "%%").encode("latin-1")


# ---------------------------------------------------------------- one conversion


class Column:
    """A value in the record: `size` bytes at `offset`, by `struct`'s `code`; `convert` makes bytes of what that gives,
    if that is needed."""

    __slots__ = ("code", "convert", "offset", "size")

    def __init__(self, offset: int, size: int, code: str, convert: Convert | None) -> None:
        self.offset = offset
        self.size = size
        self.code = code
        self.convert = convert


_MOST_PIECES = 64
"""Of one argument; a template is repeated for each record of a batch."""


def _pieces(spec: Spec, t: Type, offset: int, renderer: Renderer) -> list[tuple[bytes, Column | None]]:
    """The template's pieces for one argument, each with its column, or fixed.  Tuples and records are taken apart, so
    that a batch of them is one `%` as well."""
    members = [] if spec.width else _members(t)
    if members:
        found: list[tuple[bytes, Column | None]] = []
        for text, member, at in members:
            found.append((_escape(text), None))
            found += _pieces(spec, member, offset + at, renderer)
        found.append((b" }" if isinstance(t, types.Record) else b")", None))
        if len(found) <= _MOST_PIECES:
            return found
    code, piece, convert = _column(spec, t, renderer)
    return [(piece, Column(offset, t.size, code, convert))]


def _members(t: Type) -> list[tuple[str, Type, int]]:
    """(text in front, type, offset) of the members of a tuple or record."""
    if isinstance(t, types.Record):
        texts = [f"{', ' if n else '{ '}.{name} = " for n, name in enumerate(t.names)]
    elif isinstance(t, types.Tuple):
        texts = [", " if n else "(" for n in range(len(t.elements))]
    else:
        return []
    return list(zip(texts, t.elements, t.offsets, strict=True))


def _column(spec: Spec, t: Type, renderer: Renderer) -> tuple[str, bytes, Convert | None]:
    """(struct code of a value, its piece of the template, what turns the unpacked value into bytes if that is
    needed)."""
    if isinstance(t, types.Int) and (spec.conversion in _INTEGERS or spec.conversion == "s"):
        return (values.scalar_code(t), *_integer(spec, t))
    match spec.conversion:
        case "p":
            return values.scalar_code(t), b"%s", _padded(spec, lambda v: b"0x%x" % v if v else b"0")
        case "gr":
            return values.scalar_code(t), b"%s", _padded(spec, _gfp)
        case "r" | "rx" | "rh":
            read, show = values.decoder(t), _BUFFERS[spec.conversion]
            return f"{t.size}s", b"%s", _padded(spec, lambda raw: show(read(raw)))
    return _shown(spec, t, renderer)


def _integer(spec: Spec, t: types.Int) -> tuple[bytes, Convert | None]:
    """The template's piece for an integer; what `%` of Python does otherwise than the reference is left to a
    function."""
    letter = {"i": "d", "u": "d", "s": "d"}.get(spec.conversion, spec.conversion)
    shows_sign = spec.conversion in ("d", "i") or (spec.conversion == "s" and t.signed)
    sign = "+" if spec.plus and shows_sign else ""
    quirk = spec.zero and (spec.left or t.signed or sign or letter == "c")
    if not quirk and not (spec.alternate and letter in "oxX"):
        zero = "0" if spec.zero else ""
        width = str(spec.width) if spec.width else ""
        return f"%{'-' if spec.left else ''}{sign}{zero}{width}{letter}".encode(), None
    form = f"%{sign}{letter}".encode()
    prefix = {"x": b"0x", "X": b"0X", "o": b"0"}.get(letter, b"") if spec.alternate else b""
    return b"%s", _padded(spec, lambda v: (prefix if v else b"") + form % v)


def _shown(spec: Spec, t: Type, renderer: Renderer) -> tuple[str, bytes, Convert | None]:
    """`%s` of anything: its print() form."""
    width = str(spec.width) if spec.width else ""
    if isinstance(t, types.String):
        piece = b"%s" if spec.zero else f"%{'-' if spec.left else ''}{width}s".encode()
        cut = _string(t.capacity, str(renderer.config.get("str_trunc_trailer", "..")).encode("latin-1"))
        return f"{t.capacity}s", piece, _padded(spec, cut) if spec.zero else cut
    if isinstance(t, types.Pointer) and not spec.width:
        return values.scalar_code(t), b"0x%x", None
    form = renderer.form(t, spec.plus)
    code = values.scalar_code(t)
    if code:
        return code, b"%s", _padded(spec, lambda v: form(v).encode("latin-1"))
    read = values.decoder(t)
    if isinstance(t, (types.Tuple, types.Array, types.Record, types.Struct)):
        return f"{t.size}s", b"%s", _padded_head(spec, lambda raw: form(read(raw)).encode("latin-1"))
    return f"{t.size}s", b"%s", _padded(spec, lambda raw: form(read(raw)).encode("latin-1"))


def _string(capacity: int, trailer: bytes) -> Convert:
    def cut(raw: bytes) -> bytes:
        text = raw.split(b"\0", 1)[0]
        return text + trailer if len(text) == capacity else text

    return cut


def _padded(spec: Spec, convert: Convert) -> Convert:
    """`convert` brought to the width.  Zeros go wherever blanks would: left of a sign, or behind with `-`."""
    width, fill = spec.width, b"0" if spec.zero else b" "
    if not width:
        return convert
    if spec.left:
        return lambda v: convert(v).ljust(width, fill)
    return lambda v: convert(v).rjust(width, fill)


def _padded_head(spec: Spec, convert: Convert) -> Convert:
    """As `_padded` for composite values: the width is that of what is written first, the opening bracket."""
    if not spec.width:
        return convert

    def pad(raw: Any) -> bytes:
        text = convert(raw)
        head = 2 if text[:1] == b"{" else 1
        return _padded(spec, lambda piece: piece)(text[:head]) + text[head:]

    return pad


# ---------------------------------------------------------------- buffers and flags

_KEEP = [bytes((b,)) if 32 <= b <= 126 else b"\\x%02x" % b for b in range(256)]

_BUFFERS: dict[str, Callable[[bytes], bytes]] = {
    "r": lambda data: b"".join([_KEEP[b] for b in data]),
    "rx": lambda data: b"".join([b"\\x%02x" % b for b in data]),
    "rh": lambda data: b" ".join([b"%02x" % b for b in data]),
}


def _gfp(value: Any) -> bytes:
    from pytrace.runtime.output.gfp import describe

    if isinstance(value, bool):  # what the reference prints
        return f"!{{invalid GFP flags conversion: {'true' if value else 'false'}}}".encode()
    return describe(value).encode()
