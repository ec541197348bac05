"""Integer and string literals: extent, value, and every way in which one can be wrong (spec 01 §2.1, §2.2).

Place in the pipeline: called by the lexer when the parser takes an INTEGER or STRING token.  In: the text
and where the literal begins.  Out: `Scanned`.  What a newcomer would get wrong: an error in a literal does
not end it; the reference goes on to its end and so do we, or the messages that follow would differ.
"""

from __future__ import annotations

from pytrace.record import record

_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_WORD = _LETTERS + _DIGITS

UINT64_MAX = 2**64 - 1

_LIMITS = {"": (UINT64_MAX, 1), "u": (2**32 - 1, 1), "ul": (UINT64_MAX, 1), "ull": (UINT64_MAX, 1)}
_LIMITS |= {"l": (2**63 - 1, 1), "ll": (2**63 - 1, 1)}
_LIMITS |= {"ns": (UINT64_MAX, 1), "us": (UINT64_MAX, 10**3), "ms": (UINT64_MAX, 10**6), "s": (UINT64_MAX, 10**9)}
_LIMITS |= {"m": (UINT64_MAX, 60 * 10**9), "h": (UINT64_MAX, 3600 * 10**9), "d": (UINT64_MAX, 86400 * 10**9)}
"""Suffix → (greatest value, factor).  Times are in nanoseconds."""


@record
class Problem:
    """`end` −1: the message points at whatever token stands at `start`."""

    message: str
    start: int
    end: int = -1


@record
class Scanned:
    text: str
    end: int
    problems: tuple[Problem, ...]


def scan_integer(text: str, start: int) -> Scanned:
    """The extent of the integer literal at `start` (it may be empty) and its problems of form."""
    at = start
    problems: list[Problem] = []

    def run(characters: str) -> None:
        nonlocal at
        while at < len(text) and text[at] in characters:
            at += 1
        if text[at - 1 : at] == "_" and at > start:
            problems.append(Problem("trailing underscore in integer literal", at - 1, at))

    if text[start : start + 2] in ("0x", "0X"):
        at += 2
        run(_HEX + "_")
        return Scanned(text[start:at], at, tuple(problems))
    run(_DIGITS + "_")
    if text[at : at + 1] in ("e", "E"):
        at += 1
        run(_DIGITS + "_")
    at += _suffix_length(text, at)
    literal = text[start:at]
    if text[at : at + 1] and text[at] in _LETTERS:
        bad = at
        while at < len(text) and text[at] in _WORD:
            at += 1
        problems.append(Problem(f"invalid integer suffix '{text[bad:at]}'", bad, at))
    return Scanned(literal, at, tuple(problems))


def _suffix_length(text: str, at: int) -> int:
    """How many characters look like a suffix.  `U` and `L` are scanned here and refused by `integer_value`."""
    two = text[at : at + 2]
    if two in ("ns", "us", "ms"):
        return 2
    first = two[:1]
    if not first:
        return 0
    if first in "smhd":
        return 1
    length = 0
    if first in "uU":
        length = 1
    elif first not in "lL":
        return 0
    while length < 3 and text[at + length : at + length + 1] in ("l", "L"):
        length += 1
        if first in "lL" and length == 2:
            break
    return length


def integer_value(literal: str) -> int | str:
    """The value of a literal as `scan_integer` cuts it, or the message that says why it has none."""
    plain = literal.replace("_", "")
    digits, base = plain, 10
    if plain[:2] in ("0x", "0X"):
        digits, base = plain[2:], 16
    elif plain[:2] in ("0b", "0B"):
        digits, base = plain[2:], 2
    elif len(plain) > 1 and plain[0] == "0" and plain[1] in "01234567":
        digits, base = plain[1:], 8
    octal = base == 10 and len(plain) > 1 and plain[0] == "0"  # as strtoull(3) reads `08`: a 0, and a rest
    allowed = _HEX if base == 16 else _DIGITS[:base]
    count = 0
    while count < len(digits) and digits[count] in allowed and not (octal and count):
        count += 1
    if not count:
        return f"invalid integer: {digits if base != 10 else literal}"
    shown = digits if base != 10 else literal
    if len(digits[:count].lstrip("0")) > 64:
        return _overflow(shown, UINT64_MAX)
    value = int(digits[:count], base)
    if value > UINT64_MAX:
        return _overflow(shown, UINT64_MAX)
    rest = digits[count:]
    if base != 16 and len(rest) > 1 and rest[0] in "eE" and rest[1] in "123456789":
        return _with_exponent(value, rest[1:], shown)
    return _with_suffix(value, rest, shown)


def _with_exponent(value: int, rest: str, shown: str) -> int | str:
    if not 1 <= value <= 9:
        return f"coefficient part of scientific literal must be 1-9: {shown}"
    count = 0
    while count < len(rest) and rest[count] in _DIGITS:
        count += 1
    if count > 3 or value * 10 ** int(rest[:count]) > UINT64_MAX:
        return _overflow(shown, UINT64_MAX)
    return _with_suffix(value * 10 ** int(rest[:count]), rest[count:], shown)


def _with_suffix(value: int, suffix: str, shown: str) -> int | str:
    if suffix not in _LIMITS:
        return f"invalid trailing bytes: {shown}"
    greatest, factor = _LIMITS[suffix]
    if value > greatest // factor:
        return _overflow(shown, greatest)
    return value * factor


def _overflow(shown: str, greatest: int) -> str:
    return f"overflow error, maximum value is {greatest}: {shown}"


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


def scan_string(text: str, start: int) -> Scanned:
    """The string literal whose opening quote is at `start`; `Scanned.text` is its value."""
    out: list[str] = []
    problems: list[Problem] = []
    at = start + 1
    while at < len(text) and text[at] != '"':
        c = text[at]
        if c == "\n":
            problems.append(Problem("unterminated string", at))
            return Scanned("".join(out), at, tuple(problems))
        at += 1
        if c != "\\":
            out.append(c)
        elif at < len(text):
            value, at = _escape(text, at, problems)
            out.append(value)
        else:
            problems.append(Problem("unterminated string", at))
            return Scanned("".join(out), at, tuple(problems))
    if at < len(text):
        return Scanned("".join(out), at + 1, tuple(problems))
    problems.append(Problem("unterminated string", at))
    return Scanned("".join(out), at, tuple(problems))


def _escape(text: str, at: int, problems: list[Problem]) -> tuple[str, int]:
    """The character of the escape whose first character after the backslash is at `at`, and where it ends."""
    c = text[at]
    if c in _ESCAPES:
        return _ESCAPES[c], at + 1
    end = at
    if c in "01234567":
        while end < min(at + 3, len(text)) and text[end] in "01234567":
            end += 1
        value = int(text[at:end], 8)
        if value > 255:
            problems.append(Problem(f"octal escape sequence out of range '\\{text[at:end]}'", at - 1, end))
        return chr(value & 255), end
    if c in "xX":
        end = at + 1
        while end < min(at + 3, len(text)) and text[end] in _HEX:
            end += 1
        if end == at + 1:
            problems.append(Problem("invalid hex escape sequence", end))
            return "", end
        return chr(int(text[at + 1 : end], 16)), end
    problems.append(Problem(f"invalid escape character '\\{c}'", at))
    return "", at + 1
