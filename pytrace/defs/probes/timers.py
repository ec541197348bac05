"""interval and profile: timers on one CPU and on every CPU (spec 03 §4).

Place in the pipeline: rows of the probes table.  In: `interval:s:1`, `profile:hz:99`, `interval:10ms`.  Out: attach
points with `unit`, `value` and either `period_ns` or `frequency` (per second, as perf_event_open(2) takes it).  What
a newcomer would get wrong: the short form is in nanoseconds and is shown in microseconds: `interval:10ms` is
`interval:us:10000`.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import as_signed, count_error, number
from pytrace.registry import ProbeDef
from pytrace.wildcard import has_wildcard, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.program import ProbeSpec
    from pytrace.target import Target

_UNITS = {"hz": 0, "ms": 10**6, "s": 10**9, "us": 10**3}
"""Unit to nanoseconds; `hz` is a frequency."""
_MINIMUM_NS = 1000


def _parse(name: str) -> Callable[[AttachSite, list[str]], Pattern | None]:
    def parse(site: AttachSite, parts: list[str]) -> Pattern | None:
        row = _BY_NAME[name]
        if len(parts) == 1:
            if has_wildcard(parts[0]):
                return Pattern(row, target=parts[0])
            value = number(site, f"Invalid rate of {name} probe", parts[0])
            if value is None:
                return None
            if value < _MINIMUM_NS:
                site.error(f"Invalid rate of {name} probe. Minimum is 1000 or 1us. Found: {value} nanoseconds")
                return None
            return Pattern(row, target="us", rate=value // 1000)
        if len(parts) != 2:
            count_error(site, name, "1 or 2", parts)
            return None
        value = number(site, f"Invalid rate of {name} probe", parts[1])
        return None if value is None else Pattern(row, target=parts[0], rate=value)

    return parse


def _check(site: AttachSite, pattern: Pattern) -> None:
    name = pattern.provider.name
    if not pattern.target:
        site.error(f"{name} probe must have unit of time")
        return
    if pattern.target not in _UNITS:
        site.error(f"{pattern.target} is not an accepted unit of time")
    if as_signed(pattern.rate) <= 0:
        site.error(f"{name} frequency should be a positive integer")


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    scale = _UNITS[pattern.target]
    params: dict[str, Any] = {
        "unit": pattern.target,
        "value": pattern.rate,
        "period_ns": pattern.rate * scale if scale else 0,
        "frequency": 0 if scale else pattern.rate,
    }
    return [AttachPoint(pattern.provider, pattern.name, site.span, params, program_type="perf_event")]


def _attach_interval(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.perf import attach_interval

    return attach_interval(session, program, period=probe.params["period_ns"], frequency=probe.params["frequency"])


def _attach_profile(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.perf import attach_profile

    return attach_profile(session, program, period=probe.params["period_ns"], frequency=probe.params["frequency"])


def _list(name: str) -> Callable[[Target, list[str], bool], Iterator[tuple[str, list[str]]]]:
    def listing(target: Target, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
        matches = matcher(":".join(parts) or "*")
        yield from ((f"{name}:{unit}:", []) for unit in _UNITS if matches(f"{unit}:"))

    return listing


INTERVAL = ProbeDef(
    name="interval",
    doc="At regular times, on one CPU.",
    aliases=("i",),
    probetype="interval",
    syntax=("interval:hz:N", "interval:s|ms|us:N", "interval:DURATION"),
    parts=(1, 2),
    features=frozenset({"ctx", "reg"}),
    ctx_type="bpf_perf_event_data",
    parse=_parse("interval"),
    check=_check,
    expand=_expand,
    listing=_list("interval"),
    attach=_attach_interval,
)
PROFILE = ProbeDef(
    name="profile",
    doc="At regular times, on every CPU.",
    aliases=("p",),
    probetype="profile",
    syntax=("profile:hz:N", "profile:s|ms|us:N", "profile:DURATION"),
    parts=(1, 2),
    features=frozenset({"ctx", "reg", "signal"}),
    ctx_type="bpf_perf_event_data",
    parse=_parse("profile"),
    check=_check,
    expand=_expand,
    listing=_list("profile"),
    attach=_attach_profile,
)
_BY_NAME = {"interval": INTERVAL, "profile": PROFILE}

ROWS = (INTERVAL, PROFILE)
