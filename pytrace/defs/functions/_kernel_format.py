"""Formats that the kernel itself fills in: debugf() and printf() in iterators.

Place in the pipeline: under the rows of `output`; no rows of its own.  In: calls.  Out: calls of bpf_trace_printk and
bpf_seq_printf (bpf-helpers(7)).  What a newcomer would get wrong: the format goes to the kernel as it was written, so
what it means is the kernel's vsnprintf, not ours.
"""

from __future__ import annotations

from pytrace import types
from pytrace.defs.functions._format import format_error, split_format

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed

_MOST_ARGUMENTS = 3
_TAKES: dict[str, tuple[type, ...]] = dict.fromkeys("duxp", (types.Int, types.Enum)) | {"s": (types.String,)}
"""What bpf_trace_printk can show of what."""


def check_debugf(site: CallSite) -> None:
    site.warning(
        "The debugf() builtin is not recommended for production use. For more information see bpf_trace_printk in "
        "bpf-helpers(7)."
    )
    if len(site.args) - 1 > _MOST_ARGUMENTS:
        site.error(f"cannot use more than {_MOST_ARGUMENTS} conversion specifiers")
        return
    text = site.literal(0)
    if not site.final or not isinstance(text, str):
        return
    given = [site.arg_type(i) for i in range(1, len(site.args))]
    error = format_error(text, given)
    if error:
        site.error(error)
    for i, (spec, t) in enumerate(zip(split_format(text)[1], given, strict=False), 1):
        wanted = _TAKES.get(spec.conversion)
        if wanted is None:
            site.error(f"Invalid format specifier for `debugf`: {spec.conversion}", _span(site, 0))
        elif not isinstance(t, wanted):
            site.error(f"Type does not match format specifier: {spec.conversion}", _span(site, i))


def _span(site: CallSite, index: int) -> Any:
    return getattr(site.args[index], "span", site.span)


def lower_trace_printk(em: Lowering, call: typed.Call) -> None:
    text = getattr(call.args[0], "value", "")
    em.helper("trace_printk", em.string_constant(text), em.const(len(text) + 1, 32), *_words(em, call.args[1:]))


def lower_seq_printf(em: Lowering, call: typed.Call) -> None:
    """Through the seq_file of `ctx->meta`: the first member of struct bpf_iter_meta, itself first in every context."""
    text, args = getattr(call.args[0], "value", ""), call.args[1:]
    pointer = types.Pointer()
    meta = em.aligned(em.builder.inttoptr(em.load(em.ctx, pointer), em.ctx.type), 8)
    sequence = em.builder.inttoptr(em.load(meta, pointer), em.ctx.type)
    words = _words(em, args)
    data = em.local(8 * max(1, len(words)))
    for i, word in enumerate(words):
        em.put(data, word, 8 * i)
    size = em.const(8 * len(words), 32)
    em.helper("seq_printf", sequence, em.string_constant(text), em.const(len(text) + 1, 32), data, size)


def _words(em: Lowering, args: tuple[typed.Expr, ...]) -> list[Any]:
    """Each argument as 64 bits: numbers by their sign, memory values by their address."""
    found = []
    for arg in args:
        if types.is_memory(arg.type):
            found.append(em.builder.ptrtoint(em.value(arg), em.const(0).type))
        else:
            found.append(em.int64(arg))
    return found
