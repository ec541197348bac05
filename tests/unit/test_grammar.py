"""What spec 01 decides about ambiguous text, spans, the shipped tables, and texts that are no scripts at all."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytrace.diagnostics import Diagnostics, ScriptError
from pytrace.grammar import ast, tables
from pytrace.grammar.dump import dump
from pytrace.grammar.literals import integer_value
from pytrace.grammar.parser import parse, parse_expression, parse_type
from pytrace.grammar.recovery import EXPECTATIONS, Expectation
from pytrace.source import Source


def script(text: str) -> ast.Script:
    return parse(Source("stdin", text), Diagnostics())


def body(text: str) -> tuple[ast.Stmt, ...]:
    (item,) = script("begin { " + text + " }").items
    assert isinstance(item, ast.Probe)
    return item.body.statements


def same(text: str, explicit: str) -> None:
    """Both texts are the same expression."""
    one, other = parse_expression(text), parse_expression(explicit)
    assert one is not None
    assert one == other


def test_tables_are_current() -> None:
    """After a change of pytrace.lark: python -m pytrace.grammar.build_tables"""
    from pytrace.grammar.build_tables import build

    assert Path(tables.__file__).read_text() == build()


def test_parsing_does_not_import_lark() -> None:
    code = "import sys; from pytrace.grammar import parser; parser.parse_expression('1'); print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# ---------------------------------------------------------------- ambiguities (spec 01 §3 notes)


@pytest.mark.parametrize(
    ("text", "explicit"),
    [
        ("(pid)*tid", "pid * tid"),
        ("(foo)*$a", "(foo)(*$a)"),
        ("(int8)$x.f", "(int8)($x.f)"),
        ("(int8) - 1", "(int8)(-1)"),
        ("(foo) + 1", "foo + 1"),
        ("(a[$i])", "a[$i]"),
        ("5 & 3 == 1", "5 & (3 == 1)"),
        ("1 << 2 + 1", "1 << (2 + 1)"),
        ("1 - 2 - 3", "(1 - 2) - 3"),
        ("a ? b : c ? d : e", "a ? b : (c ? d : e)"),
        ("a ?: b ?: c", "a ?: (b ?: c)"),
        ("a || b && c | d ^ e & f", "a || (b && (c | (d ^ (e & f))))"),
        ("-$x.y[1]", "-($x.y[1])"),
        ("a->b", "a.b"),
        ("@m[a, b]", "@m[(a, b)]"),
        ("1s + 017 + 0x1f_ff + 2e3", "1000000000 + 15 + 8191 + 2000"),
        ("a.0.1", "(a.0).1"),
        ("10 - -5", "10 - (-5)"),
        ("&&$x", "& &$x"),
    ],
)
def test_reads_as(text: str, explicit: str) -> None:
    if text == "&&$x":
        assert parse_expression(text) is None
        return
    same(text, explicit)


def test_parentheses_of_all_kinds() -> None:
    kinds = {
        "()": ast.Tuple,
        "(1,)": ast.Tuple,
        "(1, 2)": ast.Tuple,
        "(a = 1)": ast.Record,
        "(a == 1)": ast.Binary,
        "(int8)1": ast.Cast,
        "(struct foo *)1": ast.Cast,
        "(typeof(x))1": ast.Cast,
        "(1)": ast.Integer,
        "(x)": ast.Identifier,
    }
    for text, kind in kinds.items():
        assert type(parse_expression(text)) is kind, text


def test_types_in_sizeof() -> None:
    assert parse_expression("sizeof(comm)").of == parse_type("comm")  # type: ignore[union-attr]
    assert isinstance(parse_expression("sizeof((comm))").of, ast.Identifier)  # type: ignore[union-attr]
    assert isinstance(parse_expression("sizeof(comm())").of, ast.Call)  # type: ignore[union-attr]
    assert isinstance(parse_expression("sizeof(name[3])").of, ast.ArrayOf)  # type: ignore[union-attr]
    assert isinstance(parse_expression("sizeof((name)[3])").of, ast.Index)  # type: ignore[union-attr]
    assert isinstance(parse_expression("sizeof(a * 3)").of, ast.Binary)  # type: ignore[union-attr]
    assert isinstance(parse_expression("sizeof(pid)").of, ast.Identifier)  # type: ignore[union-attr]


def test_range_and_fields() -> None:
    (loop,) = body("for ($i : 1..3) { }")
    assert isinstance(loop, ast.For)
    assert isinstance(loop.iterable, ast.Range)
    assert parse_expression("args.for.let") is not None


def test_predicate_ends_before_a_brace() -> None:
    (probe,) = script("begin /10 / 2 == 5/ { }").items
    assert isinstance(probe, ast.Probe)
    assert probe.predicate == parse_expression("(10 / 2) == 5")


def test_statement_ends() -> None:
    assert len(body("if (1) { } @x = 1; { 1 } $y = 2; for ($i : 0..1) { } while (0) { } exit()")) == 7
    (item,) = script("macro m() { 1; 2 }").items
    assert isinstance(item, ast.Macro)
    assert item.body.value == parse_expression("2")


def test_the_last_if_of_a_probe_has_no_value() -> None:
    (last,) = body("if (1) { 2 }")
    assert isinstance(last, ast.ExprStmt)
    assert isinstance(last.expr, ast.If)
    assert last.expr.then.value is None


def test_attach_points() -> None:
    text = 'uprobe:/bin/a:f, kprobe:g/1/ { } t:a:"b c{" , { } BEGIN // comment\n{ }'
    points = [[p.text for p in item.attach_points] for item in script(text).items if isinstance(item, ast.Probe)]
    assert points == [["uprobe:/bin/a:f", "kprobe:g/1/"], ['t:a:"b c{"'], ["BEGIN"]]


def test_preamble() -> None:
    text = (
        "#!/usr/bin/env pytrace\n#include <a.h>\nstruct x { int a; struct { int b; } c; } __attribute__((packed))\n"
        'enum { A /* } */ };\nconfig = { a = 1; b = x; c = "s"; d = true }\nimport "y";\nbegin { }\nstruct:x { }'
    )
    tree = script(text)
    assert [d.text for d in tree.c_definitions] == [
        "#include <a.h>",
        "struct x { int a; struct { int b; } c; } __attribute__((packed));",
        "enum { A /* } */ };",
    ]
    assert tree.config is not None
    assert [(a.key, a.value) for a in tree.config.assignments] == [("a", 1), ("b", "x"), ("c", "s"), ("d", True)]
    assert tree.imports[0].path == "y"
    assert len(tree.items) == 2


# ---------------------------------------------------------------- literals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("017", 15), ("0x1F", 31), ("1_000", 1000), ("2e3", 2000), ("5ull", 5), ("1ns", 1),
        ("1d", 86400 * 10**9),
        ("18446744073709551615", 2**64 - 1), ("4294967295u", 2**32 - 1),
    ],
)  # fmt: skip
def test_integers(text: str, value: int) -> None:
    assert integer_value(text) == value


@pytest.mark.parametrize("text", ["08", "12e3", "0e1", "1e0", "1LL", "4294967296u", "9223372036854775808l", "300000d"])
def test_wrong_integers(text: str) -> None:
    assert isinstance(integer_value(text), str)


def test_string_escapes() -> None:
    assert parse_expression(r'"\n\t\r\"\\\101\x41\X4z"') == ast.String('\n\t\r"\\AA\x04z', span=script("").span)


# ---------------------------------------------------------------- spans (spec 07 §2)


def test_spans() -> None:
    text = "let $x : int8 = (int8) @m[1] + f ( 2 ) ;"
    (let,) = body(text)
    assert isinstance(let, ast.Let)
    assert let.declaration.text == "let $x"
    assert let.span.text == text[:-2]
    total = let.value
    assert isinstance(total, ast.Binary)
    assert isinstance(total.left, ast.Cast)
    assert total.left.span.text == "(int8) "
    assert total.left.expr.span.text == "@m[1]"
    assert total.right.span.text == "f ( 2 )"
    assert total.span.text == "(int8) @m[1] + f ( 2 )"


def test_spans_of_items() -> None:
    tree = script("config = { a = 1 ; } macro m ( ) { { 1 } } let @a = hash(2); begin,end { }")
    macro, declaration, probe = tree.items
    assert macro.span.text == "macro m"
    assert isinstance(macro, ast.Macro)
    assert macro.body.span.text == "{ { 1 } }"
    assert declaration.span.text == "let @a = hash(2);"
    assert probe.span.text == "begin,end"
    assert tree.config is not None
    assert tree.config.assignments[0].span.text == "a = 1"


# ---------------------------------------------------------------- messages (more of them in tests/cases/syntax)


@pytest.mark.parametrize("row", EXPECTATIONS, ids=[row.example for row in EXPECTATIONS])
def test_expectations_by_example(row: Expectation) -> None:
    with pytest.raises(ScriptError) as caught:
        script(row.example)
    first = caught.value.diagnostics.items[0]
    assert first.message == "syntax: " + (row.message or "expected ')'")
    assert first.span is not None
    assert first.span.start == row.example.rindex(" ") + 1


# ---------------------------------------------------------------- not a script


DEEP = {
    "parentheses": "begin { print(" + "(" * 10000 + "1" + ")" * 10000 + ") }",
    "open parentheses": "begin { print(" + "(" * 10000,
    "blocks": "begin " + "{" * 10000 + "}" * 10000,
    "ifs": "begin { " + "if (1) {" * 10000 + "}" * 10000 + "}",
    "else ifs": "begin { " + "if (1) { } else " * 10000 + "{ } }",
    "minus": "begin { $x = " + "- " * 10000 + "1 }",
    "a long sum": "begin { $x = " + "1 + " * 10000 + "1 }",
    "ternaries": "begin { $x = " + "1 ? 1 : " * 10000 + "1 }",
    "casts": "begin { $x = " + "(int8)" * 10000 + "1 }",
    "pointers": "begin { $x = (int8" + "*" * 10000 + ")1 }",
    "fields": "begin { $x = a" + ".a" * 10000 + " }",
    "calls": "begin { " + "f(" * 10000 + ")" * 10000 + " }",
    "predicate": "begin /" + "(" * 10000 + "1",
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_reported(name: str) -> None:
    with pytest.raises(ScriptError, match=r"nesting too deep|expected expression|expected '\)'"):
        script(DEEP[name])


def test_nesting_that_people_write_is_accepted() -> None:
    script("begin { " + "if (1) { " * 60 + "exit()" + " }" * 60 + " }")
    script("begin { print(" + " + ".join(["1"] * 200) + ") }")
    script("begin { " + "if (pid == 1) { exit() } else " * 100 + "{ } }")


def test_nesting_that_programs_write_is_accepted() -> None:
    script("begin { print(" + " + ".join(["$x"] * 3000) + ") }")
    script("begin { " + "if (pid == 1) { exit() } else " * 1500 + "{ } }")
    script("begin { " + "{ " * 3000 + "}" * 3000 + " }")


def test_messages_are_limited() -> None:
    with pytest.raises(ScriptError) as caught:
        script("begin { print(" + "(" * 400)
    assert len(caught.value.diagnostics.items) == 100


SAMPLE = """#!/usr/bin/env pytrace
#include <x.h>
struct foo { int a; };
config = { max_strlen = 64 }
import "a";
let @m = lruhash(10);
macro add($x, @m, e) { let $t : uint64 = e; $t + $x }
kprobe:f, uprobe:"/bin/a b":g /pid == 3 && (comm == "x" || arg0 > 0x1f)/ {
  @a[comm, pid] = hist(arg2); $x = ((int8)$y.f, (a = 1, b = "c\\n"), &@m, *$p);
  for ($kv : @a) { print($kv.0[1]); continue; } unroll (3) { @++ } _ = f(typeof(int8[2]));
  if ($1 > 2) { return 1 } else if comptime (sizeof(struct foo *)) { --@b[1]; } else { $q = $a ? $b : $c ?: 2 }
  /* comment */ $s <<= 2; // end
}
"""


def survives(text: str) -> None:
    """It parses, or there is a message; and what parses can be printed."""
    diagnostics = Diagnostics()
    try:
        tree = parse(Source("stdin", text), diagnostics)
    except ScriptError:
        assert diagnostics.has_errors
        assert diagnostics.render()
    else:
        dump(tree)


def test_every_truncation_survives() -> None:
    for end in range(len(SAMPLE)):
        survives(SAMPLE[:end])


def test_mutations_survive() -> None:
    generator = random.Random(1)
    for _ in range(1500):
        text = list(SAMPLE)
        splinters = ["", "(", ")", "{", "}", "$", "@", '"', "/", "\0", "\xff", "=", ";"]
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(text))
            text[at : at + generator.randint(0, 3)] = generator.choice(splinters)
        survives("".join(text))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
@example(b"$\xb9")
def test_random_bytes_survive(data: bytes) -> None:
    survives(data.decode("latin-1"))
    survives("begin { " + data.decode("latin-1"))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*tables.KEYWORDS, *tables.OPERATORS, "x", "$x", "@", "1", '"s"', "begin", " "]), max_size=30
    )
)
def test_random_tokens_survive(words: list[str]) -> None:
    survives("begin { " + " ".join(words))
    survives(" ".join(words))
    parse_expression(" ".join(words))
    parse_type(" ".join(words))


def test_huge_literals() -> None:
    for text in ("9" * 100000, "0x" + "f" * 100000, "1e" + "9" * 100000, "$" + "9" * 100000):
        with pytest.raises(ScriptError):
            script("begin { $x = " + text + " }")
    script('begin { $x = "' + "a" * 100000 + '" }')
