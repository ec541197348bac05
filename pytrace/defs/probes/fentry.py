"""fentry and fexit: kernel functions through BPF trampolines, with typed arguments (spec 03 §4).

Place in the pipeline: rows of the probes table.  In: `fentry:vfs_read`, `fexit:module:func`, `fentry:bpf[:ID]:NAME`.
Out: attach points whose `args` (and `retval`) come from BTF.  What a newcomer would get wrong: the canonical name
always has the module, and a name in two modules is an error, because the load needs one BTF id.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import closest, did_you_mean, unsigned
from pytrace.defs.probes.rawtracepoint import lower_context_arg, lower_context_word, register_args
from pytrace.defs.registers import ARGUMENTS
from pytrace.record import replace
from pytrace.registry import ProbeDef
from pytrace.types import Space
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.facets import Lowering
    from pytrace.program import ProbeSpec
    from pytrace.target import Function, Target
    from pytrace.types import Type


def _parse_fentry(site: AttachSite, parts: list[str]) -> Pattern | None:
    return _parse(site, FENTRY, parts)


def _parse_fexit(site: AttachSite, parts: list[str]) -> Pattern | None:
    return _parse(site, FEXIT, parts)


def _parse(site: AttachSite, row: ProbeDef, parts: list[str]) -> Pattern | None:
    if len(parts) not in (1, 2, 3):
        if not site.skip_invalid:
            site.error(f"{row.name} probe type requires 1 or 3 arguments, found {len(parts)}")
        return None
    if parts[0] == "bpf":
        return _parse_program(site, row, parts)
    if len(parts) == 3:
        site.error("Only the 'bpf' variant of this probe supports 4 arguments")
        return None
    if len(parts) == 2:
        return Pattern(row, target=parts[0], function=parts[1])
    name = parts[0]
    if has_wildcard(name):
        return Pattern(row, target="*", function=name)
    modules = site.target.traceable_modules(name)
    if len(modules) > 1:
        site.error(f"ambiguous attach point, please specify module containing the function '{name}'")
        return None
    return Pattern(row, target=modules[0] if modules else "", function=name)


def _parse_program(site: AttachSite, row: ProbeDef, parts: list[str]) -> Pattern | None:
    """`bpf:NAME` and `bpf:ID:NAME`: another BPF program."""
    if len(parts) == 1:
        site.error("the 'bpf' variant of this probe requires a bpf program name and optional bpf program id")
        return None
    pattern = Pattern(row, target="bpf", function=parts[-1])
    if len(parts) == 3 and parts[1] != "*":
        number = unsigned(parts[1])
        if isinstance(number, str):
            site.error("bpf program id must be a number or '*'")
            return None
        pattern.program_id = number
    return pattern


def _check(site: AttachSite, pattern: Pattern) -> None:
    if not pattern.function:
        site.error("fentry/fexit should specify a function")
        return
    if _is_pattern(site, pattern) or pattern.target == "bpf" or not pattern.target:
        return
    for found in site.target.function(pattern.function, pattern.target)[:1]:
        if len(found.params) > len(ARGUMENTS):
            site.error(
                f'Could not parse arguments of "{pattern.function}": functions with more than {len(ARGUMENTS)} '
                "parameters are not supported."
            )


def _is_pattern(site: AttachSite, pattern: Pattern) -> bool:
    if pattern.target == "bpf":
        return not pattern.program_id or has_wildcard(pattern.function)
    return has_wildcard(pattern.target) or has_wildcard(pattern.function)


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    if pattern.target == "bpf":
        return _programs(site, pattern)
    points = []
    for module, name in _matching(site.target, pattern.target or "*", pattern.function):
        for found in site.target.function(name, module)[:1]:
            if len(found.params) <= len(ARGUMENTS):
                points.append(_point(site, replace(pattern, target=module, function=name), found))
    return points


def _matching(target: Target, module: str, function: str) -> list[tuple[str, str]]:
    if not has_wildcard(function):
        return [(m, function) for m in target.traceable_modules(function) if matcher(module)(m)]
    in_module, matches = matcher(module), matcher(function)
    functions = target.functions(function.partition("*")[0])
    return sorted({(m, f) for m, f in functions if in_module(m) and matches(f) and ".part." not in f})


def _point(site: AttachSite, pattern: Pattern, function: Function) -> AttachPoint:
    exits = pattern.provider is FEXIT
    args = register_args(pattern.name, function.params)
    return AttachPoint(
        pattern.provider,
        pattern.name,
        site.span,
        {"module": pattern.target, "function": function.name, "retval_offset": args.size},
        args=args,
        retval=function.result if exits else None,
        program_type="tracing",
        attach_type="trace_fexit" if exits else "trace_fentry",
        attach_to=function.name,
        module=pattern.target,
        function=function.name,
    )


def _programs(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    matches = matcher(f"{pattern.program_id or '*'}:{pattern.function}")
    points = []
    for number, name in sorted(site.target.bpf_programs()):
        if not matches(f"{number}:{name}"):
            continue
        one = replace(pattern, program_id=number, function=name)
        exits = pattern.provider is FEXIT
        points.append(
            AttachPoint(
                pattern.provider,
                one.name,
                site.span,
                {"module": "bpf", "function": name, "program_id": number},
                program_type="tracing",
                attach_type="trace_fexit" if exits else "trace_fentry",
                attach_to=name,
                module=f"bpf:{number}",
                function=name,
            )
        )
    return points


def _lacking(target: Target) -> str:
    refused = target.feature("trampolines") is False
    if not refused and not target.has_btf():
        return "This kernel has no BTF (CONFIG_DEBUG_INFO_BTF is off), which fentry and fexit need."
    if refused or target.feature("fentry") is False:
        return "This kernel does not allow fentry and fexit; a tracepoint may do: -l 'tracepoint:*'"
    return ""


def _hint(site: AttachSite, pattern: Pattern) -> str:
    """A name that is close, or why this one will not do."""
    if pattern.target == "bpf" or site.target.traceable_problem() or has_wildcard(pattern.function):
        return ""
    if _matching(site.target, pattern.target or "*", pattern.function):
        return f"BTF has no types for it: the compiler has changed it; kprobe:{pattern.function} may do."
    name = closest(pattern.function, {f for _, f in site.target.functions()})
    return did_you_mean(f"{pattern.provider.name}:{name}" if name else "")


def _lower_retval(em: Lowering, t: Type) -> Any:
    """The word behind the arguments.  A result larger than a register is copied by the `args` rule."""
    offset = em.instance.attach_points[0].params.get("retval_offset", 0)
    return lower_context_word(em, offset // 8)


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.tracing import attach_fentry

    return attach_fentry(session, program)


def _list(row: str) -> Any:
    def listing(target: Any, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
        if parts[:1] == ["bpf"]:
            matches = matcher(":".join(parts[1:]) if len(parts) == 3 else f"*:{parts[-1]}")
            for number, name in sorted(target.bpf_programs()):
                if matches(f"{number}:{name}"):
                    yield f"{row}:bpf:{number}:{name}", []
            return
        module, function = parts if len(parts) == 2 else ("*", parts[-1] if parts else "*")
        by_types = target.listed_by_types()
        for owner, name in _matching(target, module, function):
            if by_types:
                count = target.parameter_count(name, owner)
                if count is None or count > len(ARGUMENTS):
                    continue
            found = target.function_declarations(name, owner)[:1] if verbose else []
            yield f"{row}:{owner}:{name}", [line for each in found for line in _declared(each, row == "fexit")]

    return listing


def _declared(function: Function, exits: bool) -> list[str]:
    lines = [f"{d} {n}" for (n, _), d in zip(function.params, function.declarations, strict=False)]
    result = function.declarations[-1]
    return [*lines, f"{result} retval"] if exits and result != "void" else lines


FENTRY = ProbeDef(
    name="fentry",
    doc="When a function of the kernel is entered, with typed arguments.",
    aliases=("f", "kfunc"),
    probetype="fentry",
    syntax=("fentry[:MODULE]:FUNCTION", "fentry:bpf[:PROGRAM_ID]:PROGRAM_NAME"),
    space=Space.KERNEL,
    parts=(1, 2, 3),
    listable=True,
    features=frozenset({"args", "func", "signal", "path", "skboutput", "traceable"}),
    parse=_parse_fentry,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    lacking=_lacking,
    hint=_hint,
    listing=_list("fentry"),
    lower_arg=lower_context_arg,
    attach=_attach,
    attach_last_first=True,
    pid_filter=True,
    args_are_parameters=True,
)
FEXIT = replace(
    FENTRY,
    name="fexit",
    doc="When a function of the kernel returns, with typed arguments and result.",
    aliases=("fr", "kretfunc"),
    probetype="fexit",
    syntax=("fexit[:MODULE]:FUNCTION", "fexit:bpf[:PROGRAM_ID]:PROGRAM_NAME"),
    listable=False,
    features=FENTRY.features | {"retval"},
    parse=_parse_fexit,
    listing=_list("fexit"),
    lower_retval=_lower_retval,
)

ROWS = (FENTRY, FEXIT)
