"""Arithmetic on literals, as the compiler does it (spec 01 §9).

Place in the pipeline: under `fold`.  In: Python values of literals.  Out: Python values, or why not.  What a newcomer
would get wrong: integers fold with C's signed division and 64-bit limits, but everything from −2⁶³ to 2⁶⁴−1 is
representable, so a sum of two large positives may still succeed as uint64.
"""

from __future__ import annotations

from pytrace.grammar import ast

Value = int | str | bool

INT64_MIN, INT64_MAX, UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1

FLOW_ERROR = "unable to fold literals due to overflow or underflow"

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
LOGICAL = frozenset({"&&", "||"})


class FoldError(Exception):
    """The operation has no value; the text is the message."""


def is_literal(node: object) -> bool:
    """Integers, strings, booleans, and tuples and records of them."""
    if isinstance(node, (ast.Integer, ast.String, ast.Boolean)):
        return True
    if isinstance(node, ast.Tuple):
        return all(map(is_literal, node.elements))
    return isinstance(node, ast.Record) and all(is_literal(f.value) for f in node.fields)


def value_of(node: object) -> Value | None:
    """The value of a scalar or string literal."""
    if isinstance(node, (ast.Integer, ast.String, ast.Boolean)):
        return node.value
    return None


def truth(node: ast.Expr) -> bool:
    """A literal as a condition."""
    value = value_of(node)
    return bool(value) if value is not None else True


def compare(op: str, left: Value, right: Value) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        raise FoldError(FLOW_ERROR)
    match op:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right  # type: ignore[operator]
        case "<=":
            return left <= right  # type: ignore[operator]
        case ">":
            return left > right  # type: ignore[operator]
        case ">=":
            return left >= right  # type: ignore[operator]
        case "&&":
            return bool(left) and bool(right)
    return bool(left) or bool(right)


def booleans(op: str, left: bool, right: bool) -> bool:
    """An operation on two bools is a bool."""
    if op in COMPARISONS or op in LOGICAL:
        return compare(op, left, right)
    if op in ("/", "%") and not right:
        raise FoldError(FLOW_ERROR)
    match op:
        case "+" | "|":
            return left or right
        case "-" | "^":
            return left != right
        case "*" | "&" | "/":
            return left and right
        case "<<":
            return left < right
        case ">>":
            return left > right
    return False


def integers(op: str, left: int, right: int) -> int | bool:
    """Two integers.  Raises FoldError beyond 64 bits, by zero, or for a shift out of range."""
    if (left < 0) != (right < 0) and max(left, right) > INT64_MAX:
        raise FoldError(FLOW_ERROR)
    if op in COMPARISONS or op in LOGICAL:
        return compare(op, left, right)
    result = _arithmetic(op, left, right)
    if not INT64_MIN <= result <= UINT64_MAX:
        raise FoldError(FLOW_ERROR)
    return result


def _arithmetic(op: str, left: int, right: int) -> int:
    if op in ("/", "%"):
        if right == 0:
            raise FoldError(FLOW_ERROR)
        quotient = abs(left) // abs(right)
        if (left < 0) != (right < 0):
            quotient = -quotient
        return quotient if op == "/" else left - quotient * right
    if op in ("<<", ">>") and not 0 <= right < 64:
        raise FoldError(FLOW_ERROR)
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "<<":
            return _wrap(left << right, left < 0)
    return left >> right


def _wrap(value: int, signed: bool) -> int:
    """Keep the low 64 bits, as a left shift does."""
    value &= UINT64_MAX
    return value - 2**64 if signed and value > INT64_MAX else value


def negate(value: int) -> int:
    if value > INT64_MAX + 1:
        raise FoldError("negative value will underflow")
    return -value


def invert(value: int) -> int:
    """64-bit complement as an unsigned number."""
    return ~value & UINT64_MAX


def same(left: ast.Expr, right: ast.Expr) -> bool | None:
    """Whether two literals are equal, element by element; None if that is not known yet."""
    if not is_literal(left) or not is_literal(right):
        return None
    if isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple):
        if len(left.elements) != len(right.elements):
            return False
        return _all(same(a, b) for a, b in zip(left.elements, right.elements, strict=True))
    if isinstance(left, ast.Record) and isinstance(right, ast.Record):
        if len(left.fields) != len(right.fields):
            return False
        other = {f.name: f.value for f in right.fields}
        if any(f.name not in other for f in left.fields):
            return None
        return _all(same(f.value, other[f.name]) for f in left.fields)
    return type(left) is type(right) and value_of(left) == value_of(right)


def _all(results: object) -> bool | None:
    for found in results:  # type: ignore[attr-defined]
        if not found:
            return found  # type: ignore[no-any-return]
    return True
