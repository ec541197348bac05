"""Text forms of values (spec 05 §4).

Place in the pipeline: between `pytrace.values` and the text output, `printf` and map keys.  In: a type, once; values or
bytes, many times.  Out: latin-1 str, one character a byte.  What a newcomer would get wrong: a form is compiled once a
type (`Renderer.form`), and symbols, clocks and the passwd file are looked at only when a value that needs them comes
by.
"""

from __future__ import annotations

from pytrace import types, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pytrace.program import EventSpec, ProbeSpec
    from pytrace.runtime.symbols import Symbols
    from pytrace.types import Type

    Form = Callable[[Any], str]


_ESCAPED = tuple(chr(b) if 32 <= b <= 126 else f"\\x{b:02x}" for b in range(256))


class Renderer:
    """Turns values into text.  `config`: the settings of the Program; `probes`: its ProbeSpecs, for symbols of
    processes that have gone; `events`: its EventSpecs, for values that name one as their source."""

    def __init__(
        self, config: Mapping[str, Any], probes: tuple[ProbeSpec, ...] = (), events: tuple[EventSpec, ...] = ()
    ) -> None:
        self.config = config
        self._probes = probes
        self._events = events
        self._trailer = str(config.get("str_trunc_trailer", ".."))
        self._forms: dict[tuple[Type, bool], Form] = {}
        self._symbols: Symbols | None = None
        self._users: dict[int, str] | None = None

    # -------------------------------------------------------- entrances

    def text(self, t: Type, data: bytes | memoryview) -> str:
        """The text of the value that `data` begins with."""
        return self.form(t)(values.decoder(t)(data))

    def form(self, t: Type, plus: bool = False) -> Form:
        """`form(value) -> text` for decoded values of `t`; `plus` shows the sign of positive signed integers
        (`%+s`)."""
        found = self._forms.get((t, plus))
        if found is None:
            found = self._forms[t, plus] = self._compile(t, plus)
        return found

    @property
    def symbols(self) -> Symbols:
        """Symbol look-up, loaded when the first symbol is to be printed."""
        if self._symbols is None:
            from pytrace.runtime.symbols import Symbols

            self._symbols = Symbols(self.config, self._program_of)
        return self._symbols

    def _program_of(self, probe: int) -> str:
        """The one file that program number `probe` was attached to, "" if there are several or none."""
        paths = {str(p.params.get("path", "")) for p in self._probes if p.program == probe}
        return paths.pop() if len(paths) == 1 else ""

    # -------------------------------------------------------- compilation

    def _compile(self, t: Type, plus: bool) -> Form:
        match t:
            case types.Int():
                return (lambda v: f"{v:+d}") if plus and t.signed else str
            case types.Bool():
                return lambda v: "true" if v else "false"
            case types.Pointer():
                return lambda v: f"0x{v:x}"
            case types.Enum():
                return lambda v: v.name or int.__repr__(v)
            case types.String():
                return self._string(t.capacity)
            case types.Buffer():
                return lambda v: "".join([_ESCAPED[b] for b in v])
            case types.Array():
                element = self.form(t.element, plus)
                return lambda v: "[" + ",".join([element(e) for e in v]) + "]"
            case types.Tuple():
                return self._tuple(tuple(self.form(e, plus) for e in t.elements))
            case types.Record():
                return _struct(tuple(self.form(e, plus) for e in t.elements))
            case types.Struct():
                return _struct(tuple(self.form(f.type, plus) for f in values.members(t)))
            case types.Stack():
                return lambda v: self.symbols.stack(v, t.mode)
            case types.Opaque():
                return self._opaque(t)
            case types.NoneType() | types.VoidType():
                return lambda v: "null"
        raise TypeError(f"{t} cannot be printed")

    def _string(self, capacity: int) -> Form:
        trailer = self._trailer
        if not trailer:
            return lambda v: v.decode("latin-1")
        return lambda v: v.decode("latin-1") + trailer if len(v) == capacity else v.decode("latin-1")

    @staticmethod
    def _tuple(forms: tuple[Form, ...]) -> Form:
        return lambda v: "(" + ", ".join([f(e) for f, e in zip(forms, v, strict=True)]) + ")"

    def _opaque(self, t: types.Opaque) -> Form:
        match t.name:
            case "ksym_t":
                return lambda v: self.symbols.kernel(v)
            case "usym_t":
                return lambda v: self.symbols.user(v.address, v.pid, v.probe)
            case "username_t":
                return self._user_name
            case "timestamp":
                return self._timestamp()
            case "mac_address" | "macaddr_t":
                return lambda v: ":".join([f"{b:02X}" for b in v])
            case "inet":
                return _inet
            case "cgroup_path_t":
                return self._cgroup_path()
        raise TypeError(f"{t} cannot be printed")

    def _source(self, number: int, otherwise: tuple[str, ...]) -> tuple[str, ...]:
        """What the event that a value names says about it (values.Timestamp)."""
        return tuple(self._events[number - 1].data) if 0 < number <= len(self._events) else otherwise

    def _timestamp(self) -> Form:
        from pytrace.runtime.output.clock import Calendar

        calendars: dict[int, Calendar] = {}

        def text(v: values.Timestamp) -> str:
            calendar = calendars.get(v.source)
            if calendar is None:
                calendar = calendars[v.source] = Calendar(*self._source(v.source, ("%H:%M:%S", "boot")))
            return calendar.text(v.nanoseconds)

        return text

    def _user_name(self, uid: int) -> str:
        """The first name of `uid` in the passwd file, "" if it has none."""
        if self._users is None:
            from pwd import getpwall

            self._users = {}
            for entry in getpwall():
                self._users.setdefault(entry.pw_uid, entry.pw_name)
        return self._users.get(uid, "")

    def _cgroup_path(self) -> Form:
        from pytrace.runtime.output.cgroups import paths_of

        def text(v: values.CgroupPath) -> str:
            (pattern,) = self._source(v.source, ("",))
            return ",".join(f"{hierarchy}:{path}" for hierarchy, path in paths_of(v.id, pattern))

        return text


def _struct(forms: tuple[Form, ...]) -> Form:
    if not forms:
        return lambda v: "{}"
    return lambda v: "{ " + ", ".join([f".{name} = {f(e)}" for f, (name, e) in zip(forms, v, strict=True)]) + " }"


def _inet(value: bytes) -> str:
    from socket import AF_INET, AF_INET6, inet_ntop

    return inet_ntop(AF_INET if len(value) == 4 else AF_INET6, value) if value else ""
