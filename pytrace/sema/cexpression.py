"""Constant expressions of C: `#if`, array sizes, enumerators, bit widths.

Place in the pipeline: part of the C front end.  In: tokens.  Out: integers.  What a newcomer would get wrong: in `#if`
an unknown name is 0; elsewhere it is an error, which the caller's `names` raises.
"""

from __future__ import annotations

from pytrace.sema.cpreprocess import CError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.sema.cpreprocess import Token

    Primary = Callable[[list[Token], int], tuple[int, int] | None]

_BINARY: tuple[tuple[str, ...], ...] = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", "<=", ">", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip

"""Tries to read what only the caller knows (`sizeof (type)`, enumerators) at an index: (value, next index)."""


def evaluate(tokens: list[Token], place: str, primary: Primary | None = None, start: int = 0) -> tuple[int, int]:
    """(value, index of the first token behind the expression)."""
    value, end = _Evaluator(tokens, place, primary).ternary(start)
    if primary is None and end < len(tokens):
        raise CError(tokens[end].place, "token is not a valid binary operator in a preprocessor subexpression")
    return value, end


class _Evaluator:
    def __init__(self, tokens: list[Token], place: str, primary: Primary | None) -> None:
        self.tokens = tokens
        self.place = place
        self.primary = primary

    def text(self, at: int) -> str:
        return self.tokens[at].text if at < len(self.tokens) else ""

    def ternary(self, at: int) -> tuple[int, int]:
        value, at = self.binary(at, 0)
        if self.text(at) != "?":
            return value, at
        then, at = self.ternary(at + 1)
        if self.text(at) != ":":
            raise CError(self.place, "expected ':'")
        otherwise, at = self.ternary(at + 1)
        return (then if value else otherwise), at

    def binary(self, at: int, level: int) -> tuple[int, int]:
        if level == len(_BINARY):
            return self.unary(at)
        left, at = self.binary(at, level + 1)
        while self.text(at) in _BINARY[level]:
            op = self.text(at)
            right, at = self.binary(at + 1, level + 1)
            left = self._apply(op, left, right)
        return left, at

    def _apply(self, op: str, a: int, b: int) -> int:
        if op in ("/", "%"):
            if not b:
                raise CError(self.place, "division by zero in preprocessor expression")
            quotient = abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1)
            return quotient if op == "/" else a - quotient * b
        table: dict[str, Callable[[], int]] = {
            "||": lambda: int(bool(a) or bool(b)), "&&": lambda: int(bool(a) and bool(b)), "|": lambda: a | b,
            "^": lambda: a ^ b, "&": lambda: a & b, "==": lambda: int(a == b), "!=": lambda: int(a != b),
            "<": lambda: int(a < b), "<=": lambda: int(a <= b), ">": lambda: int(a > b), ">=": lambda: int(a >= b),
            "<<": lambda: a << (b & 63), ">>": lambda: a >> (b & 63), "+": lambda: a + b, "-": lambda: a - b,
            "*": lambda: a * b,
        }  # fmt: skip
        return table[op]()

    def unary(self, at: int) -> tuple[int, int]:
        if self.primary is not None:
            found = self.primary(self.tokens, at)
            if found is not None:
                return found
        text = self.text(at)
        if text in ("-", "+", "!", "~"):
            value, at = self.unary(at + 1)
            return {"-": -value, "+": value, "!": int(not value), "~": ~value}[text], at
        if text == "(":
            value, at = self.ternary(at + 1)
            if self.text(at) != ")":
                raise CError(self.place, "expected ')'")
            return value, at + 1
        return self.literal(at)

    def literal(self, at: int) -> tuple[int, int]:
        if at >= len(self.tokens):
            raise CError(self.place, "expected expression")
        token = self.tokens[at]
        if token.kind == "number":
            return number(token), at + 1
        if token.kind == "char":
            return character(token.text), at + 1
        if token.kind == "word" and self.primary is None:
            if self.text(at + 1) == "(":  # a function-like name that nobody defined
                depth, at = 0, at + 1
                while at < len(self.tokens):
                    depth += {"(": 1, ")": -1}.get(self.text(at), 0)
                    at += 1
                    if not depth:
                        break
                return 0, at
            return 0, at + 1
        if token.kind == "word":
            raise CError(token.place, f"use of undeclared identifier '{token.text}'")
        raise CError(token.place, "expected expression")


def number(token: Token) -> int:
    """The value of an integer constant."""
    digits = token.text.rstrip("uUlL")
    try:
        if len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567":
            return int(digits, 8)
        return int(digits, 0)
    except ValueError:
        raise CError(token.place, f"invalid number '{token.text}'") from None


_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11}


def character(text: str) -> int:
    """The value of a character constant."""
    inner = text.lstrip("L")[1:-1]
    if not inner.startswith("\\"):
        return ord(inner[0]) if inner else 0
    if inner[1:2] == "x":
        return int(inner[2:], 16)
    if inner[1:2].isdecimal():
        return int(inner[1:], 8)
    return _ESCAPES.get(inner[1:2], ord(inner[1]))
