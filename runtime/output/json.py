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
    from collections.abc import Callable
    from typing import Any

    from pytrace.program import Location
    from pytrace.runtime.output.maps import MapContents
    from pytrace.types import Type

    Plain = Callable[[Any], Any]


_ESCAPES = {i: f"\\u{i:04x}" for i in range(32)} | {
    ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t",
}  # fmt: skip


class Compact(dict[str, object]):
    """An object that is written without spaces."""


def quote(text: str) -> str:
    return '"' + text.translate(_ESCAPES) + '"'


def encode(value: Any) -> str:
    """`value` of None, bool, int, str, list, tuple, dict, Compact or Pairs as JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value)) if int(float(value)) == value else f'"{int(value)}"'
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
    """An object whose names may repeat (unions, anonymous members)."""


class JsonOutput(Output):
    """Everything on the output stream but what user-space handlers complain about, which stays text on stderr."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plain: dict[Type, Plain] = {}

    def line(self, kind: str, data: Any) -> None:
        self._put(f'"type": {quote(kind)}, "data": {encode(data)}')

    def _put(self, inside: str) -> None:
        self.write(f"{{{inside}}}\n".encode("latin-1"))

    # -------------------------------------------------------- events

    def attached_probes(self, count: int) -> None:
        if not self.quiet:
            self._put(f'"type": "attached_probes", "count": {count}, "data": {{"probes": {count}}}')

    def printf(self, text: bytes) -> None:
        self.line("printf", text.decode("latin-1"))

    def value(self, t: Type, data: bytes | memoryview) -> None:
        self.line("value", self.plain(t)(values.decoder(t)(data)))

    def map(self, contents: MapContents) -> None:
        if contents.is_empty:
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
        return self.plain(contents.value_type)(contents.divided(value))

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

    def plain(self, t: Type) -> Plain:
        """`plain(value)`: a decoded value as what `encode` takes."""
        found = self._plain.get(t)
        if found is None:
            found = self._plain[t] = self._compile(t)
        return found

    def _compile(self, t: Type) -> Plain:
        match t:
            case types.Int() | types.Bool() | types.Pointer() | types.Enum():
                return lambda v: v
            case types.Buffer():
                return lambda v: [(b ^ 0x80) - 0x80 for b in v]
            case types.Array():
                element = self.plain(t.element)
                return lambda v: [element(e) for e in v]
            case types.Tuple():
                elements = [self.plain(e) for e in t.elements]
                return lambda v: [p(e) for p, e in zip(elements, v, strict=True)]
            case types.Record():
                return _pairs([self.plain(e) for e in t.elements])
            case types.Struct():
                return _pairs([self.plain(f.type) for f in values.members(t)])
            case types.NoneType() | types.VoidType():
                return lambda v: None
        return self.renderer.form(t)


def _pairs(members: list[Plain]) -> Plain:
    return lambda v: Pairs((name, p(e)) for p, (name, e) in zip(members, v, strict=True))


def map_key(text: str) -> str:
    """A key's text without the outer parentheses and without any space."""
    if len(text) >= 2 and text[0] == "(" and text[-1] == ")":
        text = text[1:-1]
    return text.replace(" ", "")


def _where(location: Location | None) -> str:
    if location is None:
        return ""
    return f', "filename": {quote(location.filename)}, "line": {location.line}, "col": {location.column}'
