"""Trees of a specification to the bpftrace language.

Place in the pipeline: between `expression` and the tools.  In: nodes, and the Place that they are evaluated at.  Out:
pieces of script.  What a newcomer would get wrong: `arg1` counts from 1, and is 64 bits without a sign unless the
signature says otherwise; and a `char *` is an address, which only `string` reads.
"""

from __future__ import annotations

from re import ASCII, findall, match

from pytrace.probespec.expression import (
    Binary,
    Call,
    Cast,
    Conditional,
    Group,
    Index,
    Keyword,
    Member,
    Name,
    Node,
    Number,
    Text,
    Unary,
)
from pytrace.probespec.lexer import fail
from pytrace.probespec.places import REGISTER_ARGUMENTS, Parameter, Place
from pytrace.probespec.script import Copied, Piece, joined
from pytrace.probespec.typenames import CType
from pytrace.record import record
from pytrace.source import Span

KEYWORDS = {
    "$pid": "tid", "$tid": "tid", "$tgid": "pid", "$PID": "pid", "$uid": "uid", "$gid": "gid", "$cpu": "cpu",
    "$comm": "comm", "$task": "curtask", "$retval": "retval",
}  # fmt: skip
"""What each keyword is in the language.  `$pid` is what the kernel calls so: the id of a thread."""

_SYSCALL_REGISTERS = ("di", "si", "dx", "r10", "r8", "r9")
_NAMES = {"NULL": "0"}
_ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"))


