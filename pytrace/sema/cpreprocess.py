"""A C preprocessor: as much of one as headers need.

Place in the pipeline: first half of the C front end, used only when a script has C definitions.  In: the translation
unit `definitions.h` and the include directories.  Out: tokens with their places, and the object-like macros.  What a
newcomer would get wrong: this is not for whole programs; what it does not understand is an error with a place, never
skipped.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import PytraceError
from pytrace.record import field, record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DEEPEST_INCLUDE = 100


class CError(PytraceError):
    """The C text is wrong; printed as the C compiler would (spec 07 §7)."""

    exit_status = 2

    def __init__(self, place: str, message: str, kind: str = "error") -> None:
        super().__init__(f"{place}: {kind}: {message}\nClang parse error")


@record
class Token:
    """`kind`: word, number, string, char, op, end.  `spaced`: white space stands before it.  `hidden`: macros that may
    not be expanded in it again."""

    kind: str
    text: str
    file: str
    line: int
    column: int
    spaced: bool = False
    hidden: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@record(frozen=False)
class CMacro:
    """`params` None for an object-like macro."""

    name: str
    body: list[Token]
    params: list[str] | None = None
    variadic: bool = False
    predefined: bool = False


_PATTERN = (
    r"(?P<space>[ \t\f\v\r]+|/\*.*?\*/|//[^\n]*|\\\n)|(?P<newline>\n)"
    r"|(?P<word>[A-Za-z_$][A-Za-z_0-9$]*)|(?P<number>\.?[0-9](?:[eEpP][+-]|[A-Za-z_0-9.])*)"
    r'|(?P<string>L?"(?:\\.|[^"\\\n])*")|(?P<char>L?\'(?:\\.|[^\'\\\n])*\')'
    r"|(?P<op>\.\.\.|<<=|>>=|\#\#|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s\w])"
)


def tokenize(text: str, file: str) -> list[list[Token]]:
    """The tokens of each line; a line continued with a backslash, or by a comment, is one."""
    import re

    pattern = re.compile(_PATTERN, re.S)
    lines: list[list[Token]] = [[]]
    number, start, spaced = 1, 0, False
    for match in pattern.finditer(text):
        kind, token = match.lastgroup or "", match.group()
        if kind == "newline":
            lines.append([])
        elif kind == "space":
            spaced = True
        else:
            lines[-1].append(Token(kind, token, file, number, match.start() - start + 1, spaced))
        if kind != "space":
            spaced = False
        if "\n" in token:
            number += token.count("\n")
            start = match.start() + token.rindex("\n") + 1
    return lines


_PREDEFINED = {
    "__x86_64__": "1", "__x86_64": "1", "__LP64__": "1", "_LP64": "1", "__linux__": "1", "__STDC__": "1",
    "__STDC_VERSION__": "201112L", "__SIZEOF_LONG__": "8", "__SIZEOF_INT__": "4", "__SIZEOF_POINTER__": "8",
    "__CHAR_BIT__": "8", "__BYTE_ORDER__": "1234", "__ORDER_LITTLE_ENDIAN__": "1234", "__ORDER_BIG_ENDIAN__": "4321",
    "__INT_MAX__": "2147483647", "__LONG_MAX__": "9223372036854775807L", "__GNUC__": "4", "__GNUC_MINOR__": "2",
    "__STDC_HOSTED__": "0", "__SIZE_TYPE__": "unsigned long", "__PTRDIFF_TYPE__": "long", "__WCHAR_TYPE__": "int",
}  # fmt: skip

_STDINT = "".join(
    f"typedef {'unsigned ' if u else ''}{c} {'u' if u else ''}int{b}_t;\n"
    f"typedef {'unsigned ' if u else ''}{c} {'u' if u else ''}int_least{b}_t;\n"
    for b, c in ((8, "char" if False else "signed char"), (16, "short"), (32, "int"), (64, "long"))
    for u in (False, True)
).replace("unsigned signed char", "unsigned char")

BUNDLED = {
    "stdint.h": _STDINT + "typedef long intptr_t; typedef unsigned long uintptr_t; typedef long intmax_t;\n"
    "typedef unsigned long uintmax_t;\n",
    "stddef.h": "typedef unsigned long size_t; typedef long ptrdiff_t; typedef int wchar_t;\n#define NULL 0\n",
    "stdbool.h": "#define bool _Bool\n#define true 1\n#define false 0\n",
    "stdarg.h": "typedef char *va_list;\n",
    "asm/types.h": "".join(
        f"typedef {'unsigned' if s == 'u' else 'signed'} {c} __{s}{b};\n"
        for s in "us"
        for b, c in ((8, "char"), (16, "short"), (32, "int"), (64, "long long"))
    ),
    "linux/types.h": "#include <asm/types.h>\ntypedef __u16 __le16, __be16; typedef __u32 __le32, __be32, __wsum;\n"
    "typedef __u64 __le64, __be64; typedef __u16 __sum16;\n",
}
"""Headers that need no C library (spec 01 §4): used where the include path has none of that name."""


@record(frozen=False)
class Preprocessor:
    """One translation unit."""

    directories: tuple[str, ...]
    opened: Callable[[str], None] = lambda path: None
    """Told each file that is read."""
    macros: dict[str, CMacro] = field(default_factory=dict)
    _once: set[str] = field(default_factory=set)
    _depth: int = 0

    def predefine(self, definitions: Iterable[str]) -> None:
        for name, value in [*_PREDEFINED.items(), *((d, "1") for d in definitions)]:
            self.macros[name] = CMacro(name, tokenize(value, name)[0], predefined=True)

    def run(self, text: str, file: str) -> Iterator[Token]:
        """The tokens of `text` with directives obeyed and macros expanded."""
        pending: list[Token] = []
        taken: list[list[bool]] = []  # one [now, ever, outer] for each open #if
        opened: list[Token] = []
        for line in tokenize(text, file):
            if line and line[0].text == "#":
                yield from self._expanded(pending)
                pending = []
                yield from self._directive(line, taken, file)
                opened = [*opened, line[1]][: len(taken)] if len(line) > 1 else opened
            elif not taken or taken[-1][0]:
                pending += line
        if taken:
            raise CError(opened[-1].place, "unterminated conditional directive")
        yield from self._expanded(pending)

    # directives -----------------------------------------------------------
    def _directive(self, line: list[Token], taken: list[list[bool]], file: str) -> Iterator[Token]:
        if len(line) < 2:
            return
        name, rest = line[1].text, line[2:]
        if name in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
            self._conditional(name, line[1], rest, taken)
        elif taken and not taken[-1][0]:
            return
        elif name == "define":
            self._define(line[1], rest)
        elif name == "undef" and rest:
            self.macros.pop(rest[0].text, None)
        elif name in ("include", "include_next"):
            yield from self._include(rest, file, line[1])
        elif name == "error":
            raise CError(line[1].place, " ".join(t.text for t in line[1:]))
        elif name == "pragma" and rest and rest[0].text == "once":
            self._once.add(file)

    def _conditional(self, name: str, at: Token, rest: list[Token], taken: list[list[bool]]) -> None:
        if name == "endif":
            if not taken:
                raise CError(at.place, "#endif without #if")
            taken.pop()
        elif name in ("elif", "else"):
            if not taken:
                raise CError(at.place, f"#{name} without #if")
            top = taken[-1]
            now = top[2] and not top[1] and (name == "else" or self._condition(rest, at))
            top[0], top[1] = now, top[1] or now
        else:
            outer = not taken or taken[-1][0]
            if not outer:
                now = False
            elif name == "if":
                now = self._condition(rest, at)
            else:
                now = (bool(rest) and rest[0].text in self.macros) == (name == "ifdef")
            taken.append([now, now, outer])

    def _condition(self, tokens: list[Token], at: Token) -> bool:
        from pytrace.sema.cexpression import evaluate

        replaced: list[Token] = []
        n = 0
        while n < len(tokens):
            token = tokens[n]
            if token.text in ("defined", "__has_include", "__has_attribute", "__has_builtin"):
                group = tokens[n + 1 : n + 2]
                if group and group[0].text == "(":
                    group = self._group(tokens, n + 1)
                    n += len(group) - 1
                    word = group[1].text if len(group) > 2 else ""
                else:
                    word = group[0].text if group else ""
                known = token.text == "defined" and word in self.macros
                replaced.append(replace(token, kind="number", text=str(int(known))))
                n += 2
            else:
                replaced.append(token)
                n += 1
        value, _ = evaluate(list(self._expanded(replaced)), at.place)
        return value != 0

    @staticmethod
    def _group(tokens: list[Token], start: int) -> list[Token]:
        """From the `(` at `start` through its `)`."""
        depth = 0
        for n in range(start, len(tokens)):
            depth += {"(": 1, ")": -1}.get(tokens[n].text, 0)
            if not depth:
                return tokens[start : n + 1]
        return tokens[start:]

    def _define(self, at: Token, rest: list[Token]) -> None:
        if not rest:
            raise CError(at.place, "macro name missing")
        name, body = rest[0], rest[1:]
        macro = CMacro(name.text, body)
        if body and body[0].text == "(" and not body[0].spaced:
            group = self._group(body, 0)
            macro.params = [t.text for t in group if t.kind == "word"]
            macro.variadic = any(t.text == "..." for t in group)
            macro.body = body[len(group) :]
        self.macros[name.text] = macro

    def _include(self, rest: list[Token], file: str, at: Token) -> Iterator[Token]:
        if rest and rest[0].kind == "word":
            rest = list(self._expanded(rest))
        text = "".join(t.text for t in rest)
        if len(text) < 3:
            raise CError(at.place, 'expected "FILENAME" or <FILENAME>')
        name, quoted = text[1:-1], text[0] == '"'
        path, content = self._find(name, file if quoted else "")
        if content is None:
            raise CError(rest[0].place, f"'{name}' file not found", "fatal error")
        if path in self._once:
            return
        self._depth += 1
        if self._depth > DEEPEST_INCLUDE:
            raise CError(at.place, "#include nested too deeply")
        yield from self.run(content, path)
        self._depth -= 1

    def _find(self, name: str, beside: str) -> tuple[str, str | None]:
        places = [os.path.dirname(beside)] if beside else []
        for directory in (*places, *self.directories):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and name not in BUNDLED:
                self.opened(path)
                with open(path, encoding="latin-1") as handle:
                    return path, handle.read()
        return name, BUNDLED.get(name)

    # expansion ------------------------------------------------------------
    def _expanded(self, tokens: Iterable[Token]) -> Iterator[Token]:
        queue = list(reversed(list(tokens)))
        while queue:
            token = queue.pop()
            macro = self.macros.get(token.text) if token.kind == "word" else None
            if macro is None or token.text in token.hidden:
                yield token
            elif macro.params is None:
                queue += reversed([self._hidden(t, token) for t in self._paste(macro.body)])
            elif queue and queue[-1].text == "(":
                queue += reversed([self._hidden(t, token) for t in self._called(macro, queue)])
            else:
                yield token

    @staticmethod
    def _hidden(token: Token, origin: Token) -> Token:
        """A token of a macro's body, shown at the place of the macro's use."""
        hidden = token.hidden | origin.hidden | {origin.text}
        return replace(token, file=origin.file, line=origin.line, column=origin.column, hidden=hidden)

    def _called(self, macro: CMacro, queue: list[Token]) -> list[Token]:
        args: list[list[Token]] = [[]]
        depth = 0
        while queue:
            token = queue.pop()
            if token.text == "(":
                depth += 1
                if depth == 1:
                    continue
            elif token.text == ")":
                depth -= 1
                if not depth:
                    break
            if token.text == "," and depth == 1:
                args.append([])
            else:
                args[-1].append(token)
        params = list(macro.params or ())
        values = dict(zip(params, args, strict=False))
        if macro.variadic:
            extra = args[len(params) :]
            values["__VA_ARGS__"] = [t for n, arg in enumerate(extra) for t in (_comma(n) + arg)]
        return self._paste(self._substituted(macro.body, values))

    def _substituted(self, body: list[Token], values: dict[str, list[Token]]) -> list[Token]:
        out: list[Token] = []
        n = 0
        while n < len(body):
            token = body[n]
            following = body[n + 1].text if n + 1 < len(body) else ""
            if token.text == "#" and following in values:
                joined = " ".join(t.text for t in values[following])
                escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
                out.append(replace(token, kind="string", text=f'"{escaped}"'))
                n += 1
            elif token.text in values:
                pasted = following == "##" or (n > 0 and body[n - 1].text == "##")
                arg = values[token.text]
                out += arg if pasted else self._expanded(arg)
            else:
                out.append(token)
            n += 1
        return out

    @staticmethod
    def _paste(body: list[Token]) -> list[Token]:
        """`a ## b` → `ab`."""
        out: list[Token] = []
        n = 0
        while n < len(body):
            if body[n].text == "##" and out and n + 1 < len(body):
                joined = out[-1].text + body[n + 1].text
                first = joined[0]
                kind = "number" if first.isdecimal() else "word" if first.isalpha() or first == "_" else "op"
                out[-1] = replace(out[-1], text=joined, kind=kind)
                n += 1
            else:
                out.append(body[n])
            n += 1
        return out


def _comma(n: int) -> list[Token]:
    return [Token("op", ",", "", 0, 0)] if n else []
