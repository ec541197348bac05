"""Programs made of chance: well typed, with an end, and the same whenever the seed is the same.

Place in the pipeline: test_generated.py runs each with the reference and with pytrace.  In: a seed.  Out: `Program`,
whose text is one `begin { … exit(); }`.  Operands are literals, which the compilers fold, and values that they cannot
know: elements of maps, variables set from those, counters of loops.

What a newcomer would get wrong: the listed differences (docs/differences.md) are kept out by rule, never by seed.  The
rules are named where they are followed (`DIFFERENCE`), and what is undefined in the reference is left out likewise
(`UNDEFINED`): shifts by 64 bits and more, and the order in which the elements of a map are met.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

WIDTHS = (8, 16, 32, 64)
INTS = tuple(f"{sign}int{bits}" for bits in WIDTHS for sign in ("", "u"))
EDGES = sorted({value + off for bits in (7, 8, 15, 16, 31, 32) for value in (1 << bits,) for off in (-1, 0, 1)})
LARGEST = (1 << 63) - 1
PAIRS = ('1, "k"', '(1, ("a", 2)), 3')
LETTERS = "abcxyz019 _-.,:%"


@dataclass(frozen=True)
class Value:
    """An expression's text.  `wide`: surely of 64 bits.  `known`: made of literals only."""

    text: str
    wide: bool = False
    known: bool = False


@dataclass(frozen=True)
class Program:
    """`lines` are whole statements; all but the first `head` may be left out, one by one, when a failure is shrunk."""

    seed: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "begin {\n" + "".join(f"  {line}\n" for line in self.lines) + "  exit();\n}\n"


def program(seed: int) -> Program:
    """The program of a seed."""
    return Program(seed, tuple(Writer(seed).statements()))


