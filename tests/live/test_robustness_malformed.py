"""Malformed input of every kind ends soon, with a diagnostic and a documented exit status, and leaves nothing behind.

Needs root, since most of it is refused after the check for privileges.  The inputs are in tests/cases/malformed, and
those too large to be written down are made here.
"""

from __future__ import annotations

import ast
import os
import random
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import forked, process
from tests.harness.machine import ROOT
from tests.harness.process import Finished
from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root", "tracefs", "btf"), pytest.mark.usefixtures("nothing_remains")]

MALFORMED = ROOT / "tests" / "cases" / "malformed"
DOCUMENTED = {1, 2, 255}
LIMIT = 20.0 * SCALE
"""Seconds: generous, because the machine may be busy; all of these need a fraction of a second."""
SIGNS = re.compile(r"ERROR|error:|^USAGE|No probes to attach|^pytrace: |WARNING|expecting|Invalid|HINT", re.M)


@pytest.fixture(scope="module")
def nothing_remains() -> Iterator[None]:
    """All of the module's inputs together leave no program, link, map or trace event."""
    before = process.kernel_objects()
    yield
    left = process.left_behind(before)
    assert not left, f"left in the kernel: {sorted(left)}"


def listed(name: str) -> list[tuple[int, str]]:
    """(exit status, text) of each line of a data file."""
    lines = (MALFORMED / name).read_text().splitlines()
    rows = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(int(status), text) for status, _, text in rows]


def judge(done: Finished, *statuses: int) -> None:
    """The diagnostic, the status, the time, and neither a traceback nor a bug."""
    assert not done.timed_out, done.describe()
    assert done.status in statuses, done.describe()
    for sign in ("Traceback", "BUG:", "Exception ignored"):
        assert sign not in done.stderr, done.describe()
    assert SIGNS.search(done.stderr + done.stdout), f"no diagnostic: {done.describe()}"


@pytest.mark.parametrize(("status", "script"), listed("scripts"))
def test_script(status: int, script: str, tmp_path: Path) -> None:
    judge(forked.call(["-e", script], timeout=LIMIT, folder=tmp_path), status)


@pytest.mark.parametrize(("status", "content"), listed("files"))
def test_file(status: int, content: str, tmp_path: Path) -> None:
    path = tmp_path / "script.bt"
    path.write_bytes(ast.literal_eval(content))
    judge(forked.call([str(path)], timeout=LIMIT, folder=tmp_path), status)


@pytest.mark.parametrize(("status", "line"), listed("commands"))
def test_command(status: int, line: str, tmp_path: Path) -> None:
    words, env = shlex.split(line), {}
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    judge(forked.call(words, timeout=LIMIT, folder=tmp_path, **env), status)


def test_no_arguments(tmp_path: Path) -> None:
    judge(forked.call([], timeout=LIMIT, folder=tmp_path), 1)


# ---------------------------------------------------------------- deep nesting

DEEP = 10_000


