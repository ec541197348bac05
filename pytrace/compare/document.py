"""What a tracer printed, as lines and maps.

Place in the pipeline: between `runs` and `comparer`.  In: standard output, text form.  Out: a `Document`.  What a
newcomer would get wrong: a script may print with printf what looks like a map.  That does no harm: both sides are read
by the same rules, and the elements of a map are compared key by key whoever printed them.
"""

from __future__ import annotations

import re

from pytrace.compare.tokens import BUCKET
from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ELEMENT = re.compile(r"(@\w*)(?:\[(.*?)\])?:(?: (.*))?", re.S)
_OPEN_KEY = re.compile(r"@\w*\[[^\n]*")
_CLOSED = re.compile(r"[^\n]*\]:(?: [^\n]*)?")
_FRAME = re.compile(r"[ \t]{4,}\S.*")
_LONGEST_KEY = 600
"""Lines of a key: two stacks of 127 frames and more."""


@record
class Line:
    """A printed line.  `at`: when it was read, in seconds of the monotonic clock; `number`: from 1."""

    text: str
    at: float = field(default=0.0, compare=False)
    number: int = field(default=0, compare=False)


@record
class Element:
    """One element of a map.  `key` None: the map has none; `buckets` (range, count, bar): of a histogram, else None."""

    key: str | None
    value: str
    buckets: tuple[tuple[str, int, str], ...] | None
    text: str
    """As it was printed."""


@record(frozen=False)
class Block:
    """The elements of a map that were printed one after the other."""

    name: str
    elements: list[Element] = field(default_factory=list)
    at: float = 0.0

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.elements)


Item = Line | Block


@record
class Document:
    """What was printed, in order."""

    items: tuple[Item, ...]


def read(text: str, arrival: list[tuple[int, float]] | None = None) -> Document:
    """The document of a text.  `arrival`: (offset, when all before it had been read), in order."""
    return Document(tuple(_Reader(text, arrival or []).items()))


class _Reader:
    def __init__(self, text: str, arrival: list[tuple[int, float]]) -> None:
        self.lines = text.split("\n")
        if self.lines and not self.lines[-1]:
            self.lines.pop()
        self.at = 0
        self.offset = 0
        self.arrival = arrival
        self.chunk = 0

    def items(self) -> list[Item]:
        found: list[Item] = []
        while self.at < len(self.lines):
            when = self.when()
            element = self._element()
            if element is None:
                found.append(Line(self.take(1), when, self.at))
                continue
            name, read = element
            last = found[-1] if found else None
            if not (isinstance(last, Block) and last.name == name and read.key not in {e.key for e in last.elements}):
                last = Block(name, at=when)
                found.append(last)
            last.elements.append(read)
        return found

    def when(self) -> float:
        """When the line at hand was read."""
        while self.chunk < len(self.arrival) and self.arrival[self.chunk][0] <= self.offset:
            self.chunk += 1
        return self.arrival[self.chunk][1] if self.chunk < len(self.arrival) else 0.0

    def take(self, count: int) -> str:
        """The next lines, and go on behind them."""
        taken = self.lines[self.at : self.at + count]
        self.at += count
        self.offset += sum(len(line) + 1 for line in taken)
        return "\n".join(taken)

    def _while(self, pattern: re.Pattern[str], at: int) -> int:
        """The first line from `at` on that is not of the pattern."""
        while at < len(self.lines) and pattern.fullmatch(self.lines[at]):
            at += 1
        return at

    def _head(self) -> int:
        """How many lines hold the key of the element that begins here: more than one if it has a stack; 0 if none."""
        line = self.lines[self.at]
        if not line.startswith("@"):
            return 0
        if _ELEMENT.fullmatch(line):
            return 1
        if not _OPEN_KEY.fullmatch(line):
            return 0
        for count, more in enumerate(self.lines[self.at + 1 : self.at + _LONGEST_KEY], 2):
            if _CLOSED.fullmatch(more) and not _FRAME.fullmatch(more):
                return count
            if more.startswith("@"):
                return 0
        return 0

    def _element(self) -> tuple[str, Element] | None:
        count = self._head()
        found = _ELEMENT.fullmatch("\n".join(self.lines[self.at : self.at + count])) if count else None
        if found is None:
            return None
        name, key, value = found[1], found[2], (found[3] or "").rstrip(" ")
        key = None if key is None else re.sub(r"\n[ \t]+", "\n        ", key)
        behind = self.at + count
        buckets, end = None, behind
        if not value:
            end = self._while(BUCKET, behind)
            if end > behind or self.lines[self.at].endswith(":"):
                buckets = tuple(_bucket(line) for line in self.lines[behind:end])
            else:
                end = self._while(_FRAME, behind)
                value = "\n".join(line.strip() for line in self.lines[behind:end])
            if (buckets is not None or end > behind) and end < len(self.lines) and not self.lines[end]:
                end += 1  # the empty line behind it
        return name, Element(key, value, buckets, self.take(end - self.at) + "\n")


# ---------------------------------------------------------------- -f json


def read_json(text: str, arrival: list[tuple[int, float]] | None = None) -> Document:
    """The document of what `-f json` prints: a message a line.  Maps become blocks; every other message is a line, in
    the form that json.dumps gives it, a line that is none as it is."""
    import json

    items: list[Item] = []
    for line in read_lines(text, arrival or []):
        try:
            message = json.loads(line.text)
        except ValueError:
            items.append(line)
            continue
        kind, data = (message.get("type"), message.get("data")) if isinstance(message, dict) else ("", None)
        if kind in ("attached_probes", "lost_events"):
            continue
        if kind in ("map", "hist", "stats") and isinstance(data, dict):
            items += [Block(name, _json_elements(name, kind, value), line.at) for name, value in data.items()]
        else:
            items.append(Line(json.dumps(message), line.at, line.number))
    return Document(tuple(items))


def read_lines(text: str, arrival: list[tuple[int, float]]) -> list[Line]:
    """All of it as lines."""
    reader, found = _Reader(text, arrival), []
    while reader.at < len(reader.lines):
        when = reader.when()
        found.append(Line(reader.take(1), when, reader.at))
    return found


def _json_elements(name: str, kind: str, value: Any) -> list[Element]:
    """The elements of a map as JSON has it: by key in a dictionary, unless that is what the value is."""
    import json

    def element(key: str | None, value: Any) -> Element:
        shown = json.dumps(value)
        where = name if key is None else f"{name}[{key}]"
        if kind == "hist" and isinstance(value, list):
            rows = tuple((f"[{row.get('min', '...')}, {row.get('max', '...')}]", row["count"], "") for row in value)
            return Element(key, "", rows, f"{where}: {shown}\n")
        return Element(key, shown, None, f"{where}: {shown}\n")

    single = not isinstance(value, dict) or (kind == "stats" and set(value) == {"count", "average", "total"})
    return [element(None, value)] if single else [element(key, one) for key, one in value.items()]


def _bucket(line: str) -> tuple[str, int, str]:
    found = BUCKET.fullmatch(line)
    assert found
    return found[1], int(found[2]), found[3]
