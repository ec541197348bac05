"""`argdist`: specifications to a script that counts values, or puts them into histograms.

Place in the pipeline: a generator of `toolbox` (`pytrace/tools/argdist.pt` names it).  In: Words.  Out: Generated.
What a newcomer would get wrong: `$entry(NAME)` and `$latency` need a second probe, at the entry of the function, which
saves them by thread; a return whose entry was not seen is left out, and so is all but the innermost of a recursion.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, ScriptError, UsageError
from pytrace.probespec.expression import Name, Node, Parser
from pytrace.probespec.lexer import fail, tokens_of
from pytrace.probespec.places import KINDS, Place, closing_parenthesis, find_binary, place_of, signature
from pytrace.probespec.script import (
    Generated,
    GeneratedSource,
    Piece,
    braces,
    joined,
    literal_in_format,
    predicate,
    quoted,
    settings,
    string_setting,
)
from pytrace.probespec.translate import At
from pytrace.probespec.typenames import CType
from pytrace.probespec.words import include_lines
from pytrace.record import record
from pytrace.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.probespec.places import Find
    from pytrace.probespec.words import Words


@record
class Specification:
    """One specification.  `types`, `values`: of the same length, none if the default is meant.  `label`: as printed."""

    place: Place
    types: tuple[CType, ...]
    values: tuple[Node, ...]
    filter: Node | None
    label: str
    has_label: bool

    def uses(self, keyword: str) -> Iterable[str]:
        """The parameters of each `keyword` in the values and the filter ("" for those without)."""
        spans = [node.span for node in (*self.values, self.filter) if node is not None]
        for span in spans:
            tokens = tokens_of(span.source, span.start, span.end)
            for i, token in enumerate(tokens):
                if token.kind == "keyword" and token.text == keyword:
                    yield tokens[i + 2].text if keyword == "$entry" else ""


def parse(source: Source) -> Specification:
    """`KIND:[LIBRARY]:NAME(SIGNATURE)[:TYPE[,TYPE]...:VALUE[,VALUE]...[:FILTER]][#LABEL]`.  Raises ScriptError."""
    text = source.text
    end = _before_label(text)
    label = text[end + 1 :].strip() or text[:end].strip()
    kind, colon = _until(source, 0, end, ":", "the kind of probe and ':'")
    library, second = _until(source, colon + 1, end, ":", "a library, or a category, and ':'")
    name, opening = _until(source, second + 1, end, "(", "a name and its signature in parentheses, which may be empty")
    start = len(text) - len(text.lstrip())
    place = place_of(kind, Span(source, start, max(colon, start + 1)), library, name, Span(source, start, opening))
    closing = closing_parenthesis(source, opening)
    if not place.kind.has_signature and text[opening + 1 : closing].strip():
        fail(
            f"{place.kind.what} has an empty signature",
            Span(source, opening + 1, closing),
            "arguments are args->FIELD (t) or arg1, arg2 ... (u)",
        )
    parameters = signature(source, opening + 1, closing)
    place = Place(place.kind, place.library, place.name, place.offset, place.span, parameters)
    parser = Parser(tokens_of(source, closing + 1, end), parameters)
    types, values, condition = _what(parser)
    return Specification(place, types, values, condition, label, end < len(text))


def _before_label(text: str) -> int:
    """Where `#` begins the label, outside of strings and characters; the text's end if there is none."""
    quote = ""
    for at, c in enumerate(text):
        if quote:
            quote = "" if c == quote and text[at - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        elif c == "#":
            return at
    return len(text)


def _until(source: Source, start: int, end: int, mark: str, what: str) -> tuple[str, int]:
    at = source.text.find(mark, start, end)
    if at < 0:
        fail(
            f"expected {what}",
            Span(source, min(start, max(end - 1, 0)), max(end, 1)),
            "KIND:[LIBRARY]:NAME(SIGNATURE)[:TYPE:VALUE[:FILTER]][#LABEL], for example 'p:c:malloc(size_t n):size_t:n'",
        )
    return source.text[start:at].strip(), at


def _what(parser: Parser) -> tuple[tuple[CType, ...], tuple[Node, ...], Node | None]:
    """What stands behind the signature: types, values, filter."""
    if parser.token.kind == "end":
        return (), (), None
    parser.expect(":", "behind the signature")
    types = [parser.type()]
    while parser.accept(","):
        types.append(parser.type())
    parser.expect(":", "between the types and the values")
    values = [parser.expression()]
    while parser.accept(","):
        values.append(parser.expression())
    if len(values) != len(types):
        span = values[0].span.to(values[-1].span)
        fail(f"{len(types)} type{'s'[: len(types) != 1]} for {len(values)} value{'s'[: len(values) != 1]}", span)
    condition = parser.expression() if parser.accept(":") else None
    if parser.token.kind != "end":
        parser.unexpected("the end, or '#' and a label", "a label stands behind '#'" if parser.is_op(";") else "")
    return tuple(types), tuple(values), condition


def generate(words: Words) -> Generated:
    """The script for `words`.  Raises UsageError, ScriptError with the messages of all specifications."""
    pid = words.text("pid")
    run = _Run(words, find_binary(int(pid) if pid.isdecimal() else None))
    diagnostics = Diagnostics()
    pieces: list[Piece] = []
    counts, histograms = words.all("count"), words.all("histogram")
    if not counts and not histograms:
        raise UsageError(f"{words.tool}: at least one specification is needed", hint="-C or -H, as --help argdist says")
    sources = [(s, run.count) for s in words.sources(counts, "-C")]
    sources += [(s, run.histogram) for s in words.sources(histograms, "-H")]
    for number, (source, collect) in enumerate(sources, 1):
        try:
            specification = parse(source)
            pieces += run.probes(specification, number, collect(specification, number))
        except ScriptError as error:
            diagnostics.items += error.diagnostics.items
    diagnostics.raise_errors()
    return Generated(
        GeneratedSource(words.tool, [include_lines(words.all("include")), *run.head(), *pieces, *run.outputs()]),
        pid=pid,
        map_rows=run.map_rows,
        shown=words.flag("verbose"),
        only_shown=words.flag("print-script"),
    )


class _Run:
    """What is the same for all specifications of a run, and what they add to the outputs."""

    def __init__(self, words: Words, find: Find) -> None:
        self.find = find
        self.size = words.number("string-size", 80, 1)
        self.interval = words.number("interval", 1, 1)
        self.top = words.number("top", 0, 1)
        self.cumulative = words.flag("cumulative")
        duration, number = words.number("duration", 0, 1), words.number("number", 0, 1)
        ends = [n for n in (number, -(-duration // self.interval)) if n]
        self.last = min(ends, default=0)
        self.tid = words.number("tid") if words.flag("tid") else None
        self.map_rows: dict[str, str] = {}
        self._prints: list[str] = []

    def head(self) -> list[Piece]:
        return [settings("max_map_keys = 10240", string_setting(self.size), "print_maps_on_exit = false")]

    def outputs(self) -> list[Piece]:
        """The probes that print at each interval, and once more if something else than -d or -n ends the run."""
        count = f"  @outputs++;\n  if (@outputs >= {self.last}) {{\n    exit();\n  }}\n" if self.last else ""
        prints = ["{\n", '  time("[%H:%M:%S]\\n");\n', *self._prints]
        rest = f"\nend\n/@outputs < {self.last}/\n" if self.last else "\nend\n"
        return [f"\ninterval:s:{self.interval}\n", *prints, count, "}\n", rest, *prints, "}\n"]

    # -------------------------------------------------------- what a specification collects

    def count(self, specification: Specification, number: int) -> _Collected:
        """A map that counts values, and the table that it is printed as."""
        name = f"@count_{number}"
        returns = specification.place.kind.letter == "r"
        names = [_shown(value) for value in specification.values] or (["retval"] if returns else [])
        shown = ", ".join(f"{braces(n)} = {{{i}}}" for i, n in enumerate(names)) if names else "total calls"
        self.map_rows[name] = f"\t{{value:<10}} {shown}\n"
        title = quoted(literal_in_format(specification.label))[1:-1]
        self._print(
            name, f'  printf("{title}\\n\\t%-10s %s\\n", "COUNT", "EVENT");\n', f", {self.top}" if self.top else ""
        )
        return _Collected(name, "count()", True, self.size)

    def histogram(self, specification: Specification, number: int) -> _Collected:
        """A histogram under the specification's label."""
        name = f"@hist_{number}"
        if len(specification.values) > 1:
            span = specification.values[0].span.to(specification.values[-1].span)
            fail("a histogram is of one value", span, "-C counts several together")
        if not specification.values and specification.place.kind.letter != "r":
            fail("a histogram is of a value", specification.place.span, "TYPE:VALUE stand behind the signature")
        if specification.types and specification.types[0].is_string:
            fail("a histogram is of numbers", specification.types[0].span, "-C counts strings")
        default = _shown(specification.values[0]) if specification.values else "retval"
        label = specification.label if specification.has_label else default
        self.map_rows[name] = f"     {braces(label)}\n{{value}}\n"
        self._print(name, "", "")
        return _Collected(name, "hist", False, self.size)

    def _print(self, name: str, title: str, top: str) -> None:
        self._prints.append(f"{title}  print({name}{top});\n")
        if not self.cumulative:
            self._prints.append(f"  clear({name});\n")

    # -------------------------------------------------------- probes

    def probes(self, specification: Specification, number: int, collected: _Collected) -> list[Piece]:
        """The probe of a specification, behind the one at the function's entry if it needs that."""
        place = specification.place
        parameters = dict.fromkeys(specification.uses("$entry"))
        latency = any(True for _ in specification.uses("$latency"))
        if place.kind.letter != "r" or not (parameters or latency):
            at = At(place, saved={} if place.kind.letter == "r" else None)
            return self._probe(
                place, self._tests(specification, at), ["  ", *collected.pieces(specification, at), ";\n"]
            )
        known = [p for p in place.parameters.values() if p.name in parameters]
        at = At(place, {p.name: f"$entry_{p.name}" for p in known}, latency)
        start = f"@start_{number}"
        entry = At(Place(KINDS["p"], place.library, place.name, 0, place.span, place.parameters))
        maps, saves = [start], list[Piece]()
        loads: list[Piece] = []
        for p in known:
            map_ = f"@entry_{p.name}_{number}"
            maps.append(map_)
            saves += [f"  {map_}[tid] = ", *entry.pieces(Name(place.span, p.name, False)), ";\n"]
            user = p.type.stars and (p.type.user or place.library)
            loads.append(f"  let $entry_{p.name} = " + (f"uptr({map_}[tid]);\n" if user else f"{map_}[tid];\n"))
        if latency:
            loads.append(f"  let $latency = (uint64)(nsecs - {start}[tid]);\n")
        condition = ["(", *at.pieces(specification.filter), ")"] if specification.filter is not None else []
        action: list[Piece] = [*collected.pieces(specification, at), ";\n"]
        body = ["  if ", *condition, " {\n    ", *action, "  }\n"] if condition else ["  ", *action]
        tests = self._tests(None, at)
        return [
            *[f"\nlet {name} = lruhash(10240);" for name in maps],
            "\n",
            *self._probe(entry.place, tests, [f"  {start}[tid] = nsecs;\n", *saves]),
            *self._probe(place, [[f"has_key({start}, tid)"]], [*loads, *body, f"  _ = delete({start}, tid);\n"]),
        ]

    def _tests(self, specification: Specification | None, at: At) -> list[list[Piece]]:
        tests: list[list[Piece]] = [[f"tid == {self.tid}"]] if self.tid is not None else []
        if specification is not None and specification.filter is not None:
            tests.append(at.pieces(specification.filter))
        return tests

    def _probe(self, place: Place, tests: list[list[Piece]], body: list[Piece]) -> list[Piece]:
        return ["\n", place.attach_point(self.find), "\n", *predicate(tests), "{\n", *body, "}\n"]


@record
class _Collected:
    """How values are collected: `map[values] = function`, or `map = function(value)`."""

    map: str
    function: str
    keyed: bool
    size: int

    def pieces(self, specification: Specification, at: At) -> list[Piece]:
        typed = zip(specification.types, specification.values, strict=True)
        values = [self._value(type_, node, at) for type_, node in typed]
        if not values and specification.place.kind.letter == "r":
            values = [["(int32)retval"]]
        if not self.keyed:
            return [f"{self.map} = {self.function}(", *joined(values, ", "), ")"]
        return [self.map, *(["[", *joined(values, ", "), "]"] if values else []), f" = {self.function}"]

    def _value(self, wanted: CType, node: Node, at: At) -> list[Piece]:
        """`node` as the type says: the text of a `char *`, the number that any other pointer is."""
        if wanted.is_string:
            return at.string(node, self.size)
        plain = CType("uint64" if wanted.stars else wanted.name, 0, False, wanted.span)
        return at.cast(plain, node)


def _shown(node: Node) -> str:
    """A value as it stands in the specification, `$entry(NAME)` as NAME."""
    from re import sub

    return sub(r"\$entry\s*\(\s*(\w+)\s*\)", r"\1", " ".join(node.span.text.split()))
