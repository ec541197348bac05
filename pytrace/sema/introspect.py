"""`sizeof`, `offsetof`, `typeinfo` and `comptime`: questions that inference answers.

Place in the pipeline: rules of `elaborator`; the answers (literals) go into `Inference.answers`, the pipeline puts them
into the tree, folds it, and infers again.  In: nodes.  Out: stand-ins.  What a newcomer would get wrong: the answer is
only right when inference has come to rest, so it is recorded in a walk after that.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.sema import report as phases
from pytrace.sema import typed
from pytrace.sema.casts import type_of
from pytrace.sema.elaborator import UNKNOWN, expression
from pytrace.sema.joins import kind_name
from pytrace.types import UINT8, UINT64, Record, String, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.elaborator import Elaborator
    from pytrace.source import Span
    from pytrace.types import Type


@expression(ast.SizeOf)
def _size_of(el: Elaborator, node: ast.SizeOf) -> typed.Expr:
    t = type_of(el, node.of)
    if t is None or t is UNKNOWN:
        return el.unknown(node.span)
    el.inference.answers[el.unit.index, id(node)] = ast.Integer(t.size, span=node.span)
    return typed.IntConst(type=UINT8, span=node.span, value=t.size)


@expression(ast.OffsetOf)
def _offset_of(el: Elaborator, node: ast.OffsetOf) -> typed.Expr:
    t = type_of(el, node.of)
    if t is None or t is UNKNOWN:
        return el.unknown(node.span)
    offset = _offset(el, t, node.path, node.span)
    if offset is None:
        return el.unknown(node.span)
    el.inference.answers[el.unit.index, id(node)] = ast.Integer(offset, span=node.span)
    return typed.IntConst(type=UINT8, span=node.span, value=offset)


def _offset(el: Elaborator, t: Type, path: tuple[str, ...], span: Span) -> int | None:
    total = 0
    for name in path:
        problem = ""
        if not isinstance(t, Struct):
            problem = f"'{t}' is not a C type."
        elif not t.complete:
            problem = f"'{t}' does not exist."
        elif (field := t.layout.find(name)) is None:
            problem = f"'{t}' has no field named '{name}'"
        else:
            total += field.offset
            t = field.type
        if problem:
            el.inference.report.once(phases.RESOLVE, "offset", span, problem)
            return None
    return total


@expression(ast.TypeInfo)
def _type_info(el: Elaborator, node: ast.TypeInfo) -> typed.Expr:
    t = type_of(el, node.of)
    if t is None or t is UNKNOWN:
        return el.unknown(node.span)
    span = node.span
    base, full = kind_name(t), str(t)
    values: tuple[ast.Expr, ...] = (
        ast.Integer(0, span=span), ast.String(base, span=span), ast.String(full, span=span),
    )  # fmt: skip
    names = ("btf_id", "base_type", "full_type")
    fields = tuple(ast.RecordField(n, v, span=span) for n, v in zip(names, values, strict=True))
    el.inference.answers[el.unit.index, id(node)] = ast.Record(fields, span=span)
    inner: tuple[Type, ...] = (UINT64, String(len(base) + 1), String(len(full) + 1))
    return typed.Convert(type=Record(names, inner), span=span, operand=el.unknown(span))


@expression(ast.Comptime)
def comptime_left(el: Elaborator, node: ast.Comptime) -> typed.Expr:
    """A `comptime` that folding could not resolve (yet)."""
    expr = el.expr(node.expr)
    el.inference.comptime_left[id(node)] = node
    return typed.Convert(type=expr.type, span=node.span, operand=expr) if expr.type is not UNKNOWN else expr
