"""The words of a tool, as its header's options have sorted them.

Place in the pipeline: from `toolbox` to the tools here.  In: `name` or `name=value` for each option, in order, and the
rest.  Out: their values.  What a newcomer would get wrong: an option may be given twice; the last one holds, but those
that collect (-H, -C, -I) are asked for with `all`.
"""

from __future__ import annotations

from pytrace.diagnostics import UsageError
from pytrace.source import Source


class Words:
    """`named`: `name` or `name=value`; `positional`: the others.  `tool` begins the messages."""

    def __init__(self, tool: str, named: tuple[str, ...], positional: tuple[str, ...]) -> None:
        self.tool = tool
        self.positional = positional
        self._named = [word.partition("=") for word in named]

    def flag(self, name: str) -> bool:
        return any(n == name for n, _, _ in self._named)

    def all(self, name: str) -> list[str]:
        return [value for n, _, value in self._named if n == name]

    def text(self, name: str) -> str:
        """The value, "" if it was not given."""
        return next(reversed(self.all(name)), "")

    def number(self, name: str, default: int = 0, least: int = 0) -> int:
        """The value as a number of at least `least`.  Raises UsageError."""
        if not self.flag(name):
            return default
        text = self.text(name)
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise UsageError(f"{self.tool}: --{name}: expected a number from {least}, got '{text}'")
        return int(text)

    def sources(self, texts: list[str] | tuple[str, ...], name: str) -> list[Source]:
        """Each of `texts` as a source that messages call `name`, with its number if there are several."""
        names = [f"{name} {i}" for i in range(1, len(texts) + 1)] if len(texts) > 1 else [name]
        return [Source(n, text.encode("utf-8", "surrogateescape")) for n, text in zip(names, texts, strict=False)]


def include_lines(headers: list[str]) -> str:
    """`#include` for each header of -I: a file if it begins with `.` or `/`, else looked for among the system's."""
    from os.path import abspath

    return "".join(f'#include "{abspath(h)}"\n' if h[:1] in ("/", ".") else f"#include <{h}>\n" for h in headers)
