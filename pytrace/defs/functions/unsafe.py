"""Functions that change what they trace: signal, override, write_user (spec 04 §5).

Place in the pipeline: rows for sema, codegen and help.  In: call sites, fold sites and lowerings.  Out: `ROWS`.  What a
newcomer would get wrong: `signal` is a block around a private row, so that its run-time messages are ordinary
`errorf` and `warnf` calls; a number that only the run tells is checked there, a literal here.
"""

from __future__ import annotations

import signal as signals

from pytrace.grammar import ast
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import BOOL, INT64, NONE, UINT32, VOID, Array, Bool, Enum, Int, Pointer, String

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_NAMES = (
    "ABRT ALRM BUS CHLD CONT FPE HUP ILL INT KILL PIPE POLL QUIT SEGV STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 "
    "VTALRM WINCH XCPU XFSZ"
)
NUMBERS = {f"SIG{name}": int(getattr(signals, f"SIG{name}")) for name in _NAMES.split()}


def signal_number(name: str) -> int | None:
    """The number of `SIGTERM`, `TERM` or `term`; a name that begins with S must have its prefix (spec 04 §5)."""
    upper = name.upper()
    return NUMBERS.get(upper if upper.startswith("S") else f"SIG{upper}")


def _signal_fold(name: str, private: str) -> Callable[[FoldSite], ast.Expr | None]:
    """The number is checked when it is a literal, else in the program; then the helper, and a warning if it failed."""

    def fold(site: FoldSite) -> ast.Expr | None:
        if len(site.args) != 1 or site.provider is None:
            return None
        span = site.span
        word = site.literal(0)
        if site.unsafe and isinstance(word, str) and signal_number(word) is None:
            site.error(f"Invalid string for signal: {word}")
            return ast.Block((), span=span)
        possible = "signal" in site.provider.features
        if not possible:
            site.error(f"{name}() can not be used for this probetype {site.provider.probetype}")
        if not site.unsafe:
            site.error(_unsafe(name))
        number = _literal_signal(site, name) if site.unsafe else 1
        if not (possible and site.unsafe):
            return ast.Block((), span=span)
        wanted = site.args[0] if number is None else ast.Integer(number, span=span)
        assert isinstance(wanted, ast.Expr)
        sig, result = ast.Variable(f"{name}(number)", span=span), ast.Variable(f"{name}(result)", span=span)
        bad = _call("errorf", (f"{name}() expects an integer between 1 and 64 (inclusive). Got %d", sig), span)
        send = ast.Let(result, None, ast.Call(private, (sig,), span=span), span=span, declaration=span)
        failed = ast.Binary("!=", result, ast.Integer(0, span=span), span=span)
        tell = _call("warnf", ("signal call failed with error %d", result), span)
        sent = ast.Block((send, ast.ExprStmt(ast.If(failed, _block(tell), span=span), span=span)), span=span)
        zero = ast.Binary("==", sig, ast.Integer(0, span=span), span=span)
        above = ast.Binary(">", sig, ast.Integer(64, span=span), span=span)
        outside = ast.Binary("||", zero, above, span=span)
        checked: ast.Block | ast.If = sent if number is not None else ast.If(outside, _block(bad), sent, span=span)
        kind = ast.TypeName("uint32", span=span)
        cast = wanted if number is not None else ast.Cast(kind, wanted, span=span)
        note = ast.Let(sig, kind, cast, span=span, declaration=span)
        return ast.Block((note, ast.ExprStmt(checked, span=span)), span=span)

    return fold


def _call(name: str, args: tuple[Any, ...], span: Any) -> ast.Call:
    return ast.Call(name, tuple(ast.String(a, span=span) if isinstance(a, str) else a for a in args), span=span)


def _block(call: ast.Call) -> ast.Block:
    return ast.Block((ast.ExprStmt(call, span=call.span),), span=call.span)


