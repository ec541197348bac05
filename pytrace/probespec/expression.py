"""Expressions and types of a specification: tokens to a tree, each node with its span.

Place in the pipeline: between `lexer` and `translate`.  In: tokens, and the names of the function's parameters.  Out:
nodes.  What a newcomer would get wrong: precedence is C's, which is the bpftrace language's too, and parentheses stay
in the tree as `Group`; so a tree can be written out as it was, node by node.
"""

from __future__ import annotations

from pytrace.probespec.lexer import Token, character, fail
from pytrace.probespec.typenames import QUALIFIERS, TAGS, CType, basic_name, is_basic, is_type_word, typedef_name
from pytrace.record import record
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import NoReturn


@record
class Node:
    span: Span


@record
class Number(Node):
    value: int


@record
class Text(Node):
    """A string literal, its escapes as written."""

    text: str


@record
class Name(Node):
    """A parameter, `arg1`, `retval`, or what the compiler may know.  `user`: with `@user` behind it."""

    name: str
    user: bool


@record
class Keyword(Node):
    """`$pid`, `$retval` ...; `parameter` is that of `$entry(parameter)`, "" for the others."""

    name: str
    parameter: str


@record
class Group(Node):
    inner: Node


@record
class Unary(Node):
    op: str
    operand: Node


@record
class Binary(Node):
    op: Token
    left: Node
    right: Node


@record
class Conditional(Node):
    condition: Node
    yes: Node
    no: Node


@record
class Member(Node):
    base: Node
    op: str
    field: str


@record
class Index(Node):
    base: Node
    index: Node


@record
class Call(Node):
    name: str
    arguments: tuple[Node, ...]


@record
class Cast(Node):
    type: CType
    operand: Node


_PRECEDENCE = {
    op: level
    for level, ops in enumerate(
        ("||", "&&", "|", "^", "&", "== !=", "< <= > >=", "<< >>", "+ -", "* / %"),
    )
    for op in ops.split()
}
_ASSIGNMENTS = frozenset("= += -= *= /= %= &= |= ^= <<= >>= ++ --".split())
_BEGINS_OPERAND = frozenset(("number", "char", "string", "name", "keyword"))


