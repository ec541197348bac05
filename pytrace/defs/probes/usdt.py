"""usdt: static probes that programs bring with them (spec 03 §4).

Place in the pipeline: a row of the probes table.  In: `usdt:BINARY:PROVIDER:NAME`, wildcards in each.  Out: attach
points with the places (file offsets, semaphores) and where the arguments are.  What a newcomer would get wrong: one
probe may have several places, inlined copies, with its arguments elsewhere at each; places that agree share a
program, others are attach points of their own under the same name.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs import usdt_arguments
from pytrace.defs.attach_parts import count_error
from pytrace.defs.probes.uprobe import resolve_target
from pytrace.record import as_tuple, replace
from pytrace.registry import ProbeDef
from pytrace.types import Space, Struct
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.facets import Lowering
    from pytrace.program import ProbeSpec
    from pytrace.target import UsdtNote

_MAX_ARGUMENTS = 255


def _parse(site: AttachSite, parts: list[str]) -> Pattern | None:
    if site.pid is not None and len(parts) == 1:
        parts = ["", *parts]
    if len(parts) not in (2, 3):
        count_error(site, "usdt", "2 or 3", parts)
        return None
    target = site.target.library(parts[0], site.pid) or parts[0]
    return Pattern(USDT, target=target, namespace=parts[1] if len(parts) == 3 else "", function=parts[-1])


def _check(site: AttachSite, pattern: Pattern) -> None:
    if not pattern.function:
        site.error("usdt probe must have a target function or wildcard")
    if pattern.target and not (site.pid is not None and has_wildcard(pattern.target)) and pattern.target != "*":
        resolve_target(site, pattern)
    elif not pattern.target and site.pid is None:
        site.error(
            "usdt probe must specify at least path or pid to probe. To target all paths/pids set the path to '*'."
        )


def _is_pattern(site: AttachSite, pattern: Pattern) -> bool:
    parts = (pattern.target, pattern.namespace, pattern.function)
    return any(map(has_wildcard, parts)) or not pattern.namespace or site.pid is not None


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    provider, name = matcher(pattern.namespace or "*"), matcher(pattern.function)
    points = []
    for path in sorted(_paths(site, pattern)):
        found: dict[tuple[str, str], list[UsdtNote]] = {}
        for note in site.target.usdt_notes(path):
            if provider(note.provider) and name(note.name):
                found.setdefault((note.provider, note.name), []).append(note)
        for key in sorted(found):
            points += _points(site, path, found[key])
    return points


def _paths(site: AttachSite, pattern: Pattern) -> list[str]:
    if pattern.target and not has_wildcard(pattern.target):
        return [pattern.target]
    if pattern.target in ("", "*"):
        return site.target.mapped_files(site.pid)
    if site.pid is not None:
        wanted = matcher(f"*{pattern.target}")
        return [p for p in site.target.mapped_files(site.pid) if wanted(p)]
    return site.target.resolve_binary(pattern.target, site.pid, site.unsafe)


def _points(site: AttachSite, path: str, notes: list[UsdtNote]) -> list[AttachPoint]:
    """The attach points of one probe: one for all places with the same arguments where multi links exist."""
    groups: dict[tuple[Any, ...], list[UsdtNote]] = {}
    multi = len(notes) > 1 and site.target.feature("uprobe_multi") is True
    for note in notes:
        arguments = _arguments(site, path, note)
        groups.setdefault((arguments, 0 if multi else note.location), []).append(note)
    file, base = site.target.probed_file(path)
    points: list[AttachPoint] = []
    for (arguments, _), places in groups.items():
        note = places[0]
        name = f"usdt:{path}:{note.provider}:{note.name}"
        params = {
            "path": file,
            "places": tuple((n.location + base, n.semaphore + base if n.semaphore else 0) for n in places),
            "multi": multi,
            "arguments": arguments,
            "first": not points,
        }
        point = AttachPoint(
            USDT,
            name,
            site.span,
            params,
            args=Struct("struct", f"usdt:{arguments}", None),  # only tells apart what needs code of its own
            program_type="kprobe",
            attach_type="trace_uprobe_multi" if multi else "",
            attachments=0 if points else 1,
        )
        points.append(point)
    return points


def _arguments(site: AttachSite, path: str, note: UsdtNote) -> tuple[tuple[Any, ...], ...]:
    """Plain values, with addresses of symbols made relative to the probe's own."""
    found: list[tuple[Any, ...]] = []
    for argument in usdt_arguments.parse(note.arguments):
        if argument.symbol and argument.kind != "unknown":
            symbol = site.target.elf_symbol(path, argument.symbol)
            if symbol is None:
                argument = replace(argument, kind="unknown")
            else:
                from_here = note.address if argument.kind == "relative" else 0
                argument = replace(argument, symbol="", offset=symbol.address + argument.offset - from_here)
        found.append(as_tuple(argument))
    return tuple(found)


def _argn_problem(point: AttachPoint, n: int) -> str:
    """Why argN cannot be read, "" if it can."""
    arguments = point.params["arguments"]
    if n >= len(arguments):
        return ""
    argument = usdt_arguments.Argument(*arguments[n])
    return f"arg{n} of {point.name} is in {argument.symbol}, which cannot be read" if argument.kind == "unknown" else ""


def _lower_argn(em: Lowering, n: int) -> Any:
    """argN; 0 where the probe has fewer."""
    arguments = em.instance.attach_points[0].params["arguments"]
    if n >= len(arguments):
        return em.const(0)
    return usdt_arguments.lower(em, usdt_arguments.Argument(*arguments[n]), em.instance.span)


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.probe import attach_uprobe, attach_uprobe_multi

    p = probe.params
    if p["multi"]:
        offsets, semaphores = [o for o, _ in p["places"]], [s for _, s in p["places"]]
        link = attach_uprobe_multi(
            session, program, p["path"], offsets, ref_ctr_offsets=semaphores if any(semaphores) else None
        )
    else:
        ((offset, semaphore),) = p["places"]
        link = attach_uprobe(session, program, p["path"], offset, ref_ctr_offset=semaphore)
    link.count = 1 if p["first"] else 0
    return link


def _listing(target: Any, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
    binary = parts[0] if len(parts) > 1 else "*"
    provider, name = parts[1:] if len(parts) == 3 else ("*", parts[-1] if parts else "*")
    if binary == "*" and target.pid is not None:
        paths = target.mapped_files(target.pid)
    else:
        paths = target.resolve_binary(target.library(binary, target.pid) or binary, target.pid)
        paths = paths if "*" in binary or "/" in binary else paths[:1]
    matches = matcher(f"{provider}:{name}")
    for path in sorted(set(paths)):
        found = {f"{n.provider}:{n.name}" for n in target.usdt_notes(path)}
        yield from ((f"usdt:{path}:{text}", []) for text in sorted(found) if matches(text))


USDT = ProbeDef(
    name="usdt",
    doc="A static probe of a program or library.",
    aliases=("U",),
    probetype="usdt",
    syntax=("usdt:BINARY:[PROVIDER:]NAME",),
    space=Space.USER,
    parts=(1, 2, 3),
    listable=True,
    user_space=True,
    features=frozenset({"argn", "own_arguments", "ctx", "reg", "signal", "usermode", "uaddr"}),
    arg_count=_MAX_ARGUMENTS,
    ctx_type="pt_regs",
    parse=_parse,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    listing=_listing,
    argn_problem=_argn_problem,
    lower_argn=_lower_argn,
    attach=_attach,
    attach_last_first=True,
)

ROWS = (USDT,)
