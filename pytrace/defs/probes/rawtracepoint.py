"""rawtracepoint: the kernel's static events with the arguments of their calls (spec 03 §4).

Place in the pipeline: a row of the probes table.  In: `rawtracepoint[:module]:event`.  Out: attach points whose
`args` come from BTF.  What a newcomer would get wrong: both program types that can do it see the same context, 8
bytes for each argument; `tracing` is preferred because it may call more helpers, but some kernels refuse that type as
a whole.
"""

from __future__ import annotations

from pytrace import types
from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import count_error
from pytrace.registry import ProbeDef
from pytrace.types import Field, Space, Struct, StructLayout
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.facets import Lowering
    from pytrace.program import ProbeSpec
    from pytrace.sema import typed
    from pytrace.target import Function, Target
    from pytrace.types import Type

MAX_ARGUMENTS = 12
"""MAX_BPF_FUNC_ARGS of linux/bpf.h."""


def _parse(site: AttachSite, parts: list[str]) -> Pattern | None:
    if len(parts) not in (1, 2):
        count_error(site, "rawtracepoint", "2 or 1", parts)
        return None
    module, event = parts if len(parts) == 2 else ("*", parts[0])
    return Pattern(RAWTRACEPOINT, target=module, function=event)


def _check(site: AttachSite, pattern: Pattern) -> None:
    if not pattern.function:
        site.error("rawtracepoint should be attached to a function")
    if not site.target.has_btf():
        site.error("rawtracepoints require kernel BTF. Try using a 'tracepoint' instead.")


def _is_pattern(site: AttachSite, pattern: Pattern) -> bool:
    return has_wildcard(pattern.target) or has_wildcard(pattern.function)


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    if not has_wildcard(pattern.function) and (pattern.target == "*" or not has_wildcard(pattern.target)):
        found = site.target.raw_tracepoint(pattern.function, "" if pattern.target == "*" else pattern.target)
        if found is None or not matcher(pattern.target)(found.module):
            return []
        return [_point(site, pattern.function, found)]
    matches = matcher(f"{pattern.target}:{pattern.function}")
    points = []
    for name in sorted(f"{m}:{e}" for m, e in site.target.raw_tracepoints()):
        if matches(name):
            module, _, event = name.partition(":")
            found = site.target.raw_tracepoint(event, module)
            if found is not None:
                points.append(_point(site, event, found))
    return points


def _point(site: AttachSite, event: str, function: Function) -> AttachPoint:
    tracing = site.target.feature("raw_tracepoint_tracing") is True
    return AttachPoint(
        RAWTRACEPOINT,
        f"rawtracepoint:{function.module}:{event}",
        site.span,
        {"event": event, "module": function.module, "tracing": tracing},
        args=register_args(f"rawtracepoint:{function.module}:{event}", function.params),
        program_type="tracing" if tracing else "raw_tracepoint",
        attach_type="trace_raw_tp" if tracing else "",
        attach_to=event if tracing else "",
        module=function.module if tracing else "",
    )


def register_args(name: str, params: tuple[tuple[str, Type], ...]) -> Struct:
    """The struct of `args` over a context of 8 bytes an argument; a struct by value takes as many as it needs."""
    fields, at = [], 0
    for param, t in params:
        fields.append(Field(param, t, at, space=Space.KERNEL))
        at += (max(t.size, 1) + 7) // 8 * 8
    return Struct("struct", f"{name}_args", StructLayout(at, 8, tuple(fields)))


def lower_context_word(em: Lowering, index: int) -> Any:
    """Argument `index` as the kernel passes it, 64 bits."""
    return em.load(em.ctx, types.UINT64, 8 * index)


def lower_context_arg(em: Lowering, read: typed.ArgRead, dest: Any) -> Any:
    """`args.x` where the context is an array of 64-bit words."""
    field = read.field
    if not types.is_memory(field.type):
        return em.load(em.ctx, types.UINT64, field.offset)
    if dest is None:
        dest = em.local(field.type.size, 8, field.name)
    for at in range(0, field.type.size, 8):
        word, rest = em.load(em.ctx, types.UINT64, field.offset + at), field.type.size - at
        for step in (8, 4, 2, 1):
            if rest >= step:
                em.put(dest, em.extend(word, types.UINT64, 8 * step), at)
                if rest == step or step == 8:
                    break
                word = em.builder.lshr(word, em.const(8 * step))
                at, rest = at + step, rest - step
    return dest


def _listing(target: Target, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
    search = ":".join(parts) if len(parts) > 1 else f"*:{parts[0] if parts else '*'}"
    matches = matcher(search)
    for module, event in sorted(target.raw_tracepoints()):
        if matches(f"{module}:{event}"):
            yield f"rawtracepoint:{module}:{event}", _declarations(target, module, event) if verbose else []


def _declarations(target: Target, module: str, event: str) -> list[str]:
    function = target.raw_tracepoint(event, module)
    if function is None:
        return []
    return [f"{d} {n}" for (n, _), d in zip(function.params, function.declarations, strict=False)]


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.tracing import attach_raw_tracepoint

    return attach_raw_tracepoint(session, program, "" if probe.params["tracing"] else probe.params["event"])


RAWTRACEPOINT = ProbeDef(
    name="rawtracepoint",
    doc="A static event of the kernel with the raw arguments of its call.",
    aliases=("rt",),
    probetype="rawtracepoint",
    syntax=("rawtracepoint[:MODULE]:EVENT",),
    space=Space.KERNEL,
    parts=(1, 2),
    listable=True,
    features=frozenset({"args", "argn", "signal", "skboutput"}),
    arg_count=MAX_ARGUMENTS,
    parse=_parse,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    listing=_listing,
    lower_argn=lower_context_word,
    lower_arg=lower_context_arg,
    attach=_attach,
    pid_filter=True,
    args_are_parameters=True,
)

ROWS = (RAWTRACEPOINT,)
