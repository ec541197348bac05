"""Output as Python objects, for library callers.

Place in the pipeline: the sink of `pytrace.run`.  In: what happened, from the session and the rows' handlers.  Out:
`RunResult`.  What a newcomer would get wrong: strings are latin-1, one character a byte, here as everywhere; encode
them with latin-1 to get the bytes back.
"""

from __future__ import annotations

from pytrace import types, values
from pytrace.record import field, record
from pytrace.runtime.output.base import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.program import Location
    from pytrace.runtime.output.maps import MapContents
    from pytrace.types import Type


@record(frozen=False)
class Event:
    """One thing that a script did.

    `kind`: printf, value, map, time, cat, join, system, errorf, warnf, runtime_error, helper_error, error, warning.
    `data`: text of the textual ones; the decoded value of `value`; {name: contents} of `map`.
    """

    kind: str
    data: Any
    location: Location | None = None
    text: str = ""
    """What it adds to the text output."""


@record(frozen=False)
class RunResult:
    """What a run gave.

    `maps`: by name with the `@`, as they were at the end: a value, or a dict by key in printing order.  Numbers are
    int, tuples and arrays tuple, structs values.StructValue, buffers bytes, histograms lists of {min, max, count},
    stats dict, everything else (strings, symbols, stacks, addresses, times) its text.  `lost`: events; `probes`: how
    many attached.
    """

    exit_status: int = 0
    events: list[Event] = field(default_factory=list)
    maps: dict[str, Any] = field(default_factory=dict)
    lost: int = 0
    probes: int = 0

    @property
    def text(self) -> str:
        """Everything that printf, print of values, time, cat, join and system wrote, in order."""
        return "".join([e.text for e in self.events])

    @property
    def errors(self) -> list[str]:
        """Errors and warnings of the run, without their places."""
        return [str(e.data) for e in self.events if e.kind in _COMPLAINTS]


_COMPLAINTS = frozenset({"errorf", "warnf", "runtime_error", "helper_error", "error", "warning"})


class CaptureOutput(Output):
    """Collects into `result`."""

    def __init__(self) -> None:
        super().__init__()
        self.result = RunResult()
        self._final = False

    def _add(self, kind: str, data: Any, location: Location | None = None, text: str = "") -> None:
        self.result.events.append(Event(kind, data, location, text))

    def _add_text(self, kind: str, data: bytes, end: str = "") -> None:
        text = data.decode("latin-1")
        self._add(kind, text, text=text + end)

    # -------------------------------------------------------- bytes: nothing is written

    def write(self, data: bytes) -> None:
        self._add_text("printf", data)

    def flush(self) -> None:
        pass

    def drain(self) -> None:
        pass

    def error_text(self, text: str) -> None:
        self._add("warning", text.rstrip("\n"))

    def error(self, text: str) -> None:
        self._add("error", text)

    def warning(self, text: str) -> None:
        self._add("warning", text)

    # -------------------------------------------------------- events

    def attached_probes(self, count: int) -> None:
        self.result.probes = count

    def printf(self, text: bytes) -> None:
        self._add_text("printf", text)

    def value(self, t: Type, data: bytes | memoryview) -> None:
        value = values.decoder(t)(data)
        self._add("value", self._plain(t)(value), text=self.renderer.form(t)(value) + "\n")

    def map(self, contents: MapContents) -> None:
        found = self._contents(contents)
        if self._final:
            if not (contents.is_empty and contents.key_type is None):
                self.result.maps[contents.name] = found
        elif not contents.is_empty:
            self._add("map", {contents.name: found})

    def _contents(self, contents: MapContents) -> Any:
        row, t, div = contents.row, contents.value_type, contents.div
        if row is not None:
            shown: list[Any] = [row.to_json(t, v, div) for _, v in contents.entries]
        else:
            plain = self._plain(t)
            shown = [plain(contents.divided(v)) for _, v in contents.entries]
        if contents.key_type is None:
            return shown[0] if shown else None
        key = self._plain(contents.key_type)
        return {key(k): v for (k, _), v in zip(contents.entries, shown, strict=True)}

    def time(self, text: str) -> None:
        self._add("time", text, text=text)

    def cat(self, data: bytes) -> None:
        self._add_text("cat", data)

    def join(self, data: bytes) -> None:
        self._add_text("join", data, "\n")

    def system(self, data: bytes) -> None:
        self._add_text("system", data, "\n")

    def message(self, severity: str, text: str, location: Location | None) -> None:
        self._add("errorf" if severity == "ERROR" else "warnf", text, location)

    def runtime_error(self, text: str, location: Location | None) -> None:
        self._add("runtime_error", text, location)

    def helper_error(self, helper: str, code: int, location: Location | None) -> None:
        from pytrace.runtime.output.errors import helper_message

        self._add("helper_error", f"{helper}: {helper_message(helper, code)} ({code})", location)

    def lost_events(self, count: int) -> None:
        self.result.lost += count

    def total_lost(self, count: int) -> None:
        self.result.lost = count

    def end(self) -> None:
        """What comes behind this are the maps of the end."""
        self._final = True

    # -------------------------------------------------------- values

    def _plain(self, t: Type) -> Callable[[Any], Any]:
        """Text where a value means nothing by itself, else the decoded value."""
        match t:
            case types.Int() | types.Bool() | types.Pointer() | types.Enum() | types.Buffer():
                return lambda v: v
            case types.Array():
                element = self._plain(t.element)
                return lambda v: tuple([element(e) for e in v])
            case types.Tuple():
                parts = [self._plain(e) for e in t.elements]
                return lambda v: tuple([p(e) for p, e in zip(parts, v, strict=True)])
            case types.Record():
                return _struct([self._plain(e) for e in t.elements])
            case types.Struct():
                return _struct([self._plain(f.type) for f in values.members(t)])
        return self.renderer.form(t)


def _struct(parts: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        names, members = zip(*value, strict=True) if len(value) else ((), ())
        return values.StructValue(names, tuple([p(m) for p, m in zip(parts, members, strict=True)]))

    return convert
