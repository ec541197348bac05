"""uprobe and uretprobe: functions of programs and libraries (spec 03 §4).

Place in the pipeline: rows of the probes table.  In: `uprobe:/bin/bash:readline+4`, `uprobe:libc:mall*`.  Out: attach
points with the path and file offset of each place; many places of one file make one multi link where the kernel can.
What a newcomer would get wrong: what makes a place unfit (an offset behind the function's end, a symbol without a
size) is found here but refused when attaching (`params["problem"]`), because `missing_probes` decides what follows.
"""

from __future__ import annotations

from pytrace import types
from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs import registers
from pytrace.defs.attach_parts import closest, count_error, did_you_mean, function_or_address, number
from pytrace.defs.register_arguments import (
    args_problem,
    function_args,
    lower_argument,
    lower_register_argument,
    lower_result,
)
from pytrace.record import replace
from pytrace.registry import ProbeDef
from pytrace.target import ElfSymbol
from pytrace.types import Space
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.program import ProbeSpec
    from pytrace.target import Target

_LANGUAGES = ("cpp",)
_UNSAFE_HINT = (
    "\nUse --unsafe to force attachment. WARNING: This option could lead to data corruption in the target process."
)

# ---------------------------------------------------------------- reading


def _parse_uprobe(site: AttachSite, parts: list[str]) -> Pattern | None:
    return _parse(site, UPROBE, parts)


def _parse_uretprobe(site: AttachSite, parts: list[str]) -> Pattern | None:
    return _parse(site, URETPROBE, parts)


def _parse(site: AttachSite, row: ProbeDef, parts: list[str]) -> Pattern | None:
    if site.pid is not None and (len(parts) == 1 or (len(parts) == 2 and parts[0] in _LANGUAGES)):
        parts = [site.target.executable_of(site.pid) or "", *parts]
    source_line = len(parts) > 1 and parts[1] == "@"
    if not source_line and len(parts) not in (2, 3):
        count_error(site, row.name, "2 or 3", parts)
        return None
    pattern = Pattern(row, target=_library(site, parts[0]))
    if source_line:
        return _source_line(site, pattern, parts)
    if len(parts) == 3:
        pattern.language = parts[1]
    if not function_or_address(site, pattern, parts[-1], allow_offset=row is UPROBE):
        return None
    if not pattern.function and pattern.address and has_wildcard(pattern.target):
        site.error("Cannot use wildcards with absolute address")
        return None
    return pattern


def _library(site: AttachSite, target: str) -> str:
    if target.startswith("lib") and not has_wildcard(target):
        return site.target.library(target, site.pid) or target
    return target


def _source_line(site: AttachSite, pattern: Pattern, parts: list[str]) -> Pattern | None:
    """`uprobe:BINARY@FILE:LINE[:COLUMN]`."""
    if pattern.provider is not UPROBE:
        site.error("Source code location not allowed")
        return None
    if has_wildcard(pattern.target):
        site.error("Cannot use wildcards with source code location")
        return None
    if len(parts) not in (4, 5) or not parts[2] or not parts[3]:
        site.error("Invalid uprobe arguments, expected format: uprobe:TARGET@FILE:LINE[:COL]")
        return None
    line = number(site, "Invalid line number", parts[3])
    column = number(site, "Invalid column number", parts[4]) if len(parts) == 5 else 0
    if line is None or column is None:
        return None
    pattern.file, pattern.line, pattern.column = parts[2], line, column
    return pattern


# ---------------------------------------------------------------- checking


def _check(site: AttachSite, pattern: Pattern) -> None:
    name = pattern.provider.name
    if not pattern.target:
        site.error(f"{name} should have a target")
    if not (pattern.function or pattern.address or site.unsafe or pattern.file):
        site.error(f"{name} should be attached to a function and/or address")
    if pattern.language and pattern.language not in _LANGUAGES:
        site.error(f"unsupported language type: {pattern.language}")
    resolve_target(site, pattern)
    if pattern.file:
        _resolve_line(site, pattern)


def resolve_target(site: AttachSite, pattern: Pattern) -> None:
    """Replace the target by the path that it means; patterns stay, to be expanded later."""
    name = pattern.provider.name
    if pattern.target == "*":
        paths = site.target.mapped_files(site.pid)
    else:
        paths = site.target.resolve_binary(pattern.target, site.pid, site.unsafe)
    if not paths:
        site.error(f"{name} target file '{pattern.target}' does not exist or is not executable")
    elif "*" not in pattern.target:
        if len(paths) > 1:
            site.warning(f"attaching to {name} target file '{paths[0]}' but matched {len(paths)} binaries")
        pattern.target = paths[0]


