"""The message of a trace specification: a format and its values.

Place in the pipeline: between `translate` and `trace`.  In: the tokens of a format and of what stands behind it.  Out:
the format of a printf(), its arguments, keys for an aggregation, and the test of -f.  What a newcomer would get wrong:
a conversion says which C type its value is cut to (`%d` 32 bits), in printf() as in the original.
"""

from __future__ import annotations

from re import compile

from pytrace.probespec.expression import Node, Parser
from pytrace.probespec.lexer import Token, fail
from pytrace.probespec.script import Copied, braces, joined, quoted
from pytrace.probespec.translate import At
from pytrace.record import record
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.probespec.script import Piece

_CONVERSION = compile(r"%(?:(?P<flags>[-+ #0]*)(?P<width>\d*)(?P<kind>[hl]{0,2}[duxc]|[sKUp]|%))?")

_KEY_TYPES = {
    "d": "int32", "u": "uint32", "x": "uint32", "ld": "int64", "lu": "uint64", "lx": "uint64", "lld": "int64",
    "llu": "uint64", "llx": "uint64", "hd": "int16", "hu": "uint16", "hx": "uint16", "hhd": "int8", "hhu": "uint8",
    "hhx": "uint8", "c": "uint8", "p": "uint64",
}  # fmt: skip
"""The C type that each conversion gives its value."""

_SYMBOLS = {"K": "ksym", "U": "usym"}


@record
class Conversion:
    """`kind` as in C, with `K` and `U` for symbols; `form` is what printf() takes; `value` the node it shows."""

    kind: str
    form: str
    value: Node

    @property
    def python_form(self) -> str:
        """The form of `str.format` that shows an integer, or a text, in the same way."""
        parts = _CONVERSION.match(self.form)
        flags, width = (parts["flags"], parts["width"]) if parts else ("", "")
        fill = "<" if "-" in flags else "0" if "0" in flags and self.kind != "s" else ">"
        kind = self.kind[-1] if self.kind[-1] in "xc" else ""
        return (fill + width if width else "") + kind

    def may_show(self, wanted: str) -> bool:
        """Whether `wanted` may be part of the value, if that is not a string."""
        if self.kind in _SYMBOLS:
            return True
        if self.kind == "c":
            return len(wanted) == 1
        return set(wanted) <= set("x0123456789abcdef" if self.kind[-1] in "xp" else "-0123456789")


@record
class Message:
    """`texts`: the literal parts (escapes as written), one more than there are conversions."""

    span: Span
    texts: tuple[str, ...]
    conversions: tuple[Conversion, ...]

    @property
    def format(self) -> str:
        """What stands between the quotes of a printf()."""
        forms = [conversion.form for conversion in self.conversions]
        return "".join(text + form for text, form in zip(self.texts, [*forms, ""], strict=True))

    def values(self, at: At, size: int) -> list[list[Piece]]:
        """The arguments of the printf()."""
        return [_value(conversion, at, size) for conversion in self.conversions]

    def keys(self, at: At, size: int) -> list[list[Piece]]:
        """The values, cut as the conversions say, for the key of a map."""
        found = []
        for conversion in self.conversions:
            value = _value(conversion, at, size)
            cut = _KEY_TYPES.get(conversion.kind)
            found.append([f"({cut})(", *value, ")"] if cut else value)
        return found

    def row(self, first: int) -> str:
        """The message as a row form of a map (`Options.map_rows`) whose key has the values from number `first` on."""
        parts = [braces(_unescaped(self.texts[0]))]
        for i, (conversion, text) in enumerate(zip(self.conversions, self.texts[1:], strict=True), first):
            parts += [f"{{{i}:{conversion.python_form}}}", braces(_unescaped(text))]
        return "".join(parts)

    def contains(self, wanted: str, at: At, size: int) -> list[Piece] | None:
        """A test whether the message has `wanted` in it; None if it has for certain.

        Found are texts within a literal part, within a string, and from a literal part into the string behind it.
        Raises ScriptError where a number would have to be searched.
        """
        literals = [_unescaped(text) for text in self.texts]
        if any(wanted in text for text in literals):
            return None
        tests: list[list[Piece]] = []
        for before, conversion in zip(literals, self.conversions, strict=False):
            if conversion.kind != "s":
                if conversion.may_show(wanted):
                    fail(
                        f"-f looks into strings, and cannot look for '{wanted}' in the value of '%{conversion.kind}'",
                        conversion.value.span,
                        "a predicate tests numbers: (arg2 == 42)",
                    )
                continue
            value = _value(conversion, at, size)
            tests.append(["strcontains(", *value, f", {quoted(wanted)})"])
            for n in range(1, len(wanted)):
                if before.endswith(wanted[:n]):
                    tests.append(["strncmp(", *value, f", {quoted(wanted[n:])}, {len(wanted) - n}) == 0"])
        return joined(tests, " || ") if tests else ["false"]


def message_of(token: Token, parser: Parser) -> Message:
    """The message whose format is `token` and whose values follow in `parser`.  Raises ScriptError."""
    values: list[Node] = []
    while parser.token.kind != "end":
        parser.expect(",", "between the format and its values")
        values.append(parser.expression())
    texts, found, at, text = [], list[tuple[str, str, Span]](), 0, ""
    for match in _CONVERSION.finditer(token.text):
        text += token.text[at : match.start()]
        at = match.end()
        span = Span(token.span.source, token.span.start + 1 + match.start(), token.span.start + 1 + match.end())
        kind = match["kind"]
        if kind is None:
            fail(
                "this is no conversion",
                Span(span.source, span.start, min(span.end + 1, token.span.end - 1)),
                "there are %s %d %u %ld %lu %lld %llu %hd %hu %c %x %lx %llx %K %U, and %% for the character",
            )
        if kind == "%":
            text += "%%"
            continue
        texts.append(text)
        text = ""
        shown = "s" if kind in _SYMBOLS else kind
        found.append((kind, f"%{match['flags']}{match['width']}{shown}", span))
    if len(found) != len(values):
        what = f"{len(found)} conversion{'' if len(found) == 1 else 's'}"
        extra = values[len(found)].span if len(values) > len(found) else token.span
        fail(f"{len(values)} value{'' if len(values) == 1 else 's'} for {what}", extra)
    conversions = [Conversion(kind, form, value) for (kind, form, _), value in zip(found, values, strict=True)]
    return Message(token.span, (*texts, text + token.text[at:]), tuple(conversions))


def _value(conversion: Conversion, at: At, size: int) -> list[Piece]:
    if conversion.kind == "s":
        return at.string(conversion.value, size)
    pieces = at.pieces(conversion.value)
    symbol = _SYMBOLS.get(conversion.kind)
    return [f"{symbol}(", *pieces, ")"] if symbol else pieces


def _unescaped(text: str) -> str:
    """A literal part as it is printed."""
    plain = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\\\": "\\"}
    return compile(r'\\[nt"\\]|%%').sub(lambda m: plain.get(m[0], "%"), text)


def format_piece(message: Message | None) -> list[Piece]:
    """The format between the quotes of a printf(), led back to where it stands."""
    return [Copied(message.format, message.span)] if message else []
