"""Units: which attach points can share one compiled body.

Place in the pipeline: after attach points are expanded; again whenever folding or a row's type rule finds that the body
looks at its attach point.  In: probes with attach points.  Out: `Unit`s.  What a newcomer would get wrong: sharing is
the rule; a wildcard over hundreds of events compiles one body unless something in it tells them apart.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.sema.unit import Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.attach_points import AttachPoint
    from pytrace.sema.attach import ExpandedProbe
    from pytrace.source import Span


def subprograms(script: ast.Script) -> list[Unit]:
    found = [item for item in script.items if isinstance(item, ast.Subprogram)]
    return [Unit(n, node.span, node.body, subprogram=node) for n, node in enumerate(found)]


def probes(expanded: Iterable[ExpandedProbe], first: int) -> list[Unit]:
    """A unit for each group of attach points that the kernel can give one program."""
    units: list[Unit] = []
    for row in expanded:
        groups: dict[tuple[object, ...], list[AttachPoint]] = {}
        for point in row.attach_points:
            key = (point.provider.name, point.program_type, point.attach_type, point.attach_to, point.module)
            groups.setdefault(key, []).append(point)
        for points in groups.values():
            units.append(_unit(first + len(units), row.probe, tuple(points)))
    return units


def _unit(index: int, probe: ast.Probe, points: tuple[AttachPoint, ...]) -> Unit:
    span: Span = probe.span
    return Unit(index, span, probe.body, probe.predicate, points, probe)


def split(units: list[Unit], which: Unit) -> list[Unit]:
    """`units` with `which` divided: each attach point alone, or those with equal arguments together."""
    groups: dict[object, list[AttachPoint]] = {}
    for n, point in enumerate(which.attach_points):
        key: object = n if which.separate else (point.args, point.retval)
        groups.setdefault(key, []).append(point)
    out: list[Unit] = []
    for unit in units:
        if unit is not which:
            out.append(unit)
            continue
        for points in groups.values():
            assert unit.probe is not None
            fresh = _unit(0, unit.probe, tuple(points))
            fresh.looks_at_args, fresh.separate = True, which.separate
            out.append(fresh)
    for n, unit in enumerate(out):
        unit.index = n
    return out
