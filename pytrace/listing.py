"""`-l`: which probes and types there are (spec 03 §7).

Place in the pipeline: beside the compile path, called by the driver, which keeps what was found (`Found`) in the cache.
In: a search text or a script's tree, the rows, the Target.  Out: lines on stdout, written in one piece.  What a
newcomer would get wrong: matching is textual, on what stands behind the provider, with the trailing colon of timers and
counters: `software:cs:` is listed for `software:cs*`, not for `software:cs`.
"""

from __future__ import annotations

import os
import sys

from pytrace.source import encoded, write
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from pytrace.attach_points import AttachPoint
    from pytrace.diagnostics import Diagnostics
    from pytrace.grammar import ast
    from pytrace.registry import ProbeDef, Registry
    from pytrace.target import Target

Entry = tuple[str, list[str]]
"""A canonical name, and its parameter lines."""


class Found:
    """What a listing has found, and what it has to say about that.  `lasting`: the Target's fingerprint tells when that
    is no longer so."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.lasting = True

    def to_plain(self) -> tuple[bytes, tuple[str, ...]]:
        """What is to be written, and the warnings, in builtin values."""
        return encoded("".join(f"{line}\n" for line in self.lines)), tuple(self.warnings)


def is_plain(value: Any) -> bool:
    """Whether a value has the form of `Found.to_plain`."""
    match value:
        case (bytes(), tuple(warnings)):
            return all(isinstance(w, str) for w in warnings)
    return False


def show(plain: tuple[bytes, tuple[str, ...]], options: Any) -> None:
    """Write the warnings, and the lines at once."""
    text, warnings = plain
    for message in warnings:
        warn(message, options)
    sys.stdout.flush()
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def list_matching(search: str, registry: Registry, target: Target, options: Any) -> Found:
    """`-l [PATTERN[,PATTERN]]`.  `options`: the command's `Options` (verbose, pid)."""
    found = Found()
    if "." in search and ":" not in search and "*" not in search and not os.path.exists(search):
        found.warnings.append(
            f"It appears that '{search}' is a filename but the file does not exist. Treating '{search}' as a search "
            "pattern."
        )
    for part in search.split(",") or [""]:
        words = " ".join(part.split())
        if words.split(" ")[0] in ("struct", "union", "enum") and " " in words:
            found.lines += _types(target, words, bool(options.verbose))
        else:
            found.lines += _lines(matching(words, registry, target, options, found), bool(options.verbose))
    return found


def _types(target: Target, search: str, definitions: bool) -> Iterator[str]:
    for module, text in target.types_matching(search, definitions):
        yield f"{module}: {text}" if definitions else text


def matching(search: str, registry: Registry, target: Target, options: Any, found: Found) -> Iterator[Entry]:
    """The probes that a search text means, provider by provider in the order of their names."""
    if ":" not in search:
        search = f"*:{search or '*'}"
    provider, *parts = search.split(":")
    if parts == [""]:
        return
    listed = Listed(target, options.pid, found.warnings.append)
    if not has_wildcard(parts[0]):
        target.note_file(parts[0])  # `_rows` looks whether there is one
    for row in _rows(provider, parts, registry, options):
        if row.listing is not None:
            found.lasting &= not row.user_space
            problem = _problem(row, target)
            if problem:
                listed.warn(problem)
            yield from row.listing(listed, parts, bool(options.verbose))


def _rows(provider: str, parts: list[str], registry: Registry, options: Any) -> list[ProbeDef]:
    """The providers that are searched: kernel ones, and user-space ones where something narrows the search."""
    if not has_wildcard(provider) and provider:
        row = registry.probe(provider)
        return [row] if row else []
    narrow = options.pid is not None or (parts[0] and not has_wildcard(parts[0]) and os.path.exists(parts[0]))
    matches = matcher(provider or "*")
    rows = [
        row for row in registry.providers() if row.listable and (narrow or not row.user_space) and matches(row.name)
    ]
    return sorted(rows, key=lambda row: row.name)


def _problem(row: ProbeDef, target: Target) -> str:
    """Why nothing of a kind can be listed.  Another list of functions helps only where the kernel has such probes."""
    problem = target.traceable_problem() if "traceable" in row.features else ""
    lacking = row.lacking(target) if problem and row.lacking else ""
    return target.traceable_problem(instead=lacking) if lacking else problem


class Listed:
    """The Target as `listing` hooks see it: with the PID of -p, and a place for warnings."""

    def __init__(self, target: Target, pid: int | None, warn: Callable[[str], None]) -> None:
        self._target = target
        self.pid = pid
        self.warn = warn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


def list_of_script(tree: ast.Script, registry: Registry, target: Target, options: Any, diagnostics: Diagnostics) -> int:
    """`-l script.bt`, `-l -e PROGRAM`: the attach points of a script, expanded, each function by itself."""
    from pytrace.grammar import ast
    from pytrace.sema.attach import AttachOptions, expand_probes

    config: dict[str, Any] = {}
    for item in tree.config.assignments if tree.config else ():
        config[item.key.lower().removeprefix("bpftrace_")] = item.value
    environment = os.environ.get("BPFTRACE_MISSING_PROBES")
    if environment:
        config["missing_probes"] = environment
    attach = AttachOptions(
        target,
        {"missing_probes": config.get("missing_probes", "error")},
        options.positional,
        options.pid,
        bool(options.command),
        options.unsafe,
        options.probe_filter,
    )
    probes = [item for item in tree.items if isinstance(item, ast.Probe)]
    found = expand_probes(probes, registry, attach, diagnostics, wants_separate=lambda probe: True)
    if diagnostics.has_errors:
        return 1
    write(sys.stderr, diagnostics.render(options.colour, options.warning_level > 0))
    points = [point for row in found for point in row.attach_points]
    listed = Found()
    hooks = Listed(target, options.pid, listed.warnings.append)
    listed.lines += _lines(_entries(points, hooks, options), bool(options.verbose))
    show(listed.to_plain(), options)
    return 0


def _entries(points: Iterable[AttachPoint], target: Any, options: Any) -> Iterator[Entry]:
    """What the rows list under each point's name; a row that lists nothing for it (a bare address) gives the name."""
    for point in points:
        row = point.provider
        if row.phase in ("begin", "end", "signal"):
            continue
        provider, _, rest = point.name.partition(":")
        parts = _listed_parts(point, rest)
        entries = list(row.listing(target, parts, bool(options.verbose))) if row.listing else []
        yield from entries or [(f"{provider}:{':'.join(parts)}", [])]


def _listed_parts(point: AttachPoint, rest: str) -> list[str]:
    """Timers and counters are listed without their number: `interval:s:`."""
    if point.program_type == "perf_event" and "event" not in point.params:
        return [*rest.split(":")[:1], ""]
    if "period" in point.params:
        return [str(point.params["event"]), ""]
    if "path" in point.params and not point.params.get("function", True):
        return [str(point.params["path"]), ""]  # by address
    return rest.split(":")


def _lines(entries: Iterable[Entry], verbose: bool) -> Iterator[str]:
    for name, parameters in entries:
        yield name
        if verbose:
            yield from (f"    {p}" for p in parameters)


def warn(message: str, options: Any) -> None:
    """A warning without a location, unless --no-warnings."""
    if options.warning_level:
        colour, reset = ("\x1b[33m", "\x1b[0m") if options.colour else ("", "")
        write(sys.stderr, f"{colour}WARNING: {message}{reset}\n")
