"""begin, end and self: probes that the runtime itself fires (spec 03 §2).

Place in the pipeline: rows of the probes table.  In: `begin`, `end`, `self:signal:SIGUSR1`.  Out: attach points
without any kernel event: raw tracepoint programs run with BPF_PROG_TEST_RUN.  What a newcomer would get wrong: they
have no `attach` hook; the session runs them by their `phase`.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import count_error
from pytrace.record import replace
from pytrace.registry import ProbeDef
from pytrace.wildcard import matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.attach_points import AttachSite
    from pytrace.target import Target

_SIGNALS = ("SIGUSR1",)


def _parse_plain(row: str) -> ProbeDef:
    def parse(site: AttachSite, parts: list[str]) -> Pattern | None:
        if parts and parts != ["*"]:
            count_error(site, row, "0", parts)
            return None
        return Pattern(_BY_NAME[row])

    return replace(_PLAIN, name=row, parse=parse)


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    return [AttachPoint(pattern.provider, pattern.name, site.span, program_type="raw_tracepoint")]


def _parse_self(site: AttachSite, parts: list[str]) -> Pattern | None:
    if len(parts) != 2:
        count_error(site, "self", "2", parts)
        return None
    return Pattern(SELF, target=parts[0], function=parts[1])


def _check_self(site: AttachSite, pattern: Pattern) -> None:
    if pattern.target != "signal":
        site.error(f"{pattern.target} is not a supported trigger")
    elif pattern.function not in _SIGNALS:
        site.error(f"{pattern.function} is not a supported signal")


def _expand_self(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    params = {"trigger": pattern.target, "signal": pattern.function}
    return [AttachPoint(SELF, pattern.name, site.span, params, program_type="raw_tracepoint")]


def _list_self(target: Target, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
    matches = matcher(":".join(parts) or "*")
    yield from ((f"self:signal:{s}", []) for s in _SIGNALS if matches(f"signal:{s}"))


_PLAIN = ProbeDef(
    name="begin",
    doc="When the program starts, before anything is attached.",
    probetype="special",
    parts=(0,),
    parse=lambda site, parts: None,
    expand=_expand,
)
BEGIN = replace(_parse_plain("begin"), syntax=("begin",), phase="begin")
END = replace(
    _parse_plain("end"),
    doc="When the program ends, after everything is detached; also after Ctrl-C and exit().",
    syntax=("end",),
    phase="end",
)
_BY_NAME = {"begin": BEGIN, "end": END}

SELF = ProbeDef(
    name="self",
    doc="When the tracer itself receives a signal.",
    probetype="special",
    syntax=("self:signal:SIGUSR1",),
    parts=(2,),
    parse=_parse_self,
    check=_check_self,
    expand=_expand_self,
    listing=_list_self,
    phase="signal",
)

ROWS = (BEGIN, END, SELF)
