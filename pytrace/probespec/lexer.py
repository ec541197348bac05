"""Tokens of a specification: those of C expressions, `$keyword`, and `@` for `arg2@user`.

Place in the pipeline: first of probespec.  In: a range of a specification.  Out: tokens with offsets, the last one of
kind "end".  What a newcomer would get wrong: a probe's place (`p:c:open`) is no token sequence, since library names
are paths; `places` reads it before this begins.
"""

from __future__ import annotations

from re import compile

from pytrace.diagnostics import Diagnostics, ScriptError
from pytrace.record import record
from pytrace.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


@record
class Token:
    """`kind`: number, char, string (text without quotes, escapes as written), name, keyword (`$x`), op, end."""

    kind: str
    text: str
    span: Span


_TOKEN = compile(
    r"""(?P<blank>\s+)
      | (?P<number>0[xX][0-9a-fA-F]+[uUlL]*(?![\w.])|[0-9]+[uUlL]*(?![\w.]))
      | (?P<char>'(?:\\.|[^'\\])')
      | (?P<string>"(?:\\.|[^"\\])*")
      | (?P<name>[A-Za-z_]\w*)
      | (?P<keyword>\$[A-Za-z_]\w*)
      | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:.,()\[\]{}@;#])
    """,
    flags=0x40 | 0x10 | 0x100,  # VERBOSE, DOTALL, ASCII
)


def fail(message: str, span: Span, hint: str = "") -> NoReturn:
    """Raise ScriptError with this one message."""
    diagnostics = Diagnostics()
    diagnostics.error(message, span, hints=(hint,) if hint else ())
    raise ScriptError(diagnostics)


def tokens_of(source: Source, start: int, end: int) -> list[Token]:
    """The tokens of `source` from `start` to `end`.  Raises ScriptError for what is none."""
    found: list[Token] = []
    at = start
    while at < end:
        match = _TOKEN.match(source.text, at, end)
        if match is None:
            _refuse(source, at, end)
        kind, text = match.lastgroup or "", match.group()
        if kind != "blank":
            found.append(Token(kind, text[1:-1] if kind == "string" else text, Span(source, at, match.end())))
        at = match.end()
    found.append(Token("end", "", Span(source, end, end)))
    return found


def _refuse(source: Source, at: int, end: int) -> NoReturn:
    character = source.text[at]
    if character == '"':
        fail("this string has no end", Span(source, at, end), 'a string ends with "')
    if character == "'":
        fail("a character literal is one character", Span(source, at, end), "strings stand in double quotes")
    if character.isdigit():
        stop = at
        while stop < end and (source.text[stop].isalnum() or source.text[stop] in "._"):
            stop += 1
        fail(f"'{source.text[at:stop]}' is not an integer", Span(source, at, stop), "write 20, 0x14 or 024")
    fail(f"'{character}' has no meaning here", Span(source, at, at + 1))


_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11}


def character(token: Token) -> int:
    """The value of a character literal."""
    inner = token.text[1:-1]
    if not inner.startswith("\\"):
        return ord(inner)
    return _ESCAPES.get(inner[1], ord(inner[1]))
