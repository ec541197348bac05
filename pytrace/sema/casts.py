"""Casts, and the types that scripts write in expressions (spec 02 §3).

Place in the pipeline: rules of `elaborator`.  In: `ast.Cast` and type expressions.  Out: `Convert` nodes.  What a
newcomer would get wrong: a cast never warns about lost bits, only about being unnecessary, and it gives an integer the
address space of the probe when it has none.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.sema import report as phases
from pytrace.sema import typed
from pytrace.sema.aggregates import castable
from pytrace.sema.convert import cast, to_bool
from pytrace.sema.elaborator import LARGEST, UNKNOWN, expression, type_name
from pytrace.sema.joins import is_int, same_kind
from pytrace.types import (
    UINT64,
    USERNAME,
    Aggregate,
    Array,
    Bool,
    Enum,
    Int,
    NoneType,
    Pointer,
    Space,
    String,
    Struct,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.elaborator import Elaborator
    from pytrace.source import Span
    from pytrace.types import (
        Type,
    )

_NO_BTF = (
    "No BTF could be read (/sys/kernel/btf/vmlinux, or the file that BPFTRACE_BTF names), so the kernel's types are not"
    " known: define this one in the script, #include it, or run a kernel that is built with CONFIG_DEBUG_INFO_BTF"
)


def written_type(el: Elaborator, node: ast.TypeExpr) -> Type | None:
    """The type that the script names; None after an error, UNKNOWN for a `typeof` that is not inferred yet."""
    if isinstance(node, ast.TypeOf):
        return type_of(el, node.of)
    if isinstance(node, (ast.PointerTo, ast.ArrayOf)) and _innermost_typeof(node):
        inner = written_type(el, node.base)
        if inner is None or inner is UNKNOWN:
            return inner
        from pytrace.sema.typenames import sized

        return Pointer(inner) if isinstance(node, ast.PointerTo) else sized(inner, node.length or 0)
    found = el.inference.scope.resolve(node)
    if isinstance(found, str):
        hints = () if el.inference.target.has_btf() else (_NO_BTF,)
        el.inference.report.once(phases.COLLECT, "type", node.span, f'Cannot resolve unknown type "{found}"', hints)
        return None
    return found


def value_type(el: Elaborator, node: ast.TypeExpr, span: Span | None = None) -> Type | None:
    """As `written_type`, for what values are to have: they must not be larger than values may be.  `span`: where that
    is reported, if not at the type."""
    found = written_type(el, node)
    if found is not None and not too_long(el, found, span or node.span) and found.size > LARGEST:
        el.error(f"Type is too large (over {LARGEST} bytes): {found}", span or node.span)
    return found


def too_long(el: Elaborator, t: Type, span: Span) -> bool:
    """Whether a string has more room than `max_strlen` allows, which is reported at `span`."""
    limit = int(el.inference.config["max_strlen"])
    if not isinstance(t, String) or t.capacity <= limit:
        return False
    if el.final:
        text = f"String type is too long (over {limit} bytes): {t}"
        el.inference.report.error(phases.CHECK, text, span, hints=("Increase BPFTRACE_MAX_STRLEN.",))
    return True


def _innermost_typeof(node: ast.TypeExpr) -> bool:
    while isinstance(node, (ast.PointerTo, ast.ArrayOf)):
        node = node.base
    return isinstance(node, ast.TypeOf)


def type_of(el: Elaborator, of: ast.TypeExpr | ast.Expr) -> Type | None:
    """The type of what `sizeof`, `typeof` … are given.  A bare keyed map stands for its key."""
    if isinstance(of, ast.TypeName) and not of.tag and isinstance(el.inference.scope.resolve(of), str):
        el.unknown_identifier(of.name, of.span)
        return None
    if isinstance(of, ast.TypeExpr):
        return written_type(el, of)
    el.introspecting += 1
    try:
        if isinstance(of, ast.Map):
            symbol = el.inference.map(of)
            if symbol.scalar is False:
                return symbol.key_type or UNKNOWN
        return el.expr(of).type
    finally:
        el.introspecting -= 1


@expression(ast.Cast)
def _cast(el: Elaborator, node: ast.Cast) -> typed.Expr:
    operand = el.expr(node.expr)
    wanted = value_type(el, node.type, node.span)
    if wanted is None or wanted is UNKNOWN or operand.type is UNKNOWN:
        return el.unknown(node.span)
    target = _complete(wanted, operand.type)
    space = operand.space if operand.space != Space.NONE else el.unit.space
    _check(el, node, target, operand)
    return _converted(el, node.span, operand, target, space)


def _complete(target: Type, source: Type) -> Type:
    """`T[]` takes its length from the operand."""
    if isinstance(target, Array) and target.length == 0:
        size = target.element.size
        if size and source.size % size == 0:
            return Array(target.element, source.size // size)
    return target


def _converted(el: Elaborator, span: Span, operand: typed.Expr, target: Type, space: str) -> typed.Expr:
    operand = el.as_value(operand)
    if isinstance(target, Bool):
        result = to_bool(operand)
        return result if result is not operand else typed.Convert(type=target, span=span, operand=operand)
    if isinstance(target, Pointer) and isinstance(operand, typed.IntConst) and operand.value < 0:
        # a negative literal becomes an address by its own width (spec 02 §2.1)
        operand = typed.IntConst(
            type=UINT64, span=operand.span, value=operand.value & ((1 << (operand.type.size * 8)) - 1)
        )
    converted = cast(operand, target, space)
    # the result is reported about, if at all, at the parentheses of the cast
    if isinstance(converted, typed.IntConst):
        # a cast value is no literal any more: what follows may warn about it
        constant = typed.IntConst(type=converted.type, span=span, space=space, value=converted.value)
        return typed.Convert(type=target, span=span, space=space, operand=constant)
    return typed.Convert(type=target, span=span, space=space, operand=operand)


def _check(el: Elaborator, node: ast.Cast, target: Type, operand: typed.Expr) -> None:
    if not el.final:
        return
    source, span = operand.type, node.span
    if isinstance(source, Struct):
        el.error(f'Cannot cast from C type "{source}"', span)
    elif isinstance(source, NoneType):
        el.error(f'Cannot cast from "{type_name(source)}" type', span)
    elif target == source and same_kind(target, source):
        text = f"Unnecessary cast: expression is already of type {source}"
        el.warning(phases.CHECK, text, span)
    else:
        _check_kinds(el, node, target, operand)


def _check_kinds(el: Elaborator, node: ast.Cast, target: Type, operand: typed.Expr) -> None:
    source, span = operand.type, node.span
    refused = f'Cannot cast from "{source}" to "{target}"'
    if isinstance(target, String) and isinstance(source, String):
        if target.capacity < source.capacity:
            el.error(refused, span)
        return
    if target == USERNAME and is_int(source):
        return
    simple = isinstance(target, (Int, Enum, Pointer, Bool))
    into_array = isinstance(target, Array) and isinstance(target.element, (Int, Enum, Bool))
    if not simple and not into_array:
        el.error(refused, span)
        return
    if isinstance(target, Array) and not _array_fits(el, target, source, span):
        el.error(refused, span)
    if isinstance(target, Enum):
        _check_variant(el, target, node)
    number = isinstance(source, (Int, Enum, Pointer)) or castable(el.inference.registry, source)
    if isinstance(source, Array):
        wrong = not is_int(target) or target.size != source.size
    elif number:
        wrong = False
    elif isinstance(target, Bool):
        wrong = not isinstance(source, (Bool, String))
    else:
        wrong = is_int(target) and not isinstance(source, Bool)
    if wrong:
        el.error(refused, span)


def _array_fits(el: Elaborator, target: Array, source: Type, span: Span) -> bool:
    if target.length == 0:
        if target.element.size == 0:
            el.error("Could not determine size of the array", span)
        else:
            el.error(
                "Cannot determine array size: the element size is incompatible with the cast integer size", span
            )
        return False
    if is_int(source):
        return target.size == source.size or source.size < target.size <= 8
    return isinstance(source, (Bool, String)) and target.size == source.size


def _check_variant(el: Elaborator, target: Enum, node: ast.Cast) -> None:
    if isinstance(node.expr, ast.Integer) and target.variants:
        known = {value for _, value in target.variants}
        if node.expr.value not in known:
            el.error(f"Enum: {target.name} doesn't contain a variant value of {node.expr.value}", node.span)


__all__ = ["Aggregate", "type_of", "written_type"]