def _resolve_line(site: AttachSite, pattern: Pattern) -> None:
    found = site.target.line_address(pattern.target, pattern.file, pattern.line, pattern.column)
    if isinstance(found, str):
        site.error(found)
    elif found is None:
        site.error(f"No DWARF debug info found for '{pattern.target}', cannot attach by source code location.")
    else:
        pattern.address = found


# ---------------------------------------------------------------- expanding


def _is_pattern(site: AttachSite, pattern: Pattern) -> bool:
    return has_wildcard(pattern.function) or has_wildcard(pattern.target) or pattern.language == "cpp"


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    if not _is_pattern(site, pattern):
        return _single(site, pattern)
    if "*" not in pattern.target:
        paths = [pattern.target]
    elif pattern.target == "*":
        paths = site.target.mapped_files(site.pid)
    else:
        paths = site.target.resolve_binary(pattern.target, site.pid, site.unsafe)
    multi = not site.wants_separate and site.target.feature("uprobe_multi") is True
    points: list[AttachPoint] = []
    for path in sorted(paths):
        symbols = matching_functions(site.target, path, pattern)
        if symbols and multi:
            point = _multi(site, replace(pattern, target=path), symbols)
            points.append(_with_args(site, point, path, symbols[0].name) if _is_one(pattern, symbols) else point)
        else:
            for symbol in symbols:
                points.append(_point(site, replace(pattern, target=path, function=symbol.name), symbol))
    return points


def matching_functions(target: Target, path: str, pattern: Pattern) -> list[ElfSymbol]:
    """The functions of a file that a pattern means, one for each name, sorted."""
    name = pattern.function
    found: dict[str, ElfSymbol] = {}
    if not has_wildcard(name) and pattern.language != "cpp":
        symbol = target.elf_symbol(path, name)
        return [symbol] if symbol else []
    matches, plain = matcher(name), "(" not in name
    for symbol in target.elf_functions(path):
        hit = matches(symbol.name)
        if not hit and pattern.language == "cpp" and symbol.name.startswith(("_Z", "____Z")):
            shown = target.demangle(symbol.name)
            hit = bool(shown) and matches(without_parameters(shown) if plain else shown)
        if hit and ".part." not in symbol.name:
            found.setdefault(symbol.name, symbol)
    return [found[n] for n in sorted(found)]


def without_parameters(demangled: str) -> str:
    """`f(int)` as `f`: the parameter list is what the last parenthesis closes."""
    depth = 0
    for at in range(demangled.rfind(")"), -1, -1):
        depth += (demangled[at] == ")") - (demangled[at] == "(")
        if not depth:
            return demangled[:at]
    return demangled


def _is_one(pattern: Pattern, symbols: list[ElfSymbol]) -> bool:
    """Whether a C++ name, written out, means one function."""
    return len(symbols) == 1 and not has_wildcard(pattern.function) and pattern.provider is UPROBE


def _with_args(
    site: AttachSite,
    point: AttachPoint,
    path: str,
    name: str,
    address: int | None = None,
    where: Callable[[], str] | None = None,
) -> AttachPoint:
    """`address`, `where`: of a place that is not the function's entry, and how messages name it."""
    return replace(
        point,
        args=function_args(site.target, path, name, address),
        where=where or (lambda: f"in {name}"),
        args_problem=lambda: args_problem(site.target, path, name, point.name, address),
        function=name,
    )


def _multi(site: AttachSite, pattern: Pattern, symbols: list[ElfSymbol]) -> AttachPoint:
    """All `symbols` of one file through one link."""
    by_offset = {s.offset: s for s in symbols}  # two names for one place attach once
    base = site.target.probed_file(pattern.target)[1]
    places = tuple(sorted((s.name, s.offset + base) for s in by_offset.values()))
    params = {**_params(site, pattern), "multi": True, "functions": places}
    return AttachPoint(
        pattern.provider,
        pattern.name,
        site.span,
        params,
        retval=types.UINT64 if pattern.provider is URETPROBE else None,
        program_type="kprobe",
        attach_type="trace_uprobe_multi",
        attachments=len(symbols),
    )


