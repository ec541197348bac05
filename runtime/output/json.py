"""JSON output (spec 05 §5): one object a line.

Place in the pipeline: the sink of a run with `-f json`.  In: what happened, from the session and the rows' handlers.
Out: bytes.  What a newcomer would get wrong: the standard encoder is of no use here, because the reference's spacing is
its own (`", "` in objects, `","` in arrays) and integers that a double cannot hold become strings.
"""

from __future__ import annotations

from pytrace import types, values
from pytrace.runtime.output.base import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pytrace.program import Layout, Location
    from pytrace.runtime.output.maps import MapContents
    from pytrace.runtime.output.printf import Formatter
    from pytrace.types import Type

    Encoder = Callable[[Any], str]


_ESCAPES = {i: f"\\u{i:04x}" for i in range(32)} | {
    ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t",
}  # fmt: skip


_EXACT = 1 << 53
"""Integers up to here are doubles without loss."""


class Compact(dict[str, object]):
    """An object that is written without spaces."""


class Encoded(str):
    """JSON already."""


def quote(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + text.translate(_ESCAPES) + '"'


def integer(value: int) -> str:
    """A number, as a string when a double cannot hold it."""
    if -_EXACT <= value <= _EXACT or int(float(value)) == value:
        return int.__repr__(value)
    return f'"{int.__repr__(value)}"'


def encode(value: Any) -> str:
    """`value` of None, bool, int, str, Encoded, list, tuple, dict, Compact or Pairs as JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return integer(value)
        case Encoded():
            return value
        case str():
            return quote(value)
        case Compact():
            return "{" + ",".join([f"{quote(k)}:{encode(v)}" for k, v in value.items()]) + "}"
        case dict():
            return "{" + ", ".join([f"{quote(k)}: {encode(v)}" for k, v in value.items()]) + "}"
        case Pairs():
            return "{" + ", ".join([f"{quote(k)}: {encode(v)}" for k, v in value]) + "}"
        case list() | tuple():
            return "[" + ",".join([encode(v) for v in value]) + "]"
    raise TypeError(f"no JSON for {value!r}")


class Pairs(list[tuple[str, object]]):
    """An object whose names may repeat: different keys of a map can read alike."""


class JsonOutput(Output):
    """Everything on the output stream but what user-space handlers complain about, which stays text on stderr."""

    batches = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._encoders: dict[Type, Encoder] = {}

    def line(self, kind: str, data: Any) -> None:
        self.write(_line(kind, encode(data)).encode("latin-1"))

    def _put(self, inside: str) -> None:
        self.write(f"{{{inside}}}\n".encode("latin-1"))

    # -------------------------------------------------------- events

    def attached_probes(self, count: int) -> None:
        if not self.quiet:
            self._put(f'"type": "attached_probes", "count": {count}, "data": {{"probes": {count}}}')

    def printf(self, text: bytes) -> None:
        self.line("printf", text.decode("latin-1"))

    def value(self, t: Type, data: bytes | memoryview) -> None:
        self.line("value", Encoded(self.encoder(t)(values.decoder(t)(data))))

    def printf_batch(self, formatter: Formatter) -> Lines:
        def lines(records: list[bytes]) -> list[str]:
            return [_line("printf", quote(text.decode("latin-1"))) for text in formatter.each(records)]

        between = _ESCAPES | {0: '"}\n{"type": "printf", "data": "'}

        def many(records: list[bytes]) -> bytes:
            texts = formatter.each(records)
            joined = b"\0".join(texts)
            if joined.count(b"\0") != len(texts) - 1:  # a text itself has NUL bytes, from %c
                return "".join(lines(records)).encode("latin-1")
            return _line("printf", f'"{joined.decode("latin-1").translate(between)}"').encode("latin-1")

        return Lines(lines, many)

    def value_batch(self, layout: Layout) -> Lines:
        (field,) = layout.fields
        encoder, decode, at = self.encoder(field.type), values.decoder(field.type), field.offset

        def lines(records: list[bytes]) -> list[str]:
            return [_line("value", encoder(decode(record[at:]))) for record in records]

        return Lines(lines)

    def map(self, contents: MapContents) -> None:
        if contents.is_empty:
            if contents.json_type == "stats":  # these alone are there without an element too
                self.line("stats", {contents.name: Pairs(())})
            return
        if contents.key_type is None:
            entry = self._element(contents, contents.entries[0][1])
        else:
            key = self.renderer.form(contents.key_type)
            entry = Pairs((map_key(key(k)), self._element(contents, v)) for k, v in contents.entries)
        self.line(contents.json_type, {contents.name: entry})

    def _element(self, contents: MapContents, value: Any) -> Any:
        if contents.row is not None:
            return contents.row.to_json(contents.value_type, value, contents.div)
        return Encoded(self.encoder(contents.value_type)(contents.divided(value)))

    def time(self, text: str) -> None:
        self.line("time", text)

    def cat(self, data: bytes) -> None:
        self.line("cat", data.decode("latin-1"))

    def join(self, data: bytes) -> None:
        self.line("join", data.decode("latin-1"))

    def system(self, data: bytes) -> None:
        self.line("syscall", data.decode("latin-1"))

    def message(self, severity: str, text: str, location: Location | None) -> None:
        if severity == "WARNING" and not self.warnings:
            return
        kind = "errorf" if severity == "ERROR" else "warnf"
        self._put(f'"type": "{kind}", "msg": {quote(text)}{_where(location)}')

    def runtime_error(self, text: str, location: Location | None) -> None:
        self._put(f'"type": "runtime_error", "msg": {quote(text)}{_where(location)}')

    def helper_error(self, helper: str, code: int, location: Location | None) -> None:
        from os import strerror

        text = strerror(-code) if code < 0 else strerror(0)
        what = f'"msg": {quote(text)}, "helper": {quote(helper)}, "retcode": {code}'
        self._put(f'"type": "helper_error", {what}{_where(location)}')

    def lost_events(self, count: int) -> None:
        self._put(f'"type": "lost_events", "count": {count}, "data": {{"events": {count}}}')

    def test_result(self, names: list[str], index: int, nanoseconds: int, passed: list[bool], output: str) -> None:
        result = {"duration": nanoseconds, "passed": passed[index], "output": output}
        self.line("test_result", {names[index]: result})

    def benchmark_result(self, names: list[str], index: int, average: int, iterations: int) -> None:
        self.line("benchmark_result", {names[index]: {"average": average, "iters": iterations}})

    # -------------------------------------------------------- values

    def encoder(self, t: Type) -> Encoder:
        """`encoder(value)`: the JSON of a decoded value."""
        found = self._encoders.get(t)
        if found is None:
            found = self._encoders[t] = self._compile(t)
        return found

    def _compile(self, t: Type) -> Encoder:
        match t:
            case types.Bool():
                return lambda v: "true" if v else "false"
            case types.Int() | types.Pointer() | types.Enum():
                return integer
            case types.Buffer():
                return lambda v: "[" + ",".join([str((b ^ 0x80) - 0x80) for b in v]) + "]"
            case types.Array():
                element = self.encoder(t.element)
                return lambda v: "[" + ",".join([element(e) for e in v]) + "]"
            case types.Tuple():
                elements = [self.encoder(e) for e in t.elements]
                return lambda v: "[" + ",".join([f(e) for f, e in zip(elements, v, strict=True)]) + "]"
            case types.Record():
                return _object(t.names, [self.encoder(e) for e in t.elements])
            case types.Struct():
                members = values.members(t)
                return _object([f.name for f in members], [self.encoder(f.type) for f in members])
            case types.NoneType() | types.VoidType():
                return lambda v: "null"
        form = self.renderer.form(t)
        return lambda v: quote(form(v))


class Lines:
    """The lines of many records of one event.  `lines(records)` gives them with their ends, `many` all at once."""

    def __init__(
        self, lines: Callable[[list[bytes]], list[str]], many: Callable[[list[bytes]], bytes] | None = None
    ) -> None:
        self._lines, self._many = lines, many

    def __call__(self, records: list[bytes]) -> bytes:
        return self._many(records) if self._many else "".join(self._lines(records)).encode("latin-1")

    def one(self, data: bytes | memoryview) -> bytes:
        return self._lines([bytes(data)])[0].encode("latin-1")

    def each(self, records: list[bytes]) -> list[bytes]:
        return [line.encode("latin-1") for line in self._lines(records)]


def _line(kind: str, data: str) -> str:
    return f'{{"type": "{kind}", "data": {data}}}\n'


def _object(names: Iterable[str], encoders: list[Encoder]) -> Encoder:
    members = [(f"{quote(name)}: ", f) for name, f in zip(names, encoders, strict=True)]
    return lambda v: "{" + ", ".join([n + f(e) for (n, f), (_, e) in zip(members, v, strict=True)]) + "}"


def map_key(text: str) -> str:
    """A key's text without the outer parentheses and without any space."""
    if len(text) >= 2 and text[0] == "(" and text[-1] == ")":
        text = text[1:-1]
    return text.replace(" ", "")


def _where(location: Location | None) -> str:
    if location is None:
        return ""
    return f', "filename": {quote(location.filename)}, "line": {location.line}, "col": {location.column}'
