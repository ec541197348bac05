"""A generated script that remembers which part of which specification each of its pieces stands for.

Place in the pipeline: what `trace` and `argdist` write into.  In: pieces, plain text or `Copied` with a span.  Out:
`GeneratedSource`.  What a newcomer would get wrong: only errors are led back.  `Diagnostics` drops warnings, which are
about the bpftrace language where the user wrote C, and what follows in generated text from an error in the user's.
"""

from __future__ import annotations

from pytrace.record import field, record
from pytrace.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


@record
class Copied:
    """Script text that stands for `span` of a specification, whether it reads the same or not."""

    text: str
    span: Span


Piece = str | Copied


class GeneratedSource(Source):
    """A script with the origins of its pieces: (start, end, span of the specification), in order."""

    __slots__ = ("_origins",)

    generated = True

    def __init__(self, name: str, pieces: Iterable[Piece]) -> None:
        texts: list[str] = []
        self._origins: list[tuple[int, int, Span]] = []
        at = 0
        for piece in pieces:
            text = piece if isinstance(piece, str) else piece.text
            if not isinstance(piece, str):
                self._origins.append((at, at + len(text), piece.span))
            texts.append(text)
            at += len(text)
        super().__init__(name, "".join(texts))

    def origin(self, span: Span) -> Span | None:
        """What `span` of the script stands for: from its first copied piece to the last one of that specification."""
        last = max(span.end, span.start + 1)
        found = [place for start, end, place in self._origins if start < last and span.start < end]
        if not found:
            return None
        ends = [place.end for place in found if place.source is found[0].source]
        return Span(found[0].source, min(place.start for place in found[:1]), max(ends))


@record
class Generated:
    """What a tool made of its words.  `pid`: of -p, for probes that attach to one process.  `map_rows`: as in Options.
    `shown`: print the script; `only_shown`: and do not run it."""

    source: Source
    pid: str = ""
    map_rows: dict[str, str] = field(default_factory=dict)
    shown: bool = False
    only_shown: bool = False


def quoted(text: str) -> str:
    """`text` (bytes as latin-1) as a string literal of the bpftrace language."""
    named = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(named.get(c) or (c if c >= " " else f"\\x{ord(c):02x}") for c in text) + '"'


def settings(*assignments: str) -> str:
    """The config block with those of `assignments` that are not empty; "" without any."""
    lines = [f"  {assignment};\n" for assignment in assignments if assignment]
    return f"config = {{\n{''.join(lines)}}}\n" if lines else ""


def string_setting(size: int) -> str:
    """The assignment that lets strings of `size` bytes be read, "" if max_strlen's default (1024) does."""
    return f"max_strlen = {size + 24}" if size > 1000 else ""


def braces(text: str) -> str:
    """`text` for a form of `str.format` that is to show it as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def literal_in_format(text: str) -> str:
    """`text` for a printf() format that is to print it as it is."""
    return text.replace("%", "%%")


def predicate(tests: list[list[Piece]]) -> list[Piece]:
    """The line of a probe that has all of `tests` hold; nothing if there are none."""
    several = len(tests) > 1
    wrapped = [["(", *test, ")"] if several and len(test) > 1 else test for test in tests]
    return ["/", *joined(wrapped, " && "), "/\n"] if tests else []


def joined(lists: list[list[Piece]], separator: str) -> list[Piece]:
    """The pieces of all `lists`, `separator` between them."""
    out: list[Piece] = []
    for i, pieces in enumerate(lists):
        out += [separator, *pieces] if i else pieces
    return out
