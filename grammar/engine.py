"""The LALR loop: runs lark's tables over the text and builds the tree as it reduces.

Place in the pipeline: between the lexer and `tree.py`.  In: a Source.  Out: what the tree builder made of the
start rule, or nothing and at least one error.  What a newcomer would get wrong: nothing here recurses, so
nesting costs no Python stack; what bounds it is `MAX_DEPTH`, for the sake of the passes that do recurse.
"""

from __future__ import annotations

from functools import cache

from pytrace.diagnostics import ERROR, Diagnostic
from pytrace.grammar import tables
from pytrace.grammar.depth import MAX_DEPTH
from pytrace.grammar.lexer import END, Lexer, Token
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.source import Source

_ASSIGN = ("ASSIGN", "ASSIGN_OPERATION")

MAX_STACK = 6 * MAX_DEPTH
"""Most entries of the parser's stack; one level of nesting takes up to five."""

MAX_ERRORS = 100
"""A message each for a thousand missing parentheses helps nobody."""


class Stop(Exception):
    """The parser gives up; what is wrong has been reported."""


@cache
def _texts() -> tuple[list[str], list[str]]:
    return tables.STATES.splitlines(), tables.RULES.splitlines()


class State:
    """One row of the table: `row` says what to do for a symbol, `symbol` what was read to get here."""

    __slots__ = ("default", "row", "symbol")

    def __init__(self, text: str) -> None:
        words = text.split(" ")
        self.symbol = words[0]
        self.row = dict(zip(words[1::2], map(int, words[2::2]), strict=True))
        self.default = self.row.get("*", 0)


class Rule:
    """A rule and how lark would shape its tree: `children` are (position, spliced?), or None for an absent part."""

    __slots__ = ("action", "children", "first", "origin", "size")

    def __init__(self, text: str) -> None:
        self.origin, self.action, size, *children = text.split(" ")
        self.size = int(size)
        self.children = [None if c == "-" else (int(c.lstrip("*")), c[0] == "*") for c in children]
        self.first = self.children[0] if self.children else None


@cache
def state(number: int) -> State:
    return State(_texts()[0][number])


@cache
def rule(number: int) -> Rule:
    return Rule(_texts()[1][number - 1])


