"""kprobe and kretprobe: any function of the kernel, and most of its instructions (spec 03 §4).

Place in the pipeline: rows of the probes table.  In: `kprobe:vfs_read+4`, `kprobe:vfs_*`, `kprobe:module:func`.  Out:
attach points; many functions make one multi link where the kernel can.  What a newcomer would get wrong: the kernel's
list of traceable functions decides what matches, and where it cannot be read nothing does, unless --unsafe lets the
user insist.
"""

from __future__ import annotations

from pytrace import types
from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs import registers
from pytrace.defs.attach_parts import closest, count_error, did_you_mean, function_or_address
from pytrace.defs.register_arguments import lower_register_argument, lower_result
from pytrace.record import replace
from pytrace.registry import ProbeDef
from pytrace.types import Space
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.program import ProbeSpec
    from pytrace.target import Function, Target


def _parse_kprobe(site: AttachSite, parts: list[str]) -> Pattern | None:
    return _parse(site, KPROBE, parts)


def _parse_kretprobe(site: AttachSite, parts: list[str]) -> Pattern | None:
    return _parse(site, KRETPROBE, parts)


def _parse(site: AttachSite, row: ProbeDef, parts: list[str]) -> Pattern | None:
    if len(parts) not in (1, 2):
        count_error(site, row.name, "1 or 2", parts)
        return None
    pattern = Pattern(row, target=parts[0] if len(parts) == 2 else "")
    if not function_or_address(site, pattern, parts[-1], allow_offset=row is KPROBE):
        return None
    if pattern.address and not site.unsafe:
        site.error("Probing by address requires --unsafe")
        return None
    return pattern


def _check(site: AttachSite, pattern: Pattern) -> None:
    if not pattern.function and not pattern.address:
        site.error("kprobes should be attached to a function or an address")
    if site.config.get("missing_probes") == "ignore" or not pattern.function or has_wildcard(pattern.function):
        return
    if not site.target.traceable_problem() and not site.target.traceable_modules(pattern.function):
        site.warning(
            f'{pattern.function} is not traceable (either non-existing, inlined, or marked as "notrace"); attaching to '
            "it will likely fail"
        )


def _is_pattern(site: AttachSite, pattern: Pattern) -> bool:
    return has_wildcard(pattern.target) or has_wildcard(pattern.function)


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    if not _is_pattern(site, pattern):
        return _single(site, pattern)
    names = _matching(site.target, pattern.target, pattern.function)
    if not pattern.target and not site.wants_separate and site.target.feature("kprobe_multi") is True:
        return [_multi(site, pattern, [name for _, name in names])] if names else []
    with_module = bool(pattern.target)
    return [
        _point(site, replace(pattern, target=module if with_module else "", function=name)) for module, name in names
    ]


def _matching(target: Target, module: str, function: str) -> list[tuple[str, str]]:
    """(module, function), one for each name unless a module is given, sorted."""
    matches = matcher(function)
    in_module = matcher(module)
    found = {}
    for owner, name in target.functions(function.partition("*")[0]):
        if matches(name) and in_module(owner) and ".part." not in name:
            found[(owner, name) if module else ("", name)] = (owner, name)
    return [found[key] for key in sorted(found)]


