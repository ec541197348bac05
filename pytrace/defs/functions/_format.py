"""The format language at compile time: splitting, checking, and writing the record (spec 04 §6).

Place in the pipeline: under the rows printf, errorf, warnf, cat, system, debugf and fail; no rows of its own.  In: a
format and its arguments.  Out: the pieces that `pytrace.runtime.output.printf` formats with, and a ring buffer record
filled in place. What a newcomer would get wrong: what does not match the pattern of a conversion is literal text, so
`%y` is two characters and the argument is one too many.
"""

from __future__ import annotations

from pytrace import types
from pytrace.record import as_tuple, field_names
from pytrace.runtime.output.printf import Spec
from pytrace.types import Int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.program import Layout
    from pytrace.sema import typed
    from pytrace.source import Span
    from pytrace.types import Type

_LENGTHS = "hlLjzt"
_LETTERS = "diouxXeEfFGaAcspn%"
_TWO_LETTERS = ("gr", "g", "rh", "rx", "r")
_INTEGER = frozenset("diouxXcp") | {"gr"}
_BUFFER = frozenset(("r", "rx", "rh"))
_WIDEST = 1 << 16
"""Widths beyond this many columns are refused."""


def split_format(text: str) -> tuple[tuple[str, ...], tuple[Spec, ...]]:
    """(literal texts, conversions); there is one text more than there are conversions."""
    literals, specs, literal, at = [], [], "", 0
    while (percent := text.find("%", at)) >= 0:
        literal += text[at:percent]
        spec, end = _conversion(text, percent + 1)
        if spec is None:
            literal, at = literal + "%", percent + 1
            continue
        at = end
        if spec.conversion == "%":
            literal += "%"
            continue
        literals.append(literal)
        specs.append(spec)
        literal = ""
    literals.append(literal + text[at:])
    return tuple(literals), tuple(specs)


def _conversion(text: str, at: int) -> tuple[Spec | None, int]:
    """The conversion whose `%` stands before `at`, and where it ends; None when it is not one."""
    flags = []
    for flag in "-+ #0":  # in this order only
        present = text[at : at + 1] == flag
        flags.append(present)
        at += present
    width, at = _number(text, at)
    if text[at : at + 1] == ".":
        precision, after = _number(text, at + 1)
        if precision is not None:
            at = after
    start = at
    while at < len(text) and text[at] in _LENGTHS:
        at += 1
    length = text[start:at]
    letters = next((c for c in _TWO_LETTERS if text.startswith(c, at)), "") or text[at : at + 1]
    if not letters or (letters not in _TWO_LETTERS and letters not in _LETTERS):
        return None, at
    left, plus, _, alternate, zero = flags
    return Spec(letters, left, plus, alternate, zero, width or 0, length), at + len(letters)


def _number(text: str, at: int) -> tuple[int | None, int]:
    """Digits or a star (which counts for nothing) from `at`; None when there is neither."""
    if text[at : at + 1] == "*":
        return 0, at + 1
    end = at
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return (int(text[at : min(end, at + 12)]) if end > at else None), end


# ---------------------------------------------------------------- checks


def check_format(site: CallSite, index: int = 0) -> None:
    """Report what is wrong with the format at `index` and the arguments behind it."""
    text = site.literal(index)
    if not site.final or not isinstance(text, str):
        return
    given = [site.arg_type(i) for i in range(index + 1, len(site.args))]
    error = format_error(text, given)
    if error:
        site.error(error)


def format_error(text: str, given: list[Type]) -> str:
    """What is wrong with a format for arguments of these types, "" for nothing."""
    _, specs = split_format(text)
    if len(given) != len(specs):
        what = "not enough" if len(given) < len(specs) else "too many"
        return f"{what} arguments for format string ({len(given)} supplied, {len(specs)} expected)"
    for spec, t in zip(specs, given, strict=True):
        if isinstance(t, (types.NoneType, types.VoidType)):
            return f"unable to print none type for specifier: {spec.conversion}"
        if spec.conversion in _INTEGER:
            good = isinstance(t, (types.Int, types.Bool, types.Pointer, types.Enum))
        elif spec.conversion in _BUFFER:
            good = isinstance(t, types.Buffer)
        elif spec.conversion == "s":
            good = True
        else:
            return f"unsupported format specifier: {spec.conversion}"
        if not good:
            return f"unsupported format specifier for type '{t}': {spec.conversion}"
        if spec.width > _WIDEST:
            return f"field width of format specifier is too large: {spec.width}"
    return ""


# ---------------------------------------------------------------- the record


def stored_type(spec: Spec, t: Type) -> Type:
    """How an argument lies in the record: integers are cut there to what the conversion shows of them."""
    if spec.conversion not in _INTEGER or (spec.conversion == "gr" and isinstance(t, types.Bool)):
        return t
    bits = t.size * 8
    signed = isinstance(t, (Int, types.Enum)) and t.signed
    if spec.conversion == "c":
        return Int(8, False)
    if spec.conversion in ("p", "gr"):
        return Int(64, False)
    shown = {"hh": 8, "h": 16, "l": 64, "ll": 64, "j": 64, "z": 64, "t": 64}.get(spec.length, 32)
    shows_sign = spec.conversion in "di"
    if bits < shown and (not signed or shows_sign):
        return Int(bits, signed)
    return Int(shown, shows_sign)


def emit_record(
    em: Lowering, row_key: str, call: typed.Call, span: Span, extra: tuple[Any, ...] = ()
) -> None:
    """Write the arguments behind a call's format to a record; its data is (literals, conversions, *extra)."""
    text = getattr(call.args[0], "value", "")
    literals, specs = split_format(text)
    plain = tuple(map(as_tuple, specs))
    emit_values(em, row_key, (literals, plain, *extra), call.args[1:], specs, span)


def emit_values(
    em: Lowering, row_key: str, data: Any, args: tuple[typed.Expr, ...], specs: tuple[Spec, ...], span: Span
) -> None:
    """Emit an event with one field a conversion.  Scalars are computed before the record is reserved, so that an
    argument that ends the probe or has effects does not depend on whether there was room; memory values go straight
    in."""
    fields = [(f"v{i}", stored_type(s, a.type)) for i, (s, a) in enumerate(zip(specs, args, strict=True))]
    ready = [_prepare(em, a, t) for a, (_, t) in zip(args, fields, strict=True)]

    def fill(record: Any, layout: Layout) -> None:
        for field, arg, value in zip(layout.fields, args, ready, strict=True):
            if not types.is_memory(arg.type):
                em.put(record, value, field.offset)
            elif value is not None:
                em.copy(em.at(record, field.offset), value, arg.type.size)
            else:
                em.store(arg, em.at(record, field.offset))

    em.emit(row_key, fields, data, span, fill)


def _prepare(em: Lowering, arg: typed.Expr, stored: Type) -> Any:
    """A scalar in the width of its field; a pointer to a memory value that must not be computed inside a record; or
    None."""
    if types.is_memory(arg.type):
        return em.value(arg) if _has_effects(arg) else None
    value = em.value(arg)
    return em.extend(value, arg.type, stored.size * 8) if isinstance(stored, Int) else value


def _has_effects(node: Any) -> bool:
    """Whether evaluating may change something or leave the probe."""
    from pytrace.sema import typed

    if isinstance(node, (typed.BlockExpr, typed.IncDec, typed.Choose, typed.SubprogramCall, typed.ExternCall)):
        return True
    if isinstance(node, tuple):
        return any(_has_effects(n) for n in node)
    if isinstance(node, typed.Expr):
        return any(_has_effects(getattr(node, name)) for name in field_names(node))
    return False
