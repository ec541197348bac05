"""Conversions that the language makes by itself, as explicit nodes (spec 02 §2, §5).

Place in the pipeline: under inference's final run.  In: a typed expression and the type that its place wants.  Out: the
expression in that type, or None when there is no such conversion.  What a newcomer would get wrong: a literal that
does not fit is refused, any other expression that does not fit is converted with a warning.
"""

from __future__ import annotations

from pytrace.sema import report as phases
from pytrace.sema import typed
from pytrace.sema.elaborator import UNKNOWN
from pytrace.sema.joins import fits, is_int, literal_fits, same_kind
from pytrace.types import BOOL, Aggregate, Bool, Buffer, Int, Pointer, Record, String, Tuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.elaborator import Elaborator
    from pytrace.types import Type


def convert(el: Elaborator, expr: typed.Expr, target: Type) -> typed.Expr | None:
    """`expr` as `target`; warns where values may change."""
    source = expr.type
    if source is UNKNOWN or target is UNKNOWN:
        return expr
    if isinstance(source, Aggregate):
        return convert(el, el.as_value(expr), target) if not isinstance(target, Aggregate) else expr
    if source == target:
        return expr
    if is_int(source) and is_int(target):
        return _integer(el, expr, target)
    if not same_kind(source, target):
        return None
    match source, target:
        case String(), String():
            return cast(expr, target) if fits(source, target) else None
        case Tuple(), Tuple():
            return _tuple(el, expr, source, target)
        case Record(), Record():
            return _record(el, expr, source, target)
        case (Pointer(), Pointer()) | (Buffer(), Buffer()):
            return cast(expr, target)
    return None


def cast(expr: typed.Expr, target: Type, space: str | None = None) -> typed.Expr:
    """The conversion node itself; constants are converted at once."""
    space = expr.space if space is None else space
    if isinstance(expr, typed.IntConst) and isinstance(target, Int) and isinstance(expr.type, (Int, Bool)):
        value = expr.value & ((1 << target.bits) - 1)
        if target.signed and value >> (target.bits - 1):
            value -= 1 << target.bits
        return typed.IntConst(type=target, span=expr.span, space=space, value=value)
    return typed.Convert(type=target, span=expr.span, space=space, operand=expr)


def _integer(el: Elaborator, expr: typed.Expr, target: Type) -> typed.Expr | None:
    if isinstance(expr, typed.IntConst) and isinstance(expr.type, Int):
        return cast(expr, target) if literal_fits(expr.value, target) else None
    if not fits(expr.type, target):
        warn(el, expr, target)
    return cast(expr, target)


def warn(el: Elaborator, expr: typed.Expr, target: Type, source: Type | None = None) -> None:
    el.warning(
        phases.CONVERT,
        f"Expression of type: {source or expr.type} being cast to type: {target}. This may cause unexpected results. "
        "Use an explicit cast to suppress this warning.",
        expr.span,
    )


def _tuple(el: Elaborator, expr: typed.Expr, source: Tuple, target: Tuple) -> typed.Expr | None:
    if len(source.elements) != len(target.elements):
        return None
    if isinstance(expr, typed.BlockExpr) and expr.value is not None:
        inner = convert(el, expr.value, target)
        return inner and typed.BlockExpr(type=target, span=expr.span, body=expr.body, value=inner)
    out = []
    for n, wanted in enumerate(target.elements):
        converted = convert(el, element(expr, n, source.elements[n]), wanted)
        if converted is None:
            return None
        out.append(converted)
    if isinstance(expr, typed.TupleExpr):
        return typed.TupleExpr(type=target, span=expr.span, space=expr.space, elements=tuple(out), order=expr.order)
    return cast(expr, target)


def _record(el: Elaborator, expr: typed.Expr, source: Record, target: Record) -> typed.Expr | None:
    if set(source.names) != set(target.names):
        return None
    at = {name: n for n, name in enumerate(source.names)}
    out = []
    for name, wanted in zip(target.names, target.elements, strict=True):
        converted = convert(el, element(expr, at[name], source.elements[at[name]]), wanted)
        if converted is None:
            return None
        out.append(converted)
    if isinstance(expr, typed.TupleExpr):
        # evaluation stays in the order of the text
        place = {name: n for n, name in enumerate(target.names)}
        textual = expr.order or tuple(range(len(source.names)))
        order = tuple(place[source.names[n]] for n in textual)
        return typed.TupleExpr(type=target, span=expr.span, space=expr.space, elements=tuple(out), order=order)
    return cast(expr, target)


def element(expr: typed.Expr, index: int, t: Type) -> typed.Expr:
    """Element `index` of a tuple or record value; of a literal, the element itself."""
    if isinstance(expr, typed.TupleExpr):
        return expr.elements[index]
    return typed.ElementRead(type=t, span=expr.span, space=expr.space, base=expr, index=index)


def to_bool(expr: typed.Expr) -> typed.Expr:
    """A condition."""
    if isinstance(expr.type, Bool):
        return expr
    if isinstance(expr, typed.IntConst):
        return typed.IntConst(type=BOOL, span=expr.span, value=int(expr.value != 0))
    return typed.ToBool(type=BOOL, span=expr.span, operand=expr)
