"""test and bench: probes that the modes --test and --bench run by themselves (spec 03 §2).

Place in the pipeline: rows of the probes table.  In: `test:name`, `bench:name`.  Out: attach points of XDP programs
that the session runs with BPF_PROG_TEST_RUN.  What a newcomer would get wrong: a test passes when it returns 0, an
XDP program's "aborted", so the value has no other meaning here.
"""

from __future__ import annotations

from pytrace.attach_points import AttachPoint, Pattern
from pytrace.defs.attach_parts import count_error
from pytrace.registry import ProbeDef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytrace.attach_points import AttachSite
    from pytrace.target import Target


def _parse(name: str) -> Callable[[AttachSite, list[str]], Pattern | None]:
    def parse(site: AttachSite, parts: list[str]) -> Pattern | None:
        if len(parts) != 1:
            count_error(site, name, "1", parts)
            return None
        return Pattern(_BY_NAME[name], target=parts[0])

    return parse


def _check(site: AttachSite, pattern: Pattern) -> None:
    row = pattern.provider.name
    if not pattern.target:
        site.error(f"{row} probes must have a name")
    seen = site.shared.setdefault(row, {})
    if pattern.target in seen:
        site.error(
            f'"{pattern.target}" was used as the name for more than one {row.upper()} probe',
            other=("this is the other instance", seen[pattern.target]),
        )
    seen.setdefault(pattern.target, site.span)


def _expand(site: AttachSite, pattern: Pattern) -> list[AttachPoint]:
    return [AttachPoint(pattern.provider, pattern.name, site.span, {"name": pattern.target}, program_type="xdp")]


def _list(name: str) -> Callable[[Target, list[str], bool], Iterator[tuple[str, list[str]]]]:
    def listing(target: Target, parts: list[str], verbose: bool) -> Iterator[tuple[str, list[str]]]:
        if parts and parts[0] not in ("", "*"):
            yield f"{name}:{parts[0]}:", []

    return listing


TEST = ProbeDef(
    name="test",
    doc="Runs in --test mode, and passes if it returns 0.",
    probetype="test",
    syntax=("test:NAME",),
    parts=(1,),
    parse=_parse("test"),
    check=_check,
    expand=_expand,
    listing=_list("test"),
    phase="test",
)
BENCH = ProbeDef(
    name="bench",
    doc="Runs in --bench mode, and is timed.",
    probetype="benchmark",
    syntax=("bench:NAME",),
    parts=(1,),
    parse=_parse("bench"),
    check=_check,
    expand=_expand,
    listing=_list("bench"),
    phase="bench",
)
_BY_NAME = {"test": TEST, "bench": BENCH}

ROWS = (TEST, BENCH)