def _inlined(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    """Where a function was inlined: all of it for one without a symbol, and beside the symbol with `probe_inline`."""
    if pattern.offset or pattern.provider is not UPROBE:
        return []
    addresses = site.target.inlined_places(pattern.target, pattern.function)
    offsets = [site.target.elf_offset(pattern.target, address) for address in addresses]
    symbols = [ElfSymbol(pattern.function, a, 0, o) for a, o in zip(addresses, offsets, strict=True) if o]
    shared = len(symbols) > 1 and not (site.wants_separate or site.wants_places)
    if shared and site.target.feature("uprobe_multi") is True:
        points = [_multi(site, pattern, symbols)]
    else:
        points = [_inlined_place(site, pattern, symbol) for symbol in symbols]
    return [replace(p, function=pattern.function, inlined=True) for p in points]


def _inlined_place(site: AttachSite, pattern: Pattern, symbol: ElfSymbol) -> AttachPoint:
    path, name, address = pattern.target, pattern.function, symbol.address
    point = _place(site, pattern, symbol.offset, "")
    return _with_args(site, point, path, name, address, lambda: site.target.where_inlined(path, name, address))


def _single(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    if pattern.function:
        symbol = site.target.elf_symbol(pattern.target, pattern.function)
        found = [_point(site, pattern, symbol)] if symbol else []
        return found if found and not site.config.get("probe_inline") else [*found, *_inlined(site, pattern)]
    if not site.target.elf_loadable(pattern.target):  # --unsafe: any file, numbers are file offsets
        return [_place(site, pattern, pattern.address, "")]
    symbol = site.target.elf_symbol_at(pattern.target, pattern.address)
    if symbol is None:
        offset = site.target.elf_offset(pattern.target, pattern.address)
        problem = (
            f"Could not determine instruction boundary for {pattern.name} (binary appears stripped).{_UNSAFE_HINT}"
        )
        if site.unsafe:
            site.warning(
                f"Could not determine instruction boundary for {pattern.name} (binary appears stripped). Misaligned "
                "probes can lead to tracee crashes!"
            )
        return [_place(site, pattern, offset or pattern.address, "" if site.unsafe else problem)]
    return [_point(site, pattern, symbol, pattern.address - symbol.address)]


def _point(site: AttachSite, pattern: Pattern, symbol: ElfSymbol, offset: int | None = None) -> AttachPoint:
    """One place: `symbol` plus the pattern's offset."""
    shift = pattern.offset if offset is None else offset
    problem = _problem(site, pattern, symbol, shift)
    point = _place(site, pattern, symbol.offset + shift, problem)
    if pattern.provider is not UPROBE:
        return replace(point, function=symbol.name)
    if not shift:
        return _with_args(site, point, pattern.target, symbol.name)
    inside = symbol.address + shift
    return _with_args(site, point, pattern.target, symbol.name, inside, lambda: f"at {symbol.name}+{shift}")


def _problem(site: AttachSite, pattern: Pattern, symbol: ElfSymbol, shift: int) -> str:
    """Why the kernel should not be asked to attach there, "" if it may."""
    where = f"{pattern.target}:{symbol.name}+{shift}"
    if pattern.provider is URETPROBE and shift:
        return f"uretprobes cannot be attached at function offset. (address resolved to: {symbol.name}+{shift})"
    if symbol.size == 0 and shift == 0:
        if site.unsafe:
            return ""
        return f"Could not determine boundary for {symbol.name} (symbol has size 0).{_UNSAFE_HINT}"
    if shift >= symbol.size:
        return f"Offset outside the function bounds ('{symbol.name}' size is {symbol.size})"
    if not shift:
        return ""
    aligned = site.target.instruction_boundary(pattern.target, symbol, shift)
    if aligned:
        return ""
    name = pattern.provider.name
    if site.unsafe:
        site.warning(
            f"Unchecked {name}: {where}"
            if aligned is None
            else f"Unsafe {name} in the middle of the instruction: {where}"
        )
        return ""
    if aligned is None:
        return f"Failed to check if {name} is in proper place: {where}{_UNSAFE_HINT}"
    return f"Could not add {name} into middle of instruction: {where}{_UNSAFE_HINT}"


def _params(site: AttachSite, pattern: Pattern) -> dict[str, Any]:
    return {
        "path": site.target.probed_file(pattern.target)[0],
        "return": pattern.provider is URETPROBE,
        "function": pattern.function,
        "multi": False,
        "problem": "",
    }


def _place(site: AttachSite, pattern: Pattern, offset: int, problem: str) -> AttachPoint:
    """An attach point at a file offset."""
    base = site.target.probed_file(pattern.target)[1]
    params = {**_params(site, pattern), "offset": offset + base, "problem": problem}
    retval = types.UINT64 if pattern.provider is URETPROBE else None
    return AttachPoint(pattern.provider, pattern.name, site.span, params, retval=retval, program_type="kprobe")


def _hint(site: AttachSite, pattern: Pattern) -> str:
    if has_wildcard(pattern.target):
        return ""
    functions = site.target.elf_functions(pattern.target)
    if pattern.provider is URETPROBE and site.target.inlined_places(pattern.target, pattern.function):
        return f"{pattern.function} is inlined wherever it is used: it does not return; a uprobe works"
    if not functions and "!/" in pattern.target and not site.target.elf_loadable(pattern.target):
        return f"{pattern.target} is not there, no library, or compressed: archives must store it as it is"
    if not functions:
        return f"{pattern.target} has no function symbols, it may be stripped: try an address, or install debug symbols"
    if has_wildcard(pattern.function):
        return ""
    name = closest(pattern.function, {s.name for s in functions})
    return did_you_mean(f"{pattern.provider.name}:{pattern.target}:{name}" if name else "")


# ---------------------------------------------------------------- attaching


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.diagnostics import MachineError
    from pytrace.runtime.attach.probe import attach_uprobe, attach_uprobe_multi

    p = probe.params
    if p["problem"]:
        raise MachineError(p["problem"])
    if p["multi"]:
        offsets = [offset for _, offset in p["functions"]]
        return attach_uprobe_multi(session, program, p["path"], offsets, returns=p["return"])
    return attach_uprobe(session, program, p["path"], p["offset"], returns=p["return"])


# ---------------------------------------------------------------- listing


def _listing(target: Any, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
    """`target` is the listing's: with `pid` and `warn`."""
    language = parts[1:2] if len(parts) == 3 else []
    binary, function = (parts[0], parts[-1]) if len(parts) > 1 else ("*", parts[-1] if parts else "*")
    if binary == "*" and target.pid is not None:
        paths = target.mapped_files(target.pid)
    else:
        paths = target.resolve_binary(target.library(binary, target.pid) or binary, target.pid)
        paths = paths if "*" in binary or "/" in binary else paths[:1]
    matches = matcher(function)
    for path in sorted(set(paths)):
        names = {s.name for s in target.elf_functions(path)} if function else set()
        warned = False
        for name in sorted(n for n in names if (matches(n) or language) and ".part." not in n):
            shown = target.demangle(name) if language else name
            if language and not (shown and matches(shown if "(" in function else without_parameters(shown))):
                continue
            lines = target.dwarf_declarations(path, name) if verbose else []
            if lines is None and not warned:
                warned = True
                target.warn(f'No DWARF found for "{path}", cannot show parameter info')
            yield f'uprobe:{path}:cpp:"{shown}"' if language else f"uprobe:{path}:{name}", lines or []


_FEATURES = frozenset({"args", "argn", "ctx", "reg", "func", "signal", "usermode", "uaddr"})

UPROBE = ProbeDef(
    name="uprobe",
    doc="When a function of a program or library is entered, or a place in it is reached.",
    aliases=("u",),
    probetype="uprobe",
    syntax=(
        "uprobe:BINARY:FUNCTION[+OFFSET]",
        "uprobe:BINARY:ADDRESS",
        'uprobe:BINARY:cpp:"SIGNATURE"',
        "uprobe:BINARY@FILE:LINE[:COLUMN]",
    ),
    space=Space.USER,
    parts=(1, 2, 3),
    listable=True,
    user_space=True,
    features=_FEATURES,
    arg_count=len(registers.ARGUMENTS),
    ctx_type="pt_regs",
    parse=_parse_uprobe,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    hint=_hint,
    args_are_parameters=True,
    listing=_listing,
    lower_argn=lower_register_argument,
    lower_arg=lower_argument,
    attach=_attach,
    attach_last_first=True,
)
URETPROBE = ProbeDef(
    name="uretprobe",
    doc="When a function of a program or library returns.",
    aliases=("ur",),
    probetype="uretprobe",
    syntax=("uretprobe:BINARY:FUNCTION", 'uretprobe:BINARY:cpp:"SIGNATURE"'),
    space=Space.USER,
    parts=(1, 2, 3),
    user_space=True,
    features=frozenset({"retval", "ctx", "reg", "func", "signal", "usermode", "uaddr"}),
    ctx_type="pt_regs",
    parse=_parse_uretprobe,
    check=_check,
    is_pattern=_is_pattern,
    expand=_expand,
    hint=_hint,
    listing=lambda target, parts, verbose: (
        (name.replace("uprobe:", "uretprobe:", 1), []) for name, _ in _listing(target, parts, False)
    ),
    lower_retval=lower_result,
    attach=_attach,
    attach_last_first=True,
)

ROWS = (UPROBE, URETPROBE)
