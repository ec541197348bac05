"""The expressions of generated programs (generated.py), by kind: integers, truth, texts, tuples.

What a newcomer would get wrong: types are not tracked but for what the listed differences ask for, whether an integer
is surely of 64 bits; everything else is right by construction (casts, and kinds that never mix).
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


class Expressions:
    """Writes expressions from the names known so far: `ints` (with whether they are wide), `texts`, `tuples` with the
    kinds of their elements, `records` (of one form)."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.ints: list[Value] = []
        self.texts: list[str] = []
        self.tuples: list[tuple[str, tuple[str, ...]]] = []
        self.records: list[str] = []
        self.counter = 0
        self.short = False

    def name(self, sigil: str) -> str:
        self.counter += 1
        return f"{sigil}{'abcdefghijklmnopqrstuvw'[self.counter % 23]}{self.counter}"

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
        if self.chance.random() < 0.2:
            text = f"(if ({self.condition()}) {{ {one.text} }} else {{ {other.text} }})"
            return Value(text, one.wide and other.wide)
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

    def letter(self, depth: int) -> Value:
        """UNDEFINED: what stands behind the end of a text."""
        text = self.chance.choice(self.texts)
        if text[0] == "$" and self.chance.random() < 0.5:
            return Value(f"{text}[0]")
        if self.chance.random() < 0.5:
            return Value(f"(str({text}, 9))[0]")
        text = self.quoted()
        return Value(f"({text})[{self.chance.randint(0, len(text) - 2)}]")

    def member(self, depth: int) -> Value:
        if self.records and self.chance.random() < 0.3:
            return Value(f"{self.chance.choice(self.records)}.n")
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
        return f"({self.number(depth - 1).text} {self.chance.choice(['&&', '||'])} {self.number(depth - 1).text})"

    def same_tuples(self) -> str:
        """DIFFERENCE "A comparison of tuples within another", DIFFERENCE "Fields of a record that is made of macros":
        these are printed at once, and hold none themselves."""
        one, kinds = self.tuple(1)
        return f"({one} {self.chance.choice(['==', '!='])} {self.tuple_of(kinds)})"

    # ---------------------------------------------------------------- texts and tuples

    def quoted(self) -> str:
        length = self.chance.choice([0, 1, 2, 3, 5, 8, 15, 16, 17, 33])
        return '"' + "".join(self.chance.choice(LETTERS) for _ in range(length)) + '"'

    def text(self, depth: int) -> str:
        """DIFFERENCE "Text that is longer than `max_strlen`": no str_concat where that is low."""
        pick = self.chance.random()
        if depth == 0 or pick < 0.35:
            return self.chance.choice(self.texts) if self.chance.random() < 0.6 else self.quoted()
        if pick < 0.55:
            source = self.chance.choice(self.texts) if self.chance.random() < 0.7 else self.text(0)
            return f"str({source}, {self.chance.choice(['1', '2', '4', '9', '40', self.length()])})"
        if pick < 0.65:
            return f"str({self.chance.choice(self.texts)})"
        if pick < 0.8:
            return f"({self.condition()} ? {self.text(depth - 1)} : {self.text(depth - 1)})"
        if self.short:
            return f"str({self.quoted()})"
        return f"str_concat({self.text(0)}, {self.text(0)})"

    def length(self) -> str:
        """UNDEFINED: a length of 0, for which the reference reads nothing into what has not been set."""
        return f"(({self.chance.choice(self.ints).text} & 15) + 1)"

    def tuple(self, depth: int) -> tuple[str, tuple[str, ...]]:
        if self.tuples and self.chance.random() < 0.3:
            return self.chance.choice(self.tuples)
        kinds = tuple(self.chance.choice(["int", "int", "text", "truth"]) for _ in range(self.chance.randint(2, 4)))
        return self.tuple_of(kinds, depth), kinds

    def tuple_of(self, kinds: tuple[str, ...], depth: int = 1) -> str:
        make = {"int": lambda: self.number(depth).text, "text": lambda: self.text(0), "truth": lambda: self.truth(1)}
        return f"({', '.join(make[kind]() for kind in kinds)})"


NUMBERS: dict[Callable[[Expressions, int], Value], int] = {
    Expressions.binary: 8,
    Expressions.division: 3,
    Expressions.shift: 3,
    Expressions.cast: 5,
    Expressions.negated: 2,
    Expressions.choice: 3,
    Expressions.block: 1,
    Expressions.measured: 1,
    Expressions.swapped: 1,
    Expressions.part: 1,
    Expressions.member: 2,
    Expressions.letter: 1,
}
