"""Questions that are answered while compiling, and assertions (spec 04 §3).

Place in the pipeline: rows for sema and help; they fold to literals, to other calls, or into a diagnostic.  In: fold
sites and call sites.  Out: `ROWS`.  What a newcomer would get wrong: the predicates on types cannot fold before types
are known; they turn into `typeinfo(...)`, which the passes answer as soon as they are.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import BOOL, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.facets import CallSite, FoldSite
    from pytrace.types import Type


def _only_argument(site: FoldSite) -> ast.Expr | None:
    return site.args[0] if len(site.args) == 1 and isinstance(site.args[0], ast.Expr) else None


# ---------------------------------------------------------------- predicates


def _base_type(site: FoldSite, of: ast.Expr) -> ast.Expr:
    return ast.FieldAccess(ast.TypeInfo(of, span=site.span), "base_type", span=site.span)


def _is_kind(kind: str) -> Callable[[FoldSite], ast.Expr | None]:
    def fold(site: FoldSite) -> ast.Expr | None:
        of = _only_argument(site)
        if of is None:
            return None
        return ast.Binary("==", _base_type(site, of), ast.String(kind, span=site.span), span=site.span)

    return fold


def _is_unsigned(site: FoldSite) -> ast.Expr | None:
    of = _only_argument(site)
    if of is None:
        return None
    span = site.span
    is_int = ast.Binary("==", _base_type(site, of), ast.String("int", span=span), span=span)
    full = ast.FieldAccess(ast.TypeInfo(of, span=span), "full_type", span=span)
    first = ast.Index(full, ast.Integer(0, span=span), span=span)
    is_u = ast.Binary("==", first, ast.Integer(ord("u"), span=span), span=span)
    return ast.Binary("&&", is_int, is_u, span=span)


def _is_literal(site: FoldSite) -> ast.Expr | None:
    of = _only_argument(site)
    return None if of is None else ast.Boolean(site.literal(0) is not None, span=site.span)


# ---------------------------------------------------------------- kernel functions


def _kfunc_exist(site: FoldSite) -> ast.Expr | None:
    if len(site.args) != 1:
        return None
    name = site.literal(0)
    if not isinstance(name, str):
        site.error("kfunc_exist() accepts a string literal only")
        return ast.Boolean(False, span=site.span)
    return ast.Boolean(bool(site.target.function(name)), span=site.span)


def _kfunc_allowed(site: FoldSite) -> ast.Expr | None:
    if len(site.args) != 1:
        return None
    name = site.literal(0)
    if not isinstance(name, str):
        site.error("kfunc_allowed() accepts a string literal only")
        return ast.Boolean(False, span=site.span)
    if site.attach_point is None:
        return None
    allowed = site.target.kfunc_allowed(name, site.attach_point.program_type)
    return ast.Boolean(bool(allowed), span=site.span)


# ---------------------------------------------------------------- assertions


def _assert(site: FoldSite) -> ast.Expr | None:
    """`if (!c) { errorf("assert failed: %s", msg); exit(1); }`."""
    if len(site.args) != 2:
        return None
    cond, message = site.args
    assert isinstance(cond, ast.Expr)
    span = site.span
    say = ast.Call("errorf", (ast.String("assert failed: %s", span=span), message), span=span)
    leave = ast.Call("exit", (ast.Integer(1, span=span),), span=span)
    body = ast.Block((ast.ExprStmt(say, span=span), ast.ExprStmt(leave, span=span)), span=span)
    return ast.If(ast.Unary("!", cond, span=cond.span), body, span=span)


def _static_assert(site: FoldSite) -> ast.Expr | None:
    """`if comptime (!c) { fail(msg); }`."""
    if len(site.args) != 2:
        return None
    cond, message = site.args
    assert isinstance(cond, ast.Expr)
    span = site.span
    fail = ast.ExprStmt(ast.Call("fail", (message,), span=span), span=span)
    untrue = ast.Comptime(ast.Unary("!", cond, span=cond.span), span=cond.span)
    return ast.If(untrue, ast.Block((fail,), span=span), span=span)


def _fail_type(site: CallSite) -> Type:
    """The error itself, with its arguments filled in."""
    if not site.final:
        return NONE
    values = [site.literal(n) for n in range(len(site.args))]
    if any(value is None for value in values):
        for value in values:
            if value is None:
                site.error("fail() arguments need to be literals")
    elif not isinstance(values[0], str):
        site.error("first argument to fail() must be a string literal")
    else:
        site.error(fill(values[0], values[1:]))
    return NONE


def fill(form: str, values: list[int | str | bool | None]) -> str:
    """`form` with its `%` specifiers replaced by literals in their default form (spec 04 §6)."""
    out, rest, given = "", form, iter(values)
    while "%" in rest:
        before, _, rest = rest.partition("%")
        out += before
        if rest.startswith("%"):
            out, rest = out + "%", rest[1:]
            continue
        flags = len(rest) - len(rest.lstrip("-+ #0123456789.*hlLjzt"))
        kind, rest = rest[flags : flags + 1], rest[flags + 1 :]
        out += _shown(kind, next(given, ""))
    return out + rest


def _shown(kind: str, value: int | str | bool | None) -> str:
    if isinstance(value, bool) and kind == "s":
        return "true" if value else "false"
    if isinstance(value, int):
        if kind in ("x", "p"):
            return f"{'0x' if kind == 'p' else ''}{value & (1 << 64) - 1:x}"
        if kind == "X":
            return f"{value & (1 << 64) - 1:X}"
        if kind == "c":
            return chr(value & 0xFF)
        return str(int(value))
    return str(value)


def _predicate(
    name: str, what: str, fold: Callable[[FoldSite], ast.Expr | None], argument: str = "expression"
) -> FunctionDef:
    return FunctionDef(
        name=name,
        library=True,
        doc=f"Whether {what}; known when compiling.",
        signatures=(f"bool {name}({argument})",),
        params=(Param(argument.split()[-1]),),
        type_rule=lambda site: BOOL,
        fold=fold,
    )


_NAME = "const string name"

ROWS = (
    _predicate("is_str", "an expression is a string", _is_kind("string")),
    _predicate("is_ptr", "an expression is a pointer", _is_kind("pointer")),
    _predicate("is_array", "an expression is an array", _is_kind("array")),
    _predicate("is_integer", "an expression is an integer", _is_kind("int")),
    _predicate("is_unsigned_integer", "an expression is an unsigned integer", _is_unsigned),
    _predicate("is_literal", "an expression is a literal", _is_literal),
    _predicate("kfunc_exist", "the kernel has a function of that name in its BTF", _kfunc_exist, _NAME),
    _predicate(
        "kfunc_allowed", "a probe of this kind may call the kernel function of that name", _kfunc_allowed, _NAME
    ),
    FunctionDef(
        name="assert",
        library=True,
        doc="End the run with an error and status 1 if a condition is false.",
        signatures=("void assert(bool condition, string message)",),
        params=(Param("condition"), Param("message")),
        type_rule=lambda site: NONE,
        fold=_assert,
        asynchronous=True,
    ),
    FunctionDef(
        name="static_assert",
        library=True,
        doc="Refuse to compile if a condition is false.",
        signatures=("void static_assert(bool condition, const string message)",),
        params=(Param("condition"), Param("message")),
        type_rule=lambda site: NONE,
        fold=_static_assert,
    ),
    FunctionDef(
        name="fail",
        doc="Refuse to compile, with a message.\n\nUseful in a branch that `if comptime` may leave out; all arguments "
        "are "
        "literals.",
        signatures=("void fail(const string format, ...)",),
        params=(Param("format", Kind.STRING_LITERAL), Param("values", variadic=True, optional=True)),
        type_rule=_fail_type,
        lower=lambda em, call: None,
        long_literals=True,
    ),
)

