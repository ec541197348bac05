"""software and hardware: the counters of perf_event_open(2) (spec 03 §4).

Place in the pipeline: rows of the probes table.  In: `software:cs:100`, `hardware:cache-misses`.  Out: attach points
with `type` and `config` of struct perf_event_attr and the number of events between two firings as `period`.  What a
newcomer would get wrong: the alias that the user wrote stays in the canonical name.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import as_signed, count_error, number
from pytrace.record import record
from pytrace.registry import ProbeDef
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.program import ProbeSpec
    from pytrace.target import Target


@record
class Event:
    """`config` as in include/uapi/linux/perf_event.h, `period` the count when none is given."""

    alias: str
    config: int
    period: int


_SOFTWARE = {
    "alignment-faults": Event("", 7, 1),
    "bpf-output": Event("", 10, 1),
    "context-switches": Event("cs", 3, 1000),
    "cpu-clock": Event("cpu", 0, 1000000),
    "cpu-migrations": Event("", 4, 1),
    "dummy": Event("", 9, 1),
    "emulation-faults": Event("", 8, 1),
    "major-faults": Event("", 6, 1),
    "minor-faults": Event("", 5, 100),
    "page-faults": Event("faults", 2, 100),
    "task-clock": Event("", 1, 1),
}
_HARDWARE = {
    "backend-stalls": Event("", 8, 1000000),
    "branch-instructions": Event("branches", 4, 100000),
    "branch-misses": Event("", 5, 100000),
    "bus-cycles": Event("", 6, 100000),
    "cache-misses": Event("", 3, 1000000),
    "cache-references": Event("", 2, 1000000),
    "cpu-cycles": Event("cycles", 0, 1000000),
    "frontend-stalls": Event("", 7, 1000000),
    "instructions": Event("", 1, 1000000),
    "ref-cycles": Event("", 9, 1000000),
}


def _find(events: Mapping[str, Event], name: str) -> Event | None:
    return events.get(name) or next((e for e in events.values() if e.alias and e.alias == name), None)


def _parse(name: str) -> Callable[[AttachSite, list[str]], Pattern | None]:
    def parse(site: AttachSite, parts: list[str]) -> Pattern | None:
        if len(parts) not in (1, 2):
            count_error(site, name, "1 or 2", parts)
            return None
        count: int | None = 0
        if len(parts) == 2 and parts[1] != "*":
            count = number(site, f"Invalid count for {name} probe", parts[1])
        return None if count is None else Pattern(_BY_NAME[name], target=parts[0], rate=count)

    return parse


def _check(name: str, events: Mapping[str, Event], what: str) -> Callable[[AttachSite, Pattern], None]:
    def check(site: AttachSite, pattern: Pattern) -> None:
        if not pattern.target:
            site.error(f"{name} probe must have a {name} event name")
        elif has_wildcard(pattern.target):
            site.error(f"wildcards are not allowed for {name} probe type")
        elif not site.skip_invalid and _find(events, pattern.target) is None:
            site.error(f"{pattern.target} is not a {name} probe")
        if as_signed(pattern.rate) < 0:
            site.error(f"{name} {what} should be a positive integer")

    return check


def _expand(events: Mapping[str, Event], perf_type: int) -> Callable[[AttachSite, Pattern], list[AttachPoint]]:
    def expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
        event = _find(events, pattern.target)
        if event is None:
            return []
        params = {
            "event": pattern.target,
            "type": perf_type,
            "config": event.config,
            "period": pattern.rate or event.period,
        }
        return [AttachPoint(pattern.provider, pattern.name, site.span, params, program_type="perf_event")]

    return expand


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.perf import attach_perf_event

    p = probe.params
    return attach_perf_event(session, p["type"], p["config"], program, period=p["period"], pid=session.target_pid)


def _list(
    name: str, events: Mapping[str, Event]
) -> Callable[[Target, list[str], bool], Iterator[tuple[str, list[str]]]]:
    def listing(target: Target, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
        matches = matcher(":".join(parts) or "*")
        names = [n for n, e in events.items()] + [e.alias for e in events.values() if e.alias]
        yield from ((f"{name}:{event}:", []) for event in sorted(names, key=lambda n: n + ":") if matches(f"{event}:"))

    return listing


SOFTWARE = ProbeDef(
    name="software",
    doc="Every so many software events of the kernel, on each CPU.",
    aliases=("s",),
    probetype="software",
    syntax=("software:EVENT[:COUNT]",),
    parts=(1, 2),
    listable=True,
    features=frozenset({"ctx", "reg"}),
    ctx_type="bpf_perf_event_data",
    parse=_parse("software"),
    check=_check("software", _SOFTWARE, "count"),
    expand=_expand(_SOFTWARE, 1),
    listing=_list("software", _SOFTWARE),
    attach=_attach,
)
HARDWARE = ProbeDef(
    name="hardware",
    doc="Every so many events of the processor's counters, on each CPU.",
    aliases=("h",),
    probetype="hardware",
    syntax=("hardware:EVENT[:COUNT]",),
    parts=(1, 2),
    listable=True,
    features=frozenset({"ctx", "reg"}),
    ctx_type="bpf_perf_event_data",
    parse=_parse("hardware"),
    check=_check("hardware", _HARDWARE, "frequency"),
    expand=_expand(_HARDWARE, 0),
    listing=_list("hardware", _HARDWARE),
    attach=_attach,
)
_BY_NAME = {"software": SOFTWARE, "hardware": HARDWARE}

ROWS = (SOFTWARE, HARDWARE)