@record
class At:
    """What nodes are translated for.  `saved`: parameters that were saved at entry, by the name of the variable that
    holds them when the function returns; `latency`: whether `$latency` may be used.  `binary_strings`: STRCMP compares
    bytes, as -B says."""

    place: Place
    saved: dict[str, str] | None = None
    latency: bool = False
    binary_strings: bool = False

    def pieces(self, node: Node) -> list[Piece]:
        """`node` in the bpftrace language.  Raises ScriptError for what cannot be had here."""
        match node:
            case Number():
                written = node.span.text
                return [Copied(str(node.value) if written[0] == "'" else written.rstrip("uUlL"), node.span)]
            case Text():
                return [Copied(f'"{node.text}"', node.span)]
            case Name():
                return self._name(node)
            case Keyword():
                return self._keyword(node)
            case Group():
                return ["(", *self.pieces(node.inner), ")"]
            case Unary():
                op = Copied(node.op, Span(node.span.source, node.span.start, node.span.start + 1))
                doubled = isinstance(node.operand, Unary) and node.operand.op == node.op == "-"
                return [op, *([" "] if doubled else []), *self.pieces(node.operand)]  # `--` takes one away
            case Binary():
                return [*self.pieces(node.left), " ", Copied(node.op.text, node.op.span), " ", *self.pieces(node.right)]
            case Conditional():
                parts = [self.pieces(part) for part in (node.condition, node.yes, node.no)]
                return [*parts[0], " ? ", *parts[1], " : ", *parts[2]]
            case Member():
                return [*self._base(node.base), Copied(node.op + node.field, _behind(node.base, node))]
            case Index():
                return [*self._base(node.base), "[", *self.pieces(node.index), "]"]
            case Cast():
                return self.cast(node.type, node.operand, Copied(f"({node.type.text})", node.type.span))
            case Call():
                return self._call(node)
        raise TypeError(f"no translation of {node!r}")

    def string(self, node: Node, size: int) -> list[Piece]:
        """`node` as a string of at most `size` bytes: what it points to, unless it is a string by itself."""
        plain = node
        while isinstance(plain, Group):
            plain = plain.inner
        if isinstance(plain, (Text, Call)) or (isinstance(plain, Keyword) and plain.name == "$comm"):
            return self.pieces(node)
        if isinstance(plain, Name) and not self._is_address(plain.name):
            return self.pieces(node)
        if isinstance(plain, Cast) and plain.type.is_string and not plain.type.user:
            plain = plain.operand  # str() needs no cast
        parameter = self.place.parameters.get(plain.name) if isinstance(plain, Name) else None
        if parameter is not None and parameter.type.is_string and not parameter.type.user:
            address: list[Piece] = [Copied(self._argument(parameter.index, plain.span), plain.span)]
        else:
            address = self.pieces(plain)
        return ["str(", *address, f", {size + 1})"]  # str() counts the byte that ends it

    def cast(self, wanted: CType, node: Node, shown: Piece = "") -> list[Piece]:
        """`node` as a value of type `wanted`, without a cast where it has that type already."""
        inner = self.pieces(node)
        if wanted.text == self._type(node):
            return inner
        simple = isinstance(node, (Number, Text, Name, Keyword, Group, Member, Index, Cast, Unary, Call))
        pieces = [shown or f"({wanted.text})", *(inner if simple else ["(", *inner, ")"])]
        return ["uptr(", *pieces, ")"] if wanted.user else pieces

    # -------------------------------------------------------- single nodes

    def _is_address(self, name: str) -> bool:
        return name in self.place.parameters or name == "retval" or _argument_number(name) is not None

    def _type(self, node: Node) -> str:
        """The type of `node` as far as it is known here, "" if it is not."""
        match node:
            case Group():
                return self._type(node.inner)
            case Cast():
                return node.type.text
            case Name():
                parameter = self.place.parameters.get(node.name)
                return parameter.type.text if parameter else "uint64" if self._is_address(node.name) else ""
            case Keyword():
                return "uint64" if node.name in ("$retval", "$latency") else ""
            case Binary():
                left = self._type(node.left) if node.op.text in _ARITHMETIC else ""
                return left if left == "uint64" == self._type(node.right) else ""
        return ""

    def _base(self, node: Node) -> list[Piece]:
        """`node` in front of `->` or `[`, which bind closer than a cast."""
        pieces = self.pieces(node)
        bound = isinstance(node, (Group, Member, Index)) or not _text(pieces[0]).startswith("(")
        return pieces if bound else ["(", *pieces, ")"]

    def _name(self, node: Name) -> list[Piece]:
        parameter = self.place.parameters.get(node.name)
        number = _argument_number(node.name)
        if parameter is not None:
            value = self._parameter(parameter, node.span)
        elif number is not None:
            value = [Copied(self._argument(number - 1, node.span), node.span)]
        elif node.name == "retval":
            value = [Copied(self._retval(node.span), node.span)]
        else:
            value = [Copied(_NAMES.get(node.name, node.name), node.span)]
        return ["uptr(", *value, ")"] if node.user else value

    def _parameter(self, parameter: Parameter, span: Span) -> list[Piece]:
        if self.place.kind.letter == "r":
            fail(
                f"'{parameter.name}' is gone when the function returns",
                span,
                "argdist has $entry(NAME), the value at entry",
            )
        register = self._argument(parameter.index, span)
        kind = parameter.type
        if kind.stars == 0 and kind.name.startswith(("struct ", "union ", "void")):
            fail(f"'{parameter.name}' is not in a register: it is a {kind.text}", span, "pointers and integers are")
        if kind.is_register or (kind.name == "void" and kind.stars == 1):
            value: list[Piece] = [Copied(register, span)]
        else:
            value = [Copied(f"({kind.text})" + register, span)]
        return ["uptr(", *value, ")"] if kind.user else value

    def _argument(self, index: int, span: Span) -> str:
        letter = self.place.kind.letter
        if letter == "t":
            fail("a tracepoint has named fields", span, "args->FIELD; pytrace -lv 't:CATEGORY:EVENT' lists them")
        if letter == "r":
            fail("arguments are gone when the function returns", span, "argdist has $entry(NAME), the value at entry")
        if index < 0:
            fail("arguments count from 1", span, "the first one is arg1")
        if letter == "p" and index >= REGISTER_ARGUMENTS:
            fail(
                f"argument {index + 1} does not lie in a register",
                span,
                f"x86_64 passes {REGISTER_ARGUMENTS} there: arg1 to arg{REGISTER_ARGUMENTS}",
            )
        if self.place.is_syscall_wrapper:
            return f"((struct pt_regs *)arg0)->{_SYSCALL_REGISTERS[index]}"
        return f"arg{index}"

    def _retval(self, span: Span) -> str:
        if self.place.kind.letter != "r":
            hint = "args->ret, in t:syscalls:sys_exit_..." if self.place.kind.letter == "t" else "r:LIBRARY:FUNCTION"
            fail("only the return of a function has a result", span, f"it is {hint}")
        return "retval"

    def _keyword(self, node: Keyword) -> list[Piece]:
        if node.name == "$entry":
            return [Copied(self._entry(node), node.span)]
        if node.name == "$latency":
            if not self.latency:
                fail("$latency is the time between entry and return", node.span, "argdist has it, with r:")
            return [Copied("$latency", node.span)]
        if node.name == "$retval":
            return [Copied(self._retval(node.span), node.span)]
        if node.name not in KEYWORDS:
            known = " ".join((*KEYWORDS, "$latency", "$entry(NAME)"))
            fail(f"'{node.name}' is no keyword", node.span, f"there are {known}")
        return [Copied(KEYWORDS[node.name], node.span)]

    def _entry(self, node: Keyword) -> str:
        if self.saved is None:
            fail(
                "$entry() is of argdist's returns", node.span, "argdist -C 'r:LIBRARY:FUNCTION(...):TYPE:$entry(NAME)'"
            )
        if node.parameter not in self.saved:
            fail(f"the signature has no parameter '{node.parameter}'", node.span)
        return self.saved[node.parameter]

    def _call(self, node: Call) -> list[Piece]:
        if node.name == "STRCMP":
            return self._strcmp(node)
        if node.name.startswith("bpf_"):
            fail(f"{node.name}() is a helper of BPF programs in C", node.span, "functions here are those of bpftrace")
        head = Copied(node.name + "(", Span(node.span.source, node.span.start, node.span.start + len(node.name)))
        return [head, *joined([self.pieces(a) for a in node.arguments], ", "), ")"]

    def _strcmp(self, node: Call) -> list[Piece]:
        if len(node.arguments) != 2 or not isinstance(node.arguments[0], Text):
            fail("STRCMP compares a literal with a string", node.span, 'STRCMP("test.txt", arg1)')
        literal, other = node.arguments[0].text, node.arguments[1]
        if not self.binary_strings:
            text = Copied(f'"{literal}"', node.arguments[0].span)
            return ["(", *self.string(other, len(literal) + 1), " == ", text, ")"]
        tests: list[list[Piece]] = []
        address = self.pieces(other)
        for i, byte in enumerate(_bytes(node.arguments[0])):
            tests.append(["((uint8 *)", *address, f")[{i}] == {byte}"])
        return ["(", *joined(tests, " && "), ")"]


def _bytes(literal: Text) -> list[int]:
    """The bytes of `{0x6C, 0x00}`.  Raises ScriptError."""
    if match(r"\{\s*(\d+|0[xX][0-9a-fA-F]+)(\s*,\s*(\d+|0[xX][0-9a-fA-F]+))*\s*\}$", literal.text, ASCII):
        found = [int(word, 16 if word[1:2] in ("x", "X") else 10) for word in findall(r"\w+", literal.text)]
        if max(found) < 256:
            return found
    fail("with -B a string is a list of bytes", literal.span, 'for example "{0x6C, 0x00, 0x00, 0x00}"')


def _argument_number(name: str) -> int | None:
    """N of `argN`."""
    digits = name[3:] if name.startswith("arg") else ""
    return int(digits) if digits.isdecimal() else None


def _behind(base: Node, node: Node) -> Span:
    return Span(node.span.source, base.span.end, node.span.end)


def _text(piece: Piece) -> str:
    return piece if isinstance(piece, str) else piece.text