def nested() -> dict[str, str]:
    """Every construct that nests, DEEP levels of it; open ones too."""
    n = DEEP

    def printed(before: str, middle: str = "1", after: str = "") -> str:
        return f"begin {{ print({before * n}{middle}{after * n}) }}"

    return {
        "parentheses": printed("(", "1", ")"),
        "open parentheses": "begin { print(" + "(" * n,
        "predicate": "begin /" + "(" * n + "1" + ")" * n + "/ { }",
        "blocks": "begin " + "{" * n + "}" * n,
        "open blocks": "begin " + "{" * n,
        "block expressions": printed("{ ", "1", " }"),
        "if": "begin { " + "if (1) { " * n + "}" * n + " }",
        "open if": "begin { " + "if (1) { " * n,
        "else if": "begin { if (0) { } " + "else if (0) { } " * n + " }",
        "while": "begin { " + "while (0) { " * n + "}" * n + " }",
        "unroll": "begin { " + "unroll(1) { " * n + "}" * n + " }",
        "for": "begin { " + "".join(f"for ($i{i} : 0..1) {{ " for i in range(n)) + "}" * n + " }",
        "not": printed("!"),
        "minus": printed("- "),
        "complement": printed("~"),
        "dereference": printed("*"),
        "increment": "begin { $x = 1; " + "++" * n + "$x }",
        "casts": printed("(uint64)"),
        "pointer types": "begin { print((int32 " + "*" * n + ")0) }",
        "array types": "begin { print((int32" + "[1]" * n + ")0) }",
        "tuples": printed("(1,", "1", ")"),
        "records": printed("(a=", "1", ")"),
        "indexes inside": "begin { @a[" + "@a[" * n + "1" + "]" * n + "] = 1 }",
        "indexes behind": "begin { @a" + "[1]" * n + " = 1 }",
        "open brackets": "begin { @a" + "[" * n,
        "fields": "begin { print($x" + ".a" * n + ") }",
        "arrows": "begin { print(curtask" + "->parent" * n + ") }",
        "ternaries, middle": printed("1 ? ", "1", " : 2"),
        "ternaries, right": printed("1 ? 2 : ", "3"),
        "typeof": "begin { let $x : " + "typeof(" * n + "1" + ")" * n + "; }",
        "sizeof": printed("sizeof(", "1", ")"),
        "calls": printed("str(", "1", ")"),
        "sums": printed("1 + "),
        "logical": printed("pid && "),
        "shifts": printed("1 << "),
        "string arithmetic": 'begin { $x = "a"' + " * 2" * n + " }",
        "assignments": "begin { " + "$x = " * n + "1 }",
        "structs": "struct S { " + "struct { " * n + "int x;" + " } a;" * n + " }; begin { print(sizeof(struct S)) }",
    }


def large() -> dict[str, str]:
    """Scripts that are long, or that grow when they are compiled."""
    chain = "".join(f"macro m{i}(x) {{ m{i + 1}(x) + m{i + 1}(x) }} " for i in range(40))
    grow = "".join(f"macro m{i}(x) {{ m{i + 1}(x + x) }} " for i in range(60))
    defines = "".join(f"#define A{i} A{i + 1} A{i + 1}\n" for i in range(60))
    return {
        "macros that double": chain + "macro m40(x) { x } begin { print(m0(1)) }",
        "arguments that double": grow + "macro m60(x) { x } begin { print(m0(1)) }",
        "definitions that double": defines + "begin { print(A0) }",
        "10,000 statements": "begin { " + "$x = 1;\n" * 10_000 + " exit( }",
        "500 errors": "begin { " + "print($x);\n" * 500 + " }",
        "1,000 variables": "begin { " + "".join(f"$x{i} = {i};\n" for i in range(1000)) + ' $y = "a" * 2 }',
        "1,000 maps": "begin { " + "".join(f"@x{i} = {i};\n" for i in range(1000)) + ' $y = "a" * 2 }',
        "2,000 probes": "interval:s:1 { }\n" * 2000,
        "10,000 attach points": "begin, " * 10_000 + "begin { exit( }",
        "programs without number": "tracepoint:syscalls:*, " * 5 + "tracepoint:syscalls:* { print(probe) }",
        "200 arguments": 'begin { printf("' + "%d" * 200 + '"' + ", 1" * 200 + ") }",
        "string of 100,000": 'begin { print("' + "a" * 100_000 + '") }',
        "variable of 100,000": "begin { $" + "a" * 100_000 + ' = "x" * 2 }',
        "function of 100,000": "begin { " + "a" * 100_000 + "() }",
        "100,000 digits": "begin { print(" + "9" * 100_000 + ") }",
        "100,000 hexadecimal digits": "begin { print(0x" + "f" * 100_000 + ") }",
        "exponent of 100,000 digits": "begin { print(1e" + "9" * 100_000 + ") }",
        "probe of 100,000": "tracepoint:" + "a" * 100_000 + ":b { }",
        "interval of 100,000 digits": "interval:s:" + "9" * 100_000 + " { }",
        "an unclosed comment": "/*" * DEEP,
        "a power of ten past 64 bits": "begin { print(1e99); }",
        "days past 64 bits": "begin { print(99999999999999999999d); }",
        "a sum with an unknown variable": "begin { print(1" + " + 1" * DEEP + " + $x) }",
        "400 wildcards": "tracepoint:" + "*a" * 200 + ":" + "*b" * 200 + " { }",
    }


