"""The reference of builtins, functions, aggregates, probes and map kinds, made from their rows.

Place in the pipeline: behind `pytrace --help NAME`, and `python -m pytrace.reference` writes docs/reference.md.  In:
the tables.  Out: text.  What a newcomer would get wrong: nothing is written down here twice; whoever wants another
wording changes the row's `doc`.
"""

from __future__ import annotations

import sys
from textwrap import fill

from pytrace.registry import AggregateDef, FunctionDef, MapDef, ProbeDef, VariableDef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytrace.registry import Def, Registry

_WIDTH = 100


def explain(topic: str) -> str | None:
    """The reference text of a row by name, alias or member of a family; None for an unknown name."""
    from pytrace.defs import load_registry

    rows = _find(load_registry(), topic)
    return "\n".join(_text(row) for row in rows) if rows else None


def suggestion(topic: str) -> str:
    """`did you mean …`, or where to look."""
    from pytrace.defs import load_registry
    from pytrace.sema.suggest import closest

    near = closest(topic, (row.name for rows in sections(load_registry()).values() for row in rows))
    return f"did you mean '{near}'?" if near else "docs/reference.md lists everything"


def _find(registry: Registry, topic: str) -> list[Def]:
    """All rows of that name: some are a variable and a function, or a function and a probe."""
    name = topic.removesuffix("()")
    tables = (registry.variables, registry.functions, registry.aggregates, registry.maps)
    found: list[Def] = [table[name] for table in tables if name in table]
    probe = registry.probe(name.rstrip(":"))
    return [*found, probe] if probe is not None else found


# ---------------------------------------------------------------- what is said about one row


def signatures(row: Def) -> tuple[str, ...]:
    """How a row is written in a script."""
    match row:
        case FunctionDef() | VariableDef() | AggregateDef():
            return row.signatures
        case ProbeDef():
            return row.syntax or (row.name,)
        case MapDef():
            return (f"let @m = {row.name}(max_entries)",)
    return (row.name,)


def notes(row: Def) -> Iterator[str]:
    """Where a row may be used, and at what price."""
    if isinstance(row, FunctionDef):
        if row.asynchronous:
            yield "Asynchronous: happens when the event is processed, not when the probe fires."
        if row.unsafe_text:
            yield "Unsafe: needs the option --unsafe."
    if isinstance(row, (FunctionDef, VariableDef)) and row.providers:
        yield f"In probes of kind {', '.join(row.providers)} only."
    if isinstance(row, (FunctionDef, AggregateDef)) and row.unstable:
        yield f"Unstable: see the setting {row.unstable}."
    if isinstance(row, AggregateDef):
        yield "Only as the value that is assigned to a map."
        if row.castable:
            yield "Reads as an integer in expressions and casts."
    if isinstance(row, ProbeDef):
        if row.aliases:
            yield f"Also written {', '.join(row.aliases)}."
        if row.features:
            yield f"Offers {', '.join(sorted(f for f in row.features if '_' not in f))}."
    if isinstance(row, (FunctionDef, VariableDef)) and row.needs:
        yield f"Needs of the kernel: {', '.join(row.needs)}."


def _text(row: Def) -> str:
    """For the terminal."""
    lines = [f"  {signature}" for signature in signatures(row)]
    for paragraph in row.doc.split("\n\n"):
        lines += ["", fill(" ".join(paragraph.split()), _WIDTH)]
    said = list(notes(row))
    if said:
        lines += ["", *said]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- the page


def sections(registry: Registry) -> dict[str, list[Def]]:
    """Heading -> rows by name; private ones (`__…`, messages) and all but the first of a family left out."""

    def public(rows: Iterable[Def]) -> list[Def]:
        shown: dict[str, Def] = {}
        for row in sorted(rows, key=lambda r: r.name):
            if row.name.isidentifier() and not row.name.startswith("_"):
                shown.setdefault(title(row), row)
        return list(shown.values())

    return {
        "Probes": public(registry.probes.values()),
        "Builtin values": public(registry.variables.values()),
        "Functions": public(registry.functions.values()),
        "Aggregates": public(registry.aggregates.values()),
        "Map kinds": public(registry.maps.values()),
    }


def _family(row: Def) -> str:
    return row.family if isinstance(row, VariableDef) else ""


def title(row: Def) -> str:
    """What an entry is called: a family of rows has one."""
    return _family(row) or row.name


def page() -> str:
    """docs/reference.md."""
    from pytrace.defs import load_registry

    out = [
        "# Reference",
        "",
        "Made from the rows in `pytrace/defs` by `python -m pytrace.reference > docs/reference.md`; change it there.",
        "`pytrace --help NAME` shows one entry.",
    ]
    for heading, rows in sections(load_registry()).items():
        out += ["", f"## {heading}", "", "| | |", "|---|---|"]
        out += [f"| [`{title(r)}`](#{_anchor(r)}) | {_cell(r.doc.splitlines()[0])} |" for r in rows]
        for row in rows:
            out += ["", f'### <a name="{_anchor(row)}"></a>`{title(row)}`', "", "```"]
            out += [*signatures(row), "```"]
            for paragraph in row.doc.split("\n\n"):
                out += ["", " ".join(paragraph.split())]
            for note in notes(row):
                out += ["", f"*{note}*"]
    return "\n".join(out) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(row: Def) -> str:
    kind = type(row).__name__.removesuffix("Def").lower()
    return f"{kind}-{row.name}"


if __name__ == "__main__":
    sys.stdout.write(page())
