"""Text output, byte for byte as the reference prints it (spec 05 §4).

Place in the pipeline: the sink of an ordinary run.  In: what happened, from the session and the rows' handlers.  Out:
bytes on stdout (or the `-o` file); the attach message, warnings, errors and lost events on stderr.  What a newcomer
would get wrong: a map key that renders as `(…)` loses its outer parentheses, whatever its type.
"""

from __future__ import annotations

from pytrace import types
from pytrace.runtime.output.base import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pytrace.program import Layout, Location
    from pytrace.runtime.output.maps import MapContents
    from pytrace.runtime.output.printf import Formatter
    from pytrace.types import Type


class TextOutput(Output):
    batches = True
    map_rows: Mapping[str, str] = {}
    """As in `pytrace.options.Options`."""

    def attached_probes(self, count: int) -> None:
        if not self.quiet:
            self.error_text(f"Attached {count} probe{'' if count == 1 else 's'}\n")

    def printf(self, text: bytes) -> None:
        self.write(text)

    def printf_batch(self, formatter: Formatter) -> Formatter:
        return formatter

    def value_batch(self, layout: Layout) -> Formatter:
        from pytrace.runtime.output.printf import SHOWN, Formatter

        return Formatter(("", "\n"), (SHOWN,), layout, self.renderer)

    def value(self, t: Type, data: bytes | memoryview) -> None:
        self.write((self.renderer.text(t, data) + "\n").encode("latin-1"))

    def map(self, contents: MapContents) -> None:
        if not contents.is_empty:
            self.write("".join(self._lines(contents)).encode("latin-1"))

    def _lines(self, contents: MapContents) -> list[str]:
        row, name, t, div = contents.row, contents.name, contents.value_type, contents.div
        if row is not None:
            values = [row.render(t, v, div) for _, v in contents.entries]
        else:
            form = self.renderer.form(t)
            values = [form(contents.divided(v)) for _, v in contents.entries]
        form_of_rows = self.map_rows.get(name)
        if form_of_rows is not None:
            return self._formed(contents, form_of_rows, values)
        colon = ":\n" if row is not None and row.is_histogram else ": "
        if contents.key_type is None:
            return [f"{name}{colon}{v}\n" for v in values]
        key = self.renderer.form(contents.key_type)
        keys = [without_parentheses(key(k)) for k, _ in contents.entries]
        return [f"{name}[{k}]{colon}{v}\n" for k, v in zip(keys, values, strict=True)]

    def _formed(self, contents: MapContents, form: str, values: list[str]) -> list[str]:
        """The rows as `form` says.  Integers of a key go in as they are, so that the form may choose their base."""
        t = contents.key_type
        if t is None:
            return [form.format(value=v) for v in values]
        several = isinstance(t, types.Tuple)
        parts = [self._part(e) for e in (t.elements if isinstance(t, types.Tuple) else (t,))]
        rows = []
        for (key, _), value in zip(contents.entries, values, strict=True):
            elements = key if several else (key,)
            rows.append(form.format(*[p(e) for p, e in zip(parts, elements, strict=True)], value=value))
        return rows

    def _part(self, t: Type) -> Callable[[Any], Any]:
        return int if isinstance(t, types.Int) else self.renderer.form(t)

    def time(self, text: str) -> None:
        self.write(text.encode("latin-1"))

    def cat(self, data: bytes) -> None:
        self.write(data)

    def join(self, data: bytes) -> None:
        self.write(data + b"\n")

    def system(self, data: bytes) -> None:
        self.write(data + b"\n")

    def message(self, severity: str, text: str, location: Location | None) -> None:
        if severity == "WARNING" and not self.warnings:
            return
        self._locate(severity, text, location, excerpt=False)

    def runtime_error(self, text: str, location: Location | None) -> None:
        if self.warnings:
            self._locate("WARNING", text, location, excerpt=True)

    def helper_error(self, helper: str, code: int, location: Location | None) -> None:
        if self.warnings:
            from pytrace.runtime.output.errors import helper_message

            text = f"{helper_message(helper, code)}\nAdditional Info - helper: {helper}, retcode: {code}"
            self._locate("WARNING", text, location, excerpt=True)

    def _locate(self, severity: str, text: str, location: Location | None, excerpt: bool) -> None:
        where = f"{location.text}: " if location else ""
        first, newline, rest = text.partition("\n")
        shown = self.coloured(severity, f"{where}{severity}: {first}") + newline + rest
        shown += "" if (newline and not rest) or rest.endswith("\n") else "\n"
        if location is not None:
            shown += location.excerpt if excerpt else ""
            for outer, lines in location.outer:
                shown += self.coloured(severity, f"{outer}: {severity}: expanded from") + "\n" + lines
        self.error_text(shown)

    def lost_events(self, count: int) -> None:
        self.error_text(f"Lost {count} events\n")

    def end(self) -> None:
        self.write(b"\n\n")

    def test_result(self, names: list[str], index: int, nanoseconds: int, passed: list[bool], output: str) -> None:
        from pytrace.runtime.output.reports import test_lines

        self.write(test_lines(names, index, nanoseconds, passed, output).encode("latin-1"))

    def benchmark_result(self, names: list[str], index: int, average: int, iterations: int) -> None:
        from pytrace.runtime.output.reports import benchmark_lines

        self.write(benchmark_lines(names, index, average, iterations).encode("latin-1"))


def without_parentheses(key: str) -> str:
    return key[1:-1] if len(key) >= 2 and key[0] == "(" and key[-1] == ")" else key
