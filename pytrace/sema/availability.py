"""Whether the arguments that a body reads are anywhere at the places where it is attached.

Place in the pipeline: behind inference.  In: typed probe bodies.  Out: diagnostics.  What a newcomer would get wrong:
of a struct that the compiler has taken apart some members may be there and others not, so what counts is the member
that is read, not the parameter; and one body may be many instances, each for a place of its own.
"""

from __future__ import annotations

from pytrace import types
from pytrace.sema import typed
from pytrace.sema.typed_tree import typed_nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytrace.diagnostics import Diagnostics
    from pytrace.location import Location
    from pytrace.source import Span
    from pytrace.types import Type

    Missing = tuple[Span, str, str]
    """(where it is read, the argument's name, why there is none)"""

_MOST_NAMED = 3
"""Places that a message names."""


def check_arguments(instances: Iterable[typed.Instance], diagnostics: Diagnostics) -> None:
    """An error for each argument that is read and is nowhere, with the places where it is not."""
    found: dict[Missing, list[str]] = {}
    for instance in instances:
        where = instance.attach_points[0].where if instance.attach_points else None
        if where is not None:
            for missing in dict.fromkeys(_missing(instance)):
                found.setdefault(missing, []).append(where())
    for (span, name, problem), places in found.items():
        more = f" and at {len(places) - _MOST_NAMED} more places" if len(places) > _MOST_NAMED else ""
        named = ", ".join(places[:_MOST_NAMED]) + more
        diagnostics.error(f"args.{name} is not available {named}: {problem}", span)


def _missing(instance: typed.Instance) -> Iterator[Missing]:
    nodes = list(typed_nodes((instance.predicate, instance.body)))
    inner = {id(node.base) for node in nodes if _step(node) is not None}
    for node in nodes:
        if id(node) in inner:
            continue
        if isinstance(node, typed.Builtin) and node.type is instance.args:
            for field in instance.args.layout.fields:
                if field.place is not None and (problem := _problem(field.type, field.place, 0)):
                    yield node.span, field.name, problem
            continue
        offset, path, read = 0, "", node
        while (step := _step(read)) is not None:
            offset, path, read = offset + step[0], step[1] + path, read.base
        if isinstance(read, typed.ArgRead) and read.field.place is not None:
            problem = _problem(node.type, read.field.place, offset)
            if problem:
                yield node.span, read.field.name + path, problem


def _step(node: object) -> tuple[int, str] | None:
    """How far into its base a member or an element of a known number lies, and how it is written; None for others."""
    if isinstance(node, typed.FieldRead):
        return node.field.offset, f".{node.field.name}"
    if isinstance(node, typed.IndexRead) and isinstance(node.base.type, types.Array):
        index = node.index
        return (index.value * node.type.size, f"[{index.value}]") if isinstance(index, typed.IntConst) else None
    return None


def _problem(t: Type, place: Location, offset: int) -> str:
    """Why a value of type `t` at an offset in an argument is not there, "" if it is; what the language cannot read
    (numbers with a fraction) does not count."""
    if isinstance(t, types.Struct):
        members = (_problem(f.type, place, offset + f.offset) for f in t.layout.fields)
        return next(filter(None, members), "")
    return place.problem(offset, t.size)
