"""The contextual lexer: one token at a time, of the kinds that the parser can take at this point.

Place in the pipeline: asked by `engine.py`.  In: the text, a position and the row of the parser's state (what
it can take).  Out: the kind and the begin of the next token; its end and value only when the parser takes
it.  What a newcomer would get wrong: there is no token stream.  `for` is a keyword or a name, `(` opens
a condition, a cast or a group, depending on the row.
"""

from __future__ import annotations

from pytrace.grammar.literals import Problem, scan_integer, scan_string
from pytrace.grammar.tables import KEYWORDS, OPERATORS
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

END = "$END"
DIGITS = "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
WORD = frozenset(LETTERS + DIGITS)
_STARTS_EXPRESSION = frozenset(LETTERS + DIGITS + '$@"(-!~*&')
_SPACE = " \t\r\n\v\f"

RESERVED = frozenset(["args", "ctx", "kstack", "nsecs", "pid", "tid", "ustack"]) | frozenset(
    "__builtin_" + name
    for name in ["comm", "cpid", "cpu", "dw_ustack", "elapsed", "func", "ncpus", "probe", "retval", "usermode"]
)
"""Names that never start a cast or a record and are no macro parameter; with arg0, arg1 … (spec 01 §2.3)."""


@record
class Token:
    kind: str
    start: int
    end: int
    text: str
    problems: tuple[Problem, ...] = ()


def is_reserved(name: str) -> bool:
    if name in RESERVED:
        return True
    digits = name[4:] if name.startswith("sarg") else name[3:] if name.startswith("arg") else ""
    return digits.isdecimal()


