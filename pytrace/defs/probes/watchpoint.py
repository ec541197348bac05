"""watchpoint: accesses to a memory address, through the processor's debug registers (spec 03 §4).

Place in the pipeline: a row of the probes table.  In: `watchpoint:0x10000000:8:rw`.  Out: an attach point.  What a
newcomer would get wrong: with -p or -c it watches the threads of that process, else everything, and then only kernel
addresses make sense.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import count_error, number
from pytrace.registry import ProbeDef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.attach_points import AttachSite
    from pytrace.program import ProbeSpec

_LENGTHS = (1, 2, 4, 8)
_MODES = ("x", "w", "rw")
"""What x86_64 can watch for (Intel SDM volume 3, section 17.2.4)."""
_LETTERS = "watchpoint mode must be combination of (r,w,x)"


def _parse(site: AttachSite, parts: list[str]) -> Pattern | None:
    if len(parts) != 3:
        count_error(site, "watchpoint", "3", parts)
        return None
    address = number(site, "Invalid function/address argument", parts[0])
    if address is None:
        return None
    length = number(site, "Invalid length argument", parts[1])
    if length is None:
        return None
    return Pattern(WATCHPOINT, address=address, length=length, mode=parts[2])


def _check(site: AttachSite, pattern: Pattern) -> None:
    if not pattern.address:
        site.error("watchpoint must be attached to a non-zero address")
    if pattern.length not in _LENGTHS:
        site.error("watchpoint length must be one of (1,2,4,8)")
    if not pattern.mode:
        site.error(_LETTERS)
    pattern.mode = "".join(sorted(pattern.mode))
    for letter in pattern.mode:
        if letter not in "rwx":
            site.error(_LETTERS)
    if len(set(pattern.mode)) < len(pattern.mode):
        site.error("watchpoint modes may not be duplicated")
    if pattern.mode not in _MODES:
        site.error(f"invalid watchpoint mode: {pattern.mode}", hints=(f"supported modes: {','.join(_MODES)}",))


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    params = {"address": pattern.address, "length": pattern.length, "mode": pattern.mode}
    return [AttachPoint(WATCHPOINT, pattern.name, site.span, params, program_type="perf_event")]


def _attach(session: Any, probe: ProbeSpec, program: int) -> Any:
    from pytrace.runtime.attach.perf import attach_watchpoint

    p = probe.params
    link = attach_watchpoint(session, program, p["address"], p["length"], p["mode"])
    link.watched = p["address"]
    return link


WATCHPOINT = ProbeDef(
    name="watchpoint",
    doc="When memory at an address is read, written or executed.",
    aliases=("w",),
    probetype="watchpoint",
    syntax=("watchpoint:ADDRESS:LENGTH:MODE",),
    parts=(3,),
    features=frozenset({"ctx", "reg"}),
    ctx_type="bpf_perf_event_data",
    parse=_parse,
    check=_check,
    expand=_expand,
    attach=_attach,
)

ROWS = (WATCHPOINT,)
