"""Attach points: from raw text to concrete `AttachPoint`s, all patterns expanded.

Place in the pipeline: early in sema, before types are inferred (what `args` is depends on it); `listing` uses it too.
In: the probes of the syntax tree, the rows, the options.  Out: for each probe its attach points; what is wrong with
them goes into the diagnostics.  What a newcomer would get wrong: reading, checking and expanding are three steps over
the *whole* script, and a step is not begun when the one before found errors: that decides which messages a user sees
together.
"""

from __future__ import annotations

from functools import partial

from pytrace.attach_points import AttachSite
from pytrace.diagnostics import Context, UsageError
from pytrace.record import field, record
from pytrace.sema.params import not_given
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from pytrace.attach_points import AttachPoint, Pattern
    from pytrace.diagnostics import Diagnostics
    from pytrace.grammar import ast
    from pytrace.registry import ProbeDef, Registry
    from pytrace.source import Span
    from pytrace.target import Target


@record
class AttachOptions:
    """What expansion depends on beside the script.  `config`: settings by key, defaults filled in.

    `probe_filter`: a regular expression that a canonical name must match somewhere (begin/end are kept), "" = all.
    """

    target: Target
    config: Mapping[str, Any] = field(default_factory=dict)
    positional: tuple[str, ...] = ()
    pid: int | None = None
    has_child: bool = False
    unsafe: bool = False
    probe_filter: str = ""


class AttachTextError(ValueError):
    """An attach point's text cannot be split; the message is for the user."""


_MOST_REPLACEMENTS = 100


def split(text: str, positional: Sequence[str] = (), all_given: bool = False) -> list[str]:
    """The parts of an attach point (spec 03 §1): `:` separates, `@` does and stays as a part of its own, `"…"` quotes,
    `$N` is replaced by positional parameter N (and read again, so it may bring separators).

    Raises AttachTextError; with `all_given` also for a parameter that there is not."""
    parts, part, quoted, at, replaced = [], "", False, 0, 0
    while at < len(text):
        c = text[at]
        at += 1
        if c == '"':
            quoted = not quoted
        elif quoted:
            if c == "\\" and at < len(text):
                c = text[at]
                at += 1
            part += c
        elif c in ":@":
            parts.append(part)
            part = ""
            if c == "@":
                parts.append("@")
        elif c == "$":
            value, at = _positional(text, at, positional, all_given)
            replaced += 1
            if replaced > _MOST_REPLACEMENTS:
                raise AttachTextError("positional parameters refer to each other without end")
            text, at = value + text[at:], 0
        else:
            part += c
    parts.append(part)
    return parts


def _positional(text: str, at: int, positional: Sequence[str], all_given: bool) -> tuple[str, int]:
    """(value, offset behind the number) of the parameter whose number begins at `at`."""
    end = at
    while end < len(text) and text[end] in "0123456789" and not (end == at and text[end] == "0"):
        end += 1
    if end == at:
        if at < len(text):
            raise AttachTextError(
                f"invalid trailing character for positional param: {text[at]}. Try quoting this entire part if this is "
                f'intentional e.g. "${text[at]}".'
            )
        raise AttachTextError("positional parameter is not valid: invalid integer: ")
    number = int(text[at:end])
    if all_given and number > len(positional):
        raise AttachTextError(not_given(number))
    return (positional[number - 1] if number <= len(positional) else ""), end


# ---------------------------------------------------------------- the three steps


@record(frozen=False)
class ProbePatterns:
    """One probe with its patterns, each with the site through which its row reports."""

    probe: ast.Probe
    span: Span
    """From the first attach point to the last."""
    patterns: list[tuple[AttachSite, Pattern]] = field(default_factory=list)


@record(frozen=False)
class ExpandedProbe:
    probe: ast.Probe
    attach_points: tuple[AttachPoint, ...]


def expand_probes(
    probes: Iterable[ast.Probe],
    registry: Registry,
    options: AttachOptions,
    diagnostics: Diagnostics,
    *,
    wants_separate: Callable[[ast.Probe], bool] = lambda probe: False,
    wants_places: Callable[[ast.Probe], bool] = lambda probe: False,
) -> list[ExpandedProbe]:
    """The probes that have attach points, with them.  Empty when errors were reported.

    `wants_separate(probe)`: its body uses what differs from one attach point to the next, so that no multi link can do;
    `wants_places(probe)`: that holds where a function was inlined several times.
    """
    reading = Reading(registry, options, diagnostics, wants_separate, wants_places)
    read = [reading.read(probe) for probe in probes]
    if _error_count(diagnostics):
        return []
    reading.check(read)
    if _error_count(diagnostics):
        return []
    return reading.expand(read)


def expand_probe(
    probe: ast.Probe,
    registry: Registry,
    options: AttachOptions,
    diagnostics: Diagnostics,
    *,
    wants_separate: bool = False,
) -> list[AttachPoint]:
    """The attach points of one probe; [] after reporting why."""
    found = expand_probes([probe], registry, options, diagnostics, wants_separate=lambda _: wants_separate)
    return [point for row in found for point in row.attach_points]