class Lexer:
    """Reads `text`; `comments` collects the (start, end) of comments if it is a list."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._layout_from = self._layout_to = -1

    # ------------------------------------------------------------ layout and scanning

    def skip_layout(self, at: int) -> int:
        """The first position from `at` on that is neither white space nor comment."""
        if at == self._layout_from:
            return self._layout_to
        text, p = self.text, at
        size = len(text)
        while p < size:
            c = text[p]
            if c in _SPACE:
                p += 1
            elif c == "/" and text.startswith("//", p):
                p = text.find("\n", p)
                if p < 0:
                    p = size
            elif c == "/" and text.startswith("/*", p):
                p = text.find("*/", p + 2)
                p = size if p < 0 else p + 2
            else:
                break
        self._layout_from, self._layout_to = at, p
        return p

    def word_end(self, at: int) -> int:
        text = self.text
        size = len(text)
        while at < size and text[at] in WORD:
            at += 1
        return at

    def char(self, at: int) -> str:
        return self.text[at : at + 1]

    def _starts_word(self, at: int) -> bool:
        c = self.char(at)
        return c != "" and c in LETTERS

    def _balanced_end(self, at: int, opening: str, closing: str) -> int:
        """After the bracket that closes the one at `at`; −1 if none does.  Those in strings and comments are none."""
        depth, p = 0, at
        while p < len(self.text):
            c = self.text[p]
            if c == opening:
                depth += 1
            elif c == closing:
                depth -= 1
                if not depth:
                    return p + 1
            p = self._opaque_end(p)
        return -1

    def _opaque_end(self, at: int) -> int:
        """After the string or comment that begins at `at`, or else after that character."""
        c = self.text[at]
        if c == "/":
            return max(self.skip_layout(at), at + 1)
        if c != '"':
            return at + 1
        p = at + 1
        while p < len(self.text) and self.text[p] != '"':
            p += 2 if self.text[p] == "\\" else 1
        return p + 1 if p < len(self.text) else at + 1  # one that has no end is reported where it is read

    # ------------------------------------------------------------ what comes next

    def kind_at(self, start: int, row: Container[str]) -> str:
        """The kind of the token at `start` (layout skipped) for a state that can take `row`; "" if none."""
        c = self.char(start)
        if "INTEGER" in row and "IDENT" not in row and not (c == "]" and "RSQB" in row):
            return "INTEGER"  # whatever stands there, it is read as one
        if not c:
            return END
        if "_IS_CAST" in row:
            if self.is_record(start):
                return "_IS_RECORD"
            if self.is_cast(start):
                return "_IS_CAST"
        if "_IS_TYPE" in row and self.is_type(start):
            return "_IS_TYPE"
        if "ATTACH_POINT" in row:
            return self._root_kind(start, c, row)
        if c in LETTERS:
            return self._word_kind(start, row)
        if c in DIGITS:
            return "INTEGER"
        if c == '"':
            return "STRING"
        if c == "@":
            return "MAP"
        if c == "$":
            following = self.char(start + 1)
            return "PARAM_COUNT" if following == "#" else "PARAM" if following.isdecimal() else "VARIABLE"
        return self._operator_kind(start, c, row)

    def _word_kind(self, start: int, row: Container[str]) -> str:
        end = self.word_end(start)
        word = self.text[start:end]
        keyword = KEYWORDS.get(word)
        if keyword is not None and keyword in row:
            return keyword
        if word == "_" and "_DISCARD" in row and self._is_assign(self.skip_layout(end)):
            return "_DISCARD"
        return "IDENT"

    def _operator_kind(self, start: int, c: str, row: Container[str]) -> str:
        if c == "(" and "_CONDITION_PAR" in row:
            return "_CONDITION_PAR"
        if c == "/" and "_PREDICATE_END" in row and self.char(self.skip_layout(start + 1)) == "{":
            return "_PREDICATE_END"
        for length in (3, 2):
            kind = OPERATORS.get(self.text[start : start + length])
            if kind is not None and (kind in row or not self._splits(kind, row)):
                return kind
        return OPERATORS.get(c, "")

    @staticmethod
    def _splits(kind: str, row: Container[str]) -> bool:
        """Whether an operator that does not fit is read as its first character: `&&$x`, `->x`, `let $x == 1`."""
        if kind == "EQUAL":
            return "ASSIGN" in row
        return kind in ("AND", "ARROW", "ASSIGN_OPERATION") and "TILDE" in row

    def _root_kind(self, start: int, c: str, row: Container[str]) -> str:
        if c == ";" and "SEMICOLON" in row:  # after a map declaration
            return "SEMICOLON"
        if "C_DEFINITION" not in row:  # in a list of attach points
            if c == "{" or c == "/":
                return OPERATORS[c]
        elif c == "#" and self.char(start + 1) != "!":
            return "C_DEFINITION"
        else:
            word = self.text[start : self.word_end(start)]
            keyword = KEYWORDS.get(word)
            if keyword is not None and keyword in row:
                return keyword
            if word in ("struct", "union", "enum") and self._opens_c_definition(start):
                return "C_DEFINITION"
        return "" if c in "{," else "ATTACH_POINT"

    # ------------------------------------------------------------ further than one token

    def _is_assign(self, at: int) -> bool:
        return self.char(at) == "=" and self.char(at + 1) != "="

    def is_record(self, at: int) -> bool:
        """`name =` of a record literal."""
        if not self._starts_word(at):
            return False
        end = self.word_end(at)
        return self._is_assign(self.skip_layout(end)) and not is_reserved(self.text[at:end])

    def is_cast(self, at: int) -> bool:
        """A type, `)`, and a character that starts an expression (spec 01 §3 note 1)."""
        end = self._type_end(at, expressions=False)
        if end < 0 or self.char(end) != ")":
            return False
        following = self.char(self.skip_layout(end + 1))
        return following != "" and following in _STARTS_EXPRESSION

    def is_type(self, at: int) -> bool:
        """A type that fills the argument of sizeof, offsetof, typeinfo or typeof (note 4)."""
        if self.text[at : self.word_end(at)] == "typeof" and self.char(self.skip_layout(self.word_end(at))) == "(":
            return True
        end = self._type_end(at, expressions=True)
        return end >= 0 and (self.char(end) in tuple(";,=){}"))

    def _type_end(self, at: int, *, expressions: bool) -> int:
        """Where the layout after the type at `at` ends; −1 if no type begins there.

        `expressions`: what stands between brackets is not looked at, so that `sizeof(x[$i])` is reported.
        """
        if not self._starts_word(at):
            return -1
        end = self.word_end(at)
        word = self.text[at:end]
        at = self.skip_layout(end)
        if word == "typeof" and self.char(at) == "(":
            end = self._balanced_end(at, "(", ")")
            return self.skip_layout(end) if end >= 0 else -1
        if is_reserved(word) or word in ("true", "false"):
            return -1
        if word in ("struct", "union", "enum"):
            if not self._starts_word(at):
                return -1
            at = self.skip_layout(self.word_end(at))
        while self.char(at) in ("*", "["):
            if self.char(at) == "*":
                at = self.skip_layout(at + 1)
                continue
            end = self._balanced_end(at, "[", "]")
            if end < 0 or not (expressions or self.text[at + 1 : end - 1].strip(_SPACE + WORD_CHARACTERS) == ""):
                return -1
            at = self.skip_layout(end)
        return at

    def _opens_c_definition(self, at: int) -> bool:
        """`struct x {`, `struct __attribute__((packed)) x {`, but not an attach point such as `struct:x {`."""
        at = self.skip_layout(self.word_end(at))
        while True:
            c = self.char(at)
            if c == "{":
                return True
            if c and c in LETTERS:
                end = self.word_end(at)
            elif c == "(" or c == "[":
                end = self._balanced_end(at, c, ")" if c == "(" else "]")
            else:
                return False
            if end < 0:
                return False
            at = self.skip_layout(end)

    # ------------------------------------------------------------ taking a token

    def take(self, kind: str, start: int) -> Token:
        """The token of that kind at `start`, with its end, text and what is wrong with it."""
        text = self.text
        if kind == "INTEGER":
            scanned = scan_integer(text, start)
            return Token(kind, start, scanned.end, scanned.text, scanned.problems)
        if kind == "STRING":
            scanned = scan_string(text, start)
            return Token(kind, start, scanned.end, scanned.text, scanned.problems)
        if kind == "VARIABLE":
            end = self.word_end(start + 1)
            if not self._starts_word(start + 1):
                return Token(kind, start, start, "", (Problem("expected identifier after '$'", start),))
            return Token(kind, start, end, text[start + 1 : end])
        if kind == "MAP":
            end = self.word_end(start + 1) if self._starts_word(start + 1) else start + 1
            return Token(kind, start, end, text[start + 1 : end])
        if kind == "PARAM":
            end = start + 1
            while self.char(end).isdecimal():
                end += 1
            return Token(kind, start, end, text[start + 1 : end])
        if kind == "C_DEFINITION":
            return self._c_definition(start)
        end = self._end_of(kind, start)
        return Token(kind, start, end, text[start:end])

    def _end_of(self, kind: str, start: int) -> int:
        if kind in _WITHOUT_TEXT:
            return start
        if kind in _ONE_CHARACTER:
            return start + 1
        if kind == "ATTACH_POINT":
            return self._attach_point_end(start)
        if self.text[start] in LETTERS:
            return self.word_end(start)
        for length in (3, 2):
            operator = self.text[start : start + length]
            if OPERATORS.get(operator) == kind:
                return start + len(operator)
        return start + 1

    def _attach_point_end(self, start: int) -> int:
        """The raw text of an attach point (spec 03 §1)."""
        text, at = self.text, start
        while at < len(text):
            c = text[at]
            if c in "{," or c in _SPACE:
                break
            if c == "/" and at > start and ":" not in text[start:at] and self.char(at + 1) not in ("/", "*"):
                break
            at += 1
            if c == '"':
                while at < len(text) and text[at] != '"':
                    at += 2 if text[at] == "\\" else 1
                at = min(at + 1, len(text))
        return at

    def _c_definition(self, start: int) -> Token:
        """A `#` line, or a definition with its attributes and, given or not, its `;`."""
        text = self.text
        if text[start] == "#":
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            return Token("C_DEFINITION", start, end, text[start:end].rstrip())
        at, depth = text.find("{", start), 0
        while at < len(text):
            after = self.skip_layout(at)
            if after != at:
                at = after
                continue
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
            if not depth:
                break
        at, problems = self._attributes_end(at)
        end = self.skip_layout(at)
        closed = self.char(end) == ";"
        return Token("C_DEFINITION", start, end + closed, text[start:at] + ";", problems)

    def _attributes_end(self, at: int) -> tuple[int, tuple[Problem, ...]]:
        problems: list[Problem] = []
        while True:
            word = self.skip_layout(at)
            end = self.word_end(word)
            if self.text[word:end] != "__attribute__":
                return at, tuple(problems)
            at = self.skip_layout(end)
            if not self.text.startswith("((", at):
                problems.append(Problem("__attribute__ syntax error, expected '(('", at))
                continue
            end = self._balanced_end(at, "(", ")")
            if end < 0:
                problems.append(Problem("__attribute__ syntax error, mismatched '(' and ')'", at))
                return len(self.text), tuple(problems)
            at = end

    def closing_parenthesis(self, at: int) -> int:
        """Where the `)` is that closes the parenthesis around `at`; the end of the text if there is none."""
        depth = 1
        for p in range(at, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[p], 0)
            if not depth:
                return p
        return len(self.text)

    def block_end(self, at: int) -> int:
        """Behind the next `{ … }` from `at` on; a `}` that comes first is left alone."""
        while self.char(at) and self.char(at) not in "{}":
            at += 1
        if self.char(at) != "{":
            return at
        end = self._balanced_end(at, "{", "}")
        return end if end >= 0 else len(self.text)

    def token_extent(self, at: int) -> tuple[int, int]:
        """What a message about the token after `at` underlines; the same for every parser state."""
        start = self.skip_layout(at)
        c = self.char(start)
        if not c:
            return start, start
        if c in LETTERS:
            return start, self.word_end(start)
        end = start + 1
        if c in DIGITS:
            while self.char(end) == "." or (self.char(end).isalnum() and self.char(end).isascii()):
                end += 1
        elif c in "@$":
            end = self.word_end(end)
        return start, end


WORD_CHARACTERS = LETTERS + DIGITS
_WITHOUT_TEXT = frozenset(["_IS_CAST", "_IS_RECORD", "_IS_TYPE", "_BLOCK_END", END])
_ONE_CHARACTER = frozenset(["_CONDITION_PAR", "_PREDICATE_END", "_DISCARD"])