class Engine:
    """Parses one source.  `actions` has a method for each tree name of the grammar."""

    def __init__(self, source: Source, diagnostics: Diagnostics, begin: int = 0) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.lexer = Lexer(source.text)
        self.at = begin  # after the last token taken
        self.errors = 0
        self.states: list[int] = []
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.depths: list[int] = []
        self.actions: Any = None
        self.recovery: Any = None
        self.skipped_block = False
        self.gaps: list[tuple[int, int]] | None = None  # the layout between tokens, if wanted
        self.complete = False  # the statement at hand can only end here
        self.end = 0

    # ------------------------------------------------------------ messages

    def report(self, message: str, start: int, end: int) -> None:
        """A syntax error.  Added as it is: the reference repeats a message that has more than one cause."""
        self.errors += 1
        span = Span(self.source, start, end)
        self.diagnostics.items.append(Diagnostic(ERROR, "syntax: " + message, span))
        if self.errors >= MAX_ERRORS:
            raise Stop

    def report_at(self, message: str, at: int) -> None:
        """A syntax error that points at the token after `at`."""
        self.report(message, *self.lexer.token_extent(at))

    # ------------------------------------------------------------ the loop

    def run(self, start: str) -> Any:
        """Parse the whole text as `start`; None after a syntax error."""
        self.states = [tables.START_STATES[start]]
        end_state = tables.END_STATES[start]
        try:
            while True:
                top = state(self.states[-1])
                if top.default:
                    self.reduce(top.default)
                    continue
                if self.errors and self.recovery.after_error(top):
                    continue
                begin = self.lexer.skip_layout(self.at)
                kind = self.lexer.kind_at(begin, top.row)
                if kind == END and self.states[-1] == end_state:
                    return None if self.errors else self.values[-1]
                action = top.row.get(kind, 0)
                if not self.fits(top, kind, action):
                    self.recovery.recover(begin, kind)
                elif action > 0:
                    if self.errors and kind == "RBRACE":
                        self.supply(kind)  # a block with errors does not take its `}`
                    else:
                        self.shift(self.lexer.take(kind, begin), action)
                else:
                    self.reduce(action)
        except Stop:
            return None

    def fits(self, top: State, kind: str, action: int) -> bool:
        """Whether the next token is taken; two kinds of statement end where the table would go on."""
        if self.complete:
            self.complete = False
            return kind in ("SEMICOLON", "RBRACE")
        if top.symbol == "postfix" and kind in _ASSIGN and action > 0:
            return bool(self.actions.can_assign(kind))
        return action != 0

    def in_block(self) -> bool:
        """Whether the parser stands where a statement may begin."""
        row = state(self.states[-1]).row
        return "LET" in row and "RBRACE" in row

    # ------------------------------------------------------------ for recovery.py

    def takes(self, kind: str) -> bool:
        """Whether a token of that kind fits here.  Exact: a row of the table alone may promise too much."""
        below, above = len(self.states) - 1, [self.states[-1]]  # the stack as it would be: states[:below] + above
        while True:
            top = state(above[-1])
            action = top.default or top.row.get(kind, 0)
            if action >= 0:
                return action > 0
            reduced = rule(-action)
            below -= max(0, reduced.size - len(above))
            del above[max(0, len(above) - reduced.size) :]
            above.append(state(above[-1] if above else self.states[below - 1]).row[reduced.origin])

    def reduce_until(self, kind: str) -> int:
        """Reduce until a token of that kind can be shifted; the state to shift to.  Stops if none comes."""
        while True:
            top = state(self.states[-1])
            action = top.default or top.row.get(kind, 0)
            if action > 0:
                return action
            if not action:
                raise Stop
            self.reduce(action)

    def supply(self, kind: str) -> None:
        """Go on as if a token of that kind stood here; it has no text."""
        target = self.reduce_until(kind)
        begin = self.lexer.skip_layout(self.at)
        self.push(Token(kind, begin, begin, "0" if kind == "INTEGER" else ""), begin, begin, 0, target)

    def drop(self) -> None:
        """Forget the token shifted last."""
        for stack in (self.values, self.starts, self.ends, self.depths, self.states):
            stack.pop()

    def skip_block(self) -> None:
        """Go behind the next block of the text, whatever is in it; an empty one is supplied in its place."""
        self.at = self.lexer.block_end(self.at)
        self.skipped_block = True

    def shift(self, token: Token, target: int) -> None:
        if len(self.states) > MAX_STACK:
            self.report("nesting too deep", token.start, token.end)
            raise Stop
        self.push(token, token.start, token.end, 0, target)
        if self.gaps is not None:
            self.gaps.append((self.at, token.start))
        self.at = token.end
        for problem in token.problems:
            if problem.end < 0:
                self.report_at(problem.message, problem.start)
            else:
                self.report(problem.message, problem.start, problem.end)

    def push(self, value: Any, start: int, end: int, depth: int, target: int) -> None:
        self.values.append(value)
        self.starts.append(start)
        self.ends.append(end)
        self.depths.append(depth)
        self.states.append(target)

    def reduce(self, action: int) -> None:
        reduced = rule(-action)
        size = reduced.size
        if size == 1 and reduced.action == "=":
            self.states.pop()
            self.states.append(state(self.states[-1]).row[reduced.origin])
            return
        if size:
            values = self.values[-size:]
            start, end = self.starts[-size], self.ends[-1]
            depth = max(self.depths[-size:])
            del self.values[-size:], self.starts[-size:], self.ends[-size:], self.depths[-size:], self.states[-size:]
        else:
            values, start, end, depth = [], self.at, self.at, 0
        if reduced.action == "[]":
            value: Any = _list(reduced, values)
        else:
            depth += 1
            if depth > MAX_DEPTH:
                self.report("nesting too deep", start, min(end, start + 1))
                raise Stop
            self.end = end
            value = getattr(self.actions, reduced.action)(_children(reduced, values), start, end)
            end = self.end
        self.push(value, start, end, depth, state(self.states[-1]).row[reduced.origin])


def _list(reduced: Rule, values: list[Any]) -> list[Any]:
    """The value of a spliced rule.  A list that grows by one element at a time is extended in place."""
    first = reduced.first
    if first is None or not first[1]:
        return _children(reduced, values)
    out: list[Any] = values[first[0]]
    for child in reduced.children[1:]:
        if child is None:
            out.append(None)
        elif child[1]:
            out.extend(values[child[0]])
        else:
            out.append(values[child[0]])
    return out


def _children(reduced: Rule, values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for child in reduced.children:
        if child is None:
            out.append(None)
        elif child[1]:
            out.extend(values[child[0]])
        else:
            out.append(values[child[0]])
    return out
