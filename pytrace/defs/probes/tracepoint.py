"""tracepoint: the kernel's static events, by category and name (spec 03 §4).

Place in the pipeline: a row of the probes table.  In: `tracepoint:sched:sched_switch`, wildcards in both parts.  Out:
one attach point for each match, its `args` a struct of the record's fields.  What a newcomer would get wrong: the
record lies in the program's context, so fields are loaded from there without any helper; but the context may be read
only with constant offsets and aligned accesses, so arrays are copied out before they are indexed or handed to a
helper.
"""

from __future__ import annotations

from pytrace import types
from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import closest, count_error, did_you_mean
from pytrace.record import replace
from pytrace.registry import ProbeDef
from pytrace.types import Space, StructLayout, UnprintableStruct
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.facets import Lowering
    from pytrace.program import ProbeSpec
    from pytrace.sema import typed
    from pytrace.target import Target
    from pytrace.types import Struct

_COPY_LIMIT = 256
"""Bytes up to which a field is copied by loads and stores; above, one helper call is cheaper."""


def _parse(site: AttachSite, parts: list[str]) -> Pattern | None:
    if len(parts) == 1 and has_wildcard(parts[0]):
        parts = ["*", parts[0]]
    if len(parts) != 2:
        count_error(site, "tracepoint", "2", parts)
        return None
    return Pattern(TRACEPOINT, target=parts[0], function=parts[1])


def _check(site: AttachSite, pattern: Pattern) -> None:
    if not pattern.target or not pattern.function:
        site.error("tracepoint probe must have a target")


def _is_pattern(site: AttachSite, pattern: Pattern) -> bool:
    return has_wildcard(pattern.target) or has_wildcard(pattern.function)


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    if not _is_pattern(site, pattern):
        return [p for p in [_point(site, pattern.target, pattern.function)] if p]
    matches = matcher(f"{pattern.target}:{pattern.function}")
    names = sorted(name for name in (f"{c}:{e}" for c, e in site.target.tracepoints()) if matches(name))
    return [p for p in (_point(site, *name.split(":", 1)) for name in names) if p]


def _point(site: AttachSite, category: str, event: str) -> AttachPoint | None:
    if site.target.tracepoint_id(category, event) is None:
        return None
    return AttachPoint(
        TRACEPOINT,
        f"tracepoint:{category}:{event}",
        site.span,
        {"category": category, "event": event},
        args=args_struct(site.target, category, event),
        program_type="tracepoint",
    )


def args_struct(target: Target, category: str, event: str) -> Struct:
    """The struct behind `args`: the record's fields.  Types are looked up when it is used.

    The tag `common` is on those that all events have and the kernel does not let a program read.
    """

    def layout() -> StructLayout | None:
        found = target.tracepoint(category, event)
        if found is None:
            return None
        size = max((f.offset + f.type.size for f in found.fields), default=8)
        return StructLayout(size, 8, (*(replace(f, tag="common") for f in found.common), *found.fields))

    return UnprintableStruct("struct", f"tracepoint:{category}:{event}_args", layout)


def _hint(site: AttachSite, pattern: Pattern) -> str:
    """The same event in another category, else a name that is close."""
    known = list(site.target.tracepoints())
    elsewhere = [c for c, e in known if e == pattern.function]
    if elsewhere:
        return did_you_mean(f"tracepoint:{elsewhere[0]}:{pattern.function}")
    near = [e for c, e in known if c == pattern.target] or [e for _, e in known]
    event = closest(pattern.function, near)
    category = next((c for c, e in known if e == event), "")
    return did_you_mean(f"tracepoint:{category}:{event}" if event else "")


def _listing(target: Target, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
    search = ":".join(parts) if len(parts) > 1 else f"*:{parts[0] if parts else '*'}"
    matches = matcher(search)
    for name in sorted(f"{c}:{e}" for c, e in target.tracepoints()):
        if not matches(name):
            continue
        category, _, event = name.partition(":")
        yield f"tracepoint:{name}", target.tracepoint_declarations(category, event) if verbose else []


def _lower_arg(em: Lowering, read: typed.ArgRead, dest: Any) -> Any:
    field = read.field
    if field.data_loc:
        word = em.load(em.ctx, types.UINT32, field.offset)
        offset = em.extend(em.builder.and_(word, em.const(0xFFFF, 32)), types.UINT32)
        # a __rel_loc counts from behind its own four bytes (Linux 5.17), a __data_loc from the record's start
        start = em.at(em.ctx, field.offset + 4) if field.tag == "rel_loc" else em.ctx
        return em.builder.add(em.extend(start, types.Pointer(types.VOID)), offset)
    if not types.is_memory(field.type):
        return em.load(em.ctx, field.type, field.offset)
    size = field.type.size
    if dest is None:
        dest = em.local(size, field.type.align, field.name)
    copy_from_context(em, dest, field.offset, size, read)
    return dest


def copy_from_context(em: Lowering, dest: Any, offset: int, size: int, read: typed.ArgRead) -> None:
    """Copy `size` bytes at `offset` of the context by loads that the verifier accepts: aligned, constant offsets."""
    if size > _COPY_LIMIT:
        em.read(dest, em.const(size, 32), em.at(em.ctx, offset), Space.KERNEL, read.span)
        return
    at = 0
    while at < size:
        step = 8
        while (offset + at) % step or at % step or at + step > size:
            step //= 2
        em.put(dest, em.load(em.ctx, types.Int(step * 8, False), offset + at), at)
        at += step


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.perf import attach_tracepoint

    return attach_tracepoint(session, probe.params["category"], probe.params["event"], program)


TRACEPOINT = ProbeDef(
    name="tracepoint",
    doc="A static event of the kernel.",
    aliases=("t",),
    probetype="tracepoint",
    syntax=("tracepoint:CATEGORY:EVENT",),
    space=Space.KERNEL,
    parts=(1, 2),
    listable=True,
    features=frozenset({"args", "signal"}),
    parse=_parse,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    hint=_hint,
    listing=_listing,
    lower_arg=_lower_arg,
    attach=_attach,
    pid_filter=True,
    return_code=1,  # 0 would take the event away from perf users of the same tracepoint (trace_call_bpf)
)

ROWS = (TRACEPOINT,)
