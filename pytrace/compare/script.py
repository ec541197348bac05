"""What the script itself says of its output: whether it sees the machine at work, and what `begin` prints.

Place in the pipeline: beside `comparer`.  In: the request.  Out: a `Told`.  What a newcomer would get wrong: this is no
analysis, only a look at the tree; a script that pytrace cannot parse is taken to see events.
"""

from __future__ import annotations

import re

from pytrace.compare.arguments import Request
from pytrace.diagnostics import Diagnostics, ScriptError
from pytrace.record import record
from pytrace.source import Source

_OF_ITSELF = frozenset(("begin", "end", "interval", "i", "self", "test", "bench"))
"""Kinds of probes that fire by themselves."""
_LITERAL = re.compile(r'"((?:\\.|[^"\\])*)"')
_CONVERSION = re.compile(r"%[-+ #0-9.*]*[a-z]+|\\.")


@record
class Told:
    """`at_begin`: the lines that `begin` may print, by the texts in its body.  `elapsed`: it uses that builtin."""

    sees_events: bool = True
    elapsed: bool = False
    at_begin: tuple[re.Pattern[str], ...] = ()


def about(asked: Request) -> Told:
    """What can be said of the script that is asked for."""
    from pytrace.grammar.ast import Probe
    from pytrace.grammar.parser import parse

    try:
        source = _source(asked)
        items = parse(source, Diagnostics()).items
    except (OSError, ScriptError):
        return Told()
    probes = [item for item in items if isinstance(item, Probe)]
    kinds = [{point.text.partition(":")[0].strip().lower() for point in probe.attach_points} for probe in probes]
    bodies = [probe.body.span for probe, kind in zip(probes, kinds, strict=True) if "begin" in kind]
    texts = [source.text[span.start : span.end] for span in bodies]
    return Told(
        any(kind - _OF_ITSELF for kind in kinds),
        re.search(r"\belapsed\b", source.text) is not None,
        tuple(p for text in texts for p in _printed(text)),
    )


def _source(asked: Request) -> Source:
    if asked.script is not None:
        return Source("stdin", asked.script.encode("utf-8", "surrogateescape"))
    with open(asked.file, "rb") as f:
        return Source(asked.file, f.read())


def _printed(body: str) -> list[re.Pattern[str]]:
    """A pattern for each line of each text in a body."""
    lines = [line for literal in _LITERAL.findall(body) for line in literal.split("\\n")]
    return [re.compile(".*".join(map(re.escape, _CONVERSION.split(line)))) for line in lines if line]
