"""Unary and binary operators: what they accept, what they give (spec 02 §2, §2.2).

Place in the pipeline: rules of `elaborator`.  In: operator nodes.  Out: typed nodes with operands converted.  What a
newcomer would get wrong: all integer arithmetic is 64 bits wide, `-` is always int64, and comparisons join their
operands first.
"""

from __future__ import annotations

from pytrace.diagnostics import Context
from pytrace.grammar import ast
from pytrace.sema import report as phases
from pytrace.sema import typed
from pytrace.sema.aggregates import castable
from pytrace.sema.convert import cast, convert, to_bool
from pytrace.sema.elaborator import UNKNOWN, expression, type_name
from pytrace.sema.joins import compatible, flexible, is_int, join, signed
from pytrace.sema.walk import operation_span
from pytrace.types import (
    BOOL,
    INT64,
    UINT64,
    Aggregate,
    Array,
    Bool,
    Enum,
    Int,
    Pointer,
    Record,
    Space,
    String,
    Struct,
    Tuple,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.elaborator import Elaborator
    from pytrace.source import Span
    from pytrace.types import (
        Type,
    )

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
LOGICAL = frozenset({"&&", "||"})


@expression(ast.Binary)
def _binary(el: Elaborator, node: ast.Binary) -> typed.Expr:
    return binary(el, node.op, el.expr(node.left), el.expr(node.right), operation_span(node, node.left))


def binary(el: Elaborator, op: str, left: typed.Expr, right: typed.Expr, span: Span) -> typed.Expr:
    """`left op right`; also what compound assignments compute."""
    lt, rt = left.type, right.type
    if lt is UNKNOWN or rt is UNKNOWN:
        return el.unknown(span)
    if isinstance(lt, Pointer) or isinstance(rt, Pointer):
        return _pointers(el, op, left, right, span)
    space = _space(el, left, right, span)
    if _numeric(el, lt) and _numeric(el, rt):
        return _integers(el, op, left, right, span, space)
    if not _comparable(el, op, left, right, span):
        return typed.IntConst(type=BOOL if _is_test(op) else INT64, span=span, value=0)
    joined = join(lt, rt)
    if joined is not None and not isinstance(lt, String):
        left, right = convert(el, left, joined) or left, convert(el, right, joined) or right
    return typed.Compare(type=BOOL, span=span, op=op, left=left, right=right)


def _is_test(op: str) -> bool:
    return op in COMPARISONS or op in LOGICAL


def _numeric(el: Elaborator, t: Type) -> bool:
    return is_int(t) or isinstance(t, Bool) or castable(el.inference.registry, t)


def _space(el: Elaborator, left: typed.Expr, right: typed.Expr, span: Span) -> str:
    a, b = left.space, right.space
    if a != b and Space.NONE not in (a, b):
        el.warning(phases.RESOLVE, "Addrspace mismatch", span)
        return Space.NONE
    return b if a == Space.NONE else a


def _both(left: typed.Expr, right: typed.Expr) -> tuple[Context, Context]:
    return (
        Context(f"left ({type_name(left.type)})", left.span),
        Context(f"right ({type_name(right.type)})", right.span),
    )


# ---------------------------------------------------------------- integers


def _integers(el: Elaborator, op: str, left: typed.Expr, right: typed.Expr, span: Span, space: str) -> typed.Expr:
    lt, rt = left.type, right.type
    if isinstance(lt, Bool) and isinstance(rt, Bool):
        return _booleans(op, left, right, span)
    if _is_test(op):
        joined = _join_test(lt, rt)
        a, b = _as(el, left, joined), _as(el, right, joined)
        space = _converted_space(el, (left, a), (right, b), space, span)
        if op in LOGICAL:
            return typed.Logical(type=BOOL, span=span, op=op, left=to_bool(a), right=to_bool(b))
        return typed.Compare(type=BOOL, span=span, space=space, op=op, left=a, right=b)
    result = _result(el, op, lt, rt, span)
    a, b = _as(el, left, result), _as(el, right, result)
    space = _converted_space(el, (left, a), (right, b), space, span)
    return typed.Binary(type=result, span=span, space=space, op=op, left=a, right=b)


def _converted_space(
    el: Elaborator,
    left: tuple[typed.Expr, typed.Expr],
    right: tuple[typed.Expr, typed.Expr],
    space: str,
    span: Span,
) -> str:
    """The address space once the operands (before, after) are converted: a conversion, as any cast, gives a value that
    has none that of the probe."""
    spaces = [
        after.space if after.space != Space.NONE or before.type == after.type else el.unit.space
        for before, after in (left, right)
    ]
    if spaces[0] != spaces[1] and Space.NONE not in spaces:
        if left[0].space == Space.NONE or right[0].space == Space.NONE:
            el.warning(phases.CONVERT, "Addrspace mismatch", span)
        return Space.NONE
    return space


def _join_test(lt: Type, rt: Type) -> Type:
    """What both sides of a comparison are converted to."""
    if isinstance(lt, Bool) or isinstance(rt, Bool):
        other = rt if isinstance(lt, Bool) else lt
        return INT64 if signed(other) else UINT64
    if isinstance(lt, Aggregate) and isinstance(rt, Aggregate):
        return INT64 if signed(lt) or signed(rt) else UINT64
    return join(lt, rt) or INT64


def _result(el: Elaborator, op: str, lt: Type, rt: Type, span: Span) -> Type:
    left_signed, right_signed = signed(lt), signed(rt)
    if flexible(lt) and not flexible(rt):
        left_signed = right_signed
    elif flexible(rt) and not flexible(lt):
        right_signed = left_signed
    same = lt.size == rt.size and left_signed == right_signed and not isinstance(lt, Enum) and is_int(lt) == is_int(rt)
    if op in ("/", "%") and not same and (left_signed or right_signed):
        el.warning(
            phases.RESOLVE,
            f"signed operands for '{op}' can lead to undefined behavior (cast to unsigned to silence warning)",
            span,
        )
    return INT64 if left_signed or right_signed or op == "-" else UINT64


def _as(el: Elaborator, expr: typed.Expr, wanted: Type) -> typed.Expr:
    """An operand in the type of the operation; a literal that does not fit wraps."""
    expr = el.as_value(expr)
    if isinstance(expr.type, Bool):
        return cast(expr, wanted)
    converted = convert(el, expr, wanted)
    return cast(expr, wanted) if converted is None else converted


def _booleans(op: str, left: typed.Expr, right: typed.Expr, span: Span) -> typed.Expr:
    if op in LOGICAL:
        return typed.Logical(type=BOOL, span=span, op=op, left=left, right=right)
    if op in COMPARISONS:
        return typed.Compare(type=BOOL, span=span, op=op, left=left, right=right)
    a, b = cast(left, UINT64), cast(right, UINT64)
    return to_bool(typed.Binary(type=UINT64, span=span, op=op, left=a, right=b))


# ---------------------------------------------------------------- pointers


def _pointers(el: Elaborator, op: str, left: typed.Expr, right: typed.Expr, span: Span) -> typed.Expr:
    lt, rt = left.type, right.type
    if isinstance(lt, Pointer) and isinstance(rt, Pointer):
        if not _is_test(op):
            return _refused(el, op, left, right, span)
        if op in COMPARISONS and lt.pointee != rt.pointee:
            left_context = Context(f"left ({lt.pointee})", left.span)
            right_context = Context(f"right ({rt.pointee})", right.span)
            el.warning(
                phases.RESOLVE,
                f"comparison of distinct pointer types: {lt.pointee}, {rt.pointee}",
                span,
                contexts=(left_context, right_context),
            )
        return _test(op, left, cast(right, lt) if lt != rt else right, span)
    pointer, other = (left, right) if isinstance(lt, Pointer) else (right, left)
    if not isinstance(other.type, (Int, Enum, Bool)) or not isinstance(pointer.type, Pointer):
        return _refused(el, op, left, right, span)
    if op == "+" or (op == "-" and pointer is left):
        scale = max(pointer.type.pointee.size, 1)
        index = cast(other, INT64 if signed(other.type) else UINT64)
        return typed.PointerOffset(
            type=pointer.type, span=span, space=pointer.space, pointer=pointer, index=index,
            scale=scale if op == "+" else -scale,
        )  # fmt: skip
    if not _is_test(op):
        return _refused(el, op, left, right, span)
    a = left if left is pointer or op in LOGICAL else cast(left, pointer.type)
    b = right if right is pointer or op in LOGICAL else cast(right, pointer.type)
    return _test(op, a, b, span)


def _test(op: str, left: typed.Expr, right: typed.Expr, span: Span) -> typed.Expr:
    if op in LOGICAL:
        return typed.Logical(type=BOOL, span=span, op=op, left=to_bool(left), right=to_bool(right))
    return typed.Compare(type=BOOL, span=span, op=op, left=left, right=right)


def _refused(el: Elaborator, op: str, left: typed.Expr, right: typed.Expr, span: Span) -> typed.Expr:
    message = f"The {op} operator can not be used on expressions of types {left.type}, {right.type}"
    el.mismatch(span, message, what="operator")
    return el.unknown(span)


# ---------------------------------------------------------------- other types


def _comparable(el: Elaborator, op: str, left: typed.Expr, right: typed.Expr, span: Span) -> bool:
    lt, rt = left.type, right.type
    if isinstance(lt, Array) and isinstance(rt, Array):
        return _arrays(el, op, lt, rt, span)
    if not compatible(lt, rt):
        if not _is_test(op) and not isinstance(lt, String) and not isinstance(rt, String):
            # an integer operand counts as converted already
            wide = INT64 if signed(lt) or signed(rt) else UINT64
            left = cast(left, wide) if is_int(lt) else left
            right = cast(right, wide) if is_int(rt) else right
        names = f"{type_name(left.type)} with {type_name(right.type)}"
        el.error(f"Type mismatch for '{op}': comparing {names}", span, _both(left, right))
        return False
    if op not in ("==", "!=") or isinstance(lt, (Struct, Aggregate)):
        el.error(f"The {op} operator can not be used on expressions of types {type_name(lt)}, {type_name(rt)}", span)
        return False
    return True


def _arrays(el: Elaborator, op: str, lt: Array, rt: Array, span: Span) -> bool:
    problems = []
    if op not in ("==", "!="):
        problems.append(f"The {op} operator cannot be used on arrays.")
    if lt.length != rt.length:
        problems.append("Only arrays of same size support comparison operators.")
    if not is_int(lt.element) or lt != rt:
        problems.append("Only arrays of same sized integer support comparison operators.")
    for problem in problems:
        el.error(problem, span)
    return not problems


# ---------------------------------------------------------------- unary


@expression(ast.Unary)
def _unary(el: Elaborator, node: ast.Unary) -> typed.Expr:
    operand = el.expr(node.expr)
    t = operand.type
    if t is UNKNOWN:
        return el.unknown(node.span)
    if node.op == "*":
        from pytrace.sema.access import dereference

        return dereference(el, operand, node)
    if isinstance(t, Bool) and node.op == "!":
        return typed.Unary(type=BOOL, span=node.span, op="!", operand=operand)
    if not is_int(t):
        message = f"The {node.op} operator can not be used on expressions of type '{type_name(t)}'"
        el.mismatch(node.span, message, what="operator")
        return el.unknown(node.span)
    if node.op == "!":
        return typed.Unary(type=BOOL, span=node.span, op="!", operand=to_bool(operand))
    wide = INT64 if signed(t) else UINT64
    return typed.Unary(type=wide, span=node.span, space=operand.space, op=node.op, operand=cast(operand, wide))


__all__ = ["Record", "Tuple", "binary"]