def _literal_signal(site: FoldSite, name: str) -> int | None:
    """The number of a literal signal, 1 after an error, None when it is no literal."""
    value = site.literal(0)
    if isinstance(value, bool):
        site.error(f"{name}() accepts a string literal or a positive integer")
        return 1
    if isinstance(value, str):
        return signal_number(value)
    if isinstance(value, int):
        if not 1 <= value <= 64:
            site.error(f"{name}() accepts a string literal or an integer between 1 and 64 (inclusive)")
            return 1
        return value
    return None


def _send(helper: str) -> Callable[[Lowering, typed.Call], Any]:
    def lower(em: Lowering, call: typed.Call) -> Any:
        return em.helper(helper, em.int64(call.args[0]))

    return lower


# ---------------------------------------------------------------- override and write_user


def _override_type(site: CallSite) -> Type:
    if "override" not in site.provider.features:
        site.error("override() can only be used inside kprobes")
    t = site.arg_type(0)
    if site.final and not isinstance(t, (Int, Enum)):
        from pytrace.sema.joins import kind_name

        site.error(f"override() only supports int arguments ({kind_name(t)} provided)")
    return NONE


def _override(em: Lowering, call: typed.Call) -> None:
    em.helper("override_return", em.ctx, em.int64(call.args[0]))


def _write_user_type(site: CallSite) -> Type:
    """What the casts of the reference's macro to `void *` and `uint32` say."""
    for n, wanted, kinds in (
        (0, Pointer(VOID), (Int, Enum, Pointer)),
        (1, Pointer(VOID), (Int, Enum, Pointer, String, Array)),
        (2, UINT32, (Int, Enum, Bool)),
    ):
        t = site.arg_type(n)
        if site.final and not isinstance(t, kinds):
            site.error(f'Cannot cast from "{t}" to "{wanted}"')
    return BOOL


def _write_user(em: Lowering, call: typed.Call) -> Any:
    from llvmlite import ir

    to, source, length = call.args
    b = em.builder
    size = b.and_(em.int64(length), em.const(0xFFFF_FFFF))
    place = em.value(source)
    if isinstance(place.type, ir.IntType):
        place = em.int64(source)
    got = em.helper("probe_write_user", em.int64(to), place, size)
    return b.icmp_signed("==", got, em.const(0))


def _unsafe(name: str) -> str:
    return f"{name}() is unsafe. To use you need the --unsafe flag"


def _signal(name: str, whom: str, private: str) -> FunctionDef:
    return FunctionDef(
        name=name,
        library=True,
        doc=f"Send a signal to the current {whom}.\n\nBy name (`SIGTERM`, `TERM`, in any case) or number (1 to 64).  "
        "Unsafe.",
        signatures=(f"void {name}(const string name)", f"void {name}(int number)"),
        params=(Param("signal"),),
        type_rule=lambda site: NONE,
        fold=_signal_fold(name, private),
        unsafe_text=_unsafe(name),
    )


def _helper(name: str, public: str, helper: str) -> FunctionDef:
    return FunctionDef(
        name=name,
        doc=f"The helper behind `{public}`: 0 or a negative error number.",
        signatures=(f"int64 {name}(uint32 number)",),
        params=(Param("number", Kind.INT),),
        type_rule=lambda site: INT64,
        lower=_send(helper),
        unsafe_text=_unsafe(public),
    )


ROWS = (
    _signal("signal", "process", "__signal_process"),
    _signal("signal_thread", "thread", "__signal_thread"),
    _helper("__signal_process", "signal", "send_signal"),
    _helper("__signal_thread", "signal_thread", "send_signal_thread"),
    FunctionDef(
        name="override",
        library=True,
        doc="Make the probed function return a value without running it.\n\nIn kprobes of functions that allow error "
        "injection. "
        " Unsafe.",
        signatures=("void override(uint64 value)",),
        params=(Param("value"),),
        type_rule=_override_type,
        lower=_override,
        unsafe_text=_unsafe("override"),
    ),
    FunctionDef(
        name="write_user",
        library=True,
        doc="Write to the memory of the current process; true if that worked.  Unsafe.",
        signatures=("bool write_user(void * to, void * from, uint32 length)",),
        params=(Param("to"), Param("from"), Param("length")),
        type_rule=_write_user_type,
        lower=_write_user,
        unsafe_text=_unsafe("write_user"),
    ),
)
