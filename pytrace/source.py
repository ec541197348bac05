"""Source text and spans: where every node, message and program line comes from.

Place in the pipeline: the very bottom; imports nothing of ours.  In: bytes of a script.  Out: `Source`
and `Span`.  What a newcomer would get wrong: text is held as *latin-1*, one character a byte, so that
offsets and columns are byte offsets (spec 07 §1) and string literals pass bytes through unchanged
(spec 01 §1).  Encode with latin-1 again to write it out.
"""

from __future__ import annotations

from bisect import bisect_right

from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def encoded(text: str) -> bytes:
    """The bytes that a text of ours stands for, one a character; what came from elsewhere (a path) as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return b"".join(c.encode("latin-1" if c < "\u0100" else "utf-8", "surrogateescape") for c in text)


def write(stream: Any, text: str) -> None:
    """Write `text` to a text stream as the bytes of `encoded`, whatever the stream's own encoding is."""
    buffer = getattr(stream, "buffer", None)
    if text.isascii() or buffer is None:
        stream.write(text)
        return
    stream.flush()
    buffer.write(encoded(text))
    buffer.flush()


class Source:
    """A named text.  `name` is what messages show: `stdin` for `-e` and `-`, else the path as given."""

    __slots__ = ("_line_starts", "name", "text")

    generated = False
    """Whether a program wrote this text, so that messages about it are of little use to the user."""

    def __init__(self, name: str, text: str | bytes) -> None:
        self.name = name
        self.text = text.decode("latin-1") if isinstance(text, bytes) else text
        self._line_starts: list[int] | None = None

    def line_starts(self) -> list[int]:
        """Offsets at which the lines begin, the first one 0."""
        if self._line_starts is None:
            starts = [0]
            at = self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._line_starts = starts
        return self._line_starts

    def line_col(self, offset: int) -> tuple[int, int]:
        """1-based (line, column) of a byte offset; a tab counts as one column."""
        starts = self.line_starts()
        line = bisect_right(starts, offset) - 1
        return line + 1, offset - starts[line] + 1

    def line(self, number: int) -> str:
        """The text of 1-based line `number`, without its newline."""
        starts = self.line_starts()
        if not 1 <= number <= len(starts):
            return ""
        begin = starts[number - 1]
        end = self.text.find("\n", begin)
        return self.text[begin:] if end < 0 else self.text[begin:end]

    def origin(self, span: Span) -> Span | None:
        """Where a message about `span` of this source points to.  Generated scripts have this lead to what the user
        wrote, and None for what nobody wrote."""
        return span

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {len(self.text)} bytes)"


@record
class Span:
    """Half-open byte range `[start, end)` of a source.

    `expanded_from` is the span of the macro call that this code was expanded from (innermost first, as
    a chain), None for code that stands where it was written.
    """

    source: Source = field(repr=False)
    start: int
    end: int
    expanded_from: Span | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end, self.expanded_from)

    @property
    def line(self) -> int:
        return self.source.line_col(self.start)[0]

    def location(self) -> str:
        """`name:LINE:COL1-COL2`, or `name:LINE1-LINE2` over several lines (spec 07 §1)."""
        line, col = self.source.line_col(self.start)
        end_line, end_col = self.source.line_col(max(self.end, self.start))
        if end_line != line:
            return f"{self.source.name}:{line}-{end_line}"
        return f"{self.source.name}:{line}:{col}-{end_col}"