class Reading:
    """The three steps.  One object for one script: rows keep notes across attach points in `shared`."""

    def __init__(
        self,
        registry: Registry,
        options: AttachOptions,
        diagnostics: Diagnostics,
        wants_separate: Callable[[ast.Probe], bool],
        wants_places: Callable[[ast.Probe], bool],
    ) -> None:
        self.registry = registry
        self.options = options
        self.diagnostics = diagnostics
        self.wants_separate = wants_separate
        self.wants_places = wants_places
        self.missing = str(options.config.get("missing_probes", "error"))
        self._shared: dict[str, Any] = {}
        self._programs = 0

    # reading --------------------------------------------------------------
    def read(self, probe: ast.Probe) -> ProbePatterns:
        """Split and parse the attach points of one probe."""
        points = probe.attach_points
        span = points[0].span.to(points[-1].span) if points else probe.span
        found = ProbePatterns(probe, span)
        siblings: dict[str, Any] = {}
        separate = self.wants_separate(probe), self.wants_places(probe)
        named = 0
        later: list[tuple[Span, list[str]]] = []
        for point in points:
            try:
                parts = split(point.text, self.options.positional, self.options.target.ahead)
            except AttachTextError as problem:
                self.diagnostics.error(str(problem), point.span)
                continue
            if not parts[0] and len(parts) == 1:
                continue  # what is left of a trailing comma, or an empty parameter
            site = self._site(point.span, separate, siblings)
            named += self._read_one(site, parts, found, later)
        for at, parts in later:
            site = self._site(at, separate, siblings, skip_invalid=True)
            named += self._read_one(site, parts, found, later)
        if not named and self.missing == "error":
            self.diagnostics.error("No attach points for probe", span)
        return found

    def _read_one(
        self, site: AttachSite, parts: list[str], found: ProbePatterns, later: list[tuple[Span, list[str]]]
    ) -> bool:
        """Whether the attach point is one of a known provider, well formed or not."""
        provider = parts[0]
        _, equals, rest = provider.partition("=")
        if equals and rest:
            provider = rest  # `name=provider:…`; the name is reserved
        if has_wildcard(provider):
            rows = self._providers(provider, parts)
            if not rows:
                site.error(f"No probe type matched for {provider}")
                return False
            if len(rows) > 1:
                later += [(site.span, [row.name, *(parts[1:] or [provider])]) for row in rows]
                return False
            row: ProbeDef | None = rows[0]
        else:
            row = self.registry.probe(provider)
        if row is None:
            site.error(f"Invalid probe type: {provider.lower()}")
            return True
        if site.skip_invalid and len(parts) - 1 not in row.parts:
            return False
        if "traceable" in row.features and not self._shared.setdefault("traceable", False):
            self._shared["traceable"] = True
            problem = self.options.target.traceable_problem()
            if problem and not _lacking(site, row):  # where the kernel has no such probes, that is what is said
                self.diagnostics.warning(problem)
        pattern = row.parse(site, parts[1:])
        if pattern is not None:
            found.patterns.append((site, pattern))
        return True

    def _providers(self, pattern: str, parts: list[str]) -> list[ProbeDef]:
        """The listable providers that a wildcard means: the kernel's, or with -p or a path those of user space."""
        user = self.options.pid is not None or (len(parts) > 1 and "/" in parts[1])
        matches = matcher("*" if len(parts) == 1 else pattern)
        rows = [r for r in self.registry.probes.values() if r.listable and r.user_space == user and matches(r.name)]
        return sorted(rows, key=lambda r: r.name)

    def _site(
        self, span: Span, separate: tuple[bool, bool], siblings: dict[str, Any], skip_invalid: bool = False
    ) -> AttachSite:
        options = self.options
        return AttachSite(
            target=options.target,
            config=options.config,
            span=span,
            pid=options.pid,
            has_child=options.has_child,
            unsafe=options.unsafe,
            positional=options.positional,
            wants_separate=separate[0],
            wants_places=separate[1],
            error=partial(_report, self.diagnostics.error, span),
            warning=partial(_report, self.diagnostics.warning, span),
            skip_invalid=skip_invalid,
            shared=self._shared,
            siblings=siblings,
        )

    # checking and expanding ---------------------------------------------------
    def check(self, probes: list[ProbePatterns]) -> None:
        for probe in probes:
            for site, pattern in probe.patterns:
                if pattern.provider.check is not None:
                    pattern.provider.check(site, pattern)

    def expand(self, probes: list[ProbePatterns]) -> list[ExpandedProbe]:
        """Expand, apply --probe-filter, and drop or report the probes that are left with nothing."""
        result = []
        for probe in probes:
            points: list[AttachPoint] = []
            errors = _error_count(self.diagnostics)
            for site, pattern in probe.patterns:
                points += self._expand_one(site, pattern)
            if points:
                result.append(ExpandedProbe(probe.probe, tuple(points)))
            elif _error_count(self.diagnostics) == errors:
                self._no_attach_points(probe.span, self._hints(probe))
        return [] if _error_count(self.diagnostics) else self._sessions(self._filtered(result))

    def _sessions(self, probes: list[ExpandedProbe]) -> list[ExpandedProbe]:
        """Join each probe with the one return probe of the same attach point, where provider and kernel can do that."""
        single = [(n, p.attach_points[0]) for n, p in enumerate(probes) if len(p.attach_points) == 1]
        result, taken = list(probes), set()
        for n, entry in single:
            join = entry.provider.session
            exits = [
                (m, p) for m, p in single
                if p.session == entry.session and p.provider is not entry.provider and m not in taken
            ]  # fmt: skip
            if join is None or not entry.session or len(exits) != 1:
                continue
            joined = join(self.options.target, entry, exits[0][1])
            if joined is not None:
                m = exits[0][0]
                taken.add(m)
                result[n] = ExpandedProbe(probes[n].probe, (joined[0],))
                result[m] = ExpandedProbe(probes[m].probe, (joined[1],))
        return result

    def _expand_one(self, site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
        row = pattern.provider
        points = row.expand(site, pattern)
        if self.options.target.ahead and self.options.target.is_momentary:
            site.error(
                "What this probe attaches to depends on what runs at the moment, so it cannot be compiled ahead",
                hints=("name the program or library by its path",),
            )
        elif row.is_pattern is not None and row.is_pattern(site, pattern):
            self._count_programs(site, points)
        elif not points:
            target = f"{pattern.target}:" if pattern.target else ""
            message = f"No matches for {row.probetype or row.name} {target}{pattern.function}"
            if self.missing == "warn":
                site.warning(f"{message}. Skipping.")
            elif self.missing == "error":
                hint = _hint(site, pattern)
                site.error(f"{message}.", hints=(hint,) if hint else ())
        return points

    def _count_programs(self, site: AttachSite, points: list[AttachPoint]) -> None:
        """Only patterns count: the limit guards against a wildcard that matches more than was thought."""
        if any(p.attachments > 1 or p.params.get("multi") for p in points):
            return
        self._programs += len(points)
        limit = int(self.options.config.get("max_bpf_progs", 1024))
        if self._programs > limit:
            site.error(
                f"Your program is trying to generate more than {self._programs} BPF programs, which exceeds the "
                f"current limit of {limit}",
                hints=("You can increase the limit through the BPFTRACE_MAX_BPF_PROGS environment variable.",),
            )

    def _hints(self, probe: ProbePatterns) -> tuple[str, ...]:
        """What the rows say about why nothing matched, each sentence once."""
        texts = [_hint(site, pattern) for site, pattern in probe.patterns]
        return tuple(dict.fromkeys(filter(None, texts)))

    def _no_attach_points(self, span: Span, hints: tuple[str, ...]) -> None:
        if self.missing == "error":
            self.diagnostics.error(
                "Probe has no valid attach points. If this is expected, set the 'missing_probes' config variable to "
                "'warn'.",
                span,
                hints=hints,
            )
        elif self.missing == "warn":
            self.diagnostics.warning(
                "Probe has no valid attach points. It is being removed which may cause issues with program behavior.",
                span,
                hints=hints,
            )

    def _filtered(self, probes: list[ExpandedProbe]) -> list[ExpandedProbe]:
        if not self.options.probe_filter:
            return probes
        import re

        try:
            wanted = re.compile(self.options.probe_filter)
        except re.error as problem:
            raise UsageError(
                f"Invalid --probe-filter regex '{self.options.probe_filter}': {problem}", exit_status=255
            ) from None
        kept = []
        for probe in probes:
            points = tuple(
                p for p in probe.attach_points if p.provider.phase in ("begin", "end") or wanted.search(p.name)
            )
            if points:
                kept.append(ExpandedProbe(probe.probe, points))
        return kept


def _lacking(site: AttachSite, row: ProbeDef) -> str:
    return row.lacking(site.target) if row.lacking is not None else ""


def _hint(site: AttachSite, pattern: Pattern) -> str:
    """What to say when nothing matched: what the kernel lacks, else what else the row knows."""
    row = pattern.provider
    return _lacking(site, row) or (row.hint(site, pattern) if row.hint is not None else "")


def check_probe_limit(points: Iterable[AttachPoint], config: Mapping[str, Any], diagnostics: Diagnostics) -> None:
    """An error without a location when more would be attached than `max_probes` allows."""
    number = sum(p.attachments for p in points)
    limit = int(config.get("max_probes", 1024))
    if number > limit:
        diagnostics.error(
            f"Can't attach to {number} probes because it exceeds the current limit of {limit} probes.\n"
            "You can increase the limit through the BPFTRACE_MAX_PROBES environment variable, but BE CAREFUL since a "
            "high number of probes attached can cause your system to crash."
        )


def _error_count(diagnostics: Diagnostics) -> int:
    return sum(d.severity == "ERROR" for d in diagnostics.items)


def _report(
    sink: Callable[..., None],
    span: Span,
    message: str,
    *,
    hints: Iterable[str] = (),
    other: tuple[str, Span] | None = None,
) -> None:
    sink(message, span, contexts=(Context(*other),) if other else (), hints=hints)
