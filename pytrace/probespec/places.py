"""Where a specification attaches: kind, library or category, function, offset, signature; as an attach point.

Place in the pipeline: beside `expression`.  In: the specification's first part, split at its colons.  Out: `Place`, and
its attach point in the bpftrace language.  What a newcomer would get wrong: a library is named as for a linker (`c`,
`ssl`) or as a program on PATH (`bash`): which one it is depends on the machine, so `find` is passed in.
"""

from __future__ import annotations

from pytrace.probespec.expression import Parser
from pytrace.probespec.lexer import fail, tokens_of
from pytrace.probespec.script import Copied
from pytrace.probespec.typenames import CType
from pytrace.record import field, record
from pytrace.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Find = Callable[[str], str]
    """Name of a library or program, as the user wrote it, to what an attach point takes; "" if there is none."""

REGISTER_ARGUMENTS = 6
_SYSCALL_WRAPPER = "__x64_sys_"


@record
class Kind:
    """A kind of probe.  `kernel`, `program`: the provider without and with a library, "" if there is none."""

    letter: str
    kernel: str
    program: str
    has_signature: bool
    what: str


KINDS = {
    kind.letter: kind
    for kind in (
        Kind("p", "kprobe", "uprobe", True, "the entry of a function"),
        Kind("r", "kretprobe", "uretprobe", True, "the return of a function"),
        Kind("t", "tracepoint", "", False, "a tracepoint of the kernel"),
        Kind("u", "", "usdt", False, "a USDT probe"),
    )
}


@record
class Parameter:
    """One parameter of a signature; `index` counts from 0."""

    name: str
    type: CType
    index: int


@record
class Place:
    """`library`: of functions and USDT probes, "" for the kernel; of a tracepoint its category.  `name`: the function,
    event, or USDT probe, with its provider before a colon if that was given."""

    kind: Kind
    library: str
    name: str
    offset: int
    span: Span
    parameters: dict[str, Parameter] = field(default_factory=dict)

    @property
    def in_kernel(self) -> bool:
        return self.kind.letter == "t" or not self.library

    @property
    def is_syscall_wrapper(self) -> bool:
        """The kernel's entry of a system call on x86_64: its only argument points to the registers of the caller."""
        return self.kind.letter == "p" and not self.library and self.name.startswith(_SYSCALL_WRAPPER)

    def attach_point(self, find: Find) -> Copied:
        """The attach point.  Raises ScriptError if the library is unknown."""
        if self.kind.letter == "t":
            words = [self.kind.kernel, _word(self.library), _word(self.name)]
        elif not self.library:
            words = [self.kind.kernel, _word(self.name)]
        else:
            binary = find(self.library)
            if not binary:
                hint = "name a library as for the linker (c, ssl), a program on PATH, or a file with its path"
                if self.library in KINDS:
                    hint = f"with KIND there are three parts: {self.library}:LIBRARY:NAME, or t:CATEGORY:EVENT"
                fail(f"there is no library and no program called '{self.library}'", self.span, hint)
            words = [self.kind.program, _word(binary), *map(_word, self.name.split(":"))]
        return Copied(":".join(words) + (f"+{self.offset}" if self.offset else ""), self.span)


def _word(text: str) -> str:
    """A part of an attach point, in quotes if it has characters that would end or split it."""
    plain = text and all(c.isalnum() or c in "_./+-" for c in text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def place_of(letter: str, letter_span: Span, library: str, name: str, span: Span) -> Place:
    """A Place without parameters, its offset split off.  Raises ScriptError for what cannot be attached to."""
    kind = KINDS.get(letter)
    if kind is None:
        known = ", ".join(f"{k.letter} ({k.what})" for k in KINDS.values())
        fail(f"'{letter}' is no kind of probe", letter_span, f"there are {known}")
    if not name:
        fail(f"the name of {kind.what} is missing", span)
    if not library and not kind.kernel:
        fail("a USDT probe is in a program or library", span, "u:LIBRARY:PROBE, for example u:python3:function__entry")
    if not library and not kind.program:
        fail("a tracepoint has a category", span, "t:CATEGORY:EVENT, for example t:sched:sched_switch")
    if "*" in name:
        fail("one function for each specification", span, "funccount takes patterns; or write several specifications")
    offset = 0
    if kind.has_signature and "+" in name:
        name, _, digits = name.partition("+")
        offset = _offset(digits, Span(span.source, span.end - len(digits), span.end))
        if kind.letter == "r":
            fail("a return has no offset", span, f"p:{library}:{name}+{digits} stops there")
    return Place(kind, library, name, offset, span)


def _offset(digits: str, span: Span) -> int:
    try:
        return int(digits, 16 if digits[:2] in ("0x", "0X") else 10)
    except ValueError:
        fail(f"'{digits}' is not an offset", span, "bytes from the start of the function, decimal or hexadecimal")


def closing_parenthesis(source: Source, start: int) -> int:
    """Where the parenthesis that opens at `start` is closed again.  Raises ScriptError."""
    depth = 0
    for at in range(start, len(source.text)):
        depth += {"(": 1, ")": -1}.get(source.text[at], 0)
        if depth == 0:
            return at
    fail("this parenthesis is not closed", Span(source, start, start + 1))


def signature(source: Source, start: int, end: int) -> dict[str, Parameter]:
    """The parameters between the parentheses of a signature, by name.  Raises ScriptError."""
    parser = Parser(tokens_of(source, start, end))
    found: dict[str, Parameter] = {}
    index = 0
    while parser.token.kind != "end":
        if parser.token.kind != "name":
            parser.unexpected(
                "a type and the name of a parameter",
                "a predicate stands behind a blank: open (arg2 == 42)",
            )
        type_ = parser.type(named=True)
        if parser.token.kind == "name":
            name = parser.next()
            if name.text in found:
                fail(f"there are two parameters '{name.text}'", name.span)
            if parser.accept("["):
                while not parser.accept("]"):
                    if parser.token.kind == "end":
                        parser.unexpected("']'")
                    parser.next()
                type_ = CType(type_.name, type_.stars + 1, type_.user, type_.span)
            found[name.text] = Parameter(name.text, type_, index)
        elif type_.name == "void" and not type_.stars and index == 0 and parser.token.kind == "end":
            break
        index += 1
        if parser.token.kind != "end" and not parser.accept(","):
            parser.unexpected(
                "a type and a name for each parameter, with commas between them",
                "a predicate stands behind a blank: open (arg2 == 42); write a function pointer as void *",
            )
    return found


def find_binary(pid: int | None) -> Find:
    """How this machine finds what a specification names: a path, a library of the linker, a program on PATH."""

    def find(name: str) -> str:
        from pytrace.runtime import binaries

        if "/" in name:
            return name
        for library in (f"lib{name}", name):
            if binaries.library(library, pid):
                return library
        return name if binaries.resolve(name, pid) else ""

    return find
