"""iter: a program that runs once for each object of a kind (spec 03 §4).

Place in the pipeline: a row of the probes table.  In: `iter:task`, `iter:task_vma:pin`.  Out: an attach point whose
context is `struct bpf_iter__NAME`.  What a newcomer would get wrong: the program runs when the session reads the
iterator, and its printf goes into what is read.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.registry import ProbeDef
from pytrace.types import Space
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.program import ProbeSpec
    from pytrace.target import Target


def _parse(site: AttachSite, parts: list[str]) -> Pattern | None:
    if len(parts) not in (1, 2):
        if not site.skip_invalid:
            site.error("iter probe type takes 2 arguments (1 optional)")
        return None
    if site.siblings.get("iter"):
        site.error("iter probe only supports one attach point.")
        return None
    if any(map(has_wildcard, parts)):
        site.error("iter probe type does not support wildcards")
        return None
    site.siblings["iter"] = True
    return Pattern(ITER, function=parts[0], pin=parts[1] if len(parts) == 2 else "")


def _check(site: AttachSite, pattern: Pattern) -> None:
    if site.target.has_btf() and pattern.function not in site.target.iterators():
        site.error(f"iter {pattern.function} not available for your kernel version.")
    if not pattern.function:
        site.error("iter should specify a iterator's name")


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    if site.target.feature(f"iter:{pattern.function}") is not True:
        return []
    return [
        AttachPoint(
            ITER,
            pattern.name,
            site.span,
            {"iterator": pattern.function, "pin": pattern.pin},
            program_type="tracing",
            attach_type="trace_iter",
            attach_to=f"bpf_iter_{pattern.function}",
            module="vmlinux",
            function=pattern.function,
        )
    ]


def _lacking(target: Target) -> str:
    if not target.has_btf():
        return "This kernel has no BTF (CONFIG_DEBUG_INFO_BTF is off), which iterators need."
    if target.feature("iter") is False:
        return "This kernel does not allow BPF iterators; a tracepoint may do: -l 'tracepoint:*'"
    return ""


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.tracing import attach_iter

    return attach_iter(session, program, probe.params["pin"], probe.params["iterator"])


def _listing(target: Any, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
    matches = matcher(":".join(parts) or "*")
    for name in target.iterators():
        if matches(name):
            yield f"iter:{name}", _parameters(target, name) if verbose else []


def _parameters(target: Any, name: str) -> list[str]:
    """The iterator's own objects: the parameters of bpf_iter_NAME behind the common `meta`."""
    for found in target.function_declarations(f"bpf_iter_{name}", "vmlinux"):
        rows = list(zip(found.params, found.declarations, strict=False))
        return [f"{d} {n}" for (n, _), d in rows[1:]]
    return []


ITER = ProbeDef(
    name="iter",
    doc="Once for each task, file, map … of the kernel, then exit.",
    aliases=("it",),
    probetype="iter",
    syntax=("iter:NAME[:PIN]",),
    space=Space.KERNEL,
    parts=(1, 2),
    listable=True,
    features=frozenset({"ctx", "path", "skboutput"}),
    ctx_type="bpf_iter__{}",
    parse=_parse,
    check=_check,
    expand=_expand,
    lacking=_lacking,
    listing=_listing,
    attach=_attach,
    phase="iter",
    attach_last_first=True,
)

ROWS = (ITER,)