class Parser:
    """Recursive descent over `tokens`.  `parameters`: names that cannot be types.  Raises ScriptError."""

    def __init__(self, tokens: list[Token], parameters: Container[str] = ()) -> None:
        self.tokens = tokens
        self.parameters = parameters
        self.at = 0

    # -------------------------------------------------------- tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def is_op(self, text: str, ahead: int = 0) -> bool:
        token = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
        return token.kind == "op" and token.text == text

    def accept(self, text: str) -> bool:
        found = self.is_op(text)
        self.at += found
        return found

    def expect(self, text: str, why: str) -> Token:
        if not self.is_op(text):
            self.unexpected(f"'{text}' {why}")
        return self.next()

    def unexpected(self, wanted: str, hint: str = "") -> NoReturn:
        token = self.token
        got = "it ends here" if token.kind == "end" else f"got '{token.span.text}'"
        source, end = token.span.source, token.span.end
        last = max(len(source.text[:end].rstrip()), 1)
        span = token.span if token.kind != "end" else Span(source, last - 1, last)
        fail(f"expected {wanted}, {got}", span, hint)

    # -------------------------------------------------------- expressions

    def expression(self) -> Node:
        condition = self._binary(0)
        if self.accept("?"):
            yes = self.expression()
            self.expect(":", "of the choice that '?' begins")
            no = self.expression()
            condition = Conditional(condition.span.to(no.span), condition, yes, no)
        if self.token.kind == "op" and self.token.text in _ASSIGNMENTS:
            fail(
                f"'{self.token.text}' changes something, which a specification cannot",
                self.token.span,
                "== compares" if self.token.text == "=" else "",
            )
        return condition

    def _binary(self, lowest: int) -> Node:
        left = self._unary()
        while self.token.kind == "op" and _PRECEDENCE.get(self.token.text, -1) >= lowest:
            op = self.next()
            right = self._binary(_PRECEDENCE[op.text] + 1)
            left = Binary(left.span.to(right.span), op, left, right)
        return left

    def _unary(self) -> Node:
        token = self.token
        if token.kind == "op" and token.text in ("-", "!", "~", "*", "+"):
            self.next()
            operand = self._unary()
            return operand if token.text == "+" else Unary(token.span.to(operand.span), token.text, operand)
        if token.kind == "op" and token.text == "&":
            fail(
                "the address of something cannot be taken here",
                token.span,
                "a pointer is one already; str() takes arrays and pointers",
            )
        if token.kind == "op" and token.text in ("++", "--"):
            fail(f"'{token.text}' changes something, which a specification cannot", token.span)
        if self.is_op("(") and self._is_type(1):
            self.next()
            type_ = self.type()
            self.expect(")", "behind the type of a cast")
            operand = self._unary()
            return Cast(token.span.to(operand.span), type_, operand)
        return self._postfix()

    def _postfix(self) -> Node:
        node = self._primary()
        while self.token.kind == "op":
            op = self.token
            if op.text in ("->", "."):
                self.next()
                if self.token.kind != "name":
                    self.unexpected(f"the name of a field behind '{op.text}'")
                node = Member(node.span.to(self.token.span), node, op.text, self.next().text)
            elif op.text == "[":
                self.next()
                index = self.expression()
                node = Index(node.span.to(self.expect("]", "behind the index").span), node, index)
            else:
                break
        return node

    def _primary(self) -> Node:
        token = self.token
        if token.kind == "end" or (token.kind == "op" and token.text != "("):
            self.unexpected("a value")
        self.next()
        if token.kind == "op":
            inner = self.expression()
            return Group(token.span.to(self.expect(")", "to close this parenthesis").span), inner)
        if token.kind == "number":
            digits = token.text.rstrip("uUlL")
            octal = len(digits) > 1 and digits[0] == "0" and digits.isdecimal()
            if octal and not set(digits) <= set("01234567"):
                fail(f"'{digits}' is not an octal number", token.span, "a number that begins with 0 is octal")
            return Number(token.span, int(digits, 8) if octal else int(digits, 0))
        if token.kind == "char":
            return Number(token.span, character(token))
        if token.kind == "string":
            return Text(token.span, token.text)
        if token.kind == "keyword":
            return self._keyword(token)
        return self._name(token)

    def _keyword(self, token: Token) -> Node:
        if token.text != "$entry":
            return Keyword(token.span, token.text, "")
        self.expect("(", "behind $entry")
        if self.token.kind != "name":
            self.unexpected("the name of a parameter", "the signature names it: read(int fd, ...) and $entry(fd)")
        name = self.next().text
        return Keyword(token.span.to(self.expect(")", "behind the parameter").span), token.text, name)

    def _name(self, token: Token) -> Node:
        if self.accept("("):
            arguments: list[Node] = []
            while not self.is_op(")"):
                arguments.append(self.expression())
                if not self.accept(","):
                    break
            return Call(token.span.to(self.expect(")", "behind the arguments").span), token.text, tuple(arguments))
        if not self.is_op("@"):
            return Name(token.span, token.text, False)
        self.next()
        if self.token.text != "user":
            self.unexpected("'user' behind '@'", "arg2@user is an address of the process, not of the kernel")
        return Name(token.span.to(self.next().span), token.text, True)

    # -------------------------------------------------------- types

    def _is_type(self, ahead: int) -> bool:
        """Whether a type and `)` stand at `self.at + ahead`, so that this is a cast."""
        token = self.tokens[self.at + ahead]
        if token.kind != "name" or token.text in self.parameters:
            return False
        if is_type_word(token.text):
            return True
        stars = 1
        while self.is_op("*", ahead + stars):
            stars += 1
        if not self.is_op(")", ahead + stars):
            return False
        behind = self.tokens[min(self.at + ahead + stars + 1, len(self.tokens) - 1)]
        begins = behind.kind in _BEGINS_OPERAND or (behind.kind == "op" and behind.text in ("(", "~", "!"))
        return stars > 1 or token.text.endswith("_t") or begins

    def type(self, named: bool = False) -> CType:
        """A type: words and stars.  `named`: of a parameter, so that the last word may be its name."""
        first, words, user, name = self.token, list[str](), False, ""
        while self.token.kind == "name":
            word = self.token.text
            if word == "__user" or word in QUALIFIERS:
                user |= word == "__user"
            elif word in TAGS and not words and not name:
                self.next()
                if self.token.kind != "name":
                    self.unexpected(f"a name behind '{word}'")
                name = f"{word} {self.token.text}"
            elif is_basic(word) and not name:
                words.append(word)
            elif not words and not name:
                name = typedef_name(word)
            else:
                if not named:
                    self.unexpected("the end of the type")
                break
            self.next()
        if not words and not name:
            self.unexpected("a type", "for example int, size_t, char * or struct file *")
        stars = 0
        while self.is_op("*") or (self.token.kind == "name" and self.token.text in (*QUALIFIERS, "__user")):
            token = self.next()
            stars += token.text == "*"
            user |= token.text == "__user"
        span = first.span.to(self.tokens[self.at - 1].span)
        if words and not basic_name(words):
            fail(f"a {span.text} does not lie in an integer register", span, "leave it out and take another argument")
        return CType(basic_name(words) if words else name, stars, user, span)
