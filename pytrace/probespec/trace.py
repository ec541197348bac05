"""`trace`: specifications to a script that prints a line for each event.

Place in the pipeline: a generator of `toolbox` (`pytrace/tools/trace.pt` names it).  In: Words.  Out: Generated.  What
a newcomer would get wrong: a line and its stacks are one printf(), or those of two CPUs would mix; that is why the
format is put together here and not printed column by column.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, ScriptError, UsageError
from pytrace.probespec.expression import Node, Parser
from pytrace.probespec.lexer import fail, tokens_of
from pytrace.probespec.message import Message, format_piece, message_of
from pytrace.probespec.places import Place, closing_parenthesis, find_binary, place_of, signature
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
from pytrace.probespec.words import include_lines
from pytrace.record import record
from pytrace.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.probespec.places import Find
    from pytrace.probespec.words import Words


@record
class Specification:
    """One probe of trace: where, if what (None: always), and what to say (None: nothing)."""

    place: Place
    predicate: Node | None
    message: Message | None


def parse(source: Source) -> Specification:
    """`[KIND:[LIBRARY:]]NAME[(SIGNATURE)] [(PREDICATE)] ["FORMAT"[, VALUE]...]`.  Raises ScriptError."""
    text = source.text
    start = len(text) - len(text.lstrip())
    end = next((i for i in range(start, len(text)) if text[i].isspace() or text[i] == "("), len(text))
    place = _place(source, start, end)
    if text[end : end + 1] == "(":
        close = closing_parenthesis(source, end)
        if not place.kind.has_signature:
            fail(
                f"{place.kind.what} has no signature",
                Span(source, end, close + 1),
                "a predicate stands behind a blank; arguments are args->FIELD (t) or arg1, arg2 ... (u)",
            )
        parameters = signature(source, end + 1, close)
        place = Place(place.kind, place.library, place.name, place.offset, place.span, parameters)
        end = close + 1
    parser = Parser(tokens_of(source, end, len(text)), place.parameters)
    predicate = None
    if parser.accept("("):
        predicate = parser.expression()
        parser.expect(")", "to close the predicate")
    if parser.token.kind == "end":
        return Specification(place, predicate, None)
    if parser.token.kind != "string":
        parser.unexpected("a format in double quotes", 'NAME (PREDICATE) "FORMAT", VALUE, ...')
    return Specification(place, predicate, message_of(parser.next(), parser))


def _place(source: Source, start: int, end: int) -> Place:
    """`NAME`, `LIBRARY:NAME`, `KIND:LIBRARY:NAME`; of USDT probes also `u:LIBRARY:PROVIDER:NAME`."""
    span = Span(source, start, end)
    parts = source.text[start:end].split(":")
    if len(parts) < 3:
        parts = ["p", *[""] * (2 - len(parts)), *parts]
        letter_span = span
    else:
        letter_span = Span(source, start, start + max(len(parts[0]), 1))
    letter = parts[0] or "p"
    if letter == "u":
        return place_of(letter, letter_span, parts[1], ":".join(parts[2:]), span)
    if letter == "t" and len(parts) > 3:
        fail("a tracepoint is CATEGORY:EVENT", span, "t:sched:sched_switch")
    return place_of(letter, letter_span, ":".join(parts[1:-1]), parts[-1], span)


def generate(words: Words) -> Generated:
    """The script for `words`.  Raises UsageError, ScriptError with the messages of all specifications."""
    options = _Options(words)
    pid = words.text("pid")
    find = find_binary(int(pid) if pid.isdecimal() else None)
    specifications: list[Specification] = []
    diagnostics = Diagnostics()
    pieces: list[Piece] = []
    for source in words.sources(words.positional, "probe"):
        try:
            specifications.append(parse(source))
            pieces += options.probe(specifications[-1], len(specifications), find)
        except ScriptError as error:
            diagnostics.items += error.diagnostics.items
    diagnostics.raise_errors()
    head = options.head(any(s.message for s in specifications))
    return Generated(
        GeneratedSource(words.tool, [include_lines(words.all("include")), *head, *pieces, *options.tail()]),
        pid=pid,
        map_rows=options.map_rows,
        shown=words.flag("verbose"),
        only_shown=words.flag("print-script"),
    )


class _Options:
    """What is the same for all probes of a run: columns, filters, and how the script begins and ends."""

    def __init__(self, words: Words) -> None:
        if words.flag("pid") and words.flag("tid"):
            raise UsageError(f"{words.tool}: only one of -p and -L may be given")
        self.clock = "wall" if words.flag("time") else ""
        if words.flag("timestamp"):
            self.clock = "unix" if words.flag("unix-timestamp") else "offset"
        elif words.flag("unix-timestamp"):
            raise UsageError(f"{words.tool}: -u says how -t shows times, and needs it")
        self.cpu = words.flag("print_cpu")
        self.size = words.number("string-size", 80, 1)
        self.most = words.number("max-events", 0, 1)
        self.aggregate = words.flag("aggregate")
        if self.aggregate and not self.most:
            raise UsageError(f"{words.tool}: -A counts the events up to the number of -M, and needs it")
        self.binary = words.flag("bin_cmp")
        self.pages = words.number("buffer-pages", 0, 1)
        self.wanted = words.text("msg-filter").encode("utf-8", "surrogateescape").decode("latin-1")
        self.own = not (words.flag("include-self") or words.flag("pid") or words.flag("tid"))
        mode = "(perf)" if words.flag("address") else ""
        stacks = {"kstack": words.flag("kernel-stack"), "ustack": words.flag("user-stack")}
        self.stacks = [name + mode for name, wanted in stacks.items() if wanted]
        self.filters = self._filters(words)
        self.map_rows: dict[str, str] = {}

    def _filters(self, words: Words) -> list[str]:
        found = ["pid != @tracer"] if self.own else []
        if words.flag("tid"):
            found.append(f"tid == {words.number('tid')}")
        if words.flag("uid"):
            found.append(f"uid == {words.number('uid')}")
        if words.flag("cgroup-path"):
            found.append(_below_cgroup(words.tool, words.text("cgroup-path")))
        if words.text("name"):
            name = words.text("name").encode("utf-8", "surrogateescape").decode("latin-1")
            found.append(f"strcontains(comm, {quoted(name)})")
        return found

    # -------------------------------------------------------- the script

    def head(self, has_message: bool) -> list[Piece]:
        """Settings, and the line of titles."""
        config = settings(
            f"perf_rb_pages = {self.pages}" if self.pages else "",
            string_setting(self.size),
            "print_maps_on_exit = false" if self.own or self.most else "",
        )
        titles = {"": "", "wall": "TIME     ", "offset": "TIME     ", "unix": f"{'TIME':<17} "}[self.clock]
        titles += "CPU " if self.cpu else ""
        titles += f"{'PID':<7} {'TID':<7} {'COMM':<15} {'FUNC':<16} {'-' if has_message else ''}"
        tracer = "  @tracer = pid;\n" if self.own else ""
        return [config, "\n" if config else "", f'begin\n{{\n{tracer}  printf("{titles}\\n");\n}}\n']

    def tail(self) -> list[Piece]:
        """What the end prints, if events are added up."""
        prints = "".join(f"  print({name});\n" for name in self.map_rows)
        return [f"\nend\n{{\n{prints}}}\n"] if prints else []

    def probe(self, specification: Specification, number: int, find: Find) -> list[Piece]:
        """One probe.  Raises ScriptError."""
        at = At(specification.place, binary_strings=self.binary)
        tests: list[list[Piece]] = [[text] for text in self.filters]
        if specification.predicate is not None:
            tests.append(at.pieces(specification.predicate))
        if self.wanted:
            tests += self._message_test(specification.message, at)
        action = self._count(specification, at, number) if self.aggregate else self._line(specification, at)
        return [
            "\n",
            specification.place.attach_point(find),
            "\n",
            *predicate(tests),
            "{\n",
            *self._limited(action),
            "}\n",
        ]

    def _message_test(self, message: Message | None, at: At) -> list[list[Piece]]:
        test: list[Piece] | None = ["false"] if message is None else message.contains(self.wanted, at, self.size)
        return [test] if test else []

    def _limited(self, action: list[Piece]) -> list[Piece]:
        """`action` for no more than the events of -M.  The sum is over all CPUs: two that add at once may both see
        one too many, so that the last event is left out, but there is never one too many."""
        if not self.most:
            return ["  ", *action, ";\n"]
        return [
            "  @events = count();\n",
            f"  if ((uint64)@events <= {self.most}) {{\n    ", *action, ";\n  }\n",
            f"  if ((uint64)@events >= {self.most}) {{\n    exit();\n  }}\n",
        ]  # fmt: skip

    def _columns(self) -> tuple[str, list[list[Piece]]]:
        """The format and values of the columns before FUNC."""
        clocks: dict[str, tuple[str, list[list[Piece]]]] = {
            "": ("", []),
            "wall": ("%-8s ", [['strftime("%H:%M:%S", nsecs)']]),
            "offset": ("%llu.%06llu ", [["elapsed / 1000000000"], ["elapsed / 1000 % 1000000"]]),
            "unix": ("%-17s ", [['strftime("%s.%f", nsecs)']]),
        }
        form, values = clocks[self.clock]
        if self.cpu:
            form += "%-3d "
            values.append(["cpu"])
        values += [["pid"], ["tid"], ["comm"]]
        return form + "%-7d %-7d %-15s ", values

    def _stacks(self) -> list[list[Piece]]:
        return [[name] for name in self.stacks]

    def _line(self, specification: Specification, at: At) -> list[Piece]:
        form, values = self._columns()
        message = specification.message
        values += message.values(at, self.size) if message else []
        values += self._stacks()
        name = quoted(literal_in_format(f"{specification.place.name:<16} "))[1:-1]
        stacks = "%s" * len(self.stacks)
        return [f'printf("{form}{name}', *format_piece(message), f'{stacks}\\n", ', *joined(values, ", "), ")"]

    def _count(self, specification: Specification, at: At, number: int) -> list[Piece]:
        """Count equal events: in a map whose rows are shown as the lines would be."""
        message, name = specification.message, braces(specification.place.name)
        cpu: list[list[Piece]] = [["cpu"]] if self.cpu else []
        keys: list[list[Piece]] = [*cpu, ["pid"], ["tid"], ["comm"]]
        row = ("{0:<3} " if cpu else "") + f"{{{len(cpu)}:<7}} {{{len(cpu) + 1}:<7}} {{{len(cpu) + 2}:<15}} {name:<16} "
        if message:
            row += message.row(len(keys))
            keys += message.keys(at, self.size)
        row += "".join(f"{{{len(keys) + i}}}" for i in range(len(self.stacks)))
        keys += self._stacks()
        self.map_rows[f"@counted_{number}"] = row + ("" if self.stacks else "\n") + "-->COUNT {value}\n\n"
        return [f"@counted_{number}[", *joined(keys, ", "), "] = count()"]


def _below_cgroup(tool: str, path: str) -> str:
    """A test whether the thread is in the cgroup of `path`, or in one below it.  Raises UsageError.

    `ancestors` of struct cgroup (Linux 6.1) has the cgroups above one by their level, and itself.
    """
    from os.path import dirname, exists, realpath

    folder, level = realpath(path), 0
    if not exists(f"{folder}/cgroup.controllers"):
        raise UsageError(f"{tool}: '{path}' is no folder of the cgroup hierarchy (version 2)")
    while exists(f"{folder}/cgroup.type"):  # every cgroup has it but the machine's first
        folder, level = dirname(folder), level + 1
    if not exists(f"{folder}/cgroup.controllers"):
        raise UsageError(f"{tool}: the cgroups above '{path}' are not seen from here, so that its level cannot be told")
    group = "curtask->cgroups->dfl_cgrp"
    same = f"{group}->ancestors[{level}]->kn->id == cgroupid({quoted(path)})"
    return f"{group}->level >= {level} && {same}"
