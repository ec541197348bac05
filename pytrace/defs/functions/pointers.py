"""Functions on pointers: address spaces, error pointers, container_of (spec 02 §7, 04 §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites, fold sites and lowerings.  Out: `ROWS`.  What
a newcomer would get wrong: `kptr` and `uptr` emit nothing; they only change which helper a later read uses.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import BOOL, NONE, Enum, Int, Pointer, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_MAX_ERRNO = 4095
"""Of include/linux/err.h."""


def _spaced(name: str, space: str) -> Callable[[CallSite], Type]:
    def rule(site: CallSite) -> Type:
        t = site.arg_type(0)
        if site.final and not isinstance(t, (Int, Enum, Pointer)):
            from pytrace.sema.joins import kind_name

            site.error(f"{name}() only supports integer or pointer arguments ({kind_name(t)} provided)")
        site.set_space(space)
        return t

    return rule


def _same(em: Lowering, call: typed.Call) -> Any:
    return em.value(call.args[0])


def _is_err(em: Lowering, call: typed.Call) -> Any:
    # Seen as unsigned numbers, error pointers are the last ones.
    return em.builder.icmp_unsigned(">=", em.int64(call.args[0]), em.const(-_MAX_ERRNO))


def _container_fold(site: FoldSite) -> ast.Expr | None:
    """`(T *)((void *)p - offsetof(T, member))`."""
    if len(site.args) != 3:
        return None
    pointer, kind, member = site.args
    span = site.span
    path = _member_path(member)
    if not isinstance(pointer, ast.Expr) or not isinstance(kind, (ast.TypeOf, ast.TypeExpr)) or not path:
        site.error("container_of() expects a pointer, a type and a member of it")
        return ast.Integer(0, span=span)
    start = ast.Cast(ast.PointerTo(ast.TypeName("void", span=span), span=span), pointer, span=span)
    offset = ast.OffsetOf(kind, path, span=span)
    moved = ast.Binary("-", start, offset, span=span)
    return ast.Cast(ast.PointerTo(kind, span=span), moved, span=span)


def _member_path(node: object) -> tuple[str, ...]:
    """`a.b` as (a, b)."""
    if isinstance(node, ast.Identifier):
        return (node.name,)
    if isinstance(node, ast.FieldAccess):
        before = _member_path(node.base)
        return (*before, node.name) if before else ()
    return ()


def _pointer_to(name: str, memory: str, space: str) -> FunctionDef:
    return FunctionDef(
        name=name,
        doc=f"The same pointer, read from {memory} memory.",
        signatures=(f"T * {name}(T * pointer)",),
        params=(Param("pointer"),),
        type_rule=_spaced(name, space),
        lower=_same,
    )


ROWS = (
    _pointer_to("kptr", "kernel", Space.KERNEL),
    _pointer_to("uptr", "user", Space.USER),
    FunctionDef(
        name="is_err",
        library=True,
        doc="Whether a pointer is really an error number, as the kernel's IS_ERR() asks.",
        signatures=("bool is_err(void * pointer)",),
        params=(Param("pointer"),),
        type_rule=lambda site: BOOL,
        lower=_is_err,
    ),
    FunctionDef(
        name="container_of",
        library=True,
        doc="The struct whose member a pointer points to.",
        signatures=("T * container_of(void * pointer, typeof(T), member)",),
        params=(Param("pointer"), Param("type", Kind.TYPE), Param("member", Kind.WORD)),
        type_rule=lambda site: NONE,
        fold=_container_fold,
    ),
)