class Writer:
    """Writes one program.  Names known so far are in `ints` (with whether they are wide), `texts` and `tuples`."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ints: list[Value] = []
        self.texts: list[str] = []
        self.tuples: list[tuple[str, tuple[str, ...]]] = []
        self.counter = 0
        self.in_loop = 0
        self.comparing = False

    # ---------------------------------------------------------------- statements

    def statements(self) -> list[str]:
        lines = self.sources()
        for _ in range(self.chance.randint(6, 14)):
            lines.append(self.pick(STATEMENTS)(self))
        return lines

    def sources(self) -> list[str]:
        """The values that no compiler knows: in maps, and in variables that come from maps."""
        lines = []
        for _ in range(self.chance.randint(2, 4)):
            kind, name = self.chance.choice(INTS), self.name("@")
            if self.chance.random() < 0.4:  # an element
                key = self.chance.choice(["1", '"k"', '1, "k"', "(uint8)7"])
                name = f"{name}[{key}]"
            lines.append(f"{name} = ({kind}){self.literal().text};")
            self.ints.append(Value(name, kind.endswith("64")))
        for _ in range(self.chance.randint(1, 3)):
            kind, name = self.chance.choice(INTS), self.name("$")
            source = self.chance.choice(self.ints).text
            lines.append(self.chance.choice([f"{name} = ({kind}){source};", f"let {name} : {kind} = ({kind}){source};"]))
            self.ints.append(Value(name, kind.endswith("64")))
        for sigil in self.chance.sample("@$", self.chance.randint(1, 2)):
            name = self.name(sigil)
            lines.append(f"{name} = {self.quoted()};")
            self.texts.append(name)
        return lines

    def name(self, sigil: str) -> str:
        self.counter += 1
        return f"{sigil}{'abcdefghijklmnopqrstuvw'[self.counter % 23]}{self.counter}"

    def pick(self, weighted: dict[Callable[[Writer], str], int]) -> Callable[[Writer], str]:
        return self.chance.choices(list(weighted), list(weighted.values()))[0]

    def printed_int(self) -> str:
        return f"print({self.number(3).text});"

    def printed_bool(self) -> str:
        return f"print({self.truth(3)});"

    def printed_text(self) -> str:
        return f"print({self.text(2)});"

    def printed_tuple(self) -> str:
        return f"print({self.tuple(2)[0]});"

    def formatted(self) -> str:
        formats, arguments = [], []
        for _ in range(self.chance.randint(1, 4)):
            if self.chance.random() < 0.25:
                formats.append(self.chance.choice(["%s", "%8s|", "%-8s|"]))
                arguments.append(self.text(1))
            else:
                flag = self.chance.choice(["", "", "-", "0", "#", "+"])
                size = self.chance.choice(["", "", "3", "12"])
                length = self.chance.choice(["", "", "l", "ll", "h", "hh"])
                letter = self.chance.choice("dduuxX")
                formats.append(f"%{flag}{size}{length}{letter}|")
                arguments.append(self.number(2).text)
        return f'printf("{" ".join(formats)}\\n", {", ".join(arguments)});'

    def new_variable(self) -> str:
        value, name = self.number(3), self.name("$")
        if self.chance.random() < 0.5:
            kind = self.chance.choice(INTS)
            value = Value(f"({kind})({value.text})", kind.endswith("64"))
        line = f"{name} = {value.text};"
        if not self.in_loop:
            self.ints.append(Value(name, value.wide))
            return line
        return f"{line} print({name} {self.operator()} {self.leaf().text});"

    def new_text(self) -> str:
        name, value = self.name(self.chance.choice("$@")), self.text(2)
        if not self.in_loop:
            self.texts.append(name)
        return f"{name} = {value};" if not self.in_loop else f"{name} = {value}; print({name});"

    def new_tuple(self) -> str:
        name, (value, kinds) = self.name(self.chance.choice("$@")), self.tuple(2)
        if not self.in_loop:
            self.tuples.append((name, kinds))
        return f"{name} = {value}; print({name});"

    def changed(self) -> str:
        """Arithmetic in place.  The name becomes a wide one: its type is the join of all that it is given."""
        name = self.name(self.chance.choice(["$", "@"]))
        start, operand = self.number(1), self.number(2)
        operator = self.operator()
        right = f"({operand.text} & 63)" if operator in ("<<", ">>") else operand.text
        step = self.chance.choice([f"{name} {operator}= {right}", f"{name}++", f"--{name}", f"{name} = {name} + 1"])
        kind = self.chance.choice(["int64", "uint64"])
        return f"{name} = ({kind})({start.text}); {step}; print({name});"

    def wrapped(self) -> str:
        """++ and -- of a declared type, which wraps."""
        kind, name = self.chance.choice(INTS), self.name("$")
        step = self.chance.choice([f"{name}++", f"++{name}", f"{name}--", f"--{name}"])
        return f"let {name} : {kind} = ({kind}){self.leaf().text}; {step}; print({name}); print({step}); print({name});"

    def aggregate(self) -> str:
        """DIFFERENCE "An aggregate of signed and unsigned numbers": all of one sign."""
        function = self.chance.choice(["count", "sum", "sum", "min", "max", "avg", "stats"])
        name = self.name("@")
        key = "" if self.in_loop or self.chance.random() < 0.6 else f"[{self.key()}]"
        calls, sign = [], self.chance.choice(["", "u"])
        for _ in range(1 if function == "count" else self.chance.randint(1, 3)):
            kind = f"{sign}int{self.chance.choice(WIDTHS)}"
            argument = "" if function == "count" else f"({kind})({self.number(2).text})"
            calls.append(f"{name}{key} = {function}({argument});")
        if function in ("count", "sum", "min", "max", "avg") and not self.in_loop:
            self.ints.append(Value(f"(int64){name}{key}", True))
            calls.append(f"print((int64){name}{key} {self.operator()} {self.leaf().text});")
            calls.append(f"print({name}{key});")
        return " ".join(calls)

    def buckets(self) -> str:
        name, value = self.name("@"), self.number(2)
        if self.chance.random() < 0.5:
            return f"{name} = hist({value.text}); print({name});"
        return f"{name} = lhist({value.text}, {self.chance.choice(['0, 100, 10', '5, 50, 25', '0, 1000, 300'])});"

    def element(self) -> str:
        """DIFFERENCE "Maps of narrow integers are sorted by value": what has several elements has wide values.
        DIFFERENCE "Scalar maps in the key of what is assigned in place": only keys without maps then.
        UNDEFINED: two elements of one value come in no order, so one key only."""
        name, key = self.name("@"), self.key()
        kind = self.chance.choice(["int64", "uint64"])
        lines = [f"{name}[{key}] = ({kind})({self.number(2).text});", f"print({name}[{key}]);"]
        step = f"{name}[{key}]++" if "@" in key else f"{name}[{key}] {self.operator()}= {self.leaf().text}"
        more = [
            f"print(has_key({name}, {self.parenthesised(key)}));",
            f"{step}; print({name}[{key}]);",
            f"print(delete({name}, {self.parenthesised(key)})); print({name}[{key}]);",
            f"print(len({name}));",
            f"for ($kv : {name}) {{ print($kv); print($kv.1 {self.operator()} {self.leaf().text}); }}",
        ]
        return " ".join(lines + self.chance.sample(more, self.chance.randint(0, 3)))

    def parenthesised(self, key: str) -> str:
        return f"({key})" if key in PAIRS else key

    def key(self) -> str:
        return self.chance.choice(['"k"', "7", "-7", *PAIRS, self.leaf().text, f"({self.chance.choice(INTS)}){self.leaf().text}"])

    def branch(self) -> str:
        then, other = self.inner(), self.inner()
        return f"if ({self.condition()}) {{ {then} }} else {{ {other} }}"

    def loop(self) -> str:
        if self.in_loop > 1:
            return self.printed_int()
        form = self.chance.choice(["for", "for", "unroll", "while"])
        name = self.name("$")
        known = len(self.ints)
        if form == "for":
            first = self.chance.choice([-2, 0, 1, 250])
            last = first + self.chance.randint(1, 3)
            head, tail = f"for ({name} : ({first})..({last})) {{", "}"
            self.ints.append(Value(name))
        elif form == "unroll":
            head, tail = f"unroll({self.chance.randint(1, 3)}) {{", "}"
        else:
            head, tail = f"{name} = (uint64)0; while ({name} < 3) {{", f"{name}++; }}"
            self.ints.append(Value(name, True))
        body = self.inner()
        if form != "unroll" and self.chance.random() < 0.3:
            head += f" if ({self.truth(1)}) {{ {name if form == 'while' else '_ = 0'}{'++' if form == 'while' else ''};"
            head += f" {self.chance.choice(['break', 'continue'])}; }}"
        del self.ints[known:]
        return f"{head} {body} {tail}"

    def inner(self) -> str:
        self.in_loop += 1
        known = len(self.ints), len(self.texts), len(self.tuples)
        body = " ".join(self.pick(INNER)(self) for _ in range(self.chance.randint(1, 2)))
        del self.ints[known[0] :], self.texts[known[1] :], self.tuples[known[2] :]
        self.in_loop -= 1
        return body

    # ---------------------------------------------------------------- integers

    def literal(self) -> Value:
        pick = self.chance.random()
        if pick < 0.45:
            return Value(str(self.chance.randint(0, 20)), known=True)
        if pick < 0.6:
            return Value(str(-self.chance.randint(1, 20)), known=True)
        value = self.chance.choice([*EDGES, LARGEST, 1 << 40, self.chance.getrandbits(62)])
        if pick < 0.7:
            return Value(hex(value), known=True)
        return Value(str(value if pick < 0.9 else -value), known=True)

    def leaf(self) -> Value:
        if self.chance.random() < 0.3:
            return self.literal()
        return self.chance.choice(self.ints)

    def operator(self) -> str:
        return self.chance.choice(["+", "+", "-", "-", "*", "&", "|", "^"])

    def number(self, depth: int) -> Value:
        if depth == 0 or self.chance.random() < 0.15:
            return self.leaf()
        return self.chance.choices(list(NUMBERS), list(NUMBERS.values()))[0](self, depth - 1)

    def binary(self, depth: int) -> Value:
        left, right = self.number(depth), self.number(depth)
        operator = self.operator()
        if left.known and right.known:  # what the compilers fold may not overflow
            left, right = self.small(), self.small()
        return Value(f"({left.text} {operator} {right.text})", True, left.known and right.known)

    def small(self) -> Value:
        return Value(str(self.chance.randint(-300, 300)), known=True)

    def division(self, depth: int) -> Value:
        left, right = self.number(depth), self.number(depth)
        if right.known:
            right = self.chance.choice([Value(str(self.chance.choice([1, 2, 3, 7, 10, 256])), known=True), *self.ints])
        return Value(f"({left.text} {self.chance.choice('/%')} {right.text})", True, left.known and right.known)

    def shift(self, depth: int) -> Value:
        """UNDEFINED: counts of 64 and more."""
        left, count = self.number(depth), str(self.chance.choice([0, 1, 3, 8, 31, 32, 63]))
        if left.known:
            left, count = Value(str(self.chance.randint(0, 1000)), known=True), str(self.chance.randint(0, 40))
        elif self.chance.random() < 0.5:
            count = f"({self.number(depth).text} & {self.chance.choice([7, 31, 63])})"
        return Value(f"({left.text} {self.chance.choice(['<<', '>>'])} {count})", True, left.known)

    def cast(self, depth: int) -> Value:
        kind, value = self.chance.choice(INTS), self.number(depth)
        return Value(f"({kind}){value.text if value.known else f'({value.text})'}", kind.endswith("64"))

    def negated(self, depth: int) -> Value:
        """DIFFERENCE "Negated and complemented narrow integers keep their sign": wide operands only."""
        value, operator = self.number(depth), self.chance.choice("-~")
        if not value.wide or value.known:
            value = Value(f"({self.chance.choice(['int64', 'uint64'])})({value.text})", True)
        return Value(f"({operator}{value.text})", True)

    def choice(self, depth: int) -> Value:
        one, other = self.number(depth), self.number(depth)
        return Value(f"({self.condition()} ? {one.text} : {other.text})", one.wide and other.wide)

    def block(self, depth: int) -> Value:
        name, value, more = self.name("$"), self.number(depth), self.number(depth)
        return Value(f"({{ let {name} = {value.text}; ({name} {self.operator()} {more.text}) }})", True)

    def measured(self, depth: int) -> Value:
        """DIFFERENCE "A word that is not found": strstr only compared with zero (`truth`)."""
        one, other = self.text(1), self.text(1)
        count = self.chance.randint(1, 6)
        calls = [f"strlen({one})", f"(int64)(strncmp({one}, {other}, {count}) == 0)", f"sizeof({self.leaf().text})"]
        return Value(self.chance.choice(calls))

    def swapped(self, depth: int) -> Value:
        return Value(f"bswap({self.number(depth).text})")

    def part(self, depth: int) -> Value:
        """An element of an array that is the bytes of an integer."""
        bits, value = self.chance.choice(WIDTHS[1:]), self.number(depth)
        index = self.chance.randrange(bits // 8)
        return Value(f"((uint8[{bits // 8}])((uint{bits})({value.text})))[{index}]")

    def member(self, depth: int) -> Value:
        numbers = [(name, at) for name, kinds in self.tuples for at, kind in enumerate(kinds) if kind == "int"]
        if not numbers:
            return self.leaf()
        name, at = self.chance.choice(numbers)
        return Value(f"{name}.{at}")

    # ---------------------------------------------------------------- truth

    def condition(self) -> str:
        return self.truth(2) if self.chance.random() < 0.7 else self.number(1).text

    def truth(self, depth: int) -> str:
        pick = self.chance.random()
        comparison = self.chance.choice(["==", "!=", "<", "<=", ">", ">="])
        if depth == 0 or pick < 0.5:
            below = max(depth - 1, 0)
            return f"({self.number(below).text} {comparison} {self.number(below).text})"
        if pick < 0.65:
            return f"({self.text(1)} {self.chance.choice(['==', '!='])} {self.text(1)})"
        if pick < 0.75:
            return f"({self.truth(depth - 1)} {self.chance.choice(['&&', '||', '==', '!='])} {self.truth(depth - 1)})"
        if pick < 0.82:
            return f"!{self.truth(depth - 1)}"
        if pick < 0.9:
            text, word = self.text(1), self.text(0)
            return self.chance.choice([f"strcontains({text}, {word})", f"(strstr({text}, {word}) >= 0)"])
        if pick < 0.95 and not self.comparing:
            return self.same_tuples()
        return f"({self.number(depth - 1).text} {self.chance.choice(['&&', '||'])} {self.number(depth - 1).text})"

    def same_tuples(self) -> str:
        """DIFFERENCE "A comparison of tuples within another": not within itself."""
        self.comparing = True
        one, kinds = self.tuple(1)
        text = f"({one} {self.chance.choice(['==', '!='])} {self.tuple_of(kinds)})"
        self.comparing = False
        return text

    # ---------------------------------------------------------------- texts and tuples

    def quoted(self) -> str:
        length = self.chance.choice([0, 1, 2, 3, 5, 8, 15, 16, 17, 33])
        return '"' + "".join(self.chance.choice(LETTERS) for _ in range(length)) + '"'

    def text(self, depth: int) -> str:
        pick = self.chance.random()
        if depth == 0 or pick < 0.35:
            return self.chance.choice(self.texts) if self.chance.random() < 0.6 else self.quoted()
        if pick < 0.55:
            source = self.chance.choice(self.texts) if self.chance.random() < 0.7 else self.text(0)
            return f"str({source}, {self.chance.choice(['0', '1', '2', '4', '9', '40', self.length()])})"
        if pick < 0.65:
            return f"str({self.chance.choice(self.texts)})"
        if pick < 0.8:
            return f"({self.condition()} ? {self.text(depth - 1)} : {self.text(depth - 1)})"
        return f"str_concat({self.text(0)}, {self.text(0)})"

    def length(self) -> str:
        return f"({self.chance.choice(self.ints).text} & 15)"

    def tuple(self, depth: int) -> tuple[str, tuple[str, ...]]:
        if self.tuples and self.chance.random() < 0.3:
            return self.chance.choice(self.tuples)
        kinds = tuple(self.chance.choice(["int", "int", "text", "truth"]) for _ in range(self.chance.randint(2, 4)))
        return self.tuple_of(kinds, depth), kinds

    def tuple_of(self, kinds: tuple[str, ...], depth: int = 1) -> str:
        make = {"int": lambda: self.number(depth).text, "text": lambda: self.text(0), "truth": lambda: self.truth(1)}
        return f"({', '.join(make[kind]() for kind in kinds)})"


INNER: dict[Callable[[Writer], str], int] = {
    Writer.printed_int: 5, Writer.printed_bool: 2, Writer.printed_text: 2, Writer.printed_tuple: 2, Writer.formatted: 2,
    Writer.changed: 2, Writer.aggregate: 1, Writer.new_variable: 1, Writer.branch: 1, Writer.loop: 1,
}  # fmt: skip
STATEMENTS: dict[Callable[[Writer], str], int] = {
    Writer.printed_int: 8, Writer.printed_bool: 5, Writer.printed_text: 4, Writer.printed_tuple: 3, Writer.formatted: 3,
    Writer.new_variable: 4, Writer.new_text: 2, Writer.new_tuple: 2, Writer.changed: 4, Writer.wrapped: 3,
    Writer.aggregate: 3, Writer.buckets: 1, Writer.element: 4, Writer.branch: 2, Writer.loop: 3,
}  # fmt: skip
NUMBERS: dict[Callable[[Writer, int], Value], int] = {
    Writer.binary: 8, Writer.division: 3, Writer.shift: 3, Writer.cast: 5, Writer.negated: 2, Writer.choice: 3,
    Writer.block: 1, Writer.measured: 1, Writer.swapped: 1, Writer.part: 1, Writer.member: 2,
}  # fmt: skip
