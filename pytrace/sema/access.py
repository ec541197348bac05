"""Getting at parts: fields, tuple elements, array elements, what a pointer points to (spec 02 §6).

Place in the pipeline: rules of `elaborator`.  In: access nodes.  Out: places (`Deref`, `FieldRead`, `IndexRead`,
`ArgRead`) and element reads.  What a newcomer would get wrong: `.` goes through any number of pointers by itself, and
`args` is not a value in memory: a field of it becomes an ArgRead.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.record import replace
from pytrace.sema import typed
from pytrace.sema.convert import cast, element
from pytrace.sema.elaborator import UNKNOWN, expression, type_name
from pytrace.sema.joins import is_int
from pytrace.sema.walk import operation_span
from pytrace.types import INT8, INT64, UINT64, Array, Int, Pointer, Record, String, Struct, Tuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from pytrace.sema.elaborator import Elaborator
    from pytrace.types import Type

    Access = TypeVar("Access", ast.FieldAccess, ast.TupleAccess, ast.Index)


def dereference(el: Elaborator, operand: typed.Expr, node: ast.Unary) -> typed.Expr:
    """`*operand`: a pointer, an integer (a uint64 there), or `args` (itself)."""
    t = operand.type
    if isinstance(t, Pointer):
        return typed.Deref(type=t.pointee, span=node.span, space=operand.space, pointer=operand)
    if t is el.unit.args:
        return operand
    if is_int(t):
        pointer = cast(cast(operand, UINT64), Pointer(UINT64))
        return typed.Deref(type=UINT64, span=node.span, space=operand.space, pointer=pointer)
    if isinstance(t, Struct):
        message = f"The * operator can not be used on expressions of type '{t}'"
    else:
        message = f"The * operator can not be used on expressions of type '{type_name(t)}'"
    el.mismatch(node.span, message, what="operator")
    return el.unknown(node.span)




def _placed(node: Access) -> Access:
    """The node with the span that messages show."""
    span = operation_span(node, node.base)
    return node if span.start == node.span.start else replace(node, span=span)


@expression(ast.FieldAccess)
def _field_access(el: Elaborator, node: ast.FieldAccess) -> typed.Expr:
    node = _placed(node)
    base = el.expr(node.base)
    if base.type is UNKNOWN:
        return el.unknown(node.span)
    while isinstance(base.type, Pointer):
        base = typed.Deref(type=base.type.pointee, span=base.span, space=base.space, pointer=base)
    t = base.type
    if isinstance(t, Record):
        if node.name in t.names:
            at = t.names.index(node.name)
            return element(base, at, t.elements[at])
        el.mismatch(node.span, f"Record does not contain a field named '{node.name}'", what="field")
        return el.unknown(node.span)
    if not isinstance(t, Struct):
        message = f"Can not access field '{node.name}' on expression of type '{type_name(t)}'"
        el.mismatch(node.span, message, what="field")
        return el.unknown(node.span)
    return _member(el, node, base, t)


def _with_room_for_nul(el: Elaborator, owner: Struct, t: Type) -> Type:
    """A `char s[n]` of a struct that the script defines is a string[n+1], so that n characters are not a cut string."""
    definitions = el.inference.scope.definitions
    ours = definitions is not None and definitions.type_named(owner.name, owner.tag) == owner
    return String(t.capacity + 1) if ours and isinstance(t, String) else t


def _member(el: Elaborator, node: ast.FieldAccess, base: typed.Expr, t: Struct) -> typed.Expr:
    field = t.layout.find(node.name)
    is_args = t is el.unit.args and isinstance(base, typed.Builtin)
    if field is None:
        el.mismatch(node.span, _missing(el, node, t, is_args), what="field")
        return el.unknown(node.span)
    if field.tag not in ("", "rcu", "user") and isinstance(field.type, Pointer):
        el.mismatch(
            node.span,
            f"Attempting to access pointer field '{node.name}' with unsupported tag attribute: {field.tag}",
            what="field",
        )
    if field.tag == "common":
        el.mismatch(node.span, "BPF does not support accessing common tracepoint fields", what="field")
    if not is_args:
        kind = _with_room_for_nul(el, t, field.type)
        return typed.FieldRead(type=kind, span=node.span, space=base.space, base=base, field=field)
    el.unit.looks_at_args = True
    if el.depth:
        el.error(f"'{base.row.name}' builtin is not allowed in a for-loop", base.span)  # type: ignore[attr-defined]
    space = field.space or el.unit.space
    index = next((n for n, f in enumerate(t.layout.fields) if f.name == field.name), 0)
    return typed.ArgRead(type=field.type, span=node.span, space=space, field=field, index=index)


def _missing(el: Elaborator, node: ast.FieldAccess, t: Struct, is_args: bool) -> str:
    if is_args and el.unit.provider is not None and el.unit.provider.args_are_parameters:
        return f"Can't find function parameter {node.name}"
    if not t.complete:
        return f"Unknown struct/union: '{t}'"
    return f"Struct/union of type '{t}' does not contain a field named '{node.name}'"


@expression(ast.TupleAccess)
def _tuple_access(el: Elaborator, node: ast.TupleAccess) -> typed.Expr:
    node = _placed(node)
    base = el.expr(node.base)
    return tuple_element(el, base, node.index, node)


def tuple_element(el: Elaborator, base: typed.Expr, index: int, node: ast.Expr) -> typed.Expr:
    t = base.type
    if t is UNKNOWN:
        return el.unknown(node.span)
    if not isinstance(t, Tuple):
        message = f"Can not access index '{index}' on expression of type '{type_name(t)}'"
        el.error(message, node.span)
        return el.unknown(node.span)
    if index >= len(t.elements):
        el.error(f"Invalid tuple index: {index}. Found {len(t.elements)} elements in tuple.", node.span)
        return el.unknown(node.span)
    return typed.ElementRead(type=t.elements[index], span=node.span, space=base.space, base=base, index=index)


@expression(ast.Index)
def _index(el: Elaborator, node: ast.Index) -> typed.Expr:
    node = _placed(node)
    base, index = el.expr(node.base), el.value(node.index)
    t = base.type
    if t is UNKNOWN or index.type is UNKNOWN:
        return el.unknown(node.span)
    if isinstance(t, Tuple):
        if isinstance(node.index, ast.Integer):
            return tuple_element(el, base, node.index.value, node)
        el.mismatch(node.span, "Array-style access for tuples only valid for integer literals", what="index")
        return el.unknown(node.span)
    inner = _element_type(t)
    if inner is None:
        message = f"The array index operator [] can only be used on arrays, pointers, and tuples, found {type_name(t)}."
        el.mismatch(node.span, message, what="index")
        return el.unknown(node.span)
    _check_index(el, node, t, index)
    wide = index
    if is_int(index.type):
        wide = cast(index, INT64 if getattr(index.type, "signed", False) else UINT64)
    return typed.IndexRead(type=inner, span=node.span, space=base.space, base=base, index=wide)


def _element_type(t: Type) -> Type | None:
    match t:
        case Array():
            return t.element
        case Pointer():
            return t.pointee
        case String():
            return INT8
    return None


def _check_index(el: Elaborator, node: ast.Index, t: Type, index: typed.Expr) -> None:
    if isinstance(t, Pointer) and t.pointee.size == 0:
        el.error(
            "The array index operator [] cannot be used on a pointer to an unsized type (void *).", node.span
        )
    if isinstance(node.index, ast.Integer) and node.index.value >= 0:
        length = t.length if isinstance(t, Array) else t.capacity if isinstance(t, String) else 0
        if length and node.index.value >= length:
            el.error(f"the index {node.index.value} is out of bounds for array of size {length}", node.span)
        return
    it = index.type
    if not is_int(it) or (isinstance(it, Int) and it.signed and not it.flexible):
        el.error(
            f"The array index operator [] only accepts non-negative integer indices. Got: {type_name(it)}", node.span
        )

