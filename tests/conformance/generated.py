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

from tests.conformance.generated_values import INTS, LARGEST, PAIRS, WIDTHS, Expressions, Value

KEYS = (("1", "2", "-3", "300"), ('"a"', '"bc"', '""', '"zzzz"'), ("1, 2", "2, 1", "0, 0", "2, 2"))


@dataclass(frozen=True)
class Program:
    """`lines` are whole statements, `options` what the command line says beside the script."""

    seed: int
    lines: tuple[str, ...]
    options: str = ""
    head: str = ""

    @property
    def text(self) -> str:
        return self.head + "begin {\n" + "".join(f"  {line}\n" for line in self.lines) + "  exit();\n}\n"


def program(seed: int) -> Program:
    """The program of a seed."""
    writer = Writer(seed)
    options = writer.chance.choice([*[""] * 7, "-f json"])
    head = writer.chance.choice([*[""] * 7, "config = { max_strlen = 64 }\n"])
    writer.short = "max_strlen" in head
    return Program(seed, tuple(writer.statements()), options, head)


class Writer(Expressions):
    """Writes one program: statements, whose expressions come from `Expressions`."""

    def __init__(self, seed: int) -> None:
        super().__init__(random.Random(seed))
        self.in_loop = 0
        self.unrolled = 0

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
            let = self.chance.choice([name, f"let {name} : {kind}"])
            lines.append(f"{let} = ({kind}){source};")
            self.ints.append(Value(name, kind.endswith("64")))
        for sigil in self.chance.sample("@$", self.chance.randint(1, 2)):
            name = self.name(sigil)
            lines.append(f"{name} = {self.quoted()};")
            self.texts.append(name)
        return lines

    def pick(self, weighted: dict[Callable[[Writer], str], int]) -> Callable[[Writer], str]:
        return self.chance.choices(list(weighted), list(weighted.values()))[0]

    def printed_int(self) -> str:
        return f"print({self.number(3).text});"

    def printed_bool(self) -> str:
        if self.chance.random() < 0.2:
            return f"print({self.same_tuples()});"
        return f"print({self.truth(3)});"

    def printed_text(self) -> str:
        return f"print({self.text(2)});"

    def printed_tuple(self) -> str:
        return f"print({self.tuple(2)[0]});"

    def formatted(self) -> str:
        formats, arguments = [], []
        for _ in range(self.chance.randint(1, 4)):
            pick = self.chance.random()
            if pick < 0.25:
                formats.append(self.chance.choice(["%s", "%8s|", "%-8s|"]))
                arguments.append(self.text(1))
            elif pick < 0.35:
                formats.append(self.chance.choice(["%s", "%10s|"]))
                arguments.append(self.chance.choice([self.tuple(1)[0], self.truth(1), self.number(1).text]))
            elif pick < 0.4:
                formats.append("%c|")
                arguments.append(f"({self.number(1).text} & 63) + 32")
            else:
                flag = self.chance.choice(["", "", "-", "0", "#", "+"])
                size = self.chance.choice(["", "", "3", "12"])
                length = self.chance.choice(["", "", "l", "ll", "h", "hh"])
                letter = self.chance.choice("ddiuuxXop")
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

    def new_record(self) -> str:
        name = self.name(self.chance.choice("$@"))
        line = f"{name} = (n={self.number(2).text}, t={self.text(0)}, b={self.truth(1)});"
        if not self.in_loop:
            self.records.append(name)
        return f"{line} print({name}); print(({name}.t, {name}.n {self.operator()} {self.leaf().text}));"

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

    def elements(self) -> str:
        """Several elements, whose values differ: what is printed is sorted by them."""
        name, kind = self.name("@"), self.chance.choice(["int64", "uint64"])
        values = self.chance.sample([-1 << 40, -300, -1, 0, 1, 127, 128, 255, 1000, 1 << 33, LARGEST], 4)
        keys = self.chance.choice(KEYS)
        lines = [f"{name}[{key}] = ({kind}){value};" for key, value in zip(keys, values, strict=True)]
        total = self.name("$")
        more = [
            f"print({name});",
            f"print({name}, {self.chance.randint(1, 5)});",
            f"print({name}, 0, {self.chance.randint(1, 9)});",
            f"print(len({name}));",
            f"{total} = (uint64)0; for ($kv : {name}) {{ {total} += $kv.1 * 3; }} print({total});",
            f"print({name}[{self.parenthesised(keys[1])}] / 2);",
            f"delete({name}, {self.parenthesised(keys[2])});",
            f"clear({name});",
        ]
        return " ".join(lines + self.chance.sample(more, self.chance.randint(1, 4)))

    def parenthesised(self, key: str) -> str:
        return f"({key})" if key in PAIRS or key[1:3] == ", " else key

    def key(self) -> str:
        known = self.chance.choice(['"k"', "7", "-7", *PAIRS])
        return self.chance.choice([known, known, self.leaf().text, f"({self.chance.choice(INTS)}){self.leaf().text}"])

    def branch(self) -> str:
        then, other = self.inner(), self.inner()
        return f"if ({self.condition()}) {{ {then} }} else {{ {other} }}"

    def loop(self) -> str:
        """DIFFERENCE "Variables of a loop inside `unroll`": no such loops."""
        if self.in_loop > 1:
            return self.printed_int()
        form = self.chance.choice(["while"] if self.unrolled else ["for", "for", "unroll", "while"])
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
        self.unrolled += form == "unroll"
        body = self.inner()
        self.unrolled -= form == "unroll"
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


INNER: dict[Callable[[Writer], str], int] = {
    Writer.printed_int: 5, Writer.printed_bool: 2, Writer.printed_text: 2, Writer.printed_tuple: 2, Writer.formatted: 2,
    Writer.changed: 2, Writer.aggregate: 1, Writer.new_variable: 1, Writer.branch: 1, Writer.loop: 1,
}  # fmt: skip
STATEMENTS: dict[Callable[[Writer], str], int] = {
    Writer.printed_int: 8, Writer.printed_bool: 5, Writer.printed_text: 4, Writer.printed_tuple: 3, Writer.formatted: 3,
    Writer.new_variable: 4, Writer.new_text: 2, Writer.new_tuple: 2, Writer.changed: 4, Writer.wrapped: 3,
    Writer.aggregate: 3, Writer.buckets: 1, Writer.element: 4, Writer.elements: 1, Writer.new_record: 1,
    Writer.branch: 2, Writer.loop: 3,
}  # fmt: skip