@pytest.mark.parametrize("name", [*nested(), *large()])
def test_excess(name: str, tmp_path: Path) -> None:
    path = tmp_path / "script.bt"
    path.write_text((nested() | large())[name])
    statuses = (0, 1) if name == "structs" else (1,)  # structs are laid out one after the other, to any depth
    judge(forked.call([str(path)], timeout=LIMIT, folder=tmp_path), *statuses)


def test_deep_input_to_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "script.bt"
    path.write_text(nested()["if"])
    for options in (["--fmt"], ["-d", "ast"], ["-d", "parse"], ["-l"]):
        judge(forked.call([*options, str(path)], timeout=LIMIT, folder=tmp_path), 1)


# ---------------------------------------------------------------- truncated, shuffled, random

VALID = r"""config = { max_map_keys = 10 }
struct pair { int a; char b[4]; };
let @m = lruhash(4);
macro twice($x) { $x + $x }
tracepoint:syscalls:sys_enter_read, tracepoint:syscalls:sys_enter_write /pid == $1 && comm != "x"/ {
  $p = (struct pair *)args.buf; @m[tid, str($1)] = lhist($p->a[0], 0, 10, 1);
  for ($kv : @m) { if ($kv.0.0 > 1e3 ? 1 : 0) { break; } else { printf("%-5d %s\n", nsecs, kstack(3)); } }
}
interval:ms:100 { print((1, "a")); @ = count(); unroll(2) { @x++ } exit(3); }
"""


@pytest.mark.parametrize("end", range(3, len(VALID), 11))
def test_truncated(end: int, tmp_path: Path) -> None:
    """Cut anywhere: compiled only, since what is left may be a valid script."""
    done = forked.call(["--mode", "codegen", "-e", VALID[:end]], timeout=LIMIT, folder=tmp_path)
    if done.status != 0:
        judge(done, *DOCUMENTED)


ONE_PROBE = (
    'begin { $x = (1 + 2) * 3; @m["k", $x] = count(); if ($x > 4) { printf("%d %s\\n", $x, comm); } else { exit(); } }'
)
PIECES = 'begin { } ( ) @ $x = ; " / if 1 , [ ] -> tracepoint:'.split()


@pytest.mark.parametrize("end", range(1, len(ONE_PROBE), 6))
def test_truncated_body(end: int, tmp_path: Path) -> None:
    judge(forked.call(["-e", ONE_PROBE[:end]], timeout=LIMIT, folder=tmp_path), 1)


@pytest.mark.parametrize("seed", range(15))
def test_random_pieces(seed: int, tmp_path: Path) -> None:
    """What scripts are made of, in any order."""
    chance = random.Random(seed)
    path = tmp_path / "script.bt"
    path.write_text("".join(chance.choice([*PIECES, " "]) for _ in range(chance.randrange(2, 60))) + "{")
    judge(forked.call([str(path)], timeout=LIMIT, folder=tmp_path), *DOCUMENTED)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "script.bt"
    path.write_bytes(chance.randbytes(chance.choice((1, 10, 1000, 100_000))))
    judge(forked.call([str(path)], timeout=LIMIT, folder=tmp_path), *DOCUMENTED)


@pytest.mark.parametrize("seed", range(40))
def test_damaged(seed: int, tmp_path: Path) -> None:
    """The valid script with a few words exchanged, doubled or dropped, or bytes changed."""
    chance = random.Random(seed)
    words = re.findall(r"\s+|\w+|.", VALID)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(words))
        words[at] = chance.choice(("", words[at] * 2, chance.choice(words), chr(chance.randrange(256))))
    path = tmp_path / "script.bt"
    path.write_bytes("".join(words).encode("latin-1"))
    done = forked.call(["--mode", "codegen", str(path)], timeout=LIMIT, folder=tmp_path)
    if done.status != 0:
        judge(done, *DOCUMENTED)


def test_there_are_at_least_200() -> None:
    assert sum(len(listed(name)) for name in ("scripts", "files", "commands")) + len(nested()) + len(large()) >= 200
    assert os.geteuid() == 0