def _single(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    module = pattern.target
    if module and module != "vmlinux" and module not in site.target.modules():
        name = pattern.provider.name
        site.error(f"specified module {module} in probe {name}:{module}:{pattern.function} is not loaded.")
    if not pattern.address and not site.unsafe:
        modules = site.target.traceable_modules(pattern.function)
        if not (module in modules if module else modules):
            return []
    alone = bool(module or pattern.offset or site.wants_separate)
    return [replace(_point(site, pattern), session="" if alone else pattern.function)]


def _point(site: AttachSite, pattern: Pattern) -> AttachPoint:
    params = {
        "function": pattern.function,
        "module": pattern.target,
        "offset": pattern.offset,
        "address": pattern.address,
        "return": pattern.provider is KRETPROBE,
        "multi": False,
        "session": False,
    }
    return AttachPoint(
        pattern.provider,
        pattern.name,
        site.span,
        params,
        retval=types.UINT64 if pattern.provider is KRETPROBE else None,
        program_type="kprobe",
        module=pattern.target,
        function=pattern.function,
    )


def _multi(site: AttachSite, pattern: Pattern, names: list[str]) -> AttachPoint:
    point = _point(site, pattern)
    return replace(
        point,
        params={**point.params, "multi": True, "functions": tuple(names)},
        attach_type="trace_kprobe_multi",
        attachments=len(names),
        function="",
        session=pattern.function,
    )


def _session(target: Target, entry: AttachPoint, exit: AttachPoint) -> tuple[AttachPoint, AttachPoint] | None:
    """One program and one link for a function's entry and return (Linux 6.10)."""
    if target.feature("kprobe_session") is not True:
        return None
    functions = entry.params.get("functions", (entry.function,))
    params = {**entry.params, "multi": True, "functions": functions, "session": True}
    attach_type = "trace_kprobe_session"
    return (
        replace(entry, params=params, attach_type=attach_type),
        replace(exit, params={**exit.params, "session": True}, attach_type=attach_type, attachments=0),
    )


def _lacking(target: Target) -> str:
    if target.feature("kprobe") is False:
        return "This kernel has no kprobes (CONFIG_KPROBES is off); a tracepoint may do: -l 'tracepoint:*'"
    return ""


def _hint(site: AttachSite, pattern: Pattern) -> str:
    """A way without the list of functions, or a name that is close."""
    if site.target.traceable_problem():
        return "With --unsafe it is tried without the list of traceable functions."
    if has_wildcard(pattern.function):
        return ""
    name = closest(pattern.function, {f for _, f in site.target.functions()})
    return did_you_mean(f"{pattern.provider.name}:{name}" if name else "")


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.probe import attach_kprobe, attach_kprobe_multi

    p = probe.params
    if p["multi"]:
        functions = list(p["functions"])
        return attach_kprobe_multi(session, program, functions, returns=p["return"], session_link=p["session"])
    return attach_kprobe(
        session,
        program,
        p["function"],
        module=p["module"],
        offset=p["offset"],
        address=p["address"],
        returns=p["return"],
    )


def _list(row: str) -> Any:
    def listing(target: Any, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
        module, function = parts if len(parts) == 2 else ("", parts[-1] if parts else "*")
        for owner, name in _matching(target, module, function):
            shown = f"{owner}:{name}" if module else name
            lines = _parameters(target, owner, name, row == "kretprobe") if verbose else []
            yield f"{row}:{shown}", lines

    return listing


def _parameters(target: Target, module: str, name: str, returns: bool) -> list[str]:
    """`struct file * arg0` for each parameter, or the type of `retval`."""
    for found in target.function_declarations(name, module):
        if returns:
            result = found.declarations[-1]
            return ["void" if result == "void" else f"{result} retval"]
        return _numbered(found)
    return []


def _numbered(function: Function) -> list[str]:
    lines: list[str] = []
    for (_, t), declaration in zip(function.params, function.declarations, strict=False):
        if not isinstance(t, types.NoneType):  # floating-point arguments are in other registers
            lines.append(f"{declaration} arg{len(lines)}")
    return lines


KPROBE = ProbeDef(
    name="kprobe",
    doc="When a function of the kernel is entered, or an instruction of it reached.",
    aliases=("k",),
    probetype="kprobe",
    syntax=("kprobe[:MODULE]:FUNCTION[+OFFSET]", "kprobe:ADDRESS"),
    space=Space.KERNEL,
    parts=(1, 2),
    listable=True,
    features=frozenset({"argn", "ctx", "reg", "func", "signal", "usermode", "override", "traceable"}),
    arg_count=len(registers.ARGUMENTS),
    ctx_type="pt_regs",
    parse=_parse_kprobe,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    lacking=_lacking,
    hint=_hint,
    listing=_list("kprobe"),
    lower_argn=lower_register_argument,
    attach=_attach,
    attach_last_first=True,
    pid_filter=True,
    session=_session,
)
KRETPROBE = ProbeDef(
    name="kretprobe",
    doc="When a function of the kernel returns.",
    aliases=("kr",),
    probetype="kretprobe",
    syntax=("kretprobe[:MODULE]:FUNCTION",),
    space=Space.KERNEL,
    parts=(1, 2),
    features=frozenset({"retval", "ctx", "reg", "func", "signal", "usermode", "traceable"}),
    ctx_type="pt_regs",
    parse=_parse_kretprobe,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    lacking=_lacking,
    hint=_hint,
    listing=_list("kretprobe"),
    lower_retval=lower_result,
    attach=_attach,
    pid_filter=True,
)

ROWS = (KPROBE, KRETPROBE)
